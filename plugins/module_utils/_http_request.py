# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sampler sends, checked and turned into bytes once. Private to the gradual.canary collection."""

from __future__ import annotations

import re
import secrets
import typing as t
from urllib.parse import quote, urlsplit

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNSENDABLE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_ADDRESS = re.compile(r"(?:\[(?P<literal>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_FRAMING = ("connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect")
_HIGHEST_PORT = 65535
UNIQUE_PARAMETER = "canary_sample"
"""Name of the query parameter that `unique_query` adds."""


class Message(t.NamedTuple):
    """One request, ready to be sent: its bytes and the path (with query) it asks for."""

    path: str
    data: bytes


class Request:
    """The request that every sample sends; several paths take turns.

    url: ``http://`` or ``https://``, with a host name, an IPv4 address or an IPv6 literal in brackets.
    headers: sent as given; ``Host`` may be among them. Framing headers are the sampler's own.
    host: the Host header, when it is not the URL's.
    server_name: the name in TLS (SNI) that the certificate must carry; by default the name in the Host header.
    address: ``host:port`` or ``host`` to connect to instead of the URL's, as ``kubectl port-forward`` needs it.
    paths: asked for one after the other instead of the URL's path.
    unique_query: add a query parameter that no other request has, so that no cache can answer.
    unique_header: the same with a header of this name.
    body: sent with every request; text as UTF-8.

    Raises InvalidInput.
    """

    def __init__(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: t.Mapping[str, str] | None = None,
        host: str | None = None,
        server_name: str | None = None,
        address: str | None = None,
        paths: t.Sequence[str] = (),
        unique_query: bool = False,
        unique_header: str | None = None,
        body: str | bytes | None = None,
    ) -> None:
        if method not in METHODS:
            message = f"method {method!r} cannot be sampled; use one of {', '.join(METHODS)}"
            raise InvalidInput(message)
        fields = _checked_headers(headers or {})
        host_field = fields.pop("host", ("", None))[1]
        if host is not None and host_field is not None and host != host_field:
            message = f"host is {host!r}, but headers say Host: {host_field}; give one of them"
            raise InvalidInput(message)
        host = host_field if host is None else host
        if unique_header is not None and not _TOKEN.fullmatch(unique_header):
            message = f"unique_header {unique_header!r} is not the name of a header"
            raise InvalidInput(message)

        parts = _split_url(url)
        self.url = url
        self.method = method
        self.tls = parts.scheme == "https"
        self.host = _host_header(parts.hostname or "", parts.port, parts.scheme) if host is None else host
        named, _port = _host_and_port(self.host, f"host {self.host!r}")
        self.server_name = named if server_name is None else server_name
        default_port = parts.port or _PORTS[parts.scheme]
        self.connect_host, port = (
            (_zoned(parts.hostname or ""), default_port)
            if address is None
            else _host_and_port(address, f"address {address!r}")
        )
        self.connect_port = port or default_port
        self.paths = tuple(_checked_path(path) for path in paths) or (
            _checked_path((parts.path or "/") + (f"?{parts.query}" if parts.query else "")),
        )
        self._fields = fields
        self._unique_query = unique_query
        self._unique_header = unique_header
        self._body = body.encode() if isinstance(body, str) else body

    @property
    def endpoint(self) -> str:
        """Where connections go, as messages show it."""
        host = f"[{self.connect_host}]" if ":" in self.connect_host else self.connect_host
        return f"{host}:{self.connect_port}"

    def messages(self, connection: str) -> t.Callable[[int], Message]:
        """Return what gives the message with an index (0, 1, 2, ...); paths take turns.

        connection: value of the Connection header, ``close`` or ``keep-alive``.
        """
        tail = self._tail(connection)
        fixed = [Message(path, f"{self.method} {path} HTTP/1.1\r\n".encode("ascii") + tail) for path in self.paths]
        count = len(fixed)
        if not self._unique_query and self._unique_header is None:
            if count == 1:
                only = fixed[0]
                return lambda _index: only
            return lambda index: fixed[index % count]

        # One random part for the run, so that two runs never ask for the same either.
        run = secrets.token_hex(6)

        def unique(index: int) -> Message:
            path = self.paths[index % count]
            field = ""
            if self._unique_query:
                path = f"{path}{'&' if '?' in path else '?'}{UNIQUE_PARAMETER}={run}-{index}"
            if self._unique_header is not None:
                field = f"{self._unique_header}: {run}-{index}\r\n"
            return Message(path, f"{self.method} {path} HTTP/1.1\r\n{field}".encode("ascii") + tail)

        return unique

    def with_cookies(self, message: Message, value: str) -> Message:
        """Return the message with cookies, beside those that the user's own headers have."""
        if not value:
            return message
        own = self._fields.get("cookie")
        if own is not None:
            given = f"{own[0]}: {own[1]}".encode("latin-1")
            return message._replace(data=message.data.replace(given, given + f"; {value}".encode("latin-1"), 1))
        line, end, rest = message.data.partition(b"\r\n")
        return message._replace(data=b"".join((line, end, f"Cookie: {value}\r\n".encode("latin-1"), rest)))

    def _tail(self, connection: str) -> bytes:
        """Return everything after the request line."""
        fields = {"host": ("Host", self.host), "connection": ("Connection", connection)}
        fields |= {"user-agent": ("User-Agent", "gradual.canary"), "accept": ("Accept", "*/*")}
        # Identification reads the body as it comes: ask for no compression unless the user does.
        fields |= {"accept-encoding": ("Accept-Encoding", "identity")}
        fields |= self._fields
        body = self._body
        if body is not None or self.method in ("POST", "PUT", "PATCH"):
            fields["content-length"] = ("Content-Length", str(len(body or b"")))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.values())
        return f"{lines}\r\n".encode("latin-1") + (body or b"")


class _Url(t.NamedTuple):
    scheme: str
    hostname: str
    port: int | None
    path: str
    query: str


def _split_url(url: str) -> _Url:
    where = f"url {url!r}"
    if _CONTROL.search(url) or url != url.strip():
        message = f"{where} has spaces or control characters around or in it"
        raise InvalidInput(message)
    try:
        parts = urlsplit(url)
        port = parts.port
        hostname = parts.hostname
    except ValueError as error:
        message = f"{where} is not a URL: {error}"
        raise InvalidInput(message) from error
    if parts.scheme not in _PORTS:
        message = f"{where} must begin with http:// or https://"
        raise InvalidInput(message)
    if parts.username is not None:
        message = "url has a user name or password in it; put them into the header Authorization instead"
        raise InvalidInput(message)
    if not hostname:
        message = f"{where} has no host name"
        raise InvalidInput(message)
    return _Url(parts.scheme, _ascii_host(hostname, where), port, parts.path, parts.query)


def _ascii_host(host: str, where: str) -> str:
    """Return the host as it goes over the wire (IDNA)."""
    if not host.isascii():
        try:
            return host.encode("idna").decode("ascii")
        except UnicodeError as error:
            message = f"{where}: {host!r} is not a host name: {error}"
            raise InvalidInput(message) from error
    if " " in host:
        message = f"{where}: {host!r} is not a host name"
        raise InvalidInput(message)
    return host


def _zoned(host: str) -> str:
    """Return an IPv6 literal's zone as the resolver wants it; in a URL its ``%`` is written ``%25`` (RFC 6874)."""
    return host.replace("%25", "%", 1) if ":" in host else host


def _host_header(hostname: str, port: int | None, scheme: str) -> str:
    # A zone means something to this machine only and is not sent.
    name = f"[{hostname.partition('%')[0]}]" if ":" in hostname else hostname
    return name if port in (None, _PORTS[scheme]) else f"{name}:{port}"


def _host_and_port(value: str, where: str) -> tuple[str, int | None]:
    match = _ADDRESS.fullmatch(value)
    port = int(match["port"]) if match and match["port"] else None
    if match is None or _CONTROL.search(value) or (port is not None and not 0 < port <= _HIGHEST_PORT):
        message = f"{where} must be host, host:port, [IPv6] or [IPv6]:port"
        raise InvalidInput(message)
    return _ascii_host(match["literal"] or match["name"], where), port


def _checked_path(path: str) -> str:
    """Return the path as it goes over the wire: what a request line cannot carry is percent-encoded, no more."""
    if not path.startswith("/"):
        message = f"path {path!r} must begin with /"
        raise InvalidInput(message)
    if _CONTROL.search(path):
        message = f"path {path!r} has control characters in it"
        raise InvalidInput(message)
    return quote(path.partition("#")[0], safe="/?%:@!$&'()*+,;=-._~[]|")


def _checked_headers(headers: t.Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return name and value by lower-case name."""
    fields: dict[str, tuple[str, str]] = {}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            message = f"{name!r} in headers is not the name of a header"
        elif name.lower() in _FRAMING:
            message = f"header {name} in headers is set by the sampler itself; leave it out"
        elif name.lower() in fields:
            message = f"header {name} is given twice in headers"
        elif _UNSENDABLE.search(value):
            # The value may be a credential, so it is not shown.
            message = f"the value of header {name} has control characters or characters beyond Latin-1"
        else:
            fields[name.lower()] = (name, value.strip())
            continue
        raise InvalidInput(message)
    return fields
