# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequential test of a split, answer by answer."""

from __future__ import annotations

import math
import random
from itertools import repeat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._bands import PROFILES, Band, bands
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._split import SplitTest
from tests.unit.oracles.data_planes import independent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TEN_PERCENT = {"v1": 9000, "v2": 1000}


def started(weights: Mapping[str, int], beta: float = 1e-4, previous: Mapping[str, int] | None = None) -> SplitTest:
    return SplitTest(weights, bands(weights), beta=beta, previous=previous)


def finished(test: SplitTest, answers: Iterable[str]) -> SplitTest:
    for version in answers:
        if test.update(version):
            return test
    message = f"no verdict after {test.count} answers"
    raise AssertionError(message)


@pytest.mark.parametrize(
    ("canary", "beta", "requests"),
    [(5000, 1e-4, 16), (2000, 1e-4, 45), (1000, 1e-4, 94), (500, 1e-4, 193), (100, 1e-4, 985), (1000, 1e-6, 138)],
)
def test_a_route_that_is_not_applied_is_found_near_the_least_possible_number(
    canary: int, beta: float, requests: int
) -> None:
    test = finished(started({"v1": 10_000 - canary, "v2": canary}, beta), repeat("v1"))
    assert (test.verdict, test.reason, test.diagnosis, test.count) == ("fail", "split_wrong", "absent:v2", requests)
    least = math.ceil(math.log(1 / beta) / -math.log(1 - canary / 10_000))
    assert least <= requests <= 1.15 * least


def test_all_traffic_on_the_canary_instead_of_a_tenth_is_found_after_five_answers() -> None:
    test = finished(started(TEN_PERCENT), repeat("v2"))
    assert (test.verdict, test.diagnosis, test.count) == ("fail", "absent:v1", 5)


def diagnoses(weights: Mapping[str, int], truth: Mapping[str, float], previous: Mapping[str, int] | None) -> list[str]:
    chance = random.Random(7)
    tests = [finished(started(weights, previous=previous), independent(truth, chance)) for _turn in range(100)]
    return [f"{test.verdict} {test.diagnosis}" for test in tests]


def test_previous_weights_that_are_still_active_are_named() -> None:
    found = diagnoses({"v1": 8000, "v2": 2000}, {"v1": 0.9, "v2": 0.1}, previous={"v1": 9000, "v2": 1000})
    assert found.count("fail previous_weights") >= 90


def test_previous_weights_at_an_edge_of_the_band_are_named_as_previous() -> None:
    found = diagnoses(TEN_PERCENT, {"v1": 0.95, "v2": 0.05}, previous={"v1": 9500, "v2": 500})
    assert found.count("fail previous_weights") >= 80


def test_swapped_weights_are_named_once_both_versions_have_answered() -> None:
    found = diagnoses({"v1": 8000, "v2": 2000}, {"v1": 0.2, "v2": 0.8}, previous=None)
    # Seven answers of the canary alone refute 20 % before the stable version has answered.
    assert found.count("fail swapped") >= 60
    assert found.count("fail swapped") + found.count("fail absent:v1") >= 90


@pytest.mark.parametrize(("canary", "name"), [(0.045, "low:v2"), (0.165, "high:v2"), (0.4, "other")])
def test_a_share_outside_the_band_is_named_by_its_side(canary: float, name: str) -> None:
    found = diagnoses(TEN_PERCENT, {"v1": 1 - canary, "v2": canary}, previous=None)
    assert found.count(f"fail {name}") >= 80


def test_a_missing_version_of_three_is_named() -> None:
    weights = {"v1": 7000, "v2": 2000, "v3": 1000}
    found = diagnoses(weights, {"v1": 7 / 9, "v2": 2 / 9, "v3": 0.0}, previous=None)
    assert found.count("fail absent:v3") == 100


def test_three_versions_at_their_weights_pass() -> None:
    weights = {"v1": 7000, "v2": 2000, "v3": 1000}
    found = diagnoses(weights, {"v1": 0.7, "v2": 0.2, "v3": 0.1}, previous=None)
    assert found.count("pass None") >= 98


@pytest.mark.parametrize("weights", [{"v1": 10_000, "v2": 0}, {"v1": 7000, "v2": 0, "v3": 3000}])
def test_one_answer_from_a_version_without_weight_is_a_leak(weights: dict[str, int]) -> None:
    test = started(weights)
    assert test.update("v1") is None
    assert test.update("v2") == "fail"
    assert (test.reason, test.diagnosis, test.evidence().log_e_fail) == ("leak", "leak", None)
    assert test.counts["v2"] == 1


def test_one_answer_from_a_version_that_nobody_asked_for_is_a_leak() -> None:
    test = started(TEN_PERCENT)
    assert test.update("v0") == "fail"
    assert (test.reason, test.diagnosis, test.counts) == ("leak", "unknown:v0", {"v1": 0, "v2": 0, "v0": 1})


@pytest.mark.parametrize("weights", [{"v1": 0, "v2": 10_000}, {"v2": 10_000}, {"v1": 0, "v2": 10_000, "v3": 0}])
def test_all_traffic_on_one_version_is_proven_by_459_answers_in_a_row(weights: dict[str, int]) -> None:
    test = finished(started(weights), repeat("v2"))
    assert (test.verdict, test.reason, test.count) == ("pass", "equivalence_proven", 459)


def test_a_share_between_weight_and_edge_ends_inconclusive_at_the_maximum_and_may_go_on() -> None:
    # Nine answers of v1 for each of v2 prove the split; one more of v2 in a hundred keeps the test undecided for long.
    test = SplitTest(TEN_PERCENT, bands(TEN_PERCENT), maximum=100)
    answers = ["v1"] * 9 + ["v2"]
    assert finished(test, answers * 10).verdict == "inconclusive"
    assert (test.reason, test.count) == ("n_max", 100)
    test.extend(2000)
    assert finished(test, answers * 200).verdict == "pass"
    with pytest.raises(InvalidInput, match="verdict pass after"):
        test.extend(4000)


def test_error_rates_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(InvalidInput, match="alpha and beta are probabilities"):
        SplitTest(TEN_PERCENT, bands(TEN_PERCENT), alpha=0)


def test_a_version_without_a_band_is_refused() -> None:
    with pytest.raises(InvalidSplit, match="the weight of v2, 10 %, is not inside its band, None"):
        SplitTest(TEN_PERCENT, {"v1": Band(0.85, 0.95)})


def test_a_band_open_to_one_side_claims_the_other_side_only() -> None:
    test = SplitTest(TEN_PERCENT, {"v1": Band(0.0, 1.0), "v2": Band(0.0, 0.15)})
    evidence = finished(test, (["v1"] * 9 + ["v2"]) * 200).evidence()
    assert test.verdict == "pass"
    assert evidence.versions["v1"].log_e_low is None
    assert evidence.versions["v2"].log_e_low is None
    assert (evidence.versions["v2"].log_e_high or 0) >= evidence.log_threshold_pass


weights_of_any_split = (
    st.lists(st.integers(0, 100), min_size=1, max_size=4)
    .filter(any)
    .map(
        lambda parts: {
            f"v{position}": part
            for position, part in enumerate(
                [
                    *(part * 10_000 // sum(parts) for part in parts[1:]),
                    10_000 - sum(p * 10_000 // sum(parts) for p in parts[1:]),
                ]
            )
        }
    )
)


@settings(deadline=None)
@given(weights_of_any_split, st.sampled_from(sorted(PROFILES)), st.integers(0, 2**32), st.data())
def test_a_verdict_never_changes_and_later_answers_are_not_counted(
    weights: dict[str, int], profile: str, seed: int, data: st.DataObject
) -> None:
    truth = data.draw(st.sampled_from([weights, dict.fromkeys(weights, 1)]))
    test = SplitTest(weights, bands(weights, PROFILES[profile].delta), maximum=400)
    answers = independent(truth, random.Random(seed))
    finished(test, answers)
    before = (test.verdict, test.reason, test.diagnosis, test.count, test.counts, test.evidence())
    for _turn, version in zip(range(50), answers, strict=False):
        assert test.update(version) == before[0]
    assert (test.verdict, test.reason, test.diagnosis, test.count, test.counts, test.evidence()) == before


@settings(deadline=None)
@given(st.permutations(["v1"] * 40 + ["v2"] * 4 + ["v3"] * 6))
def test_the_evidence_of_a_wrong_split_depends_on_the_counts_only(answers: list[str]) -> None:
    weights = {"v1": 8000, "v2": 1000, "v3": 1000}

    def evidence(sequence: list[str]) -> float | None:
        test = SplitTest(weights, bands(weights), alpha=1e-9, beta=1e-300)
        for version in sequence:
            test.update(version)
        assert test.count == 50
        return test.evidence().log_e_fail

    assert evidence(answers) == evidence(sorted(answers))


@given(st.integers(1, 5000), st.integers(0, 2**32))
@settings(deadline=None, max_examples=50)
def test_the_names_and_the_order_of_versions_do_not_matter(canary: int, seed: int) -> None:
    weights = {"v1": 10_000 - canary, "v2": canary}
    other_weights = {"zebra": canary, "ant": 10_000 - canary}
    one, other = started(weights), started(other_weights)
    chance = random.Random(seed)
    for version in independent(weights, chance):
        verdict = one.update(version)
        assert other.update({"v1": "ant", "v2": "zebra"}[version]) == verdict
        if verdict or one.count == 1000:
            break


@given(st.integers(1, 5000), st.integers(0, 2**32), st.floats(0, 1))
@settings(deadline=None, max_examples=50)
def test_smaller_error_rates_never_decide_earlier(canary: int, seed: int, truth: float) -> None:
    weights = {"v1": 10_000 - canary, "v2": canary}
    loose = SplitTest(weights, bands(weights), alpha=0.05, beta=1e-3)
    tight = SplitTest(weights, bands(weights), alpha=0.01, beta=1e-5)
    chance = random.Random(seed)
    for version in independent({"v1": 1 - truth, "v2": truth}, chance):
        loose.update(version)
        if tight.update(version) or tight.count == 2000:
            break
    if tight.verdict in ("pass", "fail"):
        assert loose.verdict is not None
        assert loose.count <= tight.count


def test_the_evidence_keeps_within_its_analytic_limits_over_many_answers() -> None:
    test = SplitTest(TEN_PERCENT, bands(TEN_PERCENT), alpha=1e-300, beta=1e-300, maximum=20_001)
    chance = random.Random(3)
    for _turn, version in zip(range(20_000), independent({"v1": 0.87, "v2": 0.13}, chance), strict=False):
        test.update(version)
    assert test.count == 20_000
    hits, n = test.counts["v2"], test.count
    dirichlet = math.lgamma(hits + 0.5) + math.lgamma(n - hits + 0.5) - math.lgamma(n + 1) - math.log(math.pi)
    null = hits * math.log(0.1) + (n - hits) * math.log(0.9)
    log_e_fail = test.evidence().log_e_fail
    assert log_e_fail is not None
    # `other` is a lower bound of the mixture, and its prior is a tenth.
    assert log_e_fail >= dirichlet - null - math.log(10) - 1e-9
    assert log_e_fail <= hits * math.log(hits / n / 0.1) + (n - hits) * math.log((n - hits) / n / 0.9)


@settings(deadline=None)
@given(
    light=st.integers(1, 5000),
    truth=st.floats(0, 1),
    previous=st.none() | st.integers(0, 10_000),
    seed=st.integers(0, 1000),
)
def test_a_wrong_split_is_found_at_the_very_answer_whose_evidence_refutes_it(
    light: int, truth: float, previous: int | None, seed: int
) -> None:
    weights = {"v1": 10_000 - light, "v2": light}
    before = None if previous is None else {"v1": 10_000 - previous, "v2": previous}
    test, chance = started(weights, previous=before), random.Random(seed)
    for _turn in range(300):
        verdict = test.update("v2" if chance.random() < truth else "v1")
        evidence = test.evidence()
        assert evidence.log_e_fail is not None
        refuted = evidence.log_e_fail >= evidence.log_threshold_fail
        assert refuted == (verdict == "fail")
        if verdict is not None:
            return
