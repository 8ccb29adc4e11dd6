# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifying a split that is still on its way to the data plane."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._bands import bands
from ansible_collections.gradual.canary.plugins.module_utils._split_verification import (
    SplitVerification,
    attempt_alpha,
)
from tests.unit.oracles.data_planes import independent, smooth_round_robin
from tests.unit.oracles.split_error_rates import Split

TEN_PERCENT = {"v1": 9000, "v2": 1000}
SETTLE = 30.0
PER_SECOND = 200


def verified(
    weights: dict[str, int],
    before: dict[str, float],
    after: dict[str, float],
    changed_after: int,
    seed: int,
    settle_until: float = SETTLE,
) -> SplitVerification:
    """Sample 200 answers a second of a split that changes after some of them, until there is a verdict."""
    verification = SplitVerification(weights, bands(weights), settle_until=settle_until)
    chance = random.Random(seed)
    old, new = independent(before, chance), independent(after, chance)
    for sent in range(100_000):
        if verification.update(next(old if sent < changed_after else new), now=sent / PER_SECOND):
            return verification
    message = "no verdict"
    raise AssertionError(message)


STABLE_ONLY = {"v1": 1.0}
RIGHT = {"v1": 0.9, "v2": 0.1}


@settings(deadline=None)
@given(st.floats(0.0001, 0.2), st.integers(1, 3000))
def test_all_attempts_together_spend_no_more_than_alpha(alpha: float, attempts: int) -> None:
    spent = [attempt_alpha(alpha, attempt) for attempt in range(attempts)]
    assert sum(spent) <= alpha
    assert spent == sorted(spent, reverse=True)


@pytest.mark.parametrize("edge", [0.05, 0.15])
def test_a_wrong_split_passes_no_more_often_than_alpha_however_often_the_test_restarts(edge: float) -> None:
    false_pass, reached, spent = 0.0, 1.0, 0.0
    for attempt in range(6):
        alpha = attempt_alpha(0.01, attempt)
        outcome = Split(0.1, 0.05, 0.15, alpha=alpha).outcome(edge)
        false_pass += reached * outcome.passed
        reached *= outcome.failed
        spent += alpha
    # Whatever comes later can pass only with what is left of alpha.
    assert false_pass + reached * (0.01 - spent) <= 0.01


@pytest.mark.parametrize("changed_after", [0, 50, 90, 150, 250, 1000])
def test_a_split_that_takes_effect_late_passes_within_the_settle_time(changed_after: int) -> None:
    found = [verified(TEN_PERCENT, STABLE_ONLY, RIGHT, changed_after, seed) for seed in range(60)]
    assert [each.verdict for each in found].count("pass") >= 59
    assert sum(each.total for each in found) / 60 < changed_after + 1000


def test_a_split_that_never_takes_effect_fails_when_the_settle_time_is_over() -> None:
    found = verified(TEN_PERCENT, STABLE_ONLY, RIGHT, changed_after=100_000, seed=1)
    assert (found.verdict, found.test.diagnosis) == ("fail", "absent:v2")
    assert found.total / PER_SECOND == pytest.approx(SETTLE, abs=1)
    assert {attempt.diagnosis for attempt in found.failed} == {"absent:v2"}
    assert {attempt.count for attempt in found.failed} == {94}


def test_a_failed_test_counts_at_once_without_time_to_settle() -> None:
    found = verified(TEN_PERCENT, STABLE_ONLY, RIGHT, changed_after=200, seed=1, settle_until=0)
    assert (found.verdict, found.attempts, found.total) == ("fail", 1, 94)


def test_leaks_of_an_old_weight_do_not_make_a_withdrawn_version_unprovable() -> None:
    found = verified({"v1": 10_000, "v2": 0}, RIGHT, STABLE_ONLY, changed_after=400, seed=1)
    # The old tenth leaks dozens of times in the two seconds until the weight of 0 takes effect.
    assert found.attempts > 30
    assert {attempt.diagnosis for attempt in found.failed} == {"leak"}
    assert found.verdict == "pass"
    assert found.total < 400 + 3 * 459


def test_a_lasting_leak_fails() -> None:
    found = verified({"v1": 10_000, "v2": 0}, RIGHT, RIGHT, changed_after=0, seed=1)
    assert (found.verdict, found.test.reason) == ("fail", "leak")


def test_cold_round_robin_workers_that_all_start_with_stable_do_not_fail_a_right_split() -> None:
    for seed in range(20):
        verification = SplitVerification(TEN_PERCENT, bands(TEN_PERCENT), settle_until=SETTLE)
        answers = smooth_round_robin({"v1": 9, "v2": 1}, 64, random.Random(seed))
        for sent, version in enumerate(answers):
            if verification.update(version, sent / PER_SECOND):
                break
        assert verification.verdict == "pass"


def test_the_sequence_is_that_of_the_last_attempt() -> None:
    verification = SplitVerification(TEN_PERCENT, bands(TEN_PERCENT), settle_until=SETTLE)
    for _turn in range(100):
        verification.update("v1", 0.0)
    assert (verification.attempts, verification.sequence, verification.total) == (2, ["v1"] * 6, 100)


def test_an_inconclusive_attempt_may_go_on() -> None:
    verification = SplitVerification(TEN_PERCENT, bands(TEN_PERCENT), settle_until=0, maximum=20)
    answers = smooth_round_robin({"v1": 9, "v2": 1}, 1, random.Random(1))
    for version in islice(answers, 25):
        verification.update(version, 1.0)
    assert (verification.verdict, verification.total) == ("inconclusive", 20)
    verification.extend(2000)
    for version in answers:
        if verification.update(version, 1.0):
            break
    assert verification.verdict == "pass"
