# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cookies as a browser keeps them (RFC 6265), for clients of one host. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import random
import time
import typing as t
from email.utils import parsedate_to_datetime


@dataclasses.dataclass(frozen=True)
class _Cookie:
    name: str
    value: str
    path: str
    secure: bool
    expires: float | None


class Cookies:
    """The cookies of one client. Times are seconds since the epoch."""

    def __init__(self, clock: t.Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._cookies: dict[tuple[str, str], _Cookie] = {}

    @property
    def names(self) -> list[str]:
        """The names of the cookies that are kept."""
        return sorted({cookie.name for cookie in self._cookies.values()})

    def store(self, values: t.Iterable[str], path: str) -> None:
        """Keep what an answer for a path sets; values are those of its ``Set-Cookie`` headers."""
        for value in values:
            cookie = _parsed(value, path.partition("?")[0], self._clock())
            if cookie is None:
                continue
            self._cookies.pop((cookie.name, cookie.path), None)
            if cookie.expires is None or cookie.expires > self._clock():
                self._cookies[cookie.name, cookie.path] = cookie

    def header(self, path: str, *, tls: bool) -> str:
        """Return the value of the header ``Cookie`` for a path; empty without cookies for it."""
        asked, now = path.partition("?")[0], self._clock()
        fitting = [
            cookie
            for cookie in self._cookies.values()
            if _covers(cookie.path, asked)
            and (tls or not cookie.secure)
            and (cookie.expires is None or cookie.expires > now)
        ]
        # The more exact path goes first (section 5.4).
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in fitting)


class Visitors:
    """Clients that take turns, each with the cookies it was given.

    In a random order: clients that come in turn fall into step with a gateway that takes turns, and then each seems to
    stay with one version.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._cookies: list[Cookies] = []
        self._idle: list[int] = []

    def next(self) -> int:
        """Return the number of a client with no request under way, a new one while there may be more."""
        if len(self._cookies) < self._maximum:
            self._cookies.append(Cookies())
            return len(self._cookies) - 1
        place = random.randrange(len(self._idle))
        self._idle[place], self._idle[-1] = self._idle[-1], self._idle[place]
        return self._idle.pop()

    def cookies(self, client: int) -> Cookies:
        """Return the cookies of a client."""
        return self._cookies[client]

    def answered(self, client: int, values: t.Iterable[str], path: str) -> None:
        """Take note that the client has its answer."""
        self._cookies[client].store(values, path)
        self._idle.append(client)

    @property
    def names(self) -> list[str]:
        """The names of all cookies that clients keep."""
        return sorted({name for cookies in self._cookies for name in cookies.names})


def _parsed(text: str, path: str, now: float) -> _Cookie | None:
    pair, *attributes = text.split(";")
    name, equals, value = (part.strip() for part in pair.partition("="))
    if not equals or not name:
        return None
    given = {key.strip().lower(): val.strip() for key, _equals, val in (each.partition("=") for each in attributes)}
    own = given.get("path", "")
    return _Cookie(
        name,
        value,
        own if own.startswith("/") else path[: path.rfind("/")] or "/",
        "secure" in given,
        _expiry(given, now),
    )


def _expiry(given: t.Mapping[str, str], now: float) -> float | None:
    seconds = given.get("max-age", "")
    if seconds.removeprefix("-").isdigit():
        return now + int(seconds)
    try:
        return parsedate_to_datetime(given["expires"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None


def _covers(path: str, asked: str) -> bool:
    return asked == path or (asked.startswith(path) and (path.endswith("/") or asked[len(path)] == "/"))
