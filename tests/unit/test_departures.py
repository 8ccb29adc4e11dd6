"""When versions left, by the load's counts and the API server's audit log."""

from __future__ import annotations

import datetime

from tests.load.departures import Departure, Event, departures, events_in


def at(second: float) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).isoformat()


def period(first: float, last: float) -> dict[str, str]:
    return {"first": at(first), "last": at(last)}


def patch(second: float) -> Event:
    return Event(second, "patch", "httproutes", "web", ours=True)


def pod_ends(second: float, version: str) -> Event:
    return Event(second, "delete", "pods", f"web-{version}-abc-xyz", ours=False)


def test_a_version_left_so_long_after_the_last_write_before_and_its_pods_stayed_until_they_end() -> None:
    versions = {"v1": {"periods": [period(100, 150.25)]}, "v2": {"periods": [period(120, 200)]}}
    events = [patch(120), patch(150), pod_ends(110, "v1"), pod_ends(158.25, "v1"), patch(158)]
    assert departures(versions, events) == [Departure("v1", 0.25, 8.0)]


def test_a_version_whose_last_request_was_sent_while_the_write_was_answered_left_at_once() -> None:
    versions = {"v1": {"periods": [period(100, 149.99)]}, "v2": {"periods": [period(120, 200)]}}
    assert departures(versions, [patch(120), patch(150)]) == [Departure("v1", 0.0, None)]


def test_the_time_since_the_endpoints_were_written_is_told_where_they_were_since_the_write() -> None:
    versions = {"v1": {"periods": [period(100, 151)]}, "v2": {"periods": [period(150, 200)]}}
    slices = [Event(moment, "update", "endpointslices", "web-abc", ours=False) for moment in (140, 150.75)]
    (found,) = departures(versions, [patch(150), *slices])
    assert (found.seconds, found.endpoints) == (1.0, 0.25)


def test_a_version_that_left_twice_is_two_departures() -> None:
    versions = {
        "v1": {"periods": [period(100, 200)]},
        "v2": {"periods": [period(110, 120.5), period(140, 150.25)]},
    }
    found = departures(versions, [patch(110), patch(120), patch(140), patch(150)])
    assert [each.seconds for each in found] == [0.5, 0.25]


def test_an_entry_of_the_audit_log_is_an_event() -> None:
    entry = {
        "stageTimestamp": at(5),
        "verb": "patch",
        "requestURI": "/x?fieldManager=gradual.canary",
        "objectRef": {"namespace": "shop", "resource": "services", "name": "web"},
    }
    others = {**entry, "requestURI": "/x?fieldManager=somebody"}
    assert events_in([entry, others]) == [
        Event(5.0, "patch", "services", "web", ours=True),
        Event(5.0, "patch", "services", "web", ours=False),
    ]
