# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request under way, where it goes to and what can go wrong. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import errno
import socket
import ssl
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import Error, Unreachable

if t.TYPE_CHECKING:
    from ansible_collections.gradual.canary.plugins.module_utils._http_response import Response

_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EACCES, errno.EPERM)


class LocalLimit(Error):
    """No further connection can be opened on this machine; says nothing about the service."""

    code = "local_limit"
    retry = True


class Address(t.NamedTuple):
    """Where to connect to, as the socket module takes it."""

    family: int
    sockaddr: t.Any


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host, the preferred one first. Raises Unreachable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"host name {host!r} cannot be resolved from here: {error}; set address to host:port to go around DNS"
        raise Unreachable(message) from error
    return [Address(family, sockaddr) for family, _type, _protocol, _name, sockaddr in found]


class Exchange:
    """A request under way, later with its answer. Times are seconds since ``sent_at``, on the sampler's clock."""

    __slots__ = (
        "client",
        "connect_s",
        "connection",
        "data",
        "deadline",
        "detail",
        "done",
        "error",
        "first_byte_s",
        "index",
        "path",
        "response",
        "sent_at",
        "total_s",
    )

    def __init__(self, index: int, path: str, data: bytes, sent_at: float, deadline: float, response: Response) -> None:
        self.index = index
        self.path = path
        self.data = data
        self.sent_at = sent_at
        self.deadline = deadline
        self.response = response
        self.client = -1
        self.connection = -1
        self.connect_s: float | None = None
        self.first_byte_s: float | None = None
        self.total_s = 0.0
        self.error: str | None = None
        self.detail = ""
        self.done = False


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """What connections are opened to.

    name: as messages show it.
    tls: context of TLS connections, None for plain ones.
    server_name: the name that the certificate must carry.
    """

    name: str
    addresses: list[Address]
    tls: ssl.SSLContext | None
    server_name: str


def kind_of(error: OSError) -> str:
    """Return the word for a failed connection, as ``Sample.error`` has it."""
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionError) or error.errno == errno.ENOTCONN:
        return "reset"
    if isinstance(error, TimeoutError):
        return "timeout"
    if error.errno in _UNREACHABLE:
        return "unreachable"
    return "failed"
