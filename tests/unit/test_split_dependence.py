# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling independent answers, round robin and sticky connections apart."""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._bands import bands
from ansible_collections.gradual.canary.plugins.module_utils._dependence import dependence
from ansible_collections.gradual.canary.plugins.module_utils._split import SplitTest
from tests.unit.oracles.data_planes import independent, pinned, rotation, smooth_round_robin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEN_PERCENT = {"v1": 9000, "v2": 1000}
HALF = {"v1": 5000, "v2": 5000}
RUNS = 200


def judged(data_plane: Callable[[random.Random], Iterator[str]], weights: dict[str, int]) -> list[tuple[str, str]]:
    """Test a split until the verdict, many times; return verdicts and models."""
    found: list[tuple[str, str]] = []
    for seed in range(RUNS):
        test = SplitTest(weights, bands(weights))
        sequence = []
        for version in data_plane(random.Random(seed)):
            sequence.append(version)
            if test.update(version):
                break
        found.append((str(test.verdict), dependence(sequence, weights).model))
    return found


@pytest.mark.parametrize("canary", [5000, 2000, 1000])
def test_independent_answers_are_random_and_pass(canary: int) -> None:
    weights = {"v1": 10_000 - canary, "v2": canary}
    found = judged(lambda chance: independent(weights, chance), weights)
    assert found.count(("pass", "random")) >= 0.97 * RUNS
    assert [model for _verdict, model in found].count("clustered") <= 0.01 * RUNS


@pytest.mark.parametrize("workers", [1, 4])
def test_round_robin_passes_and_is_recognised(workers: int) -> None:
    found = judged(lambda chance: smooth_round_robin({"v1": 9, "v2": 1}, workers, chance), TEN_PERCENT)
    assert {verdict for verdict, _model in found} == {"pass"}
    assert "clustered" not in {model for _verdict, model in found}
    if workers == 1:
        assert {model for _verdict, model in found} == {"round_robin"}


@pytest.mark.parametrize(("workers", "pods"), [(1, 9), (2, 9), (1, 20)])
def test_pods_taken_in_the_order_of_their_addresses_are_turns_although_they_answer_in_long_runs(
    workers: int, pods: int
) -> None:
    # A test that happens to begin in a long run may take the other version for missing; verify asks again then.
    judgements = judged(lambda chance: rotation({"v1": pods, "v2": pods}, workers, chance), HALF)
    models = [model for verdict, model in judgements if verdict == "pass"]
    assert len(models) >= 0.5 * RUNS
    assert models.count("clustered") <= 0.05 * RUNS


@pytest.mark.parametrize("requests", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("number", [200, 1344])
def test_connections_that_stick_at_half_are_not_taken_for_turns(requests: int, number: int) -> None:
    models = [
        dependence(list(islice(pinned({"v1": 0.5, "v2": 0.5}, requests, random.Random(seed)), number)), HALF).model
        for seed in range(RUNS)
    ]
    assert models.count("round_robin") + models.count("random") <= 0.03 * RUNS


@pytest.mark.parametrize("requests", [2, 5, 10])
def test_connections_that_stick_to_a_version_are_clustered(requests: int) -> None:
    found = judged(lambda chance: pinned({"v1": 0.9, "v2": 0.1}, requests, chance), TEN_PERCENT)
    decided = [model for _verdict, model in found if model != "unknown"]
    assert decided.count("clustered") >= 0.97 * len(decided)
    # Without a hit there is nothing to tell dependence by, and the verdict is a failure anyway.
    assert {verdict for verdict, model in found if model == "unknown"} <= {"fail"}


def test_sticky_connections_never_prove_a_split_unnoticed() -> None:
    found = judged(lambda chance: pinned({"v1": 0.85, "v2": 0.15}, 5, chance), TEN_PERCENT)
    assert [verdict for verdict, _model in found].count("pass") > 0.1 * RUNS
    assert found.count(("pass", "random")) + found.count(("pass", "round_robin")) <= 0.01 * RUNS


def test_the_dispersion_tells_how_many_requests_stick_together() -> None:
    answers = list(islice(pinned({"v1": 0.9, "v2": 0.1}, 5, random.Random(1)), 20_000))
    found = dependence(answers, TEN_PERCENT)
    assert found.dispersion == pytest.approx(5, rel=0.15)


def test_independent_answers_have_a_dispersion_of_one_and_the_expected_runs() -> None:
    answers = list(islice(independent({"v1": 0.9, "v2": 0.1}, random.Random(1)), 20_000))
    found = dependence(answers, TEN_PERCENT)
    assert found.dispersion == pytest.approx(1, rel=0.15)
    assert found.runs_z == pytest.approx(0, abs=3)


@pytest.mark.parametrize("answers", [[], ["v1"] * 500, ["v1"] * 100 + ["v2"] * 4])
def test_answers_of_nearly_one_version_say_nothing(answers: list[str]) -> None:
    found = dependence(answers, TEN_PERCENT)
    assert (found.model, found.runs_z, found.dispersion) == ("unknown", None, None)


def test_the_lightest_of_three_versions_is_judged() -> None:
    weights = {"v1": 7000, "v2": 0, "v3": 3000}
    answers = list(islice(smooth_round_robin({"v1": 7, "v3": 3}, 1, random.Random(1)), 300))
    assert dependence(answers, weights).model == "round_robin"
