# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head of an HTTP/1.1 response (RFC 9112). Pure. Private to the gradual.canary collection."""

from __future__ import annotations

import functools
import re
import types
import typing as t

_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\x00\r\n]*)?")
_HEADER_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")
_LENGTH = re.compile(r"[0-9]{1,18}")
_NO_CONTENT = 204
_NOT_MODIFIED = 304
_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200
_REMEMBERED_HEADS = 256
_REMEMBERED_SIZE = 4 * 1024
"""Bytes; up to this size a head is parsed once, since most answers of a version have the same head."""

Framing = t.Literal["none", "length", "chunked", "close", "malformed"]


class ProtocolError(Exception):
    """The bytes are not an HTTP/1.1 response; the message says where."""


class Head(t.NamedTuple):
    """What a head says.

    headers: by lower-case name; the first value of each, but all of them for a framing header. Not to be changed.
    framing: where the body ends (section 6.3), unless the request was a HEAD: there is ``none``, it has a ``length``
        in bytes, it is ``chunked``, or it ends when the connection does (``close``); ``malformed`` if nobody can tell.
    persistent: whether the peer keeps the connection.
    cookies: all values of ``Set-Cookie``, the one header that comes several times and cannot be joined.
    """

    status: int
    headers: t.Mapping[str, str]
    framing: Framing
    length: int
    persistent: bool
    cookies: tuple[str, ...]

    @property
    def interim(self) -> bool:
        """Whether the response that counts follows (100, 102, 103)."""
        return self.status < _FIRST_FINAL_STATUS


def parse_head(data: bytes) -> Head:
    """Return what the bytes before the empty line say. Raises ProtocolError."""
    return _remembered(data) if len(data) <= _REMEMBERED_SIZE else _parsed(data)


def _parsed(data: bytes) -> Head:
    text = data.decode("latin-1")
    if "\r\n " in text or "\r\n\t" in text:
        # A folded line continues the one before it (RFC 9112 section 5.2).
        text = _FOLD.sub(" ", text)
    status_line, *lines = text.split("\r\n")
    match = _STATUS_LINE.fullmatch(status_line)
    if match is None:
        message = "the status line is malformed"
        raise ProtocolError(message)
    status = int(match[2])
    if status == _SWITCHING_PROTOCOLS:
        message = "the server switched protocols without having been asked to"
        raise ProtocolError(message)
    headers, cookies = _fields(lines)
    framing, length = _framing(status, headers)
    options = {option.strip() for option in headers.get("connection", "").lower().split(",")}
    persistent = "close" not in options and (match[1] == "1" or "keep-alive" in options)
    return Head(status, types.MappingProxyType(headers), framing, length, persistent, cookies)


_remembered = functools.lru_cache(_REMEMBERED_HEADS)(_parsed)


def _fields(lines: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    fields: dict[str, str] = {}
    cookies: list[str] = []
    for line in lines:
        match = _HEADER_LINE.fullmatch(line)
        if match is None:
            message = "a header line is malformed"
            raise ProtocolError(message)
        name = match[1].lower()
        value = match[2]
        if name not in fields:
            fields[name] = value
        elif name in ("content-length", "transfer-encoding", "connection"):
            fields[name] = f"{fields[name]}, {value}"
        if name == "set-cookie":
            cookies.append(value)
    return fields, tuple(cookies)


def _framing(status: int, headers: t.Mapping[str, str]) -> tuple[Framing, int]:
    if status < _FIRST_FINAL_STATUS or status in (_NO_CONTENT, _NOT_MODIFIED):
        return "none", 0
    if "transfer-encoding" in headers:
        last = headers["transfer-encoding"].rpartition(",")[2].strip().lower()
        return ("chunked" if last == "chunked" else "close"), 0
    if "content-length" not in headers:
        return "close", 0
    lengths = {value.strip() for value in headers["content-length"].split(",")}
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length):
        return "malformed", 0
    return "length", int(length)
