"""Benchmarks: each figure of the product beside the naive form of the same, measured in turn in one run."""
