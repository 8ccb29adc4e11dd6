# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for the pods and endpoints of a version. Private to the gradual.canary collection.

A watch tells the moment it is ready; between slices of the watch the pods are looked at, so that a version that cannot
become ready fails in seconds and says why, instead of using up the time.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _readiness as readiness
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import NotFound, NotReady
from ansible_collections.gradual.canary.plugins.module_utils._manifests import Identity
from ansible_collections.gradual.canary.plugins.module_utils._readiness import Obstacle, Rollout
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object

_SLICE_SECONDS = 1.5  # how long a failure may stay unseen; each slice costs four requests
_PROGRESS_SECONDS = 10.0
_UNPROBED_SECONDS = (
    3.0  # how long pods without a readiness probe must stay ready: one that crashes at start is so first
)
_LOG_LINES = 10
_EVENTS = 5
_LINE_LIMIT = 300  # characters

Show = t.Callable[[str], None]


class Wait:
    """Waits for one version, all steps since `start` on one deadline.

    show: takes a line for the user, at most one in ten seconds. seconds: for everything together.
    """

    def __init__(
        self, cluster: Cluster, identity: Identity, *, seconds: float, unschedulable_after: float, show: Show
    ) -> None:
        self._cluster = cluster
        self._identity = identity
        self._seconds = seconds
        self._unschedulable_after = unschedulable_after
        self._show = show
        self._first_seen: dict[tuple[str, str | None], float] = {}
        self.start()

    def start(self) -> None:
        """Begin the deadline anew."""
        self._started = self._shown = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def for_rollout(self) -> Rollout:
        """Wait until all pods are of the newest template and available; NotReady as soon as they cannot become so."""
        identity = self._identity
        seen: list[Object] = []

        def done(items: list[Object]) -> bool:
            seen[:] = items
            return bool(items) and Rollout.of(items[0]).done

        fields = f"metadata.name={identity.name}"
        while not (self._watched("Deployment", done, fields=fields) and self._stays(seen, done, fields)):
            if not seen:
                raise NotFound(f"Deployment {identity.name} was deleted while it was waited for", name=identity.name)
            self._require_hope(seen[0])
        return Rollout.of(seen[0])

    def for_replica_sets(self, done: t.Callable[[list[Object]], bool]) -> None:
        """Wait until the ReplicaSets are as `done` says; NotReady as soon as the newest pods cannot become ready."""
        identity = self._identity
        while not self._watched("ReplicaSet", done, labels=identity.selector):
            self._require_hope(self._cluster.get("Deployment", identity.name, identity.namespace))

    def _require_hope(self, deployment: Object) -> None:
        """Raise NotReady when the pods of a Deployment's newest template cannot become ready, or not in time."""
        pods = self._current_pods(deployment)
        obstacle = self._lasting(self._obstacles(deployment, pods))
        if obstacle:
            raise self._blocked(obstacle, deployment)
        if self._time_is_up():
            raise self._late(deployment, pods)
        self._progress(f"{Rollout.of(deployment)}{_reasons(pods)}")

    def for_endpoints(self, service: Object, replicas: int) -> int:
        """Wait until each port of the Service has `replicas` ready endpoints; return how many there are."""
        name = service["metadata"]["name"]
        ports = [port.get("name") or None for port in service["spec"]["ports"]]
        found: list[int] = []

        def done(slices: list[Object]) -> bool:
            found[:] = [readiness.ready_endpoints(slices, port) for port in ports]
            return all(count >= replicas for count in found)

        while not self._watched("EndpointSlice", done, labels={"kubernetes.io/service-name": name}):
            if self._time_is_up():
                counts = ", ".join(f"{port or 'port'}: {count}" for port, count in zip(ports, found, strict=True))
                raise NotReady(
                    f"the pods of {self._identity} are available, but Service {name} has too few ready endpoints after "
                    f"{self._seconds:g} s ({counts}; wanted {replicas} each). Compare its targetPort with the ports of "
                    f"the containers: kubectl -n {self._identity.namespace} describe service {name}",
                    reason="TooFewEndpoints",
                    service=name,
                    endpoints=dict(zip([port or "" for port in ports], found, strict=True)),
                    wanted=replicas,
                )
            self._progress(f"{min(found)} of {replicas} endpoints of Service {name} ready")
        return min(found)

    def for_drain(self, seconds: float) -> None:
        """Let requests that are under way end. Not part of the deadline."""
        end = time.monotonic() + seconds
        while (remaining := end - time.monotonic()) > 0:
            self._show(f"{self._identity.name}: draining, {remaining:.0f} s left")
            time.sleep(min(remaining, _PROGRESS_SECONDS))

    def for_no_pods(self) -> None:
        """Wait until no pod of the version is left, terminating ones included."""
        seen: list[Object] = []

        def done(pods: list[Object]) -> bool:
            seen[:] = pods
            return not pods

        while not self._watched("Pod", done, labels=self._identity.selector):
            names = ", ".join(sorted(pod["metadata"]["name"] for pod in seen))
            if self._time_is_up():
                grace = max(int(pod["spec"].get("terminationGracePeriodSeconds") or 0) for pod in seen)
                raise NotReady(
                    f"{len(seen)} pods of {self._identity} are still there after {self._seconds:g} s: {names}. Their "
                    f"grace period is up to {grace} s; give timeout more than that and run the same command again",
                    reason="Terminating",
                    pods=sorted(pod["metadata"]["name"] for pod in seen),
                    grace=grace,
                )
            self._progress(f"{len(seen)} pods still ending: {names}")

    def _stays(self, seen: list[Object], done: t.Callable[[list[Object]], bool], fields: str) -> bool:
        """Say whether a rollout stays done, where pods without a readiness probe are ready before they crash."""
        if not readiness.unprobed(seen[0]) or not Rollout.of(seen[0]).wanted:
            return True

        def undone(items: list[Object]) -> bool:
            return not done(items)

        namespace = self._identity.namespace
        broken = self._cluster.wait("Deployment", namespace, undone, seconds=_UNPROBED_SECONDS, fields=fields)
        return broken is None

    def _watched(self, kind: str, done: t.Callable[[list[Object]], bool], **selectors: t.Any) -> bool:
        remaining = max(0.1, self._seconds - self.elapsed)
        found = self._cluster.wait(
            kind, self._identity.namespace, done, seconds=min(_SLICE_SECONDS, remaining), **selectors
        )
        return found is not None

    def _time_is_up(self) -> bool:
        return self.elapsed >= self._seconds

    def _progress(self, text: str) -> None:
        if time.monotonic() - self._shown >= _PROGRESS_SECONDS:
            self._shown = time.monotonic()
            self._show(f"{self._identity.name}: {text} ({self.elapsed:.0f} of {self._seconds:g} s)")

    def _current_pods(self, deployment: Object) -> list[Object]:
        namespace, labels = self._identity.namespace, self._identity.selector
        replica_sets = self._cluster.search("ReplicaSet", namespace, labels=labels)
        return readiness.current_pods(deployment, replica_sets, self._cluster.search("Pod", namespace, labels=labels))

    def _obstacles(self, deployment: Object, pods: list[Object]) -> list[Obstacle]:
        found = [readiness.pod_obstacle(pod, unschedulable_after=self._unschedulable_after) for pod in pods]
        return [obstacle for obstacle in (*found, readiness.deployment_obstacle(deployment)) if obstacle]

    def _lasting(self, obstacles: list[Obstacle]) -> Obstacle | None:
        """Return the first obstacle that has been there for as long as it takes to count."""
        now = time.monotonic()
        self._first_seen = {item.key: self._first_seen.get(item.key, now) for item in obstacles}
        return next((item for item in obstacles if now - self._first_seen[item.key] >= item.patience), None)

    def _blocked(self, obstacle: Obstacle, deployment: Object) -> NotReady:
        identity = self._identity
        events = self._events(obstacle.pod)
        log = self._log(obstacle)
        last = f" Its log ends: {log[-1]!r}." if log else ""
        look = f"pod {obstacle.pod}" if obstacle.pod else f"deployment {identity.name}"
        return NotReady(
            f"{identity} cannot become ready: {obstacle.reason}: {_cut(obstacle.explanation).rstrip('.')}.{last} "
            f"To go on: {obstacle.remedy}; then run the same command again. "
            f"To look: kubectl -n {identity.namespace} describe {look}",
            reason=obstacle.reason,
            pod=obstacle.pod,
            container=obstacle.container,
            events=events,
            log=log,
            rollout=str(Rollout.of(deployment)),
            seconds=round(self.elapsed, 1),
        )

    def _late(self, deployment: Object, pods: list[Object]) -> NotReady:
        identity, rollout = self._identity, Rollout.of(deployment)
        slow = next((pod for pod in pods if readiness.unready_reason(pod)), None)
        name = slow["metadata"]["name"] if slow else None
        look = f"pod {name}" if name else f"deployment {identity.name}"
        container = slow["spec"]["containers"][0]["name"] if slow else None
        log = self._lines(name, container, previous=False) if name and container else []
        return NotReady(
            f"{identity} is not ready after {self._seconds:g} s: {rollout}{_reasons(pods)}. Give timeout more, or mend "
            f"what keeps it; to look: kubectl -n {identity.namespace} describe {look}",
            reason="Timeout",
            pod=name,
            container=container,
            events=self._events(name),
            log=log,
            rollout=str(rollout),
            seconds=round(self.elapsed, 1),
        )

    def _events(self, pod: str | None) -> list[str]:
        """Return the last events of a pod, oldest first, one line each."""
        if pod is None:
            return []
        namespace = self._identity.namespace
        found = self._cluster.search("Event", namespace, fields=f"involvedObject.kind=Pod,involvedObject.name={pod}")
        found.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        return [_cut(f"{event.get('reason')}: {event.get('message')}") for event in found[-_EVENTS:]]

    def _log(self, obstacle: Obstacle) -> list[str]:
        if not (obstacle.crashed and obstacle.pod and obstacle.container):
            return []
        pod, container = obstacle.pod, obstacle.container
        return (
            self._lines(pod, container, previous=True)
            or self._lines(pod, container, previous=False)
            or [_cut(line) for line in obstacle.output.splitlines() if line.strip()][-_LOG_LINES:]
        )

    def _lines(self, pod: str, container: str, *, previous: bool) -> list[str]:
        text = self._cluster.log(self._identity.namespace, pod, container, previous=previous, lines=_LOG_LINES)
        return [_cut(line) for line in text.splitlines() if line.strip()]


def _reasons(pods: t.Sequence[Object]) -> str:
    """Return why pods are not ready, each reason once with how many it holds back: ``; 2 ContainerCreating``."""
    counts: dict[str, int] = {}
    for pod in pods:
        reason = readiness.unready_reason(pod)
        if reason:
            counts[reason] = counts.get(reason, 0) + 1
    return "".join(f"; {count} {reason}" for reason, count in counts.items())


def _cut(text: str) -> str:
    return text if len(text) <= _LINE_LIMIT else text[: _LINE_LIMIT - 1] + "…"
