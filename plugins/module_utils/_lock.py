# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of an application: a Lease that one run at a time holds. Private to the gradual.canary collection.

A run can be killed at any instant and gives nothing back then, so a lock that is not renewed ends by itself. Whether it
has ended is told by one clock, the API server's: ``managedFields`` carry the time at which it saw the last write, and a
dry run of the next write carries its time of now. No clock of a machine that runs plays is compared with another.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, Error, Forbidden, NotFound
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object

if t.TYPE_CHECKING:
    from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster

SECONDS: t.Final = 60
"""How long a lock lasts that nobody renews."""

LEAST_SECONDS: t.Final = 30
"""The shortest one. It is renewed in thirds, each write asks before, and one attempt of it may take 20 s."""

_PURPOSE: t.Final = "gradual.canary/purpose"
_TAKEN_OVER: t.Final = "gradual.canary/taken-over"
_ATTEMPTS: t.Final = 3


class Locked(Error):
    """Another run works on this application."""

    code = "locked"
    retry = True


class LockLost(Error):
    """This run no longer holds the lock; nothing more is written by it."""

    code = "lock_lost"


@dataclasses.dataclass(frozen=True)
class Holding:
    """Who holds a lock. since: RFC 3339. seconds: how long it lasts unless it is renewed. purpose: in words."""

    holder: str
    since: str
    seconds: int
    purpose: str

    def as_result(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Taken:
    """A lock that is held now. before: who lost it by that, None when nobody did. changed: it was not held before."""

    holding: Holding
    before: Holding | None
    changed: bool


def holding_of(lease: Object | None) -> Holding | None:
    """Return who holds a Lease, or None when nobody does."""
    spec = (lease or {}).get("spec") or {}
    if lease is None or not spec.get("holderIdentity"):
        return None
    annotations = lease["metadata"].get("annotations") or {}
    return Holding(
        holder=str(spec["holderIdentity"]),
        since=str(spec.get("acquireTime") or spec.get("renewTime") or "an unknown time"),
        seconds=int(spec.get("leaseDurationSeconds") or SECONDS),
        purpose=str(annotations.get(_PURPOSE) or "a change"),
    )


def seconds_between(live: Object, previewed: Object) -> float | None:
    """Return the seconds from the last write of `live` to the dry run that gave `previewed`; None when not told."""
    written, now = _last_time(live), _last_time(previewed)
    return (now - written).total_seconds() if written and now else None


def _last_time(item: Object) -> datetime.datetime | None:
    times = [str(entry["time"]) for entry in item["metadata"].get("managedFields") or () if entry.get("time")]
    return max((datetime.datetime.fromisoformat(time) for time in times), default=None)


class Lock:
    """The lock of one application: Lease ``gradual-canary-APP`` in its namespace."""

    def __init__(self, cluster: Cluster, namespace: str, app: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._app = app

    def seen(self) -> tuple[Holding | None, bool]:
        """Return who holds it, and whether that is still so; a dry run tells, where the caller may write a Lease."""
        lease = self._find()
        held = holding_of(lease)
        if lease is None or held is None:
            return None, False
        try:
            return held, not self._has_ended(lease, held)
        except (Conflict, Forbidden, NotFound):
            return held, True

    def holding(self) -> Holding | None:
        """Return who holds it, in one request. Whether it has ended meanwhile is not looked at."""
        return holding_of(self._find())

    def take(self, holder: str, purpose: str, *, take_over: str | None = None, seconds: int = SECONDS) -> Taken:
        """Hold the lock from now on, or raise Locked.

        holder: an identity that no other run has. take_over: the reason for which it is taken from whoever holds it;
        without one it is only taken when nobody holds it or when it has ended. Of runs that do so at the same time one
        wins: each write tests that the Lease is the one that was read.
        """
        wrote, lost = False, None
        for _attempt in range(_ATTEMPTS):
            lease = self._find() or self._created()
            if lease is None:
                continue
            try:
                before = holding_of(lease)
                if before and before.holder == holder:
                    self.renew(holder)  # a read alone is no sign of life
                    # Taken by a write of this very call, whose answer was lost.
                    return Taken(before, lost, changed=wrote)
                if before and not take_over and not self._has_ended(lease, before):
                    break
                wrote, lost = True, before
                written = self._cluster.patch(lease, _taking(lease, holder, purpose, take_over, seconds))
            except (Conflict, NotFound):
                continue  # somebody else was faster; who it was is read again
            now = holding_of(written)
            if now is None:
                raise Conflict(f"the API server did not keep the holder of Lease {self._namespace}/{self._name}")
            return Taken(now, before, changed=True)
        raise self._locked(self.holding())

    def require_takeable(self, holder: str) -> None:
        """Raise Locked where `take` would; nothing is written."""
        lease = self._find()
        held = holding_of(lease)
        if lease and held and held.holder != holder and not self._has_ended(lease, held):
            raise self._locked(held)

    def renew(self, holder: str) -> int:
        """Let the lock last from now, in one request, and return how many seconds that is.

        Raises LockLost when `holder` does not hold it any more.
        """
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
        }
        operations = [
            {"op": "test", "path": "/spec/holderIdentity", "value": holder},
            {"op": "add", "path": "/spec/renewTime", "value": _now()},
        ]
        for _attempt in range(_ATTEMPTS):
            try:
                held = holding_of(self._cluster.patch(lease, operations))
            except (Conflict, NotFound):
                found = self._find()
                held = holding_of(found)
                if held is None or held.holder != holder:
                    raise self._lost(holder, found) from None
                continue  # it was something else that was in the way
            return held.seconds if held else LEAST_SECONDS
        raise Conflict(
            f"Lease {self._namespace}/{self._name} cannot be renewed: each attempt is answered by a conflict"
        )

    def give_back(self, holder: str) -> bool:
        """Let it go if `holder` has it; say whether it had. What somebody else holds by now is left alone."""
        for _attempt in range(_ATTEMPTS):
            lease = self._find()
            held = holding_of(lease)
            if lease is None or held is None or held.holder != holder:
                return False
            try:
                self._cluster.patch(lease, [_unchanged(lease), {"op": "remove", "path": "/spec/holderIdentity"}])
            except (Conflict, NotFound):
                continue  # a renewal of our own on its way, or somebody who takes it over
            return True
        return False

    @property
    def _name(self) -> str:
        return f"gradual-canary-{self._app}"

    def _find(self) -> Object | None:
        return self._cluster.find("Lease", self._name, self._namespace)

    def _created(self) -> Object | None:
        """Make the Lease without a holder: of two runs that do so at once, both go on from the same one.

        Returns None when somebody deleted it meanwhile. Raises NotFound when there is no such namespace.
        """
        lease: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {"leaseDurationSeconds": SECONDS},
        }
        with contextlib.suppress(Conflict):  # another run made it, and has it by now
            self._cluster.apply(lease)
        return self._find()

    def _has_ended(self, lease: Object, held: Holding) -> bool:
        renewal = [{"op": "add", "path": "/spec/renewTime", "value": _now()}]
        age = seconds_between(lease, self._cluster.preview(lease, renewal))
        return age is not None and age > held.seconds

    def _locked(self, held: Holding | None) -> Locked:
        if held is None:
            return Locked(
                f"{self._app} in namespace {self._namespace} is being worked on by several runs at the same time. "
                "Nothing was changed. Run this again."
            )
        return Locked(
            f"{self._app} in namespace {self._namespace} is being worked on by {held.holder} since {held.since}: "
            f"{held.purpose}. Nothing was changed. Run this again when that is over; if that run was killed, its lock "
            f"ends {held.seconds} s after its last sign of life. To take it over now, whereupon that run stops before "
            'its next write: -e \'{"canary_take_over": "why"}\', or the option take_over of the task.',
            **held.as_result(),
        )

    def _lost(self, holder: str, lease: Object | None) -> LockLost:
        held = holding_of(lease)
        note = ((lease or {}).get("metadata", {}).get("annotations") or {}).get(_TAKEN_OVER)
        who = f"{held.holder} holds it now ({held.purpose})" if held else "nobody holds it now"
        why = f"; it was taken over: {note}" if note and holder in note else ""
        return LockLost(
            f"the lock of {self._app} in namespace {self._namespace} is no longer held by this run, {holder}: "
            f"{who}{why}. This run writes nothing more. See gradual.canary.status.",
            **(held.as_result() if held else {}),
        )


def _taking(lease: Object, holder: str, purpose: str, take_over: str | None, seconds: int) -> list[dict[str, t.Any]]:
    before, spec, now = holding_of(lease), lease.get("spec") or {}, _now()
    annotations = {**(lease["metadata"].get("annotations") or {}), _PURPOSE: purpose}
    if before and take_over:
        # The last one stays until the next: a record of who did it, and why.
        annotations[_TAKEN_OVER] = f"{take_over} (by {holder} at {now}, from {before.holder}, {before.purpose})"
    held = {
        **spec,
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1,
    }
    return [
        _unchanged(lease),
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
        {"op": "add", "path": "/spec", "value": held},
    ]


def _unchanged(lease: Object) -> dict[str, t.Any]:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": lease["metadata"]["resourceVersion"]}


def _now() -> str:
    """Return this machine's time, for people who read the Lease; nothing is decided by it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
