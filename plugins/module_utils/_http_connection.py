# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Non-blocking connections that carry one request after the other. Private to the gradual.canary collection."""

from __future__ import annotations

import collections
import errno
import math
import os
import random
import select
import socket
import ssl
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._http_exchange import (
    Address,
    Endpoint,
    Exchange,
    LocalLimit,
    kind_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._http_response import (
    IncompleteError,
    ProtocolError,
)
from ansible_collections.gradual.canary.plugins.module_utils._tls import UntrustedCertificate

_READ = select.POLLIN
_WRITE = select.POLLOUT
_RECEIVE = 64 * 1024
"""Bytes per read: more than a TLS record (16 KiB), so that nothing stays behind in the TLS library."""

_NOT_YET = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOTCONN, errno.EPIPE)
"""What sending says while the connection is still to come (or has failed, which is asked for then)."""

_EXHAUSTED = (errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Connections:
    """All connections of a sampler: opens them, reuses them, moves them on when they are ready.

    maximum: how many may be open at once.
    requests: how many one connection carries before it is closed; None leaves that to the server.
    """

    def __init__(self, endpoint: Endpoint, maximum: int, requests: int | None, clock: t.Callable[[], float]) -> None:
        self.endpoint = endpoint
        self.requests = requests
        self.clock = clock
        # With a new connection for nearly every sample, poll costs less than epoll: it registers without a system call.
        self.poll = select.poll()
        self.watched: dict[int, Connection] = {}
        self.addresses = collections.deque(endpoint.addresses)
        self.reached = False
        self.session: ssl.SSLSession | None = None
        self.held = 0
        self._maximum = maximum
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._opened = 0

    @property
    def busy(self) -> int:
        """How many carry a request now."""
        return len(self._open) - len(self._idle)

    def send(self, exchange: Exchange) -> None:
        """Send on a new connection while another may be opened, else on one that is idle.

        On any of them: connections in turn fall into step with a gateway that takes turns, and then each seems to stay
        with one version.
        """
        if len(self._open) < self._maximum:
            connection = Connection(self, self._opened)
            self._opened += 1
            self._open.add(connection)
            connection.open(exchange)
        else:
            place = random.randrange(len(self._idle))
            self._idle[place], self._idle[-1] = self._idle[-1], self._idle[place]
            self._idle.pop().carry(exchange)

    def wait(self, timeout: float | None) -> None:
        """Move on every connection that is or gets ready within the timeout (seconds)."""
        milliseconds = None if timeout is None else math.ceil(1000 * timeout)
        for descriptor, _events in self.poll.poll(milliseconds):
            self.watched[descriptor].step()

    def expire(self, exchange: Exchange, timeout: float) -> None:
        """Give up on a request that took too long."""
        for connection in self._open:
            if connection.exchange is exchange:
                connected = exchange.connect_s is not None
                if not connected:
                    self.try_next_address(connection.address)
                connection.fail("timeout", f"no complete {'answer' if connected else 'connection'} in {timeout:g} s")
                return

    def release(self, connection: Connection) -> None:
        """Take note that the connection can carry another request."""
        self._idle.append(connection)

    def discard(self, connection: Connection) -> None:
        """Take note that the connection was closed."""
        self._open.discard(connection)
        if self._idle and connection in self._idle:
            self._idle.remove(connection)

    def try_next_address(self, failed: Address) -> bool:
        """Whether another address of the host is left to try; only until one was reached, so that a sample is one try.

        A name such as localhost may stand for addresses that nobody listens on.
        """
        if self.reached:
            return False
        if self.addresses[0] is not failed:
            return True
        if len(self.addresses) == 1:
            return False
        self.addresses.popleft()
        return True

    def close(self) -> None:
        """Close all connections at once, finished or not."""
        for connection in list(self._open):
            connection.close()


class Connection:
    """One connection. ``step`` is what to do when its socket is ready next."""

    __slots__ = ("_interest", "_pool", "_served", "_socket", "address", "exchange", "number", "step")

    _socket: socket.socket

    def __init__(self, pool: Connections, number: int) -> None:
        self.number = number
        self.exchange: Exchange | None = None
        self._pool = pool
        self._served = 0
        self._interest = 0
        self.step: t.Callable[[], None] = self._connected

    # From nothing to connected

    def open(self, exchange: Exchange) -> None:
        """Connect, then carry the request."""
        exchange.connection = self.number
        self.exchange = exchange
        pool = self._pool
        address = self.address = pool.addresses[0]
        try:
            connecting = self._socket = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as error:
            pool.discard(self)
            raise self._local_limit(error) from error
        connecting.setblocking(False)
        try:
            code = connecting.connect_ex(address.sockaddr)
        except OSError as error:
            code = error.errno or errno.EINVAL
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._not_connected(code)
            return
        self.step = self._connected
        if pool.endpoint.tls is None and pool.requests == 1:
            self._send_early(exchange)
        else:
            self._watch(_WRITE)

    def _send_early(self, exchange: Exchange) -> None:
        """Try to send at once: a near peer has accepted by now, and a tenth of the work of a sample is saved."""
        try:
            sent = self._socket.send(exchange.data)
        except OSError as error:
            if error.errno in _NOT_YET:
                self._watch(_WRITE)
            else:
                self._not_connected(error.errno or errno.EINVAL)
            return
        self._pool.reached = True
        exchange.connect_s = self._pool.clock() - exchange.sent_at
        exchange.data = exchange.data[sent:]
        self.step = self._send if exchange.data else self._receive
        self._watch(_WRITE if exchange.data else _READ)

    def _connected(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._not_connected(code)
            return
        pool = self._pool
        pool.reached = True
        tls = pool.endpoint.tls
        if tls is not None or pool.requests != 1:
            # Small messages follow each other here; none may wait for an acknowledgement.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None:
            self._ready_to_send()
            return
        self._unwatch()
        try:
            self._socket = tls.wrap_socket(
                self._socket,
                do_handshake_on_connect=False,
                server_hostname=pool.endpoint.server_name,
                session=pool.session,
            )
        except OSError as error:
            self._broken(error)
            return
        self.step = self._handshake
        self._handshake()

    def _handshake(self) -> None:
        secured = t.cast("ssl.SSLSocket", self._socket)
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(_READ)
        except ssl.SSLWantWriteError:
            self._watch(_WRITE)
        except ssl.SSLCertVerificationError as error:
            endpoint = self._pool.endpoint
            message = (
                f"the certificate that {endpoint.name} shows for {endpoint.server_name!r} is not trusted:"
                f" {error.verify_message}; set ca_cert to a PEM file of its authority, server_name to a name in"
                " the certificate, or validate_certs to false; nothing was sampled"
            )
            raise UntrustedCertificate(message, endpoint=endpoint.name, server_name=endpoint.server_name) from error
        except OSError as error:
            self._broken(error)
        else:
            self._ready_to_send()

    def _not_connected(self, code: int) -> None:
        pool = self._pool
        exchange = t.cast("Exchange", self.exchange)
        if pool.try_next_address(self.address):
            self._unwatch()
            self._socket.close()
            self.open(exchange)
        elif code in _EXHAUSTED:
            raise self._local_limit(OSError(code, os.strerror(code)))
        else:
            self._broken(OSError(code, os.strerror(code)))

    def _local_limit(self, error: OSError) -> LocalLimit:
        message = (
            f"this machine cannot open another connection to {self._pool.endpoint.name}: {error.strerror};"
            " lower rate or concurrency, or use keep_alive, then run it again"
        )
        return LocalLimit(message, endpoint=self._pool.endpoint.name, errno=error.errno)

    # Requests and answers

    def carry(self, exchange: Exchange) -> None:
        """Send another request on this connection."""
        exchange.connection = self.number
        self.exchange = exchange
        self._ready_to_send()

    def _ready_to_send(self) -> None:
        exchange = t.cast("Exchange", self.exchange)
        exchange.connect_s = self._pool.clock() - exchange.sent_at
        self.step = self._send
        self._send()

    def _send(self) -> None:
        exchange = t.cast("Exchange", self.exchange)
        try:
            sent = self._socket.send(exchange.data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._watch(_WRITE)
        except ssl.SSLWantReadError:
            self._watch(_READ)
        except OSError as error:
            self._broken(error)
        else:
            if sent < len(exchange.data):
                exchange.data = exchange.data[sent:]
                self._watch(_WRITE)
                return
            self.step = self._receive
            self._watch(_READ)

    def _receive(self) -> None:
        exchange = t.cast("Exchange", self.exchange)
        response = exchange.response
        try:
            data = self._socket.recv(_RECEIVE)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._watch(_READ)
            return
        except ssl.SSLWantWriteError:
            self._watch(_WRITE)
            return
        except OSError as error:
            self._broken(error)
            return
        now = self._pool.clock()
        if exchange.first_byte_s is None and data:
            exchange.first_byte_s = now - exchange.sent_at
        try:
            if data:
                response.feed(data)
            else:
                response.end()
        except ProtocolError as error:
            self.fail("protocol", str(error))
        except IncompleteError as error:
            self.fail("incomplete", str(error))
        else:
            if response.done:
                exchange.total_s = now - exchange.sent_at
                self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        pool = self._pool
        exchange.done = True
        pool.held += exchange.response.held
        self.exchange = None
        self._served += 1
        if pool.endpoint.tls is not None and not t.cast("ssl.SSLSocket", self._socket).session_reused:
            # Only now, since with TLS 1.3 the tickets come after the handshake; and only when the last one did not
            # serve, since a copy of a session costs 0.2 ms.
            pool.session = t.cast("ssl.SSLSocket", self._socket).session
        if self._served == pool.requests or exchange.error is not None or not exchange.response.reusable:
            self.close()
            return
        self.step = self._not_asked
        pool.release(self)

    def _not_asked(self) -> None:
        """Readable without a request: the server closed an idle connection, or sends what nobody asked for."""
        if self._pool.endpoint.tls is not None:
            # It may also be a session ticket, which is neither.
            try:
                self._socket.recv(1)
            except ssl.SSLWantReadError:
                return
            except OSError:
                pass
        self.close()

    # The end

    def fail(self, error: str, detail: str) -> None:
        """End the request with an error, and the connection with it."""
        exchange = t.cast("Exchange", self.exchange)
        exchange.error = error
        exchange.detail = detail
        exchange.total_s = self._pool.clock() - exchange.sent_at
        exchange.done = True
        self._pool.held += exchange.response.held
        self.exchange = None
        self.close()

    def _broken(self, error: OSError) -> None:
        self.fail(kind_of(error), error.strerror or str(error))

    def close(self) -> None:
        """Close the socket; the sampler forgets the connection."""
        self._unwatch()
        self._socket.close()
        self._pool.discard(self)

    def _watch(self, interest: int) -> None:
        if interest == self._interest:
            return
        descriptor = self._socket.fileno()
        self._pool.poll.register(descriptor, interest)
        self._pool.watched[descriptor] = self
        self._interest = interest

    def _unwatch(self) -> None:
        if self._interest:
            descriptor = self._socket.fileno()
            self._pool.poll.unregister(descriptor)
            del self._pool.watched[descriptor]
            self._interest = 0
