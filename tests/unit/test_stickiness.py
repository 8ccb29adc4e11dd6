# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether clients stay with their version: error rates computed exactly, and what they cost."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._stickiness import Stickiness
from tests.unit.oracles.stickiness_error_rates import outcome

ALPHA, BETA = 0.01, 1e-4


def half() -> Stickiness:
    return Stickiness({"v1": 5000, "v2": 5000}, ALPHA, BETA)


def course(q: float, share: float, seed: int, pairs: int) -> list[str]:
    """Return the answers that one client gets."""
    chance = random.Random(seed)
    answers = ["v2" if chance.random() < share else "v1"]
    for _turn in range(pairs):
        drawn = "v2" if chance.random() < share else "v1"
        answers.append(answers[-1] if chance.random() < q else drawn)
    return answers


@pytest.mark.parametrize(("weight", "pairs"), [(0.5, 60), (0.2, 40), (0.1, 40)])
def test_clients_whose_requests_follow_the_weight_are_said_to_stay_less_often_than_beta(
    weight: float, pairs: int
) -> None:
    assert outcome(weight, 0.0, alpha=ALPHA, beta=BETA, pairs=pairs).stays <= BETA


@pytest.mark.parametrize(("weight", "pairs", "q"), [(0.5, 60, 0.2), (0.5, 60, 0.4), (0.2, 40, 0.2), (0.1, 40, 0.2)])
def test_clients_that_stay_are_said_to_draw_less_often_than_alpha(weight: float, pairs: int, q: float) -> None:
    # A larger error rate is reached within the pairs that can be followed; the bound is the same for all of them.
    for alpha in (0.3, 0.1, ALPHA):
        assert outcome(weight, q, alpha=alpha, beta=BETA, pairs=pairs).draws <= alpha


@pytest.mark.parametrize(("weight", "pairs"), [(0.5, 15), (0.2, 39.0), (0.1, 88.7)])
def test_a_client_that_never_changes_is_found_after_so_many_answers_on_average(weight: float, pairs: float) -> None:
    found = outcome(weight, 1.0, alpha=ALPHA, beta=BETA, pairs=110)
    assert found.stays == pytest.approx(1)
    assert found.mean == pytest.approx(pairs, abs=0.1)


@settings(deadline=None, max_examples=60)
@given(
    weight=st.integers(1, 9999),
    share=st.floats(0, 1),
    q=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_the_evidence_is_the_ratio_of_likelihoods(weight: int, share: float, q: float, seed: int) -> None:
    weights = {"v1": (10_000 - weight) / 10_000, "v2": weight / 10_000}
    judged = Stickiness({"v1": 10_000 - weight, "v2": weight}, ALPHA, BETA)
    ratios: dict[float, float] = {0.2: 0.0, 0.5: 0.0, 1.0: 0.0}
    answers = course(q, share, seed, 300)
    for before, now in itertools.pairwise(answers):
        for each in ratios:
            likelihood = (each + (1 - each) * weights[now]) if now == before else (1 - each) * weights[now]
            ratios[each] += math.log(likelihood / weights[now]) if likelihood else -math.inf
        verdict = judged.take(before, now)
        top = max(ratios.values())
        assert judged.log_e_stays == pytest.approx(
            top + math.log(sum(math.exp(each - top) for each in ratios.values()) / 3), abs=1e-6
        )
        assert judged.log_e_draws == pytest.approx(-ratios[0.2], abs=1e-6)
        if verdict is not None:
            break
        assert judged.log_e_stays < -math.log(BETA)
        assert judged.log_e_draws < -math.log(ALPHA)


@given(st.integers(1, 9999), st.sampled_from(["v1", "v2"]))
def test_a_pair_of_independent_answers_multiplies_no_evidence_on_average(weight: int, before: str) -> None:
    weights = {"v1": 10_000 - weight, "v2": weight}
    mean = 0.0
    for now, share in weights.items():
        judged = Stickiness(weights, ALPHA, BETA)
        judged.take(before, now)
        mean += share / 10_000 * math.exp(judged.log_e_stays)
    assert mean == pytest.approx(1)


def test_requests_that_follow_the_weight_are_proven_to() -> None:
    judged, answers = half(), course(0.0, 0.5, 5, 2000)
    for before, now in itertools.pairwise(answers):
        if judged.take(before, now):
            break
    assert judged.verdict == "draws"
    assert judged.stays + judged.switches < 600


def test_where_one_version_has_all_the_weight_nothing_can_be_told() -> None:
    judged = Stickiness({"v1": 0, "v2": 10_000}, ALPHA, BETA)
    assert not judged.can_tell
    for _turn in range(1000):
        assert judged.take("v2", "v2") is None
    assert (judged.stays, judged.switches) == (0, 0)


def test_a_version_that_nobody_spoke_of_tells_nothing() -> None:
    judged = half()
    judged.take("v0", "v2")
    judged.take("v2", "v0")
    assert (judged.stays, judged.switches, judged.log_e_stays) == (0, 0, 0.0)
