# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When releases may happen: release windows that recur, and freezes inside of them. Pure.

Private to the gradual.canary collection.

A window begins by the clock on the wall of its time zone and lasts a length of time: one of two hours has two hours in
the nights in which clocks change, too.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.gradual.canary.plugins.module_utils._errors import Error, InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._plan import seconds
from ansible_collections.gradual.canary.plugins.module_utils._recurrence import (
    YEARS,
    Recurrence,
    instant,
    parse_recurrence,
)

HORIZON: t.Final = timedelta(days=3653)
"""How far ahead is looked: ten years, which every window on a 29 February is within."""

_REACHES: t.Final = (*(timedelta(days=days) for days in (1, 8, 64, 512)), HORIZON)
"""How far is looked in turn: most answers are near, and a year of windows takes longer to unfold than a day."""

_LONGEST: t.Final = timedelta(days=366)
_WINDOW_KEYS: t.Final = ("name", "rrule", "start", "duration", "timezone")
_WINDOW_NEEDS: t.Final = ("rrule", "duration", "timezone")
_FREEZE_KEYS: t.Final = ("from", "until", "timezone", "reason")
_FREEZE_NEEDS: t.Final = ("from", "until")


class OutsideWindow(Error):
    """What was to happen does not fit in a release window that is open now."""

    code = "outside_window"


class Span(t.NamedTuple):
    """From start, included, to end, not included, both in UTC."""

    start: datetime
    end: datetime

    def without(self, hole: Span) -> list[Span]:
        """Return what is left of this span outside of `hole`."""
        pieces = (Span(self.start, min(self.end, hole.start)), Span(max(self.start, hole.end), self.end))
        return [piece for piece in pieces if piece.start < piece.end]


@dataclasses.dataclass(frozen=True)
class Window:
    """A release window. label: what messages call it."""

    label: str
    recurrence: Recurrence
    duration: timedelta

    @property
    def zone(self) -> ZoneInfo:
        return self.recurrence.zone

    def spans(self, first: datetime, last: datetime) -> list[Span]:
        """Return the times it is open that begin by `last` and are not over at `first`, in order."""
        starts = self.recurrence.between(first - self.duration, last)
        return [Span(start, start + self.duration) for start in starts if start + self.duration > first]


@dataclasses.dataclass(frozen=True)
class Freeze:
    """A time without releases. label: what messages call it, with the reason."""

    label: str
    span: Span
    zone: ZoneInfo


@dataclasses.dataclass(frozen=True)
class Schedule:
    """When releases may happen: in one of the windows, or at any time if there is none, and never in a freeze.

    Each `now` is a datetime with a time zone, in `YEARS`; InvalidInput otherwise. Answers are in UTC: times of another
    zone do not add up across a change of its clocks. ``zone`` says in which zone to tell them.
    """

    windows: tuple[Window, ...] = ()
    freezes: tuple[Freeze, ...] = ()

    def is_open(self, now: datetime) -> bool:
        """Say whether a release may happen at `now`."""
        return self._span_at(_utc(now), timedelta()) is not None

    def closes(self, now: datetime) -> datetime | None:
        """Return when it closes; None when it is closed, or stays open beyond `HORIZON`.

        Windows that overlap or adjoin are one. A freeze that begins inside closes it.
        """
        moment = _utc(now)
        for reach in _REACHES:
            span = self._span_at(moment, reach)
            if span is None:
                return None
            if span.end < moment + reach:  # or a window that was not looked at may adjoin
                return span.end
        return None

    def seconds_left(self, now: datetime) -> float:
        """Return the seconds until it closes; 0 when it is closed, those of `HORIZON` when it stays open beyond."""
        closes = self.closes(now)
        if closes is not None:
            return (closes - now).total_seconds()
        return HORIZON.total_seconds() if self.is_open(now) else 0.0

    def require(self, now: datetime, needed: float, step: str) -> None:
        """Raise OutsideWindow unless `step`, which takes `needed` seconds, may happen at `now`."""
        left = self.seconds_left(now)
        if left <= 0:
            raise OutsideWindow(f"{step} does not begin: {self.explain(now)}.")
        if left < needed:
            raise OutsideWindow(
                f"{step} does not begin: it takes up to {needed:g} s, {self.explain(now)}, and {self._next(_utc(now))}."
            )

    def next_opening(self, now: datetime) -> datetime | None:
        """Return the first moment after `now` at which it opens; None when there is none within `HORIZON`.

        While it is open, that is the opening after the next closing.
        """
        moment = _utc(now)
        for reach in _REACHES:
            for span in self._spans(moment, moment + reach):
                if moment < span.start <= moment + reach:
                    return span.start
        return None

    def explain(self, now: datetime) -> str:
        """Return in words whether a release may happen at `now`, which window or freeze says so, and what is next."""
        moment = _utc(now)
        frozen = [freeze for freeze in self.freezes if freeze.span.start <= moment < freeze.span.end]
        if frozen:
            freeze = max(frozen, key=lambda each: each.span.end)
            return f"{freeze.label} lasts until {_clock(freeze.span.end, freeze.zone)}; {self._next(moment)}"
        if not self.is_open(moment):
            return f"no release window is open; {self._next(moment)}"
        closes = self.closes(moment)
        until = "with no end within ten years" if closes is None else f"until {_clock(closes, self.zone(closes))}"
        return f"{self._label(moment)} is open {until}"

    def zone(self, moment: datetime) -> ZoneInfo:
        """Return the time zone to tell `moment` in: that of a window that is open, or ends there, or else of any."""
        windows = [*self._open_at(moment), *self._open_at(moment - timedelta(microseconds=1)), *self.windows]
        zones = [window.zone for window in windows] + [freeze.zone for freeze in self.freezes]
        return zones[0] if zones else ZoneInfo("UTC")

    def _next(self, moment: datetime) -> str:
        opens = self.next_opening(moment)
        if opens is None:
            return "none opens within ten years"
        return f"{self._label(opens)} opens at {_clock(opens, self.zone(opens))}"

    def _label(self, moment: datetime) -> str:
        """Return what to call the release window that is open at `moment`."""
        return next((window.label for window in self._open_at(moment)), "the schedule")

    def _open_at(self, moment: datetime) -> list[Window]:
        moment = moment.astimezone(UTC)
        return [window for window in self.windows if window.spans(moment, moment)]

    def _span_at(self, moment: datetime, reach: timedelta) -> Span | None:
        spans = self._spans(moment, moment + reach)
        return next((span for span in spans if span.start <= moment < span.end), None)

    def _spans(self, first: datetime, last: datetime) -> list[Span]:
        """Return the times at which it is open, in order and apart, as far as windows that begin by `last` tell.

        Those that are over at `first` are left out. An end from `last` on may in truth be later.
        """
        spans = sorted(span for window in self.windows for span in window.spans(first, last))
        apart: list[Span] = [] if self.windows else [Span(first, last + timedelta(microseconds=1))]
        for span in spans:
            if apart and span.start <= apart[-1].end:
                apart[-1] = Span(apart[-1].start, max(apart[-1].end, span.end))
            else:
                apart.append(span)
        for freeze in self.freezes:
            apart = [piece for span in apart for piece in span.without(freeze.span)]
        return apart


def parse_schedule(windows: object, freezes: object = None) -> Schedule:
    """Return the schedule that a user's settings say.

    windows: a mapping with `_WINDOW_KEYS`, or a list of such; nothing at all is a release at any time. freezes: the
    same with `_FREEZE_KEYS`; their timezone may be left out where all windows have the same.
    Raises InvalidInput that names the window or freeze and the key, and MissingLibrary.
    """
    parsed = tuple(
        _window(entry, f"window {number}") for number, entry in enumerate(_entries(windows, "windows"), start=1)
    )
    zones = {window.zone.key: window.zone for window in parsed}
    zone = next(iter(zones.values())) if len(zones) == 1 else None
    return Schedule(
        parsed,
        tuple(
            _freeze(entry, f"freeze {number}", zone)
            for number, entry in enumerate(_entries(freezes, "freezes"), start=1)
        ),
    )


def _entries(value: object, what: str) -> list[t.Any]:
    entries = [] if value is None else [value] if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise InvalidInput(f"{what} must be a mapping or a list of mappings, not {value!r}")
    return entries


def _require_keys(entry: object, where: str, allowed: t.Sequence[str], needed: t.Sequence[str]) -> dict[str, t.Any]:
    if not isinstance(entry, dict):
        raise InvalidInput(f"{where} must be a mapping with {', '.join(needed)}, not {entry!r}")
    unknown = sorted(str(key) for key in set(entry) - set(allowed))
    if unknown:
        raise InvalidInput(f"{where} has unknown keys: {', '.join(unknown)}; allowed: {', '.join(allowed)}")
    missing = [key for key in needed if entry.get(key) is None]
    if missing:
        raise InvalidInput(f"{where} has no {' and no '.join(missing)}; it needs {', '.join(needed)}")
    return entry


def _window(entry: object, where: str) -> Window:
    options = _require_keys(entry, where, _WINDOW_KEYS, _WINDOW_NEEDS)
    name = options.get("name")
    duration = seconds(options["duration"], f"{where}: duration")
    if not 0 < duration <= _LONGEST.total_seconds():
        raise InvalidInput(f"{where}: duration {options['duration']!r} is out of range; allowed: 1s to 366d")
    zone = _zone(options["timezone"], f"{where}: timezone")
    start = None
    if options.get("start") is not None:
        start = _time(options["start"], f"{where}: start")
        if start.tzinfo:
            raise InvalidInput(
                f"{where}: start {str(start)!r} has a time zone of its own; leave it out, it is that of the window"
            )
        start = start.replace(microsecond=0)
    return Window(
        label=where if name is None else f"window {str(name)!r}",
        recurrence=parse_recurrence(options["rrule"], start, zone, f"{where}: rrule"),
        duration=timedelta(seconds=duration),
    )


def _freeze(entry: object, where: str, default: ZoneInfo | None) -> Freeze:
    options = _require_keys(entry, where, _FREEZE_KEYS, _FREEZE_NEEDS)
    if options.get("timezone") is not None:
        zone = _zone(options["timezone"], f"{where}: timezone")
    elif default is not None:
        zone = default
    else:
        raise InvalidInput(f"{where} has no timezone, and the windows do not have one in common; add for example UTC")
    start = _time(options["from"], f"{where}: from")
    end = _time(options["until"], f"{where}: until", whole_day=True)
    span = Span(
        start.astimezone(UTC) if start.tzinfo else instant(start, zone),
        # Of a time that clocks show twice a freeze ends at the second: in doubt there is no release.
        end.astimezone(UTC) if end.tzinfo else max(instant(end, zone), instant(end, zone, fold=1)),
    )
    if span.start >= span.end:
        raise InvalidInput(
            f"{where}: until {str(options['until'])!r} is not after from {str(options['from'])!r}; a date counts whole"
        )
    reason = options.get("reason")
    return Freeze(where if reason is None else f"{where} ({reason})", span, zone)


def _zone(value: object, where: str) -> ZoneInfo:
    # "localtime" is a file that some machines have among their time zones, and each has another one.
    if isinstance(value, str) and value != "localtime":
        try:
            return ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise InvalidInput(
        f"{where} {value!r} is no time zone that is known here; allowed are names of the IANA database, for example "
        "Europe/Berlin or UTC. Where not even these are known, install the package tzdata"
    )


def _time(value: object, where: str, *, whole_day: bool = False) -> datetime:
    """Return a time from YAML or JSON; a date is its beginning, or its end when it counts as a `whole_day`."""
    found: date | None = None
    if isinstance(value, date):
        found = value
    elif isinstance(value, str) and (shape := re.fullmatch(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d.*)?", value)):
        try:
            found = (datetime if shape[1] else date).fromisoformat(str(value))
        except ValueError:
            found = None
    if found is None:
        raise InvalidInput(f"{where} {value!r} is no date or time; allowed: 2026-12-24 or '2026-12-24 18:00'")
    if found.year not in YEARS:
        raise InvalidInput(f"{where} {str(value)!r} is outside of the years {YEARS[0]} to {YEARS[-1]}")
    if not isinstance(found, datetime):
        # Made anew: what Ansible reads from YAML is a class of its own, which does not add up.
        day = datetime.combine(date(found.year, found.month, found.day), time())
        return day + timedelta(days=1) if whole_day else day
    return datetime.combine(found.date(), found.time(), found.tzinfo)


def _utc(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise InvalidInput(f"{now} has no time zone, so it is not known which moment it is")
    if now.year not in YEARS:
        raise InvalidInput(f"{now} is outside of the years {YEARS[0]} to {YEARS[-1]}, which windows are reckoned in")
    return now.astimezone(UTC)


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    """Return a moment as clocks in `zone` show it, with the offset, which tells apart times that are shown twice."""
    local = moment.astimezone(zone)
    return f"{local.isoformat(' ', 'seconds' if local.second else 'minutes')} {zone.key}"
