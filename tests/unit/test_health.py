# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates on the health of a version."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._health import (
    P95_BELOW,
    PROVE,
    SCREEN,
    LatencyGates,
    RateGate,
    Rates,
    RelativeGate,
    judge,
)


def fed(gate: RateGate, event: bool) -> RateGate:
    for _turn in range(10_000):
        if gate.update(event) != "hold":
            break
    return gate


def test_a_canary_that_only_answers_errors_is_rolled_back_after_two_requests() -> None:
    gate = fed(RateGate(SCREEN, beta=1e-4), event=True)
    assert (gate.verdict, gate.n) == ("rollback", 2)


@pytest.mark.parametrize(("rates", "requests"), [(SCREEN, 480), (PROVE, 5105), (P95_BELOW, 105)])
def test_a_version_without_a_bad_answer_advances_after_so_many(rates: Rates, requests: int) -> None:
    gate = fed(RateGate(rates), event=False)
    assert (gate.verdict, gate.n) == ("advance", requests)
    assert gate.upper < rates.limit


def test_an_advance_gives_way_to_a_rollback_and_a_rollback_to_nothing() -> None:
    gate = fed(RateGate(SCREEN), event=False)
    assert gate.verdict == "advance"
    verdicts = [gate.update(event=True) for _turn in range(20)]
    assert verdicts[0] == "advance"
    assert verdicts[-1] == "rollback"
    assert gate.add(0, 1_000_000) == "rollback"


def test_one_error_neither_rolls_back_nor_proves_anything() -> None:
    gate = RateGate(SCREEN)
    assert gate.update(event=True) == "hold"
    assert gate.rate == 1.0


def test_a_gate_without_answers_holds_and_knows_nothing() -> None:
    gate = RateGate(SCREEN)
    assert (gate.verdict, gate.rate, gate.upper) == ("hold", None, 1.0)
    assert gate.add(0, 0) == "hold"


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=300), st.integers(1, 50))
def test_evidence_is_the_same_in_any_order_and_any_batches(answers: list[bool], size: int) -> None:
    one_by_one, batches = RateGate(SCREEN), RateGate(SCREEN)
    for event in answers:
        one_by_one.update(event)
    answers.sort()
    for start in range(0, len(answers), size):
        batch = answers[start : start + size]
        batches.add(sum(batch), len(batch))
    assert (one_by_one.n, one_by_one.events) == (batches.n, batches.events)
    assert one_by_one.log_e_rollback == batches.log_e_rollback
    assert one_by_one.log_e_advance == batches.log_e_advance
    assert one_by_one.upper == batches.upper


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 5000))
def test_every_bad_answer_is_evidence_against_and_every_good_one_for_a_version(events: int, others: int) -> None:
    gate, worse, better = RateGate(SCREEN), RateGate(SCREEN), RateGate(SCREEN)
    gate.add(events, events + others)
    worse.add(events + 1, events + others + 1)
    better.add(events, events + others + 1)
    assert worse.log_e_rollback > gate.log_e_rollback > better.log_e_rollback
    assert worse.log_e_advance < gate.log_e_advance < better.log_e_advance


@settings(deadline=None)
@given(
    st.sampled_from([SCREEN, PROVE, P95_BELOW]),
    st.sampled_from([0.0, 0.001, 0.02, 0.2, 0.9]),
    st.integers(1, 40),
    st.integers(0, 1000),
)
def test_a_gate_decides_at_the_very_answer_whose_evidence_suffices(
    rates: Rates, truth: float, size: int, seed: int
) -> None:
    gate, chance = RateGate(rates), random.Random(seed)
    while gate.verdict == "hold" and gate.n < 1000:
        events = sum(chance.random() < truth for _turn in range(size))
        gate.add(events, size)
        if events and gate.log_e_rollback >= -math.log(gate.beta):
            assert gate.verdict == "rollback"
        elif events < size and gate.log_e_advance >= -math.log(gate.alpha):
            assert gate.verdict == "advance"
        else:
            assert gate.verdict == "hold"


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=400))
def test_a_rollback_is_never_taken_back(answers: list[bool]) -> None:
    gate = RateGate(SCREEN)
    verdicts = [gate.update(event) for event in answers]
    if "rollback" in verdicts:
        assert set(verdicts[verdicts.index("rollback") :]) == {"rollback"}


@pytest.mark.parametrize(("events", "n"), [(-1, 5), (6, 5), (0, -1)])
def test_counters_that_run_backwards_are_refused(events: int, n: int) -> None:
    with pytest.raises(InvalidInput, match="counters that start again"):
        RateGate(SCREEN).add(events, n)


@pytest.mark.parametrize(
    "values",
    [
        (0.0, 0.01, 0.01, (0.0,)),
        (0.01, 0.001, 0.02, (0.0,)),
        (0.001, 0.01, 0.001, (0.0,)),
        (0.001, 0.01, 0.01, (0.01,)),
    ],
)
def test_rates_that_cannot_be_told_apart_are_refused(values: tuple[float, float, float, tuple[float, ...]]) -> None:
    healthy, limit, bad, good = values
    with pytest.raises(InvalidInput, match="0 < healthy < bad <= 1"):
        Rates(healthy, limit, bad, good)


def test_errors_of_the_canary_alone_are_worse_than_stable_after_five() -> None:
    gate = RelativeGate(1000)
    assert [gate.update(canary=True) for _turn in range(5)] == ["hold"] * 4 + ["rollback"]


def test_a_failure_that_both_versions_share_is_no_reason_to_roll_back() -> None:
    chance = random.Random(5)
    for _turn in range(200):
        gate = RelativeGate(1000)
        for _turn in range(300):
            gate.update(canary=chance.random() < 0.1)
        assert gate.verdict == "hold"


def test_a_canary_fifty_times_worse_than_stable_is_rolled_back_after_a_few_errors() -> None:
    chance = random.Random(6)
    share = 0.1 * 0.05 / (0.1 * 0.05 + 0.9 * 0.001)
    lengths = []
    for _turn in range(200):
        gate = RelativeGate(1000)
        while gate.verdict == "hold" and gate.errors < 1000:
            gate.update(canary=chance.random() < share)
        lengths.append(gate.errors)
    assert sum(lengths) / len(lengths) == pytest.approx(7, abs=1)


def test_fast_answers_advance_after_105_and_time_outs_roll_back_after_three() -> None:
    fast, slow = LatencyGates(), LatencyGates()
    assert [fast.update(0.02) for _turn in range(105)] == ["hold"] * 104 + ["advance"]
    assert [slow.update(math.inf) for _turn in range(3)] == ["hold"] * 2 + ["rollback"]


def test_a_latency_between_the_limits_holds() -> None:
    gates = LatencyGates(advance_below=2.0, rollback_above=5.0)
    assert {gates.update(3.0) for _turn in range(1000)} == {"hold"}


def test_limits_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(InvalidInput, match="0 < advance <= rollback"):
        LatencyGates(advance_below=5.0, rollback_above=2.0)


def healthy() -> RateGate:
    return fed(RateGate(SCREEN), event=False)


def broken() -> RateGate:
    return fed(RateGate(SCREEN), event=True)


def worse_than_stable() -> RelativeGate:
    gate = RelativeGate(1000)
    gate.add(20, 20)
    return gate


def test_all_gates_have_to_advance_to_advance() -> None:
    assert judge({"errors": healthy(), "latency_p95": healthy()}, {}).recommendation == "advance"
    health = judge({"errors": healthy(), "latency_p95": LatencyGates()}, {})
    assert (health.recommendation, health.reason) == ("hold", "gate:latency_p95")


def test_one_rollback_rolls_back_and_says_which() -> None:
    health = judge({"latency_p95": LatencyGates(), "errors": broken()}, {"errors": healthy()})
    assert (health.recommendation, health.reason) == ("rollback", "gate:errors")


def test_a_rollback_while_stable_is_bad_too_says_so() -> None:
    health = judge({"errors": broken()}, {"errors": broken()})
    assert (health.recommendation, health.reason) == ("rollback", "both_versions_bad")


def test_a_canary_several_times_worse_than_stable_is_rolled_back_below_the_absolute_limits() -> None:
    health = judge({"errors": RateGate(SCREEN)}, {}, worse_than_stable())
    assert (health.recommendation, health.reason) == ("rollback", "gate:relative")


def test_being_no_worse_than_stable_does_not_keep_a_healthy_canary_back() -> None:
    assert judge({"errors": healthy()}, {}, RelativeGate(1000)).recommendation == "advance"
