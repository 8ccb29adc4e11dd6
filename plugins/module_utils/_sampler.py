# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of what clients get over HTTP/1.1, in send order. Private to the gradual.canary collection.

A new connection for every sample, no cookies, no redirects, no retries: a reused connection can stick to one pod, a
cookie to one version, and a retry hides an error. Clients that do keep one of these are sampled when asked for. Answers
are given out in the order of their requests, since the order of arrival favours the faster version.
"""

from __future__ import annotations

import collections
import dataclasses
import random
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cookies import Visitors
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._http_connection import Connections
from ansible_collections.gradual.canary.plugins.module_utils._http_exchange import Endpoint, Exchange, resolve
from ansible_collections.gradual.canary.plugins.module_utils._http_request import Request
from ansible_collections.gradual.canary.plugins.module_utils._http_response import Response
from ansible_collections.gradual.canary.plugins.module_utils._tls import Tls

__all__ = ["Request", "Sample", "Sampler", "Tls", "TokenBucket"]

_MAXIMUM_WAITING = 4096
"""Samples that may wait for a slower one before them; then no more are sent."""

_MAXIMUM_HELD = 64 << 20
"""Bytes of body that may wait for a slower sample; then no more are sent."""

_COMMITS_AT_ONCE = 16
"""Samples given out before the sockets are looked at again, so that the consumer's work does not count as latency."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One request and what came of it.

    index: place in the send order, from 0.
    sent_at: seconds on the sampler's clock, when the connection (or on a reused connection the request) began.
    status: None when no response head arrived.
    error: None for a complete answer, else ``refused``, ``unreachable``, ``timeout``, ``reset``, ``incomplete`` (closed
        too early), ``tls``, ``protocol`` (not HTTP/1.1) or ``failed``; ``detail`` says more. The status may be known.
    headers: by lower-case name, the first value of each.
    body: empty unless the sampler was asked for bodies; ``truncated`` when it was longer than the maximum.
    connect_s: until the connection was ready for the request, TLS included; None when it never was.
    first_byte_s, total_s: until the first byte and the end of the answer (or the error). All three in seconds from
        ``sent_at``.
    path: with query, as sent.
    connection: number of the connection, from 0.
    client: number of the client that asked, from 0: of its cookies, or else of its connection.
    """

    index: int
    sent_at: float
    status: int | None
    error: str | None
    detail: str
    headers: t.Mapping[str, str]
    body: bytes
    truncated: bool
    connect_s: float | None
    first_byte_s: float | None
    total_s: float
    path: str
    connection: int
    client: int = -1


_DENSER: t.Final = 1.3
"""Random gaps of the mean that the rate asks for would give 189 a second of 200, and 172 with the kernel's timers; with
these it is 200, and three in ten gaps are even (simulated for a burst of 8)."""


class TokenBucket:
    """Leave to send: in any t seconds at most ``rate * t + burst`` times, and no burst at the beginning.

    Leave is given at random times, as independent users come: requests at even intervals fall into step with a gateway
    that takes turns while other traffic is even, too, and then see a share that nobody else sees.

    gap: gives the seconds that pass at least until the next time, for a rate.
    """

    __slots__ = ("_burst", "_gap", "_next", "_rate", "_tokens", "_updated")

    def __init__(
        self, rate: float, burst: int, now: float, gap: t.Callable[[float], float] = random.expovariate
    ) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._gap = gap
        self._tokens = 1.0
        self._updated = now
        self._next = now

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        if now < self._next:
            return self._next - now
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            self._next = now + self._gap(self._rate * _DENSER)
            return 0.0
        # Never 0: that means taken.
        return max((1.0 - self._tokens) / self._rate, 1e-6)


class Sampler:
    """Sends requests and gives out a Sample for each, in send order, as long as it is iterated.

    rate: requests per second at most; 0 or None for no limit.
    concurrency: requests under way at most.
    timeout: seconds for one request, from the beginning of the connection to the end of the answer.
    maximum_body: bytes of an answer's body that are read; more is not an error, but ``truncated`` and the connection
        is closed, which a gateway may log as aborted by the client.
    want_body: give out bodies; they are read either way, so that no request looks aborted.
    keep_alive: keep connections open and send each request over any that is idle; ``requests_per_connection`` of them
        on each, None for as many as the server allows. A request lost to a server that closes the kept connection at
        that moment counts as an error.
    clients: how many there are, at least as many as ``concurrency``. With ``keep_alive`` each is one connection;
        without it each keeps the cookies that it is given, on new connections, and None is for clients without cookies.
    limit: requests to send in all; None until the consumer stops.

    Only one thread may use it, and it can be iterated once: keep the iterator to go on after a pause. Iterating raises
    Unreachable (host name), UntrustedCertificate and LocalLimit; everything else that goes wrong is in the samples.
    """

    def __init__(
        self,
        request: Request,
        *,
        tls: Tls | None = None,
        rate: float | None = 200.0,
        concurrency: int = 8,
        timeout: float = 10.0,
        maximum_body: int = 1 << 20,
        want_body: bool = True,
        keep_alive: bool = False,
        clients: int | None = None,
        requests_per_connection: int | None = None,
        limit: int | None = None,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        _at_least(0, rate=rate, maximum_body=maximum_body, limit=limit)
        _at_least(1, concurrency=concurrency, requests_per_connection=requests_per_connection, clients=clients)
        if timeout <= 0:
            message = f"timeout is {timeout:g}; it must be more than 0 seconds"
            raise InvalidInput(message)
        if requests_per_connection is not None and not keep_alive:
            message = "requests_per_connection needs keep_alive; without it every request has its own connection"
            raise InvalidInput(message)
        self._request = request
        self._tls = (tls or Tls()).context() if request.tls else None
        self._rate = rate
        self._concurrency = concurrency if clients is None else min(concurrency, clients)
        self._most_connections = clients if keep_alive and clients else self._concurrency
        self._visitors = Visitors(clients) if clients and not keep_alive else None
        # A client's next request waits for its answer before.
        self._most_waiting = clients if clients and not keep_alive else _MAXIMUM_WAITING
        self._timeout = timeout
        self._maximum_body = maximum_body
        self._want_body = want_body
        self._requests = requests_per_connection if keep_alive else 1
        self._message = request.messages("keep-alive" if keep_alive else "close")
        self.limit = limit
        self._clock = clock
        self._answers_head = request.method == "HEAD"
        self._connections: Connections | None = None
        self._bucket: TokenBucket | None = None
        self._uncommitted: collections.deque[Exchange] = collections.deque()
        self._sent = 0
        self._closed = False

    @property
    def cookies(self) -> list[str]:
        """The names of the cookies that clients keep."""
        return [] if self._visitors is None else self._visitors.names

    @property
    def sent(self) -> int:
        """How many requests were sent so far, given out or not."""
        return self._sent

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop at once: requests under way are cancelled, and the iteration ends."""
        self._closed = True
        if self._connections is not None:
            self._connections.close()
            self._connections = None

    def stop_sending(self) -> None:
        """Send nothing more; the iteration ends once everything under way is given out, with nothing cancelled."""
        self.limit = self._sent

    def go_on(self) -> None:
        """Send on without a limit, after a pause with nothing under way: when as many samples were taken as sent."""
        self.limit = None
        if self._connections is not None:
            # Notice which servers closed their connections meanwhile, before a request is lost on one.
            self._connections.wait(0)

    def __iter__(self) -> t.Iterator[Sample]:
        """Give out samples in send order; nothing is sent before the first one is asked for."""
        if self._closed or self._connections is not None:
            message = "a sampler can be iterated once"
            raise RuntimeError(message)
        return self._samples()

    def _samples(self) -> t.Iterator[Sample]:
        connections = Connections(self._endpoint(), self._most_connections, self._requests, self._clock)
        self._connections = connections
        if self._rate:
            self._bucket = TokenBucket(self._rate, self._concurrency, self._clock())
        uncommitted = self._uncommitted
        try:
            while True:
                for _turn in range(_COMMITS_AT_ONCE):
                    if not uncommitted or not uncommitted[0].done:
                        break
                    yield self._commit(connections, uncommitted.popleft())
                    if self._closed:
                        return
                pause = self._send(connections)
                if not uncommitted:
                    if pause is None:
                        return
                elif uncommitted[0].done:
                    pause = 0.0
                else:
                    left = max(0.0, uncommitted[0].deadline - self._clock())
                    pause = left if pause is None else min(pause, left)
                connections.wait(pause)
                self._expire(connections)
        finally:
            self.close()

    def _endpoint(self) -> Endpoint:
        request = self._request
        addresses = resolve(request.connect_host, request.connect_port)
        return Endpoint(request.endpoint, addresses, self._tls, request.server_name)

    def _send(self, connections: Connections) -> float | None:
        """Send what may be sent now; return the seconds until more may be, None when an answer has to come first."""
        while (
            connections.busy < self._concurrency
            and self._sent != self.limit
            and len(self._uncommitted) < self._most_waiting
            and connections.held < _MAXIMUM_HELD
        ):
            now = self._clock()
            if self._bucket is not None:
                pause = self._bucket.take(now)
                if pause > 0:
                    return pause
            message, client = self._message(self._sent), -1
            if self._visitors is not None:
                client = self._visitors.next()
                cookies = self._visitors.cookies(client).header(message.path, tls=self._request.tls)
                message = self._request.with_cookies(message, cookies)
            response = Response(
                answers_head=self._answers_head,
                maximum_body=self._maximum_body,
                keep_body=self._want_body,
            )
            exchange = Exchange(self._sent, message.path, message.data, now, now + self._timeout, response)
            exchange.client = client
            self._sent += 1
            self._uncommitted.append(exchange)
            connections.send(exchange)
        return None

    def _expire(self, connections: Connections) -> None:
        """Give up on what is over its deadline; deadlines are in send order."""
        uncommitted = self._uncommitted
        if not uncommitted or uncommitted[0].done:
            return
        now = self._clock()
        for exchange in uncommitted:
            if exchange.deadline > now:
                return
            if not exchange.done:
                connections.expire(exchange, self._timeout)

    def _commit(self, connections: Connections, exchange: Exchange) -> Sample:
        response = exchange.response
        connections.held -= response.held
        if self._visitors is not None:
            self._visitors.answered(exchange.client, response.cookies, exchange.path)
        return Sample(
            exchange.index,
            exchange.sent_at,
            response.status,
            exchange.error,
            exchange.detail,
            response.headers,
            response.body,
            response.truncated,
            exchange.connect_s,
            exchange.first_byte_s,
            exchange.total_s,
            exchange.path,
            exchange.connection,
            exchange.connection if exchange.client < 0 else exchange.client,
        )


def _at_least(minimum: int, **options: float | None) -> None:
    for name, value in options.items():
        if value is not None and value < minimum:
            message = f"{name} is {value:g}; it must be {minimum} or more"
            raise InvalidInput(message)
