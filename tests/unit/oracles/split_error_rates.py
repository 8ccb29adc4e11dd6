# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact error rates and length of the test of a split between two versions, without sampling.

Everything is computed from the formulas once more, in another form than the product has them: the verdict is a matter
of how many of n answers came from the canary, so each rule is a boundary for every n, and the probability of every
(n, hits) follows from that of (n - 1, ...).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

NEGLIGIBLE = 1e-15


@dataclass(frozen=True)
class Outcome:
    """Probabilities of the verdicts, and the mean number of answers. `lost` was too improbable to be followed."""

    passed: float
    failed: float
    inconclusive: float
    mean: float
    lost: float


@dataclass(frozen=True)
class Boundaries:
    """What n answers of which s came from the canary prove: fail for s <= fail_low or s >= fail_high."""

    above_low_edge_from: int
    below_high_edge_up_to: int
    fail_low: int
    fail_high: int


@dataclass(frozen=True)
class Split:
    """A test of the canary's share: weight and band are fractions of at most one half."""

    weight: float
    low: float
    high: float
    alpha: float = 0.01
    beta: float = 1e-4

    @property
    def maximum(self) -> int:
        w = self.weight
        smallest = min(w * math.log(w / e) + (1 - w) * math.log((1 - w) / (1 - e)) for e in (self.low, self.high))
        return math.ceil(5 * math.log(1 / self.alpha) / smallest)

    def refuted(self, n: int, s: int) -> bool:
        """Say whether the mixture of alternatives reaches 1 / beta."""
        w = self.weight
        # (prior, share of the canary) of what a wrong split looks like
        absent = [0.0, 1.0] if w == 0.5 else [0.0]
        others = [self.low, self.high] if w == 0.5 else [1.0, self.low, self.high, 1 - w]
        mixture = [(0.5 / len(absent), q) for q in absent] + [(0.5 / (len(others) + 1), q) for q in others]
        null = s * math.log(w) + (n - s) * math.log(1 - w)
        logs = []
        for prior, q in mixture:
            if (q == 0 and s) or (q == 1 and s < n):
                continue
            hits = s * math.log(q) if s else 0.0
            misses = (n - s) * math.log(1 - q) if s < n else 0.0
            logs.append(math.log(prior) + hits + misses - null)
        dirichlet = math.lgamma(s + 0.5) + math.lgamma(n - s + 0.5) - math.lgamma(n + 1) - math.log(math.pi)
        logs.append(math.log(0.5 / (len(others) + 1)) + dirichlet - null)
        top = max(logs)
        # The sum of five shares of 1/10 is a power of ten now and then: do not let the last bit decide.
        return top + math.log(math.fsum(math.exp(term - top) for term in logs)) >= math.log(1 / self.beta) - 1e-9

    @cached_property
    def boundaries(self) -> list[Boundaries]:
        """The boundaries for n = 1, 2, .. up to the maximum."""
        w, threshold = self.weight, math.log(1 / self.alpha)
        found = []
        fail_low, fail_high = -1, 1
        for n in range(1, self.maximum + 1):
            middle = round(n * w)
            while fail_low + 1 < middle and self.refuted(n, fail_low + 1):
                fail_low += 1
            while fail_low >= 0 and not self.refuted(n, fail_low):
                fail_low -= 1
            while fail_high <= n and not self.refuted(n, fail_high):
                fail_high += 1
            while fail_high - 1 > middle and fail_high - 1 <= n and self.refuted(n, fail_high - 1):
                fail_high -= 1

            def line(edge: float, n: int = n) -> float:
                miss = math.log((1 - w) / (1 - edge))
                return (threshold - n * miss) / (math.log(w / edge) - miss)

            found.append(
                Boundaries(
                    above_low_edge_from=math.ceil(line(self.low) - 1e-9),
                    below_high_edge_up_to=math.floor(line(self.high) + 1e-9),
                    fail_low=fail_low,
                    fail_high=fail_high,
                ),
            )
        return found

    def outcome(self, truth: float) -> Outcome:
        """Follow every number of hits, and which edges were excluded so far, when the canary's share is `truth`."""
        # Probability of `start + i` hits: no edge excluded yet, the low one, the high one.
        nothing, low, high = [1.0], [0.0], [0.0]
        start = 0
        passed = failed = mean = lost = 0.0
        for n, boundary in enumerate(self.boundaries, start=1):
            nothing, low, high = (_step(masses, truth) for masses in (nothing, low, high))
            size = len(nothing)
            below = _within(boundary.fail_low + 1 - start, size)
            above = _within(boundary.fail_high - start, size)
            ended = 0.0
            for masses in (nothing, low, high):
                ended += math.fsum(masses[:below]) + math.fsum(masses[above:])
                masses[:below] = [0.0] * below
                masses[above:] = [0.0] * (size - above)
            failed += ended
            from_low = _within(boundary.above_low_edge_from - start, size)
            to_high = _within(boundary.below_high_edge_up_to + 1 - start, size)
            proven = math.fsum(low[:to_high]) + math.fsum(high[from_low:]) + math.fsum(nothing[from_low:to_high])
            low[:to_high] = [0.0] * to_high
            high[from_low:] = [0.0] * (size - from_low)
            for i in range(from_low, size):
                if i >= to_high:
                    low[i] += nothing[i]
                nothing[i] = 0.0
            for i in range(min(to_high, from_low)):
                high[i] += nothing[i]
                nothing[i] = 0.0
            passed += proven
            mean += n * (ended + proven)

            totals = [sum(cell) for cell in zip(nothing, low, high, strict=True)]
            first, last = 0, size
            while first < last and totals[first] < NEGLIGIBLE:
                lost += totals[first]
                first += 1
            while last > first and totals[last - 1] < NEGLIGIBLE:
                lost += totals[last - 1]
                last -= 1
            if first == last:
                return Outcome(passed, failed, 0.0, mean, lost)
            nothing, low, high = nothing[first:last], low[first:last], high[first:last]
            start += first
        rest = math.fsum(nothing) + math.fsum(low) + math.fsum(high)
        return Outcome(passed, failed, rest, mean + self.maximum * rest, lost)


def _within(position: int, size: int) -> int:
    return max(0, min(size, position))


def _step(masses: list[float], truth: float) -> list[float]:
    rest = 1 - truth
    return [miss * rest + hit * truth for miss, hit in zip([*masses, 0.0], [0.0, *masses], strict=True)]
