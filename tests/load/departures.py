"""How long after the write that took its traffic a version still answered, and how long its pods stayed after that.

The write is the API server's word (its audit log), the answers are the load's: neither is what the collection says of
itself. Without an audit log nothing is measured.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER
from tests.shop.audit import Entry, answered

AFTER_SECONDS = 0.2
"""How much before the write's answer the last request to the old version may be sent: the write had begun then."""

STILL_THERE_SECONDS = 1.0
"""A version that answered one of the requests that were sent last has not left."""


@dataclasses.dataclass(frozen=True)
class Event:
    """A write in the namespace, as the audit log has it. at: when it was answered, in seconds since the epoch."""

    at: float
    verb: str
    resource: str
    name: str
    ours: bool


@dataclasses.dataclass(frozen=True)
class Departure:
    """A version's last answer to a new connection.

    seconds: from the write's answer to the sending of the last request that the version answered. stayed: from then to
    the end of its first pod; None when its pods stayed to the end. endpoints: as `seconds`, from the last write of an
    EndpointSlice, which is what kube-proxy hears of; None when there was none since that write.
    """

    version: str
    seconds: float
    stayed: float | None
    endpoints: float | None = None


def events_in(entries: Iterable[Entry]) -> list[Event]:
    """Return the writes of an audit log as events."""
    return [
        Event(
            at=answered(entry),
            verb=entry["verb"],
            resource=entry["objectRef"].get("resource", ""),
            name=entry["objectRef"].get("name", ""),
            ours=f"fieldManager={FIELD_MANAGER}" in entry["requestURI"],
        )
        for entry in entries
    ]


def departures(versions: Mapping[str, Any], events: Sequence[Event]) -> list[Departure]:
    """Return each departure of a version, in order of time. versions: as the load counts them."""
    sent = [seconds(period["last"]) for counted in versions.values() for period in counted["periods"]]
    writes = sorted(event.at for event in events if event.ours)
    pods = sorted((event.at, event.name) for event in events if (event.verb, event.resource) == ("delete", "pods"))
    slices = sorted(event.at for event in events if event.resource == "endpointslices")
    found = []
    for version, counted in versions.items():
        for period in counted["periods"]:
            last = seconds(period["last"])
            before = [at for at in writes if at <= last + AFTER_SECONDS]
            if not before or last > max(sent) - STILL_THERE_SECONDS:
                continue
            endings = [at for at, name in pods if at > last and f"-{version}-" in name]
            stayed = endings[0] - last if endings else None
            told = [at for at in slices if before[-1] <= at <= last + AFTER_SECONDS]
            endpoints = max(0.0, last - told[-1]) if told else None
            found.append((last, Departure(version, max(0.0, last - before[-1]), stayed, endpoints)))
    return [departure for _last, departure in sorted(found, key=lambda each: each[0])]


def seconds(text: str) -> float:
    """Return a time such as 2026-01-02T03:04:05.678901Z as seconds since the epoch."""
    return datetime.datetime.fromisoformat(text).timestamp()
