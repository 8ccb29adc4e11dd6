# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs about populations of clients, against real servers that split in several ways."""

from __future__ import annotations

import random
import typing as t

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._arguments import validated, verification_options
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._proof import Proof
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Request, Sampler
from ansible_collections.gradual.canary.plugins.module_utils._terminal import Terminal
from tests.unit.servers import PATIENCE, Behaviour, Conversation, Received, Server, response

ALL = ["new_connections", "kept_alive", "cookies"]
Route = t.Callable[[Conversation, Received], tuple[str, dict[str, str]]]


def splitting(route: Route) -> Behaviour:
    """Answer with the version, and with the further headers, that a route gives."""

    def behave(conversation: Conversation) -> None:
        for request in conversation.requests():
            version, headers = route(conversation, request)
            conversation.send(response(x_version=version, **headers))
            if request.headers.get("connection") == "close":
                return

    return behave


class Splitter:
    """Chooses versions at random; `share` is the canary's and may be changed."""

    def __init__(self, share: float) -> None:
        self.share = share
        self._chance = random.Random(11)
        self._connections: dict[int, str] = {}

    def draw(self) -> str:
        return "v2" if self._chance.random() < self.share else "v1"

    def per_request(self, _conversation: Conversation, _request: Received) -> tuple[str, dict[str, str]]:
        return self.draw(), {}

    def per_connection(self, conversation: Conversation, _request: Received) -> tuple[str, dict[str, str]]:
        return self._connections.setdefault(conversation.number, self.draw()), {}

    def by_cookie(self, _conversation: Conversation, request: Received) -> tuple[str, dict[str, str]]:
        cookies = dict(each.split("=", 1) for each in request.headers.get("cookie", "").split("; ") if each)
        version = cookies.get("affinity") or self.draw()
        return version, {"set_cookie": f"affinity={version}; Path=/; HttpOnly"}


def proof(server: Server, **options: t.Any) -> Proof:
    given = {
        "url": server.url,
        "identify": {"header": "X-Version"},
        "rate": 0,
        "stable": "v1",
        "canary": "v2",
        "weight": "50",
        "profile": "quick",
        "settle_timeout": 0,
        "timeout": 60,
        **options,
    }
    return Proof(validated(verification_options(), given, "verify"))


def summary(values: dict[str, t.Any]) -> list[tuple[str, str, str | None]]:
    return [(each["population"], each["verdict"], each["diagnosis"]) for each in values["populations"]]


def test_where_every_request_follows_the_weight_all_populations_pass() -> None:
    with Server(splitting(Splitter(0.5).per_request)) as server:
        values = proof(server, populations=ALL).attempt(Terminal())
    assert summary(values) == [(each, "pass", None) for each in ALL]
    assert (values["verdict"], values["failed"]) == ("pass", False)
    assert [each["unit"] for each in values["populations"]] == ["request"] * 3


def test_new_connections_alone_are_sampled_unless_more_is_asked_for() -> None:
    with Server(splitting(Splitter(0.5).per_connection)) as server:
        values = proof(server).attempt(Terminal())
        connections = [request.connection for request in server.requests]
    assert len(connections) == len(set(connections))
    assert summary(values) == [("new_connections", "pass", None)]


def test_where_connections_follow_the_weight_clients_that_keep_theirs_do_not_pass() -> None:
    with Server(splitting(Splitter(0.5).per_connection)) as server:
        values = proof(server, populations=ALL).attempt(Terminal())
    assert summary(values) == [("new_connections", "pass", None), ("kept_alive", "fail", "kept_alive")]
    assert (values["verdict"], values["recommendation"], values["reason"]) == ("fail", "rollback", "clients_stay")
    assert values["failed"]
    assert values["msg"] == values["populations"][1]["msg"]
    assert values["populations"][1]["clients"] == 50


def test_where_a_cookie_decides_clients_that_keep_theirs_do_not_pass_and_the_cookie_is_named() -> None:
    with Server(splitting(Splitter(0.5).by_cookie)) as server:
        values = proof(server, populations=ALL).attempt(Terminal())
    assert summary(values) == [
        ("new_connections", "pass", None),
        ("kept_alive", "pass", None),
        ("cookies", "fail", "sticky"),
    ]
    assert values["populations"][2]["cookies"] == ["affinity"]
    assert "the cookie affinity keeps a client with its version" in values["msg"]


@pytest.mark.parametrize(("population", "way"), [("kept_alive", "per_connection"), ("cookies", "by_cookie")])
@pytest.mark.parametrize("weight", ["50", "100"])
def test_clients_from_before_a_change_are_seen_to_stay(population: str, way: str, weight: str) -> None:
    splitter = Splitter(0.0)
    with Server(splitting(getattr(splitter, way))) as server:
        asked = proof(server, populations=[population], clients=20, weight=weight)
        with asked.crowds() as crowds:
            crowds.arrive()
            assert len(server.requests) == 20
            splitter.share = float(weight) / 100
            values = asked.attempt(Terminal(), crowds)
    assert [each["verdict"] for each in values["populations"]] == ["pass", "fail"]
    stuck = values["populations"][1]
    assert (stuck["opened"], stuck["count"], stuck["clients"] <= 20) == ("before", 0, True)


def test_clients_from_before_a_change_that_follow_it_pass() -> None:
    splitter = Splitter(0.0)
    with Server(splitting(splitter.per_request)) as server:
        asked = proof(server, populations=ALL)
        with asked.crowds() as crowds:
            crowds.arrive()
            splitter.share = 0.5
            values = asked.attempt(Terminal(), crowds)
    assert summary(values) == [(each, "pass", None) for each in ALL]
    assert [each["opened"] for each in values["populations"][1:]] == ["before", "before"]


def test_a_connection_that_the_server_closed_meanwhile_is_no_error() -> None:
    splitter = Splitter(0.5)
    with Server(splitting(splitter.per_request)) as server:
        asked = proof(server, populations=["kept_alive"], clients=5)
        with asked.crowds() as crowds:
            crowds.arrive()
            server.hang_up()
            values = asked.attempt(Terminal(), crowds)
    assert values["populations"][1]["errors"] == 0
    assert values["verdict"] == "pass", values["msg"]


def test_an_unknown_population_is_refused_with_those_there_are() -> None:
    server = Server(splitting(Splitter(0.5).per_request))
    with server, pytest.raises(InvalidInput, match="new_connections, kept_alive, cookies"):
        proof(server, populations=["sticky"])


# The clients themselves


def sampled(server: Server, **options: t.Any) -> list[t.Any]:
    request = Request(server.url, headers=options.pop("headers", {}))
    with Sampler(request, rate=0, timeout=PATIENCE, **options) as sampler:
        return list(sampler)


def test_each_client_sends_back_its_own_cookie_beside_those_of_the_user() -> None:
    def numbered(conversation: Conversation, request: Received) -> tuple[str, dict[str, str]]:
        known = "id=" in request.headers.get("cookie", "")
        return "v1", {} if known else {"set_cookie": f"id={conversation.number}"}

    with Server(splitting(numbered)) as server:
        samples = sampled(server, clients=4, concurrency=2, limit=40, headers={"Cookie": "lang=de"})
        sent = [request.headers["cookie"] for request in sorted(server.requests, key=lambda each: each.connection)]
    assert {sample.client for sample in samples} == {0, 1, 2, 3}
    assert sorted({each for each in sent if "id=" in each}) == sorted(f"lang=de; id={number}" for number in range(4))
    assert sent.count("lang=de") == 4
    assert server.connections == 40


def test_as_many_connections_are_kept_as_there_are_clients_and_no_more_requests_are_under_way_than_allowed() -> None:
    under_way, most = 0, 0

    def slowly(conversation: Conversation) -> None:
        nonlocal under_way, most
        for _request in conversation.requests():
            with conversation.server.changed:
                under_way += 1
                most = max(most, under_way)
                conversation.server.changed.wait(0.01)
                under_way -= 1
            conversation.send(response())

    with Server(slowly) as server:
        samples = sampled(server, keep_alive=True, clients=12, concurrency=3, limit=60)
    assert server.connections == 12
    assert most <= 3
    assert {sample.client for sample in samples} == set(range(12))
    assert all(sample.error is None for sample in samples)
