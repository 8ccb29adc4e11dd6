# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version gave an answer. Private to the gradual.canary collection."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, MissingLibrary

try:
    import jmespath as jmespath_library
    from jmespath import exceptions as jmespath_exceptions
except ImportError:
    HAS_JMESPATH = False
else:
    HAS_JMESPATH = True

_REMEMBERED_BODIES = 256
_REMEMBERED_SIZE = 64 * 1024
"""Bytes; a body's version is remembered up to this size, since most answers of a version are equal."""

_Finder = t.Callable[[str], "str | None"]

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:\-]+)", re.IGNORECASE)


class Identify:
    """Reads the version from exactly one place of an answer.

    header: name of a response header.
    jmespath: JMESPath expression on the JSON body; it must give text or a number. Numbers with a point count as text
        just as they were written, so that 1.10 is not 1.1.
    regex: regular expression, searched for in the body; its first group, or without groups all it matched.

    Raises InvalidInput, and MissingLibrary when ``jmespath`` is asked for and not installed.
    """

    def __init__(self, *, header: str | None = None, jmespath: str | None = None, regex: str | None = None) -> None:
        given = [name for name, value in (("header", header), ("jmespath", jmespath), ("regex", regex)) if value]
        if len(given) != 1:
            found = f"{' and '.join(given)} are given" if given else "none of them is given"
            message = f"identify needs exactly one of header, jmespath and regex; {found}"
            raise InvalidInput(message)
        self.needs_body = not header
        self._remembered: dict[tuple[str, bytes], str | None] = {}
        self._header = (header or "").lower()
        self._find: _Finder | None = None
        if header:
            if not _HEADER_NAME.fullmatch(header):
                message = f"identify.header {header!r} is not the name of a header"
                raise InvalidInput(message)
        elif jmespath:
            self._find = _jmespath_finder(jmespath)
        else:
            self._find = _regex_finder(regex or "")

    def version(self, headers: t.Mapping[str, str], body: bytes) -> str | None:
        """Return the version, or None when the answer does not tell. Header names are in lower case."""
        if self._find is None:
            return headers.get(self._header) or None
        remembered = self._remembered
        answer = (headers.get("content-type", ""), body)
        if answer in remembered:
            return remembered[answer]
        version = self._find(_text(headers, body))
        if len(body) <= _REMEMBERED_SIZE:
            if len(remembered) >= _REMEMBERED_BODIES:
                # The oldest makes room: bodies that never repeat must not push out the rest all at once.
                del remembered[next(iter(remembered))]
            remembered[answer] = version
        return version


def _text(headers: t.Mapping[str, str], body: bytes) -> str:
    """Return the body as text: UTF-8 unless the Content-Type names another character set."""
    match = _CHARSET.search(headers.get("content-type", ""))
    try:
        return body.decode(match[1] if match else "utf-8", "replace")
    except (LookupError, UnicodeError):
        return body.decode("utf-8", "replace")


def _regex_finder(regex: str) -> _Finder:
    try:
        pattern = re.compile(regex)
    except re.error as error:
        message = f"identify.regex {regex!r} is not a regular expression: {error}"
        raise InvalidInput(message) from error
    group = 1 if pattern.groups else 0

    def find(text: str) -> str | None:
        match = pattern.search(text)
        return (match[group] or None) if match else None

    return find


def _jmespath_finder(expression: str) -> _Finder:
    if not HAS_JMESPATH:
        message = (
            "identify.jmespath needs the Python library jmespath, which is not installed here;"
            " pip install jmespath, or use identify.header or identify.regex"
        )
        raise MissingLibrary(message, library="jmespath")
    try:
        compiled = jmespath_library.compile(expression)
    except jmespath_exceptions.JMESPathError as error:
        raise _invalid_jmespath(expression, error) from error

    def find(text: str) -> str | None:
        try:
            found = compiled.search(json.loads(text, parse_float=str))
        except (jmespath_exceptions.UnknownFunctionError, jmespath_exceptions.ArityError) as error:
            raise _invalid_jmespath(expression, error) from error
        except (ValueError, RecursionError):
            # No JSON, or JSON of another shape than the expression's functions take.
            return None
        if isinstance(found, bool) or not isinstance(found, (str, int)):
            return None
        return str(found) or None

    # A wrong function shows only when it is called: call it now, not in the middle of a release.
    find("null")
    return find


def _invalid_jmespath(expression: str, error: Exception) -> InvalidInput:
    reason = " ".join(str(error).split())
    message = f"identify.jmespath {expression!r} is not a JMESPath expression: {reason}"
    return InvalidInput(message)
