# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP/1.1 response out of a stream of bytes (RFC 9112). Private to the gradual.canary collection.

No input and output here: bytes go in as they arrive, and however they are cut the result is the same.
"""

from __future__ import annotations

import re
import types
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._http_head import Head, ProtocolError, parse_head

__all__ = ["IncompleteError", "ProtocolError", "Response"]

MAXIMUM_HEAD = 64 * 1024
"""Bytes of status line, headers (interim responses included) or trailers; common servers allow 8 to 32 KiB."""

_MAXIMUM_CHUNK_LINE = 4 * 1024
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00\r\n]*)?")
_PROTOCOL = b"HTTP/1."
_NO_HEADERS: t.Mapping[str, str] = types.MappingProxyType({})


class IncompleteError(Exception):
    """The stream ended before the response did."""


class Response:
    """The response to one request.

    ``feed`` until ``done``; ``end`` when the peer closes. Afterwards ``status``, ``headers`` (lower-case names, the
    first value of each) and ``body`` hold the result.

    answers_head: the request was a HEAD, so that there is no body whatever the headers say.
    maximum_body: bytes; at more than that the response counts as done, ``truncated``, with that many bytes of body.
    keep_body: without it the body is read just the same, but not kept.
    """

    __slots__ = (
        "_answers_head",
        "_body",
        "_body_size",
        "_buffer",
        "_head",
        "_head_size",
        "_keep_body",
        "_maximum_body",
        "_remaining",
        "_step",
        "done",
        "excess",
        "headers",
        "status",
        "truncated",
    )

    def __init__(self, *, answers_head: bool = False, maximum_body: int = 1 << 20, keep_body: bool = True) -> None:
        self.status: int | None = None
        self.headers: t.Mapping[str, str] = _NO_HEADERS
        self.done = False
        self.truncated = False
        self.excess = False
        self._answers_head = answers_head
        self._maximum_body = maximum_body
        self._keep_body = keep_body
        self._body: list[bytes] = []
        self._body_size = 0
        self._buffer = b""
        self._head: Head | None = None
        self._head_size = 0
        self._remaining = 0
        self._step: t.Callable[[bytes], bytes | None] = self._read_head

    @property
    def body(self) -> bytes:
        """The body so far."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    @property
    def cookies(self) -> tuple[str, ...]:
        """The values of all ``Set-Cookie`` headers."""
        return self._head.cookies if self._head is not None else ()

    @property
    def held(self) -> int:
        """Bytes of body kept in memory."""
        return self._body_size if self._keep_body else 0

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another request after this response."""
        if not self.done or self.truncated or self.excess or self._step == self._read_until_close:
            return False
        return self._head is not None and self._head.persistent

    def feed(self, data: bytes) -> bool:
        """Take what arrived; return ``done``. Raises ProtocolError."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        rest: bytes | None = data
        # A step takes the bytes it needs and returns the others, or None when it needs more than there are.
        while rest and not self.done:
            rest = self._step(rest)
        if rest:
            self.excess = True
        return self.done

    def end(self) -> None:
        """Take the end of the stream. Raises IncompleteError when the response was not complete."""
        if self._step == self._read_until_close:
            self.done = True
        if not self.done:
            raise IncompleteError(self._where())

    def _where(self) -> str:
        if self.status is None:
            return "the connection was closed before a complete response head"
        if self._remaining:
            return f"the connection was closed after {self._body_size} bytes of body, {self._remaining} bytes too early"
        return f"the connection was closed within the body, after {self._body_size} bytes"

    # Head

    def _read_head(self, data: bytes) -> bytes | None:
        if not _PROTOCOL.startswith(data[: len(_PROTOCOL)]):
            message = "the answer does not begin with HTTP/1.0 or HTTP/1.1"
            raise ProtocolError(message)
        end = data.find(b"\r\n\r\n")
        # A terminator still to come cannot begin before the last three bytes.
        if self._head_size + (end if end >= 0 else len(data) - 3) > MAXIMUM_HEAD:
            message = f"the response head is larger than {MAXIMUM_HEAD} bytes"
            raise ProtocolError(message)
        if end < 0:
            self._buffer = data
            return None
        self._head_size += end + 4
        head = parse_head(data[:end])
        rest = data[end + 4 :]
        if head.interim:
            return rest
        self._head = head
        self.status = head.status
        self.headers = head.headers
        if self._answers_head or head.framing == "none":
            self.done = True
        elif head.framing == "length":
            self._remaining = head.length
            self._step = self._read_length
            self.done = head.length == 0
        elif head.framing == "chunked":
            self._step = self._read_chunk_line
        elif head.framing == "malformed":
            message = "the Content-Length is not one number"
            raise ProtocolError(message)
        else:
            self._step = self._read_until_close
        return rest

    # Body

    def _keep(self, data: bytes) -> None:
        """Count and keep body bytes; over the limit the response is done."""
        size = self._body_size + len(data)
        if size > self._maximum_body:
            data = data[: self._maximum_body - self._body_size]
            size = self._maximum_body
            self.truncated = True
            self.done = True
        self._body_size = size
        if self._keep_body and data:
            self._body.append(data)

    def _read_until_close(self, data: bytes) -> bytes | None:
        self._keep(data)
        return None

    def _read_length(self, data: bytes) -> bytes | None:
        size = len(data)
        if size < self._remaining:
            self._remaining -= size
            self._keep(data)
            return None
        rest = data[self._remaining :]
        self._keep(data[: self._remaining] if rest else data)
        self._remaining = 0
        self.done = True
        return rest

    def _read_chunk_line(self, data: bytes) -> bytes | None:
        line, rest = self._line(data, _MAXIMUM_CHUNK_LINE, "chunk size line")
        if line is None:
            return None
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            message = "a chunk size is not a hexadecimal number"
            raise ProtocolError(message)
        self._remaining = int(match[1], 16)
        if self._remaining:
            self._step = self._read_chunk
        else:
            self._head_size = 0
            self._step = self._read_trailer
        return rest

    def _read_chunk(self, data: bytes) -> bytes | None:
        size = len(data)
        if size < self._remaining:
            self._remaining -= size
            self._keep(data)
            return None
        self._keep(data[: self._remaining])
        rest = data[self._remaining :]
        self._remaining = 0
        self._step = self._read_chunk_end
        return rest

    def _read_chunk_end(self, data: bytes) -> bytes | None:
        if data[:2] != b"\r\n"[: len(data)]:
            message = "a chunk is longer than its size says"
            raise ProtocolError(message)
        if len(data) < len(b"\r\n"):
            self._buffer = data
            return None
        self._step = self._read_chunk_line
        return data[2:]

    def _read_trailer(self, data: bytes) -> bytes | None:
        line, rest = self._line(data, MAXIMUM_HEAD - self._head_size, "trailer section")
        if line is None:
            return None
        self._head_size += len(line) + 2
        self.done = not line
        return rest

    def _line(self, data: bytes, maximum: int, name: str) -> tuple[bytes | None, bytes]:
        end = data.find(b"\r\n")
        # One byte more than the limit may be a carriage return whose line feed is still to come.
        if (end if end >= 0 else len(data) - 1) > maximum:
            message = f"the {name} is larger than allowed"
            raise ProtocolError(message)
        if end < 0:
            self._buffer = data
            return None, b""
        return data[:end], data[end + 2 :]
