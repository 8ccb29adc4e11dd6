# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release windows and freezes: when they are open, also in the nights in which clocks change, and what is refused."""

from __future__ import annotations

import itertools
import time as clock
import typing as t
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule as rules
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils import _recurrence
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, MissingLibrary
from ansible_collections.gradual.canary.plugins.module_utils._recurrence import parse_recurrence
from ansible_collections.gradual.canary.plugins.module_utils._window import (
    HORIZON,
    OutsideWindow,
    Schedule,
    parse_schedule,
)

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "UTC")
CLOCKS_CHANGE = (
    "2026-03-29T01:00:00Z",  # Berlin: 02:00 to 03:00
    "2026-10-25T01:00:00Z",  # Berlin: 03:00 to 02:00
    "2026-03-08T07:00:00Z",  # New York: 02:00 to 03:00
    "2026-11-01T06:00:00Z",  # New York: 02:00 to 01:00
    "2026-10-03T15:30:00Z",  # Lord Howe: 02:00 to 02:30
    "2026-04-04T15:00:00Z",  # Lord Howe: 02:00 to 01:30
    "2011-12-30T10:00:00Z",  # Apia left out a day
)
SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def window(**options: object) -> dict[str, object]:
    return {"rrule": "FREQ=DAILY;BYHOUR=2", "duration": "2h", "timezone": "Europe/Berlin", **options}


NIGHTS = parse_schedule(window(name="nights"))


# by the clock


@pytest.mark.parametrize(
    ("zone", "rrule", "opens", "closes"),
    [
        ("Europe/Berlin", "FREQ=DAILY;BYHOUR=2", "2026-03-28T01:00:00Z", "2026-03-28T03:00:00Z"),
        # 02:00 is skipped that night: it begins at 03:00.
        ("Europe/Berlin", "FREQ=DAILY;BYHOUR=2", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"),
        ("Europe/Berlin", "FREQ=DAILY;BYHOUR=2", "2026-03-30T00:00:00Z", "2026-03-30T02:00:00Z"),
        # 02:30 is skipped: it begins at 03:30.
        ("Europe/Berlin", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "2026-03-29T01:30:00Z", "2026-03-29T03:30:00Z"),
        # It begins before the gap, and two hours are two hours.
        ("Europe/Berlin", "FREQ=DAILY;BYHOUR=1", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
        # 02:00 comes twice: it begins at the first, and two hours later clocks show 03:00.
        ("Europe/Berlin", "FREQ=DAILY;BYHOUR=2", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"),
        ("Europe/Berlin", "FREQ=DAILY;BYHOUR=2;BYMINUTE=45", "2026-10-25T00:45:00Z", "2026-10-25T02:45:00Z"),
        ("Europe/Berlin", "FREQ=DAILY;BYHOUR=2", "2026-10-26T01:00:00Z", "2026-10-26T03:00:00Z"),
        ("America/New_York", "FREQ=DAILY;BYHOUR=2", "2026-03-08T07:00:00Z", "2026-03-08T09:00:00Z"),
        ("America/New_York", "FREQ=DAILY;BYHOUR=1", "2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z"),
        ("America/New_York", "FREQ=DAILY;BYHOUR=2", "2026-11-01T07:00:00Z", "2026-11-01T09:00:00Z"),
        # A gap of half an hour: 02:00 is 02:30.
        ("Australia/Lord_Howe", "FREQ=DAILY;BYHOUR=2", "2026-10-03T15:30:00Z", "2026-10-03T17:30:00Z"),
        ("Australia/Lord_Howe", "FREQ=DAILY;BYHOUR=1;BYMINUTE=45", "2026-04-04T14:45:00Z", "2026-04-04T16:45:00Z"),
        ("Asia/Kolkata", "FREQ=DAILY;BYHOUR=2", "2026-03-28T20:30:00Z", "2026-03-28T22:30:00Z"),
        # 30 December 2011 was left out in Samoa: what begins on it begins a day later, when the next one does.
        ("Pacific/Apia", "FREQ=DAILY;BYHOUR=10", "2011-12-30T20:00:00Z", "2011-12-30T22:00:00Z"),
    ],
)
def test_a_window_begins_by_the_clock_and_lasts_a_length_of_time(
    zone: str, rrule: str, opens: str, closes: str
) -> None:
    schedule = parse_schedule(window(rrule=rrule, timezone=zone))
    assert [schedule.is_open(at(opens) - SECOND), schedule.is_open(at(opens))] == [False, True]
    assert [schedule.is_open(at(closes) - SECOND), schedule.is_open(at(closes))] == [True, False]
    assert schedule.next_opening(at(opens) - SECOND) == at(opens)
    assert schedule.closes(at(opens)) == at(closes)
    assert schedule.seconds_left(at(opens) + SECOND) == 2 * 3600 - 1
    assert all(schedule.is_open(at(opens) + timedelta(minutes=minute)) for minute in range(120))


def near_a_change(text: str) -> st.SearchStrategy[datetime]:
    return st.integers(-3 * 86400, 3 * 86400).map(lambda seconds: at(text) + timedelta(seconds=seconds))


moments = st.one_of(
    *(near_a_change(text) for text in CLOCKS_CHANGE),
    st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(lambda each: each.replace(tzinfo=UTC)),
)


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.integers(0, 1439), st.integers(1, 30 * 60), moments)
def test_a_daily_window_is_open_exactly_when_it_has_begun_on_some_day_less_than_its_duration_ago(
    zone: str, minute: int, minutes: int, now: datetime
) -> None:
    begin = time(minute // 60, minute % 60)
    rrule = f"FREQ=DAILY;BYHOUR={begin.hour};BYMINUTE={begin.minute}"
    schedule = parse_schedule(window(rrule=rrule, duration=f"{minutes}m", timezone=zone))
    days = (now.date() + timedelta(days=day) for day in range(-4, 4))
    starts = [datetime.combine(day, begin, ZoneInfo(zone)).astimezone(UTC) for day in days]
    assert schedule.is_open(now) == any(timedelta() <= now - start < timedelta(minutes=minutes) for start in starts)


def test_it_makes_no_difference_in_which_zone_now_is_told() -> None:
    moment = at("2026-10-25T01:30:00Z")  # the second 02:30 in Berlin
    for now in (moment, moment.astimezone(ZoneInfo("Europe/Berlin")), moment.astimezone(ZoneInfo("Asia/Kolkata"))):
        assert NIGHTS.closes(now) == at("2026-10-25T02:00:00Z")
        assert NIGHTS.seconds_left(now) == 1800
        assert NIGHTS.next_opening(now) == at("2026-10-26T01:00:00Z")
    early = window(rrule="FREQ=DAILY;BYHOUR=0;BYMINUTE=45")
    schedule = parse_schedule([window(timezone="Asia/Kolkata"), early])
    now = at("2026-03-29T01:30:00Z").astimezone(ZoneInfo("Europe/Berlin"))  # 03:30
    assert schedule.is_open(now)
    assert schedule.zone(now).key == "Europe/Berlin"


def test_a_moment_without_a_time_zone_is_refused() -> None:
    for question in (NIGHTS.is_open, NIGHTS.seconds_left, NIGHTS.closes, NIGHTS.next_opening, NIGHTS.explain):
        with pytest.raises(InvalidInput, match="2026-10-25 01:30:00 has no time zone"):
            question(datetime(2026, 10, 25, 1, 30))


# rules


def matches(rrule: str, first: str, last: str, start: datetime | None = None) -> list[str]:
    rule = parse_recurrence(rrule, start, ZoneInfo("UTC"), "rrule")
    return [f"{moment:%Y-%m-%dT%H:%M}" for moment in rule.between(at(f"{first}T00:00Z"), at(f"{last}T00:00Z"))]


@pytest.mark.parametrize(
    ("rrule", "start", "found"),
    [
        ("FREQ=DAILY;BYDAY=SA,SU", None, ["2025-12-28T00:00", "2026-01-03T00:00", "2026-01-04T00:00"]),
        ("RRULE:freq=weekly;byday=tu;byhour=2", None, ["2025-12-30T02:00", "2026-01-06T02:00"]),
        ("FREQ=MONTHLY;BYDAY=1SA;BYHOUR=9", None, ["2026-01-03T09:00"]),
        ("FREQ=YEARLY;BYWEEKNO=2;BYDAY=MO,TU", None, ["2026-01-05T00:00", "2026-01-06T00:00"]),
        ("FREQ=YEARLY;BYYEARDAY=-358,2;BYHOUR=1", None, ["2026-01-02T01:00", "2026-01-08T01:00"]),
        ("FREQ=HOURLY;BYHOUR=22,23;BYMONTHDAY=3", None, ["2026-01-03T22:00", "2026-01-03T23:00"]),
        # What the rule leaves open is that of its start.
        ("FREQ=WEEKLY", datetime(2025, 3, 3, 4, 5), ["2025-12-29T04:05", "2026-01-05T04:05"]),
        ("FREQ=MONTHLY", datetime(2025, 3, 4, 4, 5), ["2026-01-04T04:05"]),
        ("FREQ=YEARLY", datetime(2020, 1, 6), ["2026-01-06T00:00"]),
        ("FREQ=YEARLY;BYWEEKNO=1", datetime(2020, 1, 7, 3), ["2025-12-30T03:00"]),
        # Steps are counted from the start, which may be long ago.
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", datetime(2001, 1, 1), ["2025-12-29T00:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", datetime(2001, 1, 8), ["2026-01-05T00:00"]),
        ("FREQ=DAILY;INTERVAL=5", datetime(2025, 12, 28), ["2025-12-28T00:00", "2026-01-02T00:00", "2026-01-07T00:00"]),
        # The start is no match unless the rule says so, and what is before it does not count.
        ("FREQ=WEEKLY;BYDAY=MO,FR", datetime(2026, 1, 4), ["2026-01-05T00:00", "2026-01-09T00:00"]),
        ("FREQ=DAILY;COUNT=2", datetime(2026, 1, 2, 8), ["2026-01-02T08:00", "2026-01-03T08:00"]),
        ("FREQ=DAILY;UNTIL=20260102", datetime(2026, 1, 1, 8), ["2026-01-01T08:00", "2026-01-02T08:00"]),
        ("FREQ=DAILY;UNTIL=20260102T075959", datetime(2026, 1, 1, 8), ["2026-01-01T08:00"]),
        ("FREQ=DAILY;UNTIL=20260102T080000Z", datetime(2026, 1, 1, 8), ["2026-01-01T08:00", "2026-01-02T08:00"]),
        # The second of the three in a whole week, though the series begins on that day.
        ("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=-2", datetime(2026, 1, 7), ["2026-01-07T00:00"]),
    ],
)
def test_a_rule_means_what_rfc_5545_says(rrule: str, start: datetime | None, found: list[str]) -> None:
    assert matches(rrule, "2025-12-28", "2026-01-09", start) == found


def test_the_end_of_a_rule_may_be_given_in_utc() -> None:
    rule = parse_recurrence(
        "FREQ=DAILY;UNTIL=20260102T070000Z", datetime(2026, 1, 1, 8), ZoneInfo("Europe/Berlin"), "rrule"
    )
    assert rule.between(at("2026-01-01T00:00Z"), at("2026-02-01T00:00Z")) == [
        at("2026-01-01T07:00Z"),
        at("2026-01-02T07:00Z"),
    ]


def some(low: int, high: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), min_size=1, max_size=3, unique=True)


@st.composite
def dateutil_rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"]))
    parts = {"FREQ": frequency, "INTERVAL": str(draw(st.integers(1, 30)))}
    lists: dict[str, st.SearchStrategy[list[int]]] = {"BYMONTH": some(1, 12), "BYHOUR": some(0, 23)}
    if frequency != "WEEKLY":
        lists["BYMONTHDAY"] = some(-31, 31)
    if frequency == "YEARLY":
        lists |= {"BYYEARDAY": some(-366, 366), "BYWEEKNO": some(-53, 53)}
    for name in draw(st.sets(st.sampled_from(sorted(lists)), max_size=2)):
        parts[name] = ",".join(str(number or 1) for number in draw(lists[name]))
    if "BYWEEKNO" in parts or draw(st.booleans()):
        days = draw(st.lists(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, unique=True))
        parts["BYDAY"] = ",".join(days)
        parts["WKST"] = draw(st.sampled_from(["MO", "SU", "TH"]))
        if frequency in ("YEARLY", "MONTHLY"):
            parts["BYSETPOS"] = draw(st.sampled_from(["1", "-1", "2,-2"]))
    return ";".join(f"{name}={value}" for name, value in parts.items())


def unfold(rrule: str, start: datetime) -> t.Iterator[datetime]:
    """Yield what dateutil makes of a rule; nothing for one of every second hour from midnight that asks for 01:00."""
    try:
        yield from rules.rrulestr(rrule, dtstart=start)
    except ValueError:
        return


@settings(deadline=None)
@given(dateutil_rules(), st.datetimes(datetime(1990, 1, 1), datetime(2025, 1, 1)), st.integers(0, 20000))
@example("FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=31", datetime(2001, 8, 31), 9000)
@example("FREQ=YEARLY;INTERVAL=2", datetime(2000, 2, 29), 5000)
@example("FREQ=WEEKLY;INTERVAL=3;WKST=SU;BYDAY=SA,SU", datetime(2001, 8, 26, 7), 9000)
def test_starting_in_the_middle_of_a_series_finds_what_dateutil_finds_from_its_start(
    rrule: str, start: datetime, days: int
) -> None:
    start = start.replace(microsecond=0)
    assume(next(unfold(rrule, start), None) is not None)
    rule = parse_recurrence(rrule, start, ZoneInfo("UTC"), "rrule")
    first = start + timedelta(days=days)
    last = first + timedelta(days=400)
    whole = itertools.takewhile(lambda each: each <= last, unfold(rrule, start))
    wanted = [each.replace(tzinfo=UTC) for each in whole if each >= first]
    assert rule.between(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)) == wanted


@pytest.mark.parametrize(
    "rrule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=1;BYYEARDAY=366",
        "FREQ=DAILY;BYHOUR=2;BYSETPOS=2",
        "FREQ=HOURLY;INTERVAL=2;BYHOUR=1",
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2;BYMONTHDAY=1",
        "FREQ=DAILY;UNTIL=20241231",
    ],
)
def test_a_rule_that_never_matches_is_refused_after_a_short_search(rrule: str) -> None:
    begun = clock.process_time()
    with pytest.raises(InvalidInput, match="never matches from 2025-01-01 00:00:00 on"):
        matches(rrule, "2026-01-01", "2026-01-02", datetime(2025, 1, 1))
    assert clock.process_time() - begun < 10


@pytest.mark.parametrize("rrule", ["FREQ=DAILY;BYHOUR=0,6,12,18", "FREQ=HOURLY"])
def test_a_rule_that_matches_often_for_a_long_time_is_answered_soon(rrule: str) -> None:
    schedule = parse_schedule(window(rrule=rrule, start="1970-01-01", duration="10m", timezone="UTC"))
    begun = clock.process_time()
    assert schedule.next_opening(at("2199-12-30T23:55:00Z")) == at("2199-12-31T00:00:00Z")
    assert clock.process_time() - begun < 1


def test_the_weekly_rule_of_a_window_without_a_start_is_the_same_whenever_it_is_asked() -> None:
    schedule = parse_schedule(window(rrule="FREQ=WEEKLY;BYDAY=MO;BYHOUR=2"))
    opens = [schedule.next_opening(at("2026-01-01T00:00:00Z") + timedelta(hours=hour)) for hour in range(97)]
    assert set(opens) == {at("2026-01-05T01:00:00Z")}


def test_without_dateutil_the_message_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_recurrence, "HAS_DATEUTIL", False)
    with pytest.raises(MissingLibrary, match=r"window 1: rrule needs .* pip install python-dateutil"):
        parse_schedule(window())
    assert parse_schedule([]).is_open(at("2026-01-01T00:00:00Z"))


def test_a_start_is_told_to_the_second() -> None:
    schedule = parse_schedule(window(rrule="FREQ=DAILY;COUNT=1", start="2026-01-05 10:00:30.5", timezone="UTC"))
    assert schedule.next_opening(at("2026-01-01T00:00:00Z")) == at("2026-01-05T10:00:30Z")


# windows together, and freezes


def test_windows_that_overlap_or_adjoin_are_one() -> None:
    schedule = parse_schedule(
        [
            window(timezone="UTC"),
            window(rrule="FREQ=DAILY;BYHOUR=4", duration="1h", timezone="UTC"),
            window(rrule="FREQ=DAILY;BYHOUR=4;BYMINUTE=30", duration="1h", timezone="UTC"),
        ]
    )
    assert schedule.closes(at("2026-01-01T02:00:00Z")) == at("2026-01-01T05:30:00Z")
    assert schedule.next_opening(at("2026-01-01T03:00:00Z")) == at("2026-01-02T02:00:00Z")


def test_a_window_that_follows_on_itself_for_days_closes_when_it_does() -> None:
    schedule = parse_schedule(window(rrule="FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", duration="1d", timezone="UTC"))
    assert schedule.closes(at("2026-01-05T12:00:00Z")) == at("2026-01-10T00:00:00Z")
    assert schedule.next_opening(at("2026-01-05T12:00:00Z")) == at("2026-01-12T00:00:00Z")


def test_a_window_without_a_gap_does_not_close() -> None:
    schedule = parse_schedule(window(rrule="FREQ=DAILY", duration="1d", timezone="UTC"))
    now = at("2026-01-01T02:00:00Z")
    assert schedule.is_open(now)
    assert (schedule.closes(now), schedule.next_opening(now)) == (None, None)
    assert schedule.seconds_left(now) == HORIZON.total_seconds()
    assert schedule.explain(now) == "window 1 is open with no end within ten years"


def test_a_window_that_has_had_its_last_day_opens_no_more() -> None:
    schedule = parse_schedule(window(rrule="FREQ=DAILY;UNTIL=20260101"))
    now = at("2026-01-02T12:00:00Z")
    assert (schedule.is_open(now), schedule.next_opening(now), schedule.seconds_left(now)) == (False, None, 0)
    assert schedule.explain(now) == "no release window is open; none opens within ten years"


def test_a_window_on_29_february_is_within_the_horizon() -> None:
    schedule = parse_schedule(window(rrule="FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", timezone="UTC"))
    assert schedule.next_opening(at("2096-03-01T00:00:00Z")) == at("2104-02-29T00:00:00Z")


def test_beyond_the_horizon_nothing_opens() -> None:
    schedule = parse_schedule([], {"from": "2026-01-01", "until": "2036-01-10", "timezone": "UTC"})
    assert schedule.next_opening(at("2026-01-05T00:00:00Z")) is None
    assert schedule.next_opening(at("2026-01-20T00:00:00Z")) == at("2036-01-11T00:00:00Z")
    years = window(rrule="FREQ=YEARLY;BYYEARDAY=1", duration="366d", timezone="UTC")
    schedule = parse_schedule(years, {"from": "2026-01-01", "until": "2036-06-01"})
    assert schedule.next_opening(at("2026-01-05T00:00:00Z")) is None


def frozen(**freeze: object) -> Schedule:
    return parse_schedule(window(name="nights"), {"from": "2026-12-20", "until": "2026-12-26", **freeze})


def test_the_last_day_of_a_freeze_belongs_to_it() -> None:
    schedule = frozen()
    assert schedule.is_open(at("2026-12-19T02:00:00+01:00"))
    assert not schedule.is_open(at("2026-12-20T02:00:00+01:00"))
    assert not schedule.is_open(at("2026-12-26T03:59:59+01:00"))
    assert schedule.next_opening(at("2026-12-20T02:00:00+01:00")) == at("2026-12-27T02:00:00+01:00")


@pytest.mark.parametrize(
    ("until", "end"),
    [
        (date(2026, 12, 20), "2026-12-21T02:00:00+01:00"),
        (datetime(2026, 12, 20, 3), "2026-12-20T03:00:00+01:00"),
        ("2026-12-20 03:00", "2026-12-20T03:00:00+01:00"),
    ],
)
def test_a_freeze_ends_and_begins_inside_a_window(until: object, end: str) -> None:
    schedule = parse_schedule(
        window(), [{"from": datetime(2026, 12, 19, 3), "until": until}, {"from": "2026-12-25", "until": "2026-12-25"}]
    )
    assert schedule.closes(at("2026-12-19T02:00:00+01:00")) == at("2026-12-19T03:00:00+01:00")
    assert not schedule.is_open(at("2026-12-25T02:00:00+01:00"))
    assert schedule.next_opening(at("2026-12-19T02:00:00+01:00")) == at(end)


def test_of_a_time_that_clocks_show_twice_a_freeze_begins_at_the_first_and_ends_at_the_second() -> None:
    begins = parse_schedule([], {"from": "2026-10-25 02:30", "until": "2026-11-01", "timezone": "Europe/Berlin"})
    assert begins.closes(at("2026-10-25T00:00:00Z")) == at("2026-10-25T00:30:00Z")
    ends = parse_schedule([], {"from": "2026-10-01", "until": "2026-10-25 02:30", "timezone": "Europe/Berlin"})
    assert ends.next_opening(at("2026-10-25T00:00:00Z")) == at("2026-10-25T01:30:00Z")


def test_a_time_with_an_offset_means_just_that_moment() -> None:
    schedule = parse_schedule(
        [], {"from": "2026-10-25T01:30:00Z", "until": datetime(2026, 10, 26, tzinfo=UTC), "timezone": "Europe/Berlin"}
    )
    assert schedule.closes(at("2026-10-25T00:00:00Z")) == at("2026-10-25T01:30:00Z")
    assert schedule.next_opening(at("2026-10-25T00:00:00Z")) == at("2026-10-26T00:00:00Z")


def test_without_windows_a_release_may_happen_at_any_time_outside_of_freezes() -> None:
    assert parse_schedule(None).seconds_left(at("2026-01-01T00:00:00Z")) == HORIZON.total_seconds()
    schedule = parse_schedule([], {"from": "2026-12-20", "until": "2026-12-26", "timezone": "UTC"})
    assert schedule.is_open(at("2026-12-19T23:59:59Z"))
    assert not schedule.is_open(at("2026-12-20T00:00:00Z"))
    assert schedule.explain(at("2026-12-19T00:00:00Z")) == "the schedule is open until 2026-12-20 00:00+00:00 UTC"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("2026-03-29T01:00:00Z", "window 'nights' is open until 2026-03-29 05:00+02:00 Europe/Berlin"),
        (
            "2026-03-29T03:00:00Z",
            "no release window is open; window 'nights' opens at 2026-03-30 02:00+02:00 Europe/Berlin",
        ),
        (
            "2026-12-20T01:30:00Z",
            "freeze 1 (Christmas) lasts until 2026-12-27 00:00+01:00 Europe/Berlin; "
            "window 'nights' opens at 2026-12-27 02:00+01:00 Europe/Berlin",
        ),
    ],
)
def test_the_words_name_the_window_or_freeze_and_what_comes_next(now: str, words: str) -> None:
    assert frozen(reason="Christmas").explain(at(now)) == words


def test_of_two_freezes_the_words_name_the_one_that_ends_last() -> None:
    long, short = {"from": "2026-12-20", "until": "2026-12-26"}, {"from": "2026-12-24", "until": "2026-12-25"}
    for freezes in ([long | {"reason": "long"}, short], [short, long | {"reason": "long"}]):
        assert "(long) lasts until 2026-12-27" in parse_schedule(window(), freezes).explain(at("2026-12-24T12:00:00Z"))


def test_where_one_window_follows_on_another_the_words_name_the_one_that_begins() -> None:
    follower = window(name="late", rrule="FREQ=DAILY;BYHOUR=4", duration="1h")
    schedule = parse_schedule([window(name="early"), follower])
    words = "is open until 2026-01-01 05:00+01:00 Europe/Berlin"
    assert schedule.explain(at("2026-01-01T03:59:59+01:00")) == f"window 'early' {words}"
    assert schedule.explain(at("2026-01-01T04:00:00+01:00")) == f"window 'late' {words}"


def test_times_are_told_in_the_zone_of_the_window_they_are_about() -> None:
    schedule = parse_schedule([window(name="a"), window(name="b", timezone="Asia/Kolkata")])
    assert schedule.explain(at("2026-01-01T12:00:00Z")).endswith("'b' opens at 2026-01-02 02:00+05:30 Asia/Kolkata")
    assert schedule.explain(at("2026-01-01T22:00:00Z")).endswith("until 2026-01-02 04:00+05:30 Asia/Kolkata")


windows = st.builds(
    lambda zone, days, hour, minutes: window(
        rrule=f"FREQ=WEEKLY;BYDAY={','.join(days)};BYHOUR={hour}", duration=f"{minutes}m", timezone=zone
    ),
    st.sampled_from(ZONES),
    st.lists(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, unique=True),
    st.integers(0, 23),
    st.integers(1, 3000),
)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Schedule, datetime]:
    """Windows, freezes and a moment that have to do with each other."""
    now = draw(moments)
    freezes = [
        {
            "from": (now + timedelta(hours=begin)).isoformat(),
            "until": (now + timedelta(hours=begin + length)).isoformat(),
        }
        | {"timezone": "UTC"}
        for begin, length in draw(st.lists(st.tuples(st.integers(-100, 100), st.integers(1, 100)), max_size=3))
    ]
    return parse_schedule(draw(st.lists(windows, max_size=3)), freezes), now


@settings(deadline=None)
@given(schedules())
def test_the_next_opening_is_open_and_the_second_before_it_is_not(drawn: tuple[Schedule, datetime]) -> None:
    schedule, now = drawn
    opens = schedule.next_opening(now)
    if opens is None:
        assert schedule.closes(now) is None
        assert schedule.is_open(now + timedelta(days=100))
        return
    assert opens > now
    assert schedule.is_open(opens)
    assert not schedule.is_open(opens - timedelta(microseconds=1))
    closed_from = schedule.closes(now) or now
    for part in range(10):
        assert not schedule.is_open(closed_from + (opens - closed_from) * part / 10)


@settings(deadline=None)
@given(schedules())
def test_seconds_are_left_exactly_while_it_is_open(drawn: tuple[Schedule, datetime]) -> None:
    schedule, now = drawn
    left = schedule.seconds_left(now)
    assert (left > 0) == schedule.is_open(now)
    if left == HORIZON.total_seconds():
        assert schedule.closes(now) is None
    elif left > 0:
        closes = now + timedelta(seconds=left)
        assert not schedule.is_open(closes)
        assert schedule.is_open(closes - timedelta(microseconds=1))
        assert all(schedule.is_open(now + (closes - now) * part / 10) for part in range(10))


# refused


@pytest.mark.parametrize(
    ("windows", "freezes", "message"),
    [
        ("nights", None, "windows must be a mapping or a list of mappings, not 'nights'"),
        (["nights"], None, "window 1 must be a mapping with rrule, duration, timezone, not 'nights'"),
        ([window(), window(rule=1)], None, "window 2 has unknown keys: rule; allowed: name, rrule, start, duration"),
        (
            {"rrule": "FREQ=DAILY", "duration": "1h"},
            None,
            "window 1 has no timezone; it needs rrule, duration, timezone",
        ),
        ({"name": "x"}, None, "window 1 has no rrule and no duration and no timezone"),
        (window(timezone="Berlin"), None, "window 1: timezone 'Berlin' is no time zone that is known here; allowed"),
        (window(timezone="Europe"), None, "window 1: timezone 'Europe' is no time zone"),
        (window(timezone="../UTC"), None, "window 1: timezone '../UTC' is no time zone"),
        (window(timezone=""), None, "window 1: timezone '' is no time zone"),
        (window(timezone="localtime"), None, "window 1: timezone 'localtime' is no time zone"),
        (window(timezone=1), None, "window 1: timezone 1 is no time zone"),
        (window(duration="2 hours"), None, "window 1: duration '2 hours' is not a duration; write seconds, or 30s"),
        (window(duration=0), None, "window 1: duration 0 is out of range; allowed: 1s to 366d"),
        (window(duration="367d"), None, "window 1: duration '367d' is out of range"),
        (window(duration=-60), None, "window 1: duration -60 is not a duration"),
        (window(start="tomorrow"), None, "window 1: start 'tomorrow' is no date or time; allowed: 2026-12-24 or"),
        (window(start="20261224"), None, "window 1: start '20261224' is no date or time"),
        (window(start="2026-13-24"), None, "window 1: start '2026-13-24' is no date or time"),
        (window(start=120), None, "window 1: start 120 is no date or time"),
        (window(start="1066-10-14"), None, "window 1: start '1066-10-14' is outside of the years 1970 to 2199"),
        (window(start="2026-01-01T00:00:00Z"), None, "window 1: start '2026-01-01 00:00:00+00:00' has a time zone of"),
        ([], {"from": "2026-12-24"}, "freeze 1 has no until; it needs from, until"),
        ([], ["Christmas"], "freeze 1 must be a mapping with from, until, not 'Christmas'"),
        (
            [],
            {"from": "2026-12-24", "to": "2026-12-26"},
            "freeze 1 has unknown keys: to; allowed: from, until, timezone",
        ),
        (
            [],
            {"from": "2026-12-24", "until": "2026-12-26"},
            "freeze 1 has no timezone, and the windows do not have one",
        ),
        (
            [window(), window(timezone="UTC")],
            {"from": "2026-12-24", "until": "2026-12-26"},
            "freeze 1 has no timezone, and the windows do not have one in common",
        ),
        (
            window(),
            {"from": "2026-12-24", "until": "2026-12-23"},
            "freeze 1: until '2026-12-23' is not after from '2026",
        ),
        (
            window(),
            {"from": "2026-12-24", "until": "9999-12-31"},
            "freeze 1: until '9999-12-31' is outside of the years",
        ),
        (window(), {"from": "soon", "until": "2026-12-23"}, "freeze 1: from 'soon' is no date or time"),
        (window(), {"from": "2026-12-24", "until": "2026-12-25", "timezone": "X"}, "freeze 1: timezone 'X' is no time"),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused_with_its_place_and_key(
    windows: object, freezes: object, message: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_schedule(windows, freezes)
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(
    ("rrule", "message"),
    [
        ("", "'' is not one rule of RFC 5545; write for example FREQ=WEEKLY"),
        ("every night", "'every night' is not one rule of RFC 5545"),
        ("DTSTART:20260101T000000\nRRULE:FREQ=DAILY", "'DTSTART:20260101T000000\\nRRULE:FREQ=DAILY' is not one rule"),
        ("FREQ=DAILY;", "'FREQ=DAILY;' is not one rule"),
        (5, "5 is not one rule"),
        ("BYHOUR=2", "has no FREQ; allowed: YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY"),
        ("FREQ=MINUTELY", "FREQ=MINUTELY is not allowed; allowed: YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY"),
        ("FREQ=SECONDLY", "FREQ=SECONDLY is not allowed"),
        ("FREQ=DAYLY", "FREQ=DAYLY is not allowed"),
        ("FREQ=DAILY;BYEASTER=1", "has an unknown part BYEASTER; allowed: FREQ, UNTIL, INTERVAL"),
        ("FREQ=DAILY;BYHOUR=2;BYHOUR=3", "has BYHOUR twice; separate several values by commas"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 has '0'; allowed: 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL=-1 has '-1'; allowed: 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=1,2", "INTERVAL=1,2 must be one number"),
        ("FREQ=DAILY;COUNT=0", "COUNT=0 has '0'; allowed: 1 to 1000"),
        ("FREQ=DAILY;BYHOUR=25", "BYHOUR=25 has '25'; allowed: 0 to 23"),
        ("FREQ=DAILY;BYHOUR=-1", "BYHOUR=-1 has '-1'; allowed: 0 to 23"),
        ("FREQ=DAILY;BYMINUTE=0,60", "BYMINUTE=0,60 has '60'; allowed: 0 to 59"),
        ("FREQ=DAILY;BYMINUTE=½", "BYMINUTE=½ has '½'; allowed: 0 to 59"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH=13 has '13'; allowed: 1 to 12"),
        ("FREQ=DAILY;BYMONTHDAY=0", "BYMONTHDAY=0 has '0'; allowed: 1 to 31, or -31 to -1"),
        ("FREQ=DAILY;BYDAY=MON", "BYDAY=MON has 'MON'; allowed: MO, TU, WE, TH, FR, SA, SU, or with a number"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY=0MO has '0MO'; allowed"),
        ("FREQ=WEEKLY;BYDAY=MO;WKST=1", "WKST=1 is not a day of the week"),
        ("FREQ=DAILY;UNTIL=2026-01-01", "UNTIL=2026-01-01 is not a time; allowed: 20261231, 20261231T180000 or"),
        ("FREQ=DAILY;UNTIL=20260230", "UNTIL=20260230 is not a time"),
        ("FREQ=DAILY;UNTIL=99991231", "UNTIL=99991231 is outside of the years 1970 to 2199"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260101", "COUNT and UNTIL are both given; take one"),
        ("FREQ=MONTHLY;BYWEEKNO=2", "BYWEEKNO goes with FREQ=YEARLY only"),
        ("FREQ=DAILY;BYYEARDAY=2", "BYYEARDAY goes with FREQ=YEARLY only"),
        ("FREQ=WEEKLY;BYMONTHDAY=2", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("FREQ=HOURLY;BYMINUTE=2;BYSETPOS=1", "BYSETPOS does not go with FREQ=HOURLY"),
        ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS chooses from the matches of another BY part, and there is none"),
        # dateutil takes this for every Monday, and the next one for no day at all.
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY with a number (1MO) goes with FREQ=MONTHLY, or YEARLY without BYWEEKNO, only"),
        ("FREQ=MONTHLY;BYDAY=MO,1TU", "BYDAY has days with a number (1MO) beside days without"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY counts days of a month here, up to 5"),
        ("FREQ=YEARLY;BYMONTH=12;BYDAY=53MO", "BYDAY counts days of a month here, up to 5"),
        ("FREQ=WEEKLY;BYHOUR=2", "names no day; add BYDAY, or give the window a start"),
        ("FREQ=YEARLY;BYWEEKNO=2", "names no day; add BYDAY, or give the window a start"),
        ("FREQ=YEARLY;BYMONTH=2", "names no day; add BYDAY, or give the window a start"),
        ("FREQ=DAILY;INTERVAL=2", "has INTERVAL, which counts from a start; give the window one"),
        ("FREQ=DAILY;COUNT=1", "has COUNT, which counts from a start; give the window one"),
        ("FREQ=HOURLY;BYMINUTE=0,30", "matches more than 24 times a day; name fewer hours and minutes"),
        ("FREQ=DAILY;BYMINUTE=0,30;BYSECOND=0,30;BYHOUR=0,1,2,3,4,5,6", "matches more than 24"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_with_its_part(rrule: object, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_schedule([window(), window(rrule=rrule)])
    assert refused.value.message.removeprefix("window 2: rrule").lstrip(": ").startswith(message)


@pytest.mark.parametrize(
    ("now", "needed", "why"),
    [
        ("2026-11-24T02:00:00+01:00", 7200, None),
        ("2026-11-24T03:50:00+01:00", 600, None),
        ("2026-11-24T03:50:00+01:00", 601, "it takes up to 601 s, window 'nights' is open until"),
        ("2026-11-24T04:00:00+01:00", 0, "no release window is open; window 'nights' opens at"),
    ],
)
def test_a_step_begins_only_where_it_fits_in_what_is_left(now: str, needed: float, why: str | None) -> None:
    schedule = parse_schedule(window(rrule="FREQ=DAILY;BYHOUR=2", duration="2h", name="nights"))
    if why is None:
        schedule.require(at(now), needed, "50 % to web v2")
        return
    with pytest.raises(OutsideWindow) as refused:
        schedule.require(at(now), needed, "50 % to web v2")
    assert refused.value.message.startswith(f"50 % to web v2 does not begin: {why}")
    assert "2026-11-25 02:00" in refused.value.message


def test_without_a_window_any_step_fits() -> None:
    parse_schedule([], []).require(at("2026-11-24T04:00:00Z"), 86400, "50 % to web v2")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.sampled_from(["name", "rrule", "start", "timezone"]), st.sampled_from(["from", "until", "reason"]), anything)
def test_whatever_a_setting_is_it_is_taken_or_refused(key: str, freeze_key: str, value: t.Any) -> None:
    freeze = {"from": "2026-12-20", "until": "2026-12-26"}
    for windows, freezes in (
        (window(**{key: value}), freeze),
        (window(), freeze | {freeze_key: value}),
        (value, freeze),
        (window(), value),
    ):
        try:
            schedule = parse_schedule(windows, freezes)
        except InvalidInput:
            continue
        assert schedule.explain(at("2026-12-24T00:00:00Z"))
