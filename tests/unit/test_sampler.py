# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampling real servers over plain HTTP."""

from __future__ import annotations

import itertools
import os
import random
import socket
import threading
import time
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils import _sampler
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, Unreachable
from ansible_collections.gradual.canary.plugins.module_utils._http_connection import Connections
from ansible_collections.gradual.canary.plugins.module_utils._http_exchange import Address, Endpoint, Exchange
from ansible_collections.gradual.canary.plugins.module_utils._http_response import Response
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Request, Sample, Sampler, TokenBucket
from tests.unit.servers import PATIENCE, Behaviour, Conversation, Server, answering, response, silent

OK = response(b'{"version": "v1"}', x_version="v1")


def sample(request: Request, limit: int = 1, **options: t.Any) -> list[Sample]:
    options = {"rate": 0, "timeout": PATIENCE} | options
    with Sampler(request, limit=limit, **options) as sampler:
        return list(sampler)


def sample_one(behaviour: Behaviour, **options: t.Any) -> Sample:
    with Server(behaviour) as server:
        (one,) = sample(Request(server.url), **options)
        return one


# What a sample tells


def test_a_sample_tells_status_headers_body_and_times() -> None:
    one = sample_one(answering(OK))
    assert (one.index, one.status, one.error, one.path, one.connection) == (0, 200, None, "/", 0)
    assert one.headers["x-version"] == "v1"
    assert one.body == b'{"version": "v1"}'
    assert one.connect_s is not None
    assert one.first_byte_s is not None
    assert 0 < one.connect_s <= one.first_byte_s <= one.total_s


def test_an_error_status_is_an_answer_like_any_other() -> None:
    one = sample_one(answering(response(b"no", status="503 Service Unavailable")))
    assert (one.status, one.error, one.body) == (503, None, b"no")


def test_a_redirect_is_not_followed() -> None:
    with Server(answering(response(b"", status="302 Found", location="/other"))) as server:
        (one,) = sample(Request(server.url))
        assert (one.status, one.headers["location"]) == (302, "/other")
        assert [request.target for request in server.requests] == ["/"]


def test_a_cookie_is_not_sent_back() -> None:
    with Server(answering(response(b"", set_cookie="version=v1"))) as server:
        sample(Request(server.url), limit=3, concurrency=1)
        assert len(server.requests) == 3
        assert not any("cookie" in request.headers for request in server.requests)


def test_a_chunked_body_is_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    one = sample_one(answering(head, b"3\r\nver", b"\r\n4;x=y\r\nsion\r\n", b"0\r\nTrailer: t\r\n\r\n"))
    assert (one.status, one.error, one.body) == (200, None, b"version")


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    one = sample_one(answering(b"HTTP/1.1 200 OK\r\n\r\n", b"ver", b"sion"))
    assert (one.status, one.error, one.body) == (200, None, b"version")


def test_a_long_body_is_cut_at_the_maximum_and_is_no_error() -> None:
    one = sample_one(answering(response(b"x" * 300_000)), maximum_body=100_000)
    assert (one.status, one.error, one.truncated, one.body) == (200, None, True, b"x" * 100_000)


def test_an_unwanted_body_is_read_to_its_end_all_the_same() -> None:
    whole: list[bool] = []

    def behave(conversation: Conversation) -> None:
        for _request in conversation.requests():
            # Far more than the kernel buffers: sending ends only when the client reads.
            conversation.send(response(b"x" * 30_000_000))
            whole.append(True)
            return

    with Server(behave) as server:
        (one,) = sample(Request(server.url), want_body=False, maximum_body=1 << 30)
        server.wait_for(lambda: server.open == 0)
    assert (one.status, one.error, one.truncated, one.body) == (200, None, False, b"")
    assert whole == [True]


# What can go wrong


def test_a_refused_connection_is_a_sample() -> None:
    with socket.socket() as bound:
        # Bound without listening: nobody else can take the port, and connections are refused.
        bound.bind(("127.0.0.1", 0))
        samples = sample(Request(f"http://127.0.0.1:{bound.getsockname()[1]}/"), limit=3)
    assert [(one.index, one.error, one.status, one.connect_s) for one in samples] == [
        (index, "refused", None, None) for index in range(3)
    ]


def test_no_answer_in_time_is_a_timeout() -> None:
    one = sample_one(silent, timeout=0.05)
    assert (one.error, one.status, one.first_byte_s) == ("timeout", None, None)
    assert one.total_s >= 0.05


def test_an_answer_that_stops_half_way_is_a_timeout_with_its_status() -> None:
    def behave(conversation: Conversation) -> None:
        for _request in conversation.requests():
            conversation.send(OK[:-3])

    one = sample_one(behave, timeout=0.3)
    assert (one.error, one.status) == ("timeout", 200)


def test_a_connection_reset_within_the_body_is_a_reset() -> None:
    def behave(conversation: Conversation) -> None:
        for _request in conversation.requests():
            conversation.send(OK[:-3])
            conversation.reset()
            return

    assert sample_one(behave).error == "reset"


def test_a_connection_closed_within_the_body_is_incomplete() -> None:
    one = sample_one(answering(OK[:-3]))
    assert (one.error, one.status) == ("incomplete", 200)
    assert "3 bytes too early" in one.detail


def test_a_connection_closed_without_an_answer_is_incomplete() -> None:
    one = sample_one(answering())
    assert (one.error, one.status) == ("incomplete", None)


def test_garbage_is_a_protocol_error() -> None:
    one = sample_one(answering(b"220 mail.example.com ESMTP\r\n"))
    assert (one.error, one.status) == ("protocol", None)


def test_nothing_is_sent_twice_when_answers_fail() -> None:
    with Server(answering()) as server:
        samples = sample(Request(server.url), limit=20)
        assert [one.error for one in samples] == ["incomplete"] * 20
        assert len(server.requests) == 20


def test_a_name_that_does_not_resolve_fails_the_sampling_not_a_sample() -> None:
    with pytest.raises(Unreachable, match=r"cannot be resolved.*set address"):
        sample(Request("http://no..name/"))


def test_an_address_nobody_listens_on_gives_way_to_the_next_of_the_same_name() -> None:
    with Server(answering(OK)) as server, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        addresses = [Address(socket.AF_INET, address) for address in (bound.getsockname(), ("127.0.0.1", server.port))]
        connections = Connections(Endpoint("two", addresses, None, "two"), 1, 1, time.monotonic)
        exchange = Exchange(0, "/", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 0.0, 0.0, Response())
        connections.send(exchange)
        while not exchange.done:
            connections.wait(PATIENCE)
        connections.close()
        assert (exchange.error, exchange.response.status, len(server.requests)) == (None, 200, 1)


# Order, rate, concurrency


def test_samples_come_in_send_order_and_a_slow_one_does_not_stop_the_sending() -> None:
    def slow_for_the_first(conversation: Conversation) -> None:
        for request in conversation.requests():
            if request.target == "/slow":
                # Answered only when 30 later ones were sent: if sending waited for it, nobody would ever be answered.
                server.wait_for(lambda: len(server.requests) > 30)
            conversation.send(response(request.target.encode()))
            return

    paths = ["/slow", *(f"/{number}" for number in range(1, 40))]
    with Server(slow_for_the_first) as server:
        samples = sample(Request(server.url, paths=paths), limit=40, concurrency=2)
    assert [one.index for one in samples] == list(range(40))
    assert [one.body.decode() for one in samples] == paths
    assert samples[0].sent_at + samples[0].total_s > samples[1].sent_at + samples[1].total_s


def test_concurrency_is_reached_and_never_exceeded() -> None:
    together = threading.Barrier(4, timeout=PATIENCE)
    under_way: list[int] = []

    def behave(conversation: Conversation) -> None:
        for _request in conversation.requests():
            # Passed only by four requests at once.
            together.wait()
            with server.changed:
                under_way.append(len(server.requests) - len(under_way))
            conversation.send(OK)
            return

    with Server(behave) as server:
        samples = sample(Request(server.url), limit=200, concurrency=4)
    assert [one.error for one in samples] == [None] * 200
    assert max(under_way) == 4


def test_the_rate_is_an_upper_bound() -> None:
    with Server(answering(OK)) as server:
        samples = sample(Request(server.url), limit=12, rate=100, concurrency=1)
    for earlier, later in itertools.combinations(samples, 2):
        allowed = 100 * (later.sent_at - earlier.sent_at) + 1
        assert later.index - earlier.index <= allowed + 1e-6


def at_once(_rate: float) -> float:
    """Leave no gap but what the rate asks for."""
    return 0.0


@settings(deadline=None)
@given(
    rate=st.floats(0.5, 10_000),
    burst=st.integers(1, 16),
    waits=st.lists(st.floats(0, 2), min_size=1, max_size=12),
)
def test_a_token_bucket_gives_at_most_rate_times_time_plus_burst(rate: float, burst: int, waits: list[float]) -> None:
    bucket = TokenBucket(rate, burst, 100.0, at_once)
    now = 100.0
    taken: list[float] = []
    for wait in waits:
        now += wait
        while (pause := bucket.take(now)) == 0:
            taken.append(now)
        assert 0 < pause <= max(1 / rate, 1e-6) * 1.001
    for first, last in itertools.combinations_with_replacement(range(len(taken)), 2):
        assert last - first + 1 <= rate * (taken[last] - taken[first]) + burst + 1e-6


def test_a_token_bucket_gives_a_token_when_it_said_it_would() -> None:
    bucket = TokenBucket(200, 8, 0.0, at_once)
    assert bucket.take(0.0) == 0
    pause = bucket.take(0.0)
    assert pause == pytest.approx(1 / 200)
    assert bucket.take(pause) == 0


@settings(deadline=None)
@given(rate=st.floats(0.5, 10_000), burst=st.integers(1, 16), seed=st.integers(0, 1000))
def test_random_gaps_leave_the_rate_of_a_token_bucket_what_it_is_and_its_times_uneven(
    rate: float, burst: int, seed: int
) -> None:
    now = 100.0
    bucket = TokenBucket(rate, burst, now, random.Random(seed).expovariate)
    taken: list[float] = []
    while len(taken) < 60:
        pause = bucket.take(now)
        taken += [now] if pause == 0 else []
        now += pause
    for first, last in itertools.combinations_with_replacement(range(len(taken)), 2):
        assert last - first + 1 <= rate * (taken[last] - taken[first]) + burst + 1e-6
    assert max(later - earlier for earlier, later in itertools.pairwise(taken)) > 1.5 / rate


@pytest.mark.parametrize(("name", "maximum"), [("_MAXIMUM_WAITING", 6), ("_MAXIMUM_HELD", 5 * 1000)])
def test_sending_stops_when_too_much_waits_for_a_slow_answer(
    name: str, maximum: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never_the_first(conversation: Conversation) -> None:
        for request in conversation.requests():
            if request.target != "/first":
                conversation.send(response(b"x" * 1000))
                return

    monkeypatch.setattr(_sampler, name, maximum)
    paths = ["/first", *["/later"] * 199]
    with (
        Server(never_the_first) as server,
        Sampler(Request(server.url, paths=paths), rate=0, concurrency=2, timeout=1, limit=200) as sampler,
    ):
        assert next(iter(sampler)).error == "timeout"
        # The first, the five that fill the limit, and one that was under way.
        assert 6 <= sampler.sent <= 7


# Stopping


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def test_closing_cancels_what_is_under_way_and_leaves_no_file_open() -> None:
    with Server(silent) as server:
        before = open_files()
        sampler = Sampler(Request(server.url), rate=0, concurrency=5, timeout=0.2)
        iterator = iter(sampler)
        assert next(iterator).error == "timeout"
        sampler.close()
        assert list(iterator) == []
        server.wait_for(lambda: open_files() == before)
        assert server.open == 0


def test_leaving_the_loop_closes_everything() -> None:
    with Server(answering(OK)) as server:
        before = open_files()
        for one in Sampler(Request(server.url), rate=0, concurrency=4):
            if one.index == 10:
                break
        server.wait_for(lambda: open_files() == before)
        # Sent ahead, at most: the 16 given out at once, and concurrency.
        assert 11 <= len(server.requests) <= 11 + 16 + 4


def test_nothing_is_sent_before_the_first_sample_is_asked_for() -> None:
    with Server(answering(OK)) as server, Sampler(Request(server.url)) as sampler:
        iter(sampler)
        assert (sampler.sent, server.connections) == (0, 0)


def test_after_stop_sending_everything_sent_is_given_out() -> None:
    with Server(answering(OK)) as server, Sampler(Request(server.url), rate=0, concurrency=4) as sampler:
        indexes = []
        for one in sampler:
            assert one.error is None
            indexes.append(one.index)
            sampler.stop_sending()
        assert indexes == list(range(sampler.sent))
        assert len(server.requests) == sampler.sent


# Kept connections


def test_a_kept_connection_carries_as_many_requests_as_asked() -> None:
    with Server(answering(OK)) as server:
        options = {"keep_alive": True, "requests_per_connection": 5, "concurrency": 1}
        samples = sample(Request(server.url), limit=20, **options)
        assert [(one.error, one.connection) for one in samples] == [
            (None, number) for number in range(4) for _turn in "12345"
        ]
        assert [request.connection for request in server.requests] == [one.connection for one in samples]
        assert all(request.headers["connection"] == "keep-alive" for request in server.requests)


def test_kept_connections_are_all_used_however_fast_the_answers_are() -> None:
    with Server(answering(OK)) as server:
        samples = sample(Request(server.url), limit=30, keep_alive=True, concurrency=3, rate=500)
        assert [one.error for one in samples] == [None] * 30
        assert {one.connection for one in samples} == {0, 1, 2}
        assert server.connections == 3


def test_without_keep_alive_every_sample_has_its_own_connection() -> None:
    with Server(answering(OK)) as server:
        samples = sample(Request(server.url), limit=10)
        assert {one.connection for one in samples} == set(range(10))
        assert server.connections == 10
        assert all(request.headers["connection"] == "close" for request in server.requests)


def test_a_connection_that_the_server_does_not_keep_is_replaced() -> None:
    with Server(answering(response(b"ok", connection="close"))) as server:
        samples = sample(Request(server.url), limit=6, keep_alive=True, concurrency=1)
        assert [(one.error, one.connection) for one in samples] == [(None, number) for number in range(6)]
        assert server.connections == 6


# What is sent


def test_host_headers_and_body_arrive_as_asked() -> None:
    with Server(answering(OK)) as server:
        request = Request(
            server.url, method="POST", host="shop.example.com:8080", headers={"X-Canary": "yes"}, body='{"a": "ä"}'
        )
        sample(request)
        (received,) = server.requests
    assert (received.method, received.target, received.body) == ("POST", "/", '{"a": "ä"}'.encode())
    assert received.headers["host"] == "shop.example.com:8080"
    assert received.headers["x-canary"] == "yes"


def test_a_request_larger_than_the_socket_takes_at_once_arrives_whole() -> None:
    body = bytes(range(256)) * 40_000
    with Server(answering(OK)) as server:
        (one,) = sample(Request(server.url, method="PUT", body=body))
        assert (one.status, one.error) == (200, None)
        assert server.requests[0].body == body


def test_an_address_is_connected_to_instead_of_the_url() -> None:
    with Server(answering(OK)) as server:
        (one,) = sample(Request("http://shop.example.com:8080/cart?id=1#top", address=server.address))
        (received,) = server.requests
    assert one.status == 200
    assert (received.headers["host"], received.target) == ("shop.example.com:8080", "/cart?id=1")


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="this machine has no IPv6")
def test_an_ipv6_literal_is_connected_to() -> None:
    with Server(answering(OK), host="::1") as server:
        (one,) = sample(Request(server.url))
        assert (one.status, server.requests[0].headers["host"]) == (200, f"[::1]:{server.port}")


def test_paths_take_turns() -> None:
    with Server(answering(OK)) as server:
        samples = sample(Request(server.url, paths=["/a", "/b?x=1", "/ä"]), limit=7, concurrency=1)
        expected = ["/a", "/b?x=1", "/%C3%A4"] * 2 + ["/a"]
        assert [one.path for one in samples] == expected
        assert [request.target for request in server.requests] == expected


def test_unique_queries_and_headers_never_repeat() -> None:
    with Server(answering(OK)) as server:
        request = Request(server.url, paths=["/a", "/b?x=1"], unique_query=True, unique_header="X-Request-Id")
        for _run in range(2):
            sample(request, limit=10)
        sample(Request(server.url, paths=["/a"], unique_query=True), limit=10)
        targets = {received.target for received in server.requests}
        identities = [received.headers["x-request-id"] for received in server.requests[:20]]
    assert len(targets) == 30
    assert len(set(identities)) == 20
    assert {target.partition("canary_sample=")[0] for target in targets} == {"/a?", "/b?x=1&"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "ftp://shop"}, "must begin with http:// or https://"),
        ({"url": "shop.example.com"}, "must begin with http:// or https://"),
        ({"url": "http:///path"}, "has no host name"),
        ({"url": "http://shop:99999/"}, "is not a URL"),
        ({"url": "http://me:secret@shop/"}, "put them into the header Authorization"),
        ({"url": "http://shop/\r\nX: y"}, "control characters"),
        ({"method": "CONNECT"}, "'CONNECT' cannot be sampled; use one of GET, HEAD"),
        ({"method": "get"}, "'get' cannot be sampled"),
        ({"headers": {"Content-Length": "3"}}, "Content-Length in headers is set by the sampler"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "value of header X-A has control characters"),
        ({"headers": {"X A": "b"}}, "not the name of a header"),
        ({"headers": {"X-A": "b", "x-a": "c"}}, "given twice"),
        ({"headers": {"Host": "a"}, "host": "b"}, "give one of them"),
        ({"host": "a b\r\n"}, "must be host, host:port"),
        ({"address": "::1:80"}, r"must be host, host:port, \[IPv6\]"),
        ({"address": "shop:0"}, "must be host, host:port"),
        ({"paths": ["cart"]}, "must begin with /"),
        ({"unique_header": "X: y"}, "not the name of a header"),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused_with_its_reason(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Request(**{"url": "http://shop/"} | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency is 0; it must be 1 or more"),
        ({"rate": -1}, "rate is -1"),
        ({"timeout": 0}, "timeout is 0"),
        ({"requests_per_connection": 5}, "requests_per_connection needs keep_alive"),
    ],
)
def test_a_sampler_that_cannot_work_is_refused_with_its_reason(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Sampler(Request("http://shop/"), **options)
