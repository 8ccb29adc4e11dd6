# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts about clients that keep a connection or cookies, behind several kinds of gateways."""

from __future__ import annotations

import dataclasses
import functools
import random
import typing as t

import pytest

from ansible_collections.gradual.canary.plugins.module_utils import _clients_evidence
from ansible_collections.gradual.canary.plugins.module_utils._clients import COOKIES, KEPT_ALIVE, ClientsVerification
from tests.unit.oracles.data_planes import smooth_round_robin
from tests.unit.test_verification import answer, claim

CLIENTS = 50

Gateway = t.Callable[[int], str]


def judged(
    population: str,
    weight: str,
    gateway: Gateway,
    *,
    before: dict[int, str] | None = None,
    seed: int = 3,
    **changes: t.Any,
) -> ClientsVerification:
    """Let clients ask in a random order, each new one first, until there is a verdict."""
    chance = random.Random(seed)
    verification = ClientsVerification(population, claim(weight, settle=0, **changes), 0.0, before or {})
    for index in range(20_000):
        client = index if index < CLIENTS else chance.randrange(CLIENTS)
        sample = dataclasses.replace(answer(index), client=client)
        if verification.take(sample, gateway(client)):
            return verification
    pytest.fail("no verdict")


def per_request(share: float, seed: int = 9) -> Gateway:
    chance = random.Random(seed)
    return lambda _client: "v2" if chance.random() < share else "v1"


def per_client(share: float, seed: int = 9) -> Gateway:
    chance = random.Random(seed)
    versions = ["v2" if chance.random() < share else "v1" for _client in range(CLIENTS)]
    return lambda client: versions[client]


@pytest.mark.parametrize("weight", ["10", "50"])
def test_clients_whose_requests_follow_the_weight_pass_and_a_request_is_the_unit(weight: str) -> None:
    verification = judged(KEPT_ALIVE, weight, per_request(float(weight) / 100))
    assert (verification.verdict, verification.unit, verification.diagnosis) == ("pass", "request", None)
    assert verification.count == verification.requests.split.test.count > 200
    found = _clients_evidence.as_result(verification, [])
    assert found["interval"][0] < float(weight) / 100 < found["interval"][1]
    assert found["switches"] > 0
    assert found["msg"].startswith(f"{weight} % proven for clients that keep their connection: ")


def test_a_gateway_that_takes_turns_passes_too() -> None:
    turns = smooth_round_robin({"v1": 1, "v2": 1}, 1, random.Random(1))
    assert judged(KEPT_ALIVE, "50", lambda _client: next(turns)).verdict == "pass"


@pytest.mark.parametrize("weight", ["10", "50"])
def test_clients_that_stay_fail_although_their_share_is_right_and_a_client_is_the_unit(weight: str) -> None:
    verification = judged(KEPT_ALIVE, weight, per_client(float(weight) / 100))
    assert (verification.verdict, verification.reason, verification.diagnosis) == ("fail", "clients_stay", "kept_alive")
    assert (verification.unit, verification.count) == ("client", CLIENTS)
    assert verification.requests.sent < 4 * CLIENTS
    found = _clients_evidence.as_result(verification, [])
    assert (found["draws"], found["switches"], found["recommendation"]) == (CLIENTS, 0, "rollback")
    assert "until they connect anew" in found["msg"]


def test_clients_from_before_the_change_that_stay_are_found_after_a_few_answers() -> None:
    verification = judged(COOKIES, "50", lambda _client: "v1", before=dict.fromkeys(range(CLIENTS), "v1"))
    assert (verification.verdict, verification.diagnosis, verification.requests.sent) == ("fail", "sticky", 15)
    found = _clients_evidence.as_result(verification, ["route"])
    assert (found["count"], found["opened"]) == (0, "before")
    assert "the cookie route keeps a client with its version" in found["msg"]
    assert "from before the change" in found["msg"]


def test_with_all_traffic_moved_a_client_that_sees_the_old_version_is_enough() -> None:
    before = dict.fromkeys(range(CLIENTS), "v1")
    stuck = judged(KEPT_ALIVE, "100", lambda client: "v1" if client == 30 else "v2", before=before)
    assert (stuck.verdict, stuck.reason, stuck.diagnosis) == ("fail", "leak", "kept_alive")
    moved = judged(KEPT_ALIVE, "100", lambda _client: "v2", before=before)
    # Nothing tells that they draw with every request, so that 50 clients are 50 draws, however many requests they send.
    assert (moved.verdict, moved.unit, moved.count) == ("pass", "client", CLIENTS)


def test_another_share_for_clients_that_draw_is_the_populations_own_diagnosis() -> None:
    verification = judged(COOKIES, "50", per_request(0.3))
    assert (verification.verdict, verification.reason, verification.diagnosis) == ("fail", "split_wrong", "sticky")


def test_clients_that_stay_at_times_do_not_pass() -> None:
    for seed in range(20):
        sometimes = functools.partial(_draws_at_times, random.Random(seed), {})
        assert judged(KEPT_ALIVE, "50", sometimes, seed=seed).verdict == "fail"


def _draws_at_times(chance: random.Random, latest: dict[int, str], client: int) -> str:
    if client not in latest or chance.random() < 0.6:
        latest[client] = "v2" if chance.random() < 0.5 else "v1"
    return latest[client]


def test_errors_of_such_clients_are_errors_of_the_canary() -> None:
    verification = ClientsVerification(KEPT_ALIVE, claim("50", settle=0), 0.0, {})
    for index in range(10):
        if verification.take(dataclasses.replace(answer(index, status=500), client=index), "v2"):
            break
    assert (verification.verdict, verification.reason, verification.diagnosis) == ("fail", "gate:errors", None)


def test_answers_without_a_version_prove_nothing_about_clients() -> None:
    verification = ClientsVerification(COOKIES, claim("50"), 0.0, {})
    for index in range(200):
        if verification.take(dataclasses.replace(answer(index), client=index % CLIENTS), None):
            break
    assert (verification.verdict, verification.reason) == ("inconclusive", "unclassified")
    found = _clients_evidence.as_result(verification, [])
    assert (found["draws"], found["share"]) == (0, None)
    assert found["msg"].startswith("clients that keep their cookies: ")
