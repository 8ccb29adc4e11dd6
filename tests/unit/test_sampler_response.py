# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Responses out of bytes."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._http_response import (
    MAXIMUM_HEAD,
    IncompleteError,
    ProtocolError,
    Response,
)


class Outcome(t.NamedTuple):
    """All that a response tells."""

    status: int | None
    headers: dict[str, str]
    body: bytes
    done: bool
    truncated: bool
    error: str | None


def read(pieces: t.Iterable[bytes], *, answers_head: bool = False, maximum_body: int = 1 << 20) -> Outcome:
    response = Response(answers_head=answers_head, maximum_body=maximum_body)
    error = None
    try:
        for piece in pieces:
            if response.feed(piece):
                break
        else:
            response.end()
    except (ProtocolError, IncompleteError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    return Outcome(response.status, response.headers, response.body, response.done, response.truncated, error)


def cut(data: bytes, places: t.Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


BODY = b'{"version": "v1"}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EXAMPLES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nX-Version: v1\r\n\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n" + BODY + b"and more that nobody asked for",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    CHUNKED + b'5\r\n{"ver\r\nC;name="value"\r\nsion": "v1"}\r\n0\r\nExpires: never\r\nA: b\r\n\r\n',
    CHUNKED + b"0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nX-Version: v1\r\n\r\n" + BODY,
    b"HTTP/1.1 204 No Content\r\nContent-Length: 17\r\n\r\n",
    b"HTTP/1.1 304\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-Long: one\r\n  two\r\nContent-Length: 0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
]


@settings(deadline=None)
@given(
    example=st.sampled_from(EXAMPLES),
    damage=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), max_size=2),
    length=st.integers(0, 400),
    places=st.lists(st.integers(0, 400), max_size=12),
    maximum_body=st.sampled_from([0, 5, 16, 17, 18, 1 << 20]),
    answers_head=st.booleans(),
)
def test_however_the_bytes_are_cut_the_response_is_the_same(  # the words of the strategies
    example: bytes,
    damage: list[tuple[int, bytes]],
    length: int,
    places: list[int],
    maximum_body: int,
    *,
    answers_head: bool,
) -> None:
    data = example
    for place, replacement in damage:
        data = data[:place] + replacement + data[place + len(replacement) :]
    data = data[:length]

    whole = read([data] if data else [], answers_head=answers_head, maximum_body=maximum_body)

    assert read(cut(data, places), answers_head=answers_head, maximum_body=maximum_body) == whole
    assert read(cut(data, range(len(data))), answers_head=answers_head, maximum_body=maximum_body) == whole


@settings(deadline=None)
@given(
    body=st.binary(max_size=300), sizes=st.lists(st.integers(1, 60), min_size=1), places=st.lists(st.integers(0, 900))
)
def test_a_chunked_body_arrives_as_it_was_sent(body: bytes, sizes: list[int], places: list[int]) -> None:
    data = CHUNKED
    rest = body
    for size in sizes * 301:
        if not rest:
            break
        chunk, rest = rest[:size], rest[size:]
        data += b"%X\r\n%b\r\n" % (len(chunk), chunk)
    data += b"0\r\n\r\n"

    outcome = read(cut(data, places))

    assert (outcome.body, outcome.done, outcome.error) == (body, True, None)


def test_headers_have_lower_case_names_and_their_first_value() -> None:
    outcome = read([b"HTTP/1.1 200 OK\r\nX-Version: v1\r\nx-version:v2\r\nEmpty:\r\nContent-Length: 0\r\n\r\n"])
    assert outcome.headers == {"x-version": "v1", "empty": "", "content-length": "0"}


def test_a_head_request_has_no_body_whatever_the_headers_say() -> None:
    outcome = read([b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n"], answers_head=True)
    assert (outcome.status, outcome.body, outcome.done) == (200, b"", True)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_content_has_no_body_whatever_the_headers_say(status: int) -> None:
    outcome = read([b"HTTP/1.1 %d\r\nContent-Length: 17\r\n\r\n" % status])
    assert (outcome.status, outcome.body, outcome.done) == (status, b"", True)


def test_a_head_of_exactly_the_maximum_is_read_however_it_is_cut() -> None:
    start = b"HTTP/1.1 204 No Content\r\nA: "
    head = start + b"a" * (MAXIMUM_HEAD - len(start)) + b"\r\n\r\n"
    for length in range(1, 5):
        assert read([head[:-length], head[-length:]]).status == 204
    assert read([head.replace(b"A: ", b"A: a")]).error is not None


def test_interim_responses_are_skipped() -> None:
    outcome = read([EXAMPLES[2]])
    assert (outcome.status, outcome.body, outcome.headers) == (200, b"ok", {"content-length": "2"})


def test_a_body_of_exactly_the_maximum_is_whole_and_a_longer_one_truncated() -> None:
    assert not read([EXAMPLES[0]], maximum_body=17).truncated
    outcome = read([EXAMPLES[0]], maximum_body=16)
    assert (outcome.truncated, outcome.done, outcome.body, outcome.error) == (True, True, BODY[:16], None)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX Version: v1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Version : v1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: 1\nB: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * MAXIMUM_HEAD + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
        CHUNKED + b"-1\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n",
        CHUNKED + b"1;" + b"a" * 5000 + b"\r\na\r\n0\r\n\r\n",
        CHUNKED + b"0\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
    ],
)
def test_what_is_not_http_is_a_protocol_error(data: bytes) -> None:
    assert (read([data]).error or "").startswith("ProtocolError")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        EXAMPLES[0][:-1],
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhel",
        CHUNKED + b"0\r\n",
    ],
)
def test_a_response_that_ends_too_early_is_incomplete(data: bytes) -> None:
    assert (read([data] if data else []).error or "").startswith("IncompleteError")


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (EXAMPLES[0], True),
        (EXAMPLES[3], True),
        (EXAMPLES[1], False),
        (b"HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
    ],
)
def test_a_connection_is_reusable_after_a_whole_response_that_does_not_close_it(data: bytes, *, reusable: bool) -> None:
    response = Response()
    assert response.feed(data)
    assert response.reusable is reusable
