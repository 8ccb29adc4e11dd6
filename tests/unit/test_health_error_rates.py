# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error rates that the gates promise, computed exactly."""

from __future__ import annotations

import random

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._health import P95_BELOW, PROVE, SCREEN, RateGate, Rates
from tests.unit.oracles.gate_error_rates import Outcome, outcome, reached

ERRORS_WORSE = [0.01, 0.03, 0.1, 0.3, 1.0]
SLOW_WORSE = [0.05, 0.15, 0.5, 1.0]


def screen(truth: float) -> Outcome:
    return outcome(truth, healthy=0.001, limit=0.01, worse=ERRORS_WORSE, good=[0.0, 0.001], maximum=20_000)


def prove(truth: float) -> Outcome:
    return outcome(truth, healthy=0.001, limit=0.001, worse=ERRORS_WORSE, good=[0.0, 1e-4, 3e-4], maximum=20_000)


def p95(truth: float) -> Outcome:
    return outcome(truth, healthy=0.01, limit=0.05, worse=SLOW_WORSE, good=[0.0, 0.01, 0.025], maximum=5000)


@pytest.mark.parametrize(
    ("rates", "worse", "truths"),
    [
        (SCREEN, ERRORS_WORSE, [0.0, 0.001, 0.005, 0.01, 0.05, 0.5, 1.0]),
        (PROVE, ERRORS_WORSE, [0.0, 0.001, 0.01, 0.5]),
        (P95_BELOW, SLOW_WORSE, [0.0, 0.01, 0.025, 0.05, 0.1, 1.0]),
    ],
)
def test_the_product_decides_at_the_boundaries_that_the_error_rates_are_computed_with(
    rates: Rates, worse: list[float], truths: list[float]
) -> None:
    chance = random.Random(13)
    for truth in truths:
        gate = RateGate(rates)
        while gate.verdict == "hold" and gate.n < 6000:
            gate.update(chance.random() < truth)
            expected = "hold"
            if reached(gate.events, gate.n, rates.healthy, worse, 1e-4):
                expected = "rollback"
            elif reached(gate.events, gate.n, rates.limit, list(rates.good), 0.01):
                expected = "advance"
            assert gate.verdict == expected


def test_the_screen_lets_a_rate_at_its_limit_through_less_often_than_alpha() -> None:
    assert 0.009 < screen(0.01).advance <= 0.01
    assert screen(0.02).advance < 2e-4


def test_the_screen_rolls_a_healthy_version_back_less_often_than_beta_and_lets_it_through() -> None:
    found = screen(0.001)
    assert found.rollback <= 1e-4
    assert found.advance > 0.9999
    assert found.mean == pytest.approx(699, abs=1)


@pytest.mark.parametrize(("truth", "mean"), [(0.01, 802), (0.02, 280), (0.05, 80), (1.0, 2)])
def test_the_screen_rolls_back_the_sooner_the_worse_a_version_is(truth: float, mean: float) -> None:
    found = screen(truth)
    assert found.rollback > 0.99
    assert found.mean == pytest.approx(mean, abs=1)


def test_a_proof_lets_a_rate_at_its_limit_through_less_often_than_alpha_and_half_of_it_sometimes() -> None:
    found = prove(0.001)
    assert 0.009 < found.advance <= 0.01
    assert found.rollback <= 1e-4
    assert prove(0.0005).advance == pytest.approx(0.28, abs=0.01)


def test_a_95th_percentile_at_its_limit_advances_less_often_than_alpha() -> None:
    assert 0.009 < p95(0.05).advance <= 0.01


@pytest.mark.parametrize(("truth", "mean"), [(0.1, 78), (0.2, 27), (1.0, 3)])
def test_slow_versions_are_rolled_back_soon(truth: float, mean: float) -> None:
    found = p95(truth)
    assert found.rollback > 0.9999
    assert found.mean == pytest.approx(mean, abs=1)


def test_one_slow_answer_in_a_hundred_is_rolled_back_less_often_than_beta() -> None:
    assert p95(0.01).rollback <= 1e-4
