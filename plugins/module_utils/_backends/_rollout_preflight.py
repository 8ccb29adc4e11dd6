# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the weights of an Argo Rollout a lie, found before a release. Private to the gradual.canary collection.

Its controller reports what it wrote. Measured on 1.9.2: a Rollout came to "ActualWeight 50" and was promoted to Healthy
while none of 400 requests reached the new version, because nobody served the class of its Ingress, or another
VirtualService had the host, or there was no such Gateway. So each layer between users and the split is looked at.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target, ownership
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_endings import findings_of_endings
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_ingress import ingress_findings
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_status import DEGRADED, invalid_spec
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_virtual_service import istio_findings
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_findings import PROPAGATION_SECONDS
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import endpoints_of
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Degraded, NotFound, NotReady
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, WHOLE, Finding, Weight

Findings = t.Iterator[Finding]

_MOST_OFF: t.Final = 500  # basis points that a ratio of pods may be from its weight


class Router(t.NamedTuple):
    """What splits the traffic: ``request`` or ``connection``, and after how many seconds at most it follows."""

    per: str
    propagation_seconds: float


_ROUTERS: t.Final = {
    "nginx": Router("request", 5.0),
    "istio": Router("request", 1.1),
    "traefik": Router("request", 2.0),
}


def router_of(routing: t.Mapping[str, t.Any]) -> Router:
    """Return the traffic router that a Rollout names; without one pods are its weights."""
    if not routing:
        return Router("connection", PROPAGATION_SECONDS)
    return next((router for name, router in _ROUTERS.items() if name in routing), Router("request", 5.0))


class Preflight:
    """One look at a Rollout and everything between users and its pods."""

    def __init__(self, cluster: Cluster, target: Target, rollout: ArgoRollout) -> None:
        self._cluster = cluster
        self._target = target
        self._rollout = rollout

    def findings(self) -> Findings:
        """Yield everything there is to say, most basic first."""
        yield from ownership(self._rollout.item)
        yield from self._state()
        yield from self._version()
        yield from self._services()
        yield from self._steps()
        routing = self._rollout.routing
        yield from findings_of_endings(self._rollout, router_of(routing).propagation_seconds)
        if not routing:
            yield from self._pods()
        if "nginx" in routing:
            yield from ingress_findings(self._cluster, self._rollout)
        if "istio" in routing:
            yield from istio_findings(self._cluster, self._target, self._rollout)
        unknown = sorted(set(routing) - {"nginx", "istio", "managedRoutes", "maxTrafficWeight"})
        if unknown:
            yield Finding(
                "warning",
                "unproven",
                f"the objects of the traffic router {', '.join(unknown)} of {self._rollout.where} are not looked at, "
                "and the Rollout tells what it wrote and not what is served",
                "Rely on the proof of each stage alone.",
            )

    def _state(self) -> Findings:
        rollout = self._rollout
        wrong = invalid_spec(rollout.item)
        if wrong:
            yield Finding(
                "error",
                "invalid_spec",
                f"the controller refuses the spec of {rollout.where}: {wrong}",
                "Mend the Rollout; the API server lets such a spec pass, and nothing follows it.",
            )
        elif rollout.is_first:
            yield Finding(
                "error",
                NotReady.code,
                f"{rollout.where} has no stable version yet: {rollout.judged}",
                "Wait until its first version is Healthy; the first version is not released by stages.",
            )
        elif rollout.judged.phase == DEGRADED and not rollout.aborted:
            yield Finding(
                "error",
                Degraded.code,
                f"{rollout.where} is {rollout.judged}",
                "Mend it first: what is degraded does not go through its steps.",
            )

    def _version(self) -> Findings:
        rollout, version = self._rollout, self._target.version
        if version is not None and version != (rollout.canary_version or rollout.stable_version):
            yield Finding(
                "error",
                NotFound.code,
                f"{rollout.where} has the template of {rollout.workload.version} and none of "
                f"{self._target.canary_service}, which so has no endpoints either",
                "Deploy that version first (gradual.canary.version).",
            )

    def _services(self) -> Findings:
        namespace, canary = self._target.namespace, self._rollout.canary
        for role in ("stableService", "canaryService"):
            name = canary.get(role)
            service = self._cluster.find("Service", str(name), namespace) if name else None
            if name and service is None:
                yield Finding(
                    "error",
                    NotFound.code,
                    f"there is no Service {namespace}/{name}, the {role} of {self._rollout.where}",
                    "Make it; a Rollout does not make its Services.",
                )
            elif name and role == "stableService" and not endpoints_of(self._cluster, namespace, str(name)):
                yield Finding(
                    "error",
                    NotReady.code,
                    f"Service {namespace}/{name} has no ready endpoints: the stable version does not serve",
                    "Bring the stable version up first.",
                )

    def _steps(self) -> Findings:
        rollout, stops = self._rollout, self._rollout.steps.stops
        if len(stops) == 1:
            yield Finding(
                "warning",
                "no_stops",
                f"{rollout.where} waits at none of its {rollout.steps.end} steps: 100 % is the only weight it can hold",
                "Add pauses without a duration to its steps.",
            )
        elif not any(stop.weight == EVERYTHING for stop in stops[:-1]):
            yield Finding(
                "warning",
                "no_last_stop",
                f"the steps of {rollout.where} do not wait at 100 %: that weight is at once the promotion, so a "
                "version that fails its proof there has to be taken back by a release of the version before",
                "End the steps with setWeight: 100 and pause: {}.",
            )

    def _pods(self) -> Findings:
        """Findings about a Rollout without a router, whose weights are ratios of its pods."""
        rollout = self._rollout
        yield Finding(
            "warning",
            "no_router",
            f"{rollout.where} has no trafficRouting: its weights are ratios of {rollout.workload.replicas} pods, "
            "shared out by connection; a client that keeps its connection keeps its version",
            "Give it a traffic router where users keep their connections.",
        )
        off = [
            stop.weight for stop in rollout.steps.stops if _distance(stop.weight, rollout.workload.replicas) > _MOST_OFF
        ]
        if off:
            yield Finding(
                "error",
                "ratio",
                f"{rollout.workload.replicas} pods of {rollout.where} cannot make {', '.join(map(str, off))}, not even "
                f"within {Weight(_MOST_OFF)}: it would report these weights all the same",
                "Give it more replicas, other weights, or a traffic router.",
            )
        for name in filter(None, (rollout.canary.get("stableService"), self._target.app)):
            service = self._cluster.find("Service", str(name), self._target.namespace)
            if service is not None and service["spec"].get("sessionAffinity") == "ClientIP":
                yield Finding(
                    "error",
                    "sticky",
                    f"Service {self._target.namespace}/{name} keeps clients by their address (sessionAffinity: "
                    "ClientIP), so that no ratio of pods is a share of users",
                    "Set sessionAffinity to None for the time of the release.",
                )


def _distance(weight: Weight, replicas: int) -> int:
    """Return how far the nearest ratio is: of all pods, or with one more, which a surge may make."""
    if weight in (NOTHING, EVERYTHING):
        return 0
    ratios = [count * WHOLE // total for total in (replicas, replicas + 1) if total > 1 for count in range(1, total)]
    return min((abs(ratio - weight.points) for ratio in ratios), default=WHOLE)
