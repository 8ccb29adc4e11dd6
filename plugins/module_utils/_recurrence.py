# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments at which something begins again and again, by a rule of RFC 5545. Pure.

Private to the gradual.canary collection.

A rule is about the clock on the wall of a time zone; what it yields are moments in UTC. dateutil unfolds rules. It
takes more than a calendar can mean, and looks for the next match until the year 9999, so rules are checked here first.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing as t
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, MissingLibrary

try:
    from dateutil import rrule as rules
except ImportError:
    HAS_DATEUTIL = False
else:
    HAS_DATEUTIL = True

YEARS: t.Final = range(1970, 2200)
"""Years that are reckoned with."""

_TO_THE_END: t.Final = 7600
"""Years by which a rule is moved before dateutil unfolds it. The Gregorian calendar repeats itself, weekdays included,
every 400 years. So near to the year 9999 the search for a match that never comes takes at most a second, and minutes
from today."""

_START: t.Final = datetime(2000, 1, 1)
"""Where a series begins that is given no start: fixed, so that it is the same series in each run."""

_FREQUENCIES: t.Final = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")
_WEEKDAYS: t.Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NUMBERS: t.Final = {
    "INTERVAL": range(1, 1001),
    "COUNT": range(1, 1001),
    "BYMONTH": range(1, 13),
    "BYWEEKNO": range(1, 54),
    "BYYEARDAY": range(1, 367),
    "BYMONTHDAY": range(1, 32),
    "BYHOUR": range(24),
    "BYMINUTE": range(60),
    "BYSECOND": range(60),
    "BYSETPOS": range(1, 367),
}
_ALSO_FROM_THE_END: t.Final = ("BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYSETPOS")
_LISTS: t.Final = tuple(name for name in _NUMBERS if name.startswith("BY"))
_PARTS: t.Final = ("FREQ", "UNTIL", *_NUMBERS, "BYDAY", "WKST")
_UNTIL_BY_LENGTH: t.Final = {8: "%Y%m%d", 15: "%Y%m%dT%H%M%S", 16: "%Y%m%dT%H%M%SZ"}
_DAYS: t.Final = ("BYDAY", "BYMONTHDAY", "BYYEARDAY")
_STARTS_A_DAY: t.Final = 24
_A_DAY: t.Final = timedelta(days=1)

_Parts = dict[str, t.Any]


def instant(wall: datetime, zone: ZoneInfo, *, fold: int = 0) -> datetime:
    """Return the moment in UTC at which clocks in `zone` show `wall`.

    A time that clocks skip counts with the offset before the gap, so it comes as much later as clocks jump. Of a time
    that they show twice it is the first, with `fold` 1 the second. Source: RFC 5545, 3.3.5.
    """
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """A rule in a time zone.

    start: no match before it counts; on the wall, like week_start (0: Monday) and by, dateutil's names of the parts.
    last: no match after it counts; without a time zone it is on the wall. None: for ever.
    """

    zone: ZoneInfo
    start: datetime
    frequency: str
    interval: int
    week_start: int
    by: t.Mapping[str, t.Any]
    last: datetime | None = None

    def between(self, first: datetime, last: datetime) -> list[datetime]:
        """Return the matches from `first` to `last`, both included, ascending, in UTC. Both are in `YEARS`."""
        # A transition moves the clock by at most a day (Pacific/Apia left one out), and may reorder what is in it.
        earliest = max(self.start, self._wall(first) - _A_DAY)
        latest = self._wall(last) + _A_DAY
        walls = itertools.takewhile(lambda wall: wall <= latest, self._walls(earliest))
        moments = {instant(wall, self.zone) for wall in walls if self._counts(wall)}
        return sorted(moment for moment in moments if first <= moment <= last)

    def first(self) -> datetime | None:
        """Return the first match on the wall; None when there is none."""
        wall = next(self._walls(self.start), None)
        return wall if wall is not None and self._counts(wall) else None

    def ending_after(self, count: int) -> Recurrence:
        """Return the same rule with only its first `count` matches."""
        walls = list(itertools.islice(self._walls(self.start), count))
        return dataclasses.replace(self, last=walls[-1]) if len(walls) == count else self

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def _counts(self, wall: datetime) -> bool:
        if self.last is None:
            return True
        return (instant(wall, self.zone) if self.last.tzinfo else wall) <= self.last

    def _walls(self, earliest: datetime) -> t.Iterator[datetime]:
        """Yield the matches on the wall from `earliest`, which is not before start, to the end of the calendar."""
        begin = self._period(earliest)
        rule = rules.rrule(
            getattr(rules, self.frequency),
            dtstart=begin.replace(year=begin.year + _TO_THE_END),
            interval=self.interval,
            wkst=self.week_start,
            **self.by,
        )
        matches = iter(rule)
        while True:
            try:
                match = next(matches, None)
            except (OverflowError, ValueError):  # the last week of the year 9999 ends in the next one
                match = None
            if match is None:
                return
            wall = match.replace(year=match.year - _TO_THE_END)
            if wall >= earliest:
                yield wall

    def _period(self, earliest: datetime) -> datetime:
        """Return the begin of the last period of this rule that begins by `earliest`.

        Starting there and not at start saves unfolding years that have passed. It keeps the step of INTERVAL, and gives
        BYSETPOS whole periods to count in.
        """
        start, interval = self.start, self.interval
        midnight = datetime.combine(start, time())
        if self.frequency == "YEARLY":
            return datetime(start.year + (earliest.year - start.year) // interval * interval, 1, 1)
        if self.frequency == "MONTHLY":
            passed = (earliest.year - start.year) * 12 + earliest.month - start.month
            year, month = divmod(start.year * 12 + start.month - 1 + passed // interval * interval, 12)
            return datetime(year, month + 1, 1)
        if self.frequency == "WEEKLY":
            begin, step = midnight - _A_DAY * ((start.weekday() - self.week_start) % 7), _A_DAY * 7 * interval
        elif self.frequency == "DAILY":
            begin, step = midnight, _A_DAY * interval
        else:
            begin, step = midnight.replace(hour=start.hour), timedelta(hours=interval)
        return begin + (earliest - begin) // step * step


def parse_recurrence(value: object, start: datetime | None, zone: ZoneInfo, where: str) -> Recurrence:
    """Return the rule that `value` says, such as ``FREQ=WEEKLY;BYDAY=TU,TH;BYHOUR=2``.

    start: where the series begins, on the wall of `zone`; a rule that leaves no question open does without. where: what
    messages call the rule. Raises InvalidInput, also for a rule that never matches, and MissingLibrary.
    """
    if not HAS_DATEUTIL:
        raise MissingLibrary(
            f"{where} needs the Python library python-dateutil, which is not installed here; "
            "pip install python-dateutil",
            library="python-dateutil",
        )
    parts = _split(value, where)
    _require_sense(parts, where)
    by = _by(parts)
    _fill_in(by, parts, start, where)
    frequency = parts["FREQ"]
    hours = 24 if frequency == "HOURLY" and "byhour" not in by else len(by["byhour"])
    if hours * len(by["byminute"]) * len(by["bysecond"]) > _STARTS_A_DAY:
        raise InvalidInput(f"{where} matches more than {_STARTS_A_DAY} times a day; name fewer hours and minutes")
    rule = Recurrence(
        zone=zone,
        start=start or _START,
        frequency=frequency,
        interval=parts.get("INTERVAL", 1),
        week_start=parts.get("WKST", 0),
        by=by,
        last=parts.get("UNTIL"),
    )
    try:
        if rule.first() is not None:
            return rule.ending_after(parts["COUNT"]) if "COUNT" in parts else rule
    except ValueError:  # dateutil's word on BYHOUR=1 in every second hour from midnight
        pass
    raise InvalidInput(f"{where} {value} never matches from {rule.start} on; mend the rule or its start")


def _split(value: object, where: str) -> _Parts:
    """Return the parts by name, with their values read; each is one that a calendar can mean."""
    text = str(value).strip().upper().removeprefix("RRULE:")
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]+=[^=;\s]+(;[A-Z]+=[^=;\s]+)*", text):
        raise InvalidInput(
            f"{where} {value!r} is not one rule of RFC 5545; write for example FREQ=WEEKLY;BYDAY=TU,TH;BYHOUR=2. Where "
            "the series begins and its time zone are options of their own, start and timezone"
        )
    parts: _Parts = {}
    for part in text.split(";"):
        name, _equals, content = part.partition("=")
        if name not in _PARTS:
            raise InvalidInput(f"{where} has an unknown part {name}; allowed: {', '.join(_PARTS)}")
        if name in parts:
            raise InvalidInput(f"{where} has {name} twice; separate several values by commas")
        parts[name] = _READERS[name](name, content, f"{where}: {name}={content}")
    if "FREQ" not in parts:
        raise InvalidInput(f"{where} has no FREQ; allowed: {', '.join(_FREQUENCIES)}")
    return parts


def _frequency(_name: str, content: str, where: str) -> str:
    if content not in _FREQUENCIES:
        raise InvalidInput(f"{where} is not allowed; allowed: {', '.join(_FREQUENCIES)}")
    return content


def _number(name: str, content: str, where: str) -> int:
    numbers = _numbers(name, content, where)
    if len(numbers) != 1:
        raise InvalidInput(f"{where} must be one number")
    return numbers[0]


def _numbers(name: str, content: str, where: str) -> list[int]:
    allowed, from_the_end = _NUMBERS[name], name in _ALSO_FROM_THE_END
    words = f"{allowed[0]} to {allowed[-1]}" + (f", or -{allowed[-1]} to -1" if from_the_end else "")
    numbers = []
    for item in content.split(","):
        number = int(item) if re.fullmatch(r"[+-]?[0-9]{1,4}", item) else None
        if number is None or not (number in allowed or (from_the_end and -number in allowed)):
            raise InvalidInput(f"{where} has {item!r}; allowed: {words}")
        numbers.append(number)
    return sorted(set(numbers))


def _days(_name: str, content: str, where: str) -> list[tuple[int, int]]:
    """Return (weekday, which of them); 0 is every one."""
    days = []
    for item in content.split(","):
        match = re.fullmatch(rf"([+-]?[0-9]{{1,2}})?({'|'.join(_WEEKDAYS)})", item)
        if match is None or (match[1] and not 1 <= abs(int(match[1])) <= 53):
            raise InvalidInput(
                f"{where} has {item!r}; allowed: {', '.join(_WEEKDAYS)}, or with a number as in 1MO, -1FR"
            )
        days.append((_WEEKDAYS.index(match[2]), int(match[1] or 0)))
    return sorted(set(days))


def _weekday(_name: str, content: str, where: str) -> int:
    if content not in _WEEKDAYS:
        raise InvalidInput(f"{where} is not a day of the week; allowed: {', '.join(_WEEKDAYS)}")
    return _WEEKDAYS.index(content)


def _until(_name: str, content: str, where: str) -> datetime:
    """Return the last moment, with a time zone if it has Z; a day counts whole."""
    try:
        until = datetime.strptime(content, _UNTIL_BY_LENGTH[len(content)])
    except (KeyError, ValueError):
        raise InvalidInput(
            f"{where} is not a time; allowed: 20261231, 20261231T180000 or, in UTC, 20261231T180000Z"
        ) from None
    if until.year not in YEARS:
        raise InvalidInput(f"{where} is outside of the years {YEARS[0]} to {YEARS[-1]}")
    if "T" not in content:
        return datetime.combine(until, time.max)
    return until.replace(tzinfo=UTC) if content.endswith("Z") else until


_READERS: t.Final[t.Mapping[str, t.Callable[[str, str, str], t.Any]]] = {
    **dict.fromkeys(_LISTS, _numbers),
    "FREQ": _frequency,
    "INTERVAL": _number,
    "COUNT": _number,
    "UNTIL": _until,
    "BYDAY": _days,
    "WKST": _weekday,
}


def _require_sense(parts: _Parts, where: str) -> None:
    """Raise InvalidInput for parts that RFC 5545 (3.3.10) forbids together, or that dateutil takes otherwise."""
    frequency, names = parts["FREQ"], set(parts)
    numbers = {number for _day, number in parts.get("BYDAY", [])}
    most = 5 if frequency == "MONTHLY" or "BYMONTH" in names else 53
    counts_days = frequency == "MONTHLY" or (frequency == "YEARLY" and "BYWEEKNO" not in names)
    wrong = [
        ({"COUNT", "UNTIL"} <= names, "COUNT and UNTIL are both given; take one"),
        ("BYWEEKNO" in names and frequency != "YEARLY", "BYWEEKNO goes with FREQ=YEARLY only"),
        ("BYYEARDAY" in names and frequency not in ("YEARLY", "HOURLY"), "BYYEARDAY goes with FREQ=YEARLY only"),
        ("BYMONTHDAY" in names and frequency == "WEEKLY", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("BYSETPOS" in names and frequency == "HOURLY", "BYSETPOS does not go with FREQ=HOURLY"),
        (
            "BYSETPOS" in names and not names & {*_LISTS, "BYDAY"} - {"BYSETPOS"},
            "BYSETPOS chooses from the matches of another BY part, and there is none",
        ),
        (
            not numbers <= {0} and not counts_days,
            "BYDAY with a number (1MO) goes with FREQ=MONTHLY, or YEARLY without BYWEEKNO, only",
        ),
        (
            len(numbers) > 1 and 0 in numbers,
            "BYDAY has days with a number (1MO) beside days without; make two windows of them",
        ),
        (any(abs(number) > most for number in numbers), f"BYDAY counts days of a month here, up to {most}"),
    ]
    for applies, message in wrong:
        if applies:
            raise InvalidInput(f"{where}: {message}")


def _by(parts: _Parts) -> dict[str, t.Any]:
    """Return the BY parts as dateutil wants them."""
    by = {name.lower(): parts[name] for name in _LISTS if name in parts}
    if "BYDAY" in parts:
        by["byweekday"] = [rules.weekday(day, n or None) for day, n in parts["BYDAY"]]
    return by


def _fill_in(by: dict[str, t.Any], parts: _Parts, start: datetime | None, where: str) -> None:
    """Add what the rule leaves open and start says: days, and the time of day.

    Raises InvalidInput when start is needed and not given: one that we chose would decide on which days users release.
    """
    frequency = parts["FREQ"]
    days_open = frequency not in ("DAILY", "HOURLY") and not any(name in parts for name in _DAYS)
    counted = [name for name, least in (("INTERVAL", 2), ("COUNT", 1)) if parts.get(name, 0) >= least]
    if start is None and days_open:
        raise InvalidInput(f"{where} names no day; add BYDAY, or give the window a start, whose day it then is")
    if start is None and counted:
        raise InvalidInput(f"{where} has {counted[0]}, which counts from a start; give the window one")
    start = start or _START
    if days_open and (frequency == "WEEKLY" or "BYWEEKNO" in parts):
        by["byweekday"] = [rules.weekday(start.weekday())]
    elif days_open:
        by["bymonthday"] = [start.day]
        if frequency == "YEARLY":
            by.setdefault("bymonth", [start.month])
    if frequency != "HOURLY":
        by.setdefault("byhour", [start.hour])
    by.setdefault("byminute", [start.minute])
    by.setdefault("bysecond", [start.second])
