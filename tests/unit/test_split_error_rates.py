# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error rates that the test of a split promises, computed exactly."""

from __future__ import annotations

import random

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._bands import Band
from ansible_collections.gradual.canary.plugins.module_utils._split import SplitTest
from tests.unit.oracles.data_planes import independent
from tests.unit.oracles.split_error_rates import Split

TARGETS = {
    "50/50": Split(0.5, 0.45, 0.55),
    "80/20": Split(0.2, 0.15, 0.25),
    "90/10": Split(0.1, 0.05, 0.15),
    "90/10 quick": Split(0.1, 0.05, 0.20, alpha=0.05),
    "90/10 strict": Split(0.1, 0.07, 0.13),
    "95/5": Split(0.05, 0.025, 0.10),
    "99/1": Split(0.01, 0.005, 0.02),
}
MEANS = {
    "50/50": 1344.5,
    "80/20": 864.2,
    "90/10": 494.5,
    "90/10 quick": 187.5,
    "90/10 strict": 1358,
    "95/5": 570.2,
    "99/1": 2956.7,
}


def product(split: Split) -> SplitTest:
    weight = round(split.weight * 10_000)
    band = Band(split.low, split.high)
    weights = {"v1": 10_000 - weight, "v2": weight}
    return SplitTest(weights, {"v1": band.complement(), "v2": band}, split.alpha, split.beta)


def replayed(split: Split, answers: list[str]) -> tuple[str, int]:
    """Decide by the boundaries that the exact error rates are computed with."""
    above_low = below_high = False
    hits = 0
    for n, (version, boundary) in enumerate(zip(answers, split.boundaries, strict=False), start=1):
        hits += version == "v2"
        if hits <= boundary.fail_low or hits >= boundary.fail_high:
            return "fail", n
        above_low = above_low or hits >= boundary.above_low_edge_from
        below_high = below_high or hits <= boundary.below_high_edge_up_to
        if above_low and below_high:
            return "pass", n
    return "inconclusive", split.maximum


@pytest.mark.parametrize("name", TARGETS)
def test_the_product_decides_at_the_boundaries_that_the_error_rates_are_computed_with(name: str) -> None:
    split = TARGETS[name]
    chance = random.Random(11)
    middle = [(split.weight + split.low) / 2, (split.weight + split.high) / 2]
    seen = set()
    for truth in [split.weight, split.low, split.high, *middle, 0.0, 1.0, 2 * split.high / 1.5] * 2:
        answers = independent({"v1": 1 - truth, "v2": truth}, chance)
        test = product(split)
        sequence = []
        for version in answers:
            sequence.append(version)
            if test.update(version):
                break
        assert (test.verdict, test.count) == replayed(split, sequence)
        seen.add(test.verdict)
    assert {"pass", "fail"} <= seen


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("edge", ["low", "high"])
def test_a_share_at_an_edge_of_the_band_passes_no_more_often_than_alpha(name: str, edge: str) -> None:
    split = TARGETS[name]
    outcome = split.outcome(split.low if edge == "low" else split.high)
    assert outcome.passed + outcome.lost <= split.alpha
    # The budget is used, not left lying: a test that never passes would be safe and useless.
    assert outcome.passed >= 0.75 * split.alpha


@pytest.mark.parametrize("name", TARGETS)
def test_a_right_split_fails_no_more_often_than_beta_and_is_proven_in_few_requests(name: str) -> None:
    split = TARGETS[name]
    outcome = split.outcome(split.weight)
    assert outcome.failed + outcome.lost <= split.beta
    assert outcome.passed >= 0.99
    assert outcome.mean == pytest.approx(MEANS[name], rel=0.002)


@pytest.mark.parametrize(
    ("truth", "verdict", "mean"), [(0.0, "fail", 94), (0.02, "fail", 247), (0.2, "fail", 301), (0.9, "fail", 7)]
)
def test_a_tenth_that_is_far_off_fails_soon(truth: float, verdict: str, mean: float) -> None:
    outcome = TARGETS["90/10"].outcome(truth)
    assert verdict == "fail"
    assert outcome.failed == pytest.approx(1, abs=1e-3)
    assert outcome.mean == pytest.approx(mean, abs=1)


@pytest.mark.parametrize("truth", [0.11, 0.12])
def test_a_share_between_weight_and_edge_may_end_either_way_but_within_the_maximum(truth: float) -> None:
    split = TARGETS["90/10"]
    outcome = split.outcome(truth)
    assert outcome.passed + outcome.failed + outcome.inconclusive == pytest.approx(1, abs=1e-9)
    assert outcome.mean < split.maximum
    assert outcome.passed > 0.6
