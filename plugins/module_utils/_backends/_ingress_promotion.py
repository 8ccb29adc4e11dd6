# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways in which a canary of annotations becomes the stable version. Private to the gradual.canary collection.

Either the stable Service gets the canary's pods, which changes endpoints only; or the main Ingress leads to the
canary's Service, which changes routes and is needed where the stable Service cannot have those pods.
"""

from __future__ import annotations

import abc
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    CLASS_ANNOTATION,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    Route,
    all_routes_of,
    annotations_of,
    is_ours,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_objects import IngressObjects
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import (
    endpoints_at_home,
    move_selector,
    pods_of,
    selector_of,
    selector_words,
    wait_for_endpoints,
)
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, NotReady
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words

_ENDPOINT_SECONDS: t.Final = 60.0

Differences = tuple[Difference, ...]


class Promotion(abc.ABC):
    """What stands for "stable" and how it moves. state: JSON values from which another process can move it back."""

    kind: t.ClassVar[str]

    def __init__(self, objects: IngressObjects) -> None:
        self.objects = objects
        self.cluster = objects.cluster
        self.namespace = objects.target.namespace

    @abc.abstractmethod
    def holder(self, canary: Object | None) -> Object:
        """Return the object that decides who is stable, as it is in the cluster."""

    @abc.abstractmethod
    def state(self, holder: Object) -> t.Any:
        """Return whom this object makes stable."""

    @abc.abstractmethod
    def wanted(self, holder: Object) -> t.Any:
        """Return the state in which the canary's version is stable."""

    def knows(self, state: t.Any) -> bool:
        """Say whether a snapshot's state can be the application's, where its holder may serve others too."""
        return True

    @abc.abstractmethod
    def require_ready(self, holder: Object, state: t.Any, canary: Object | None) -> None:
        """Raise NotReady when nobody would serve in this state, and Conflict when it must not be entered from here."""

    @abc.abstractmethod
    def move(self, holder: Object, state: t.Any) -> Differences:
        """Make it so, and wait until the endpoints follow. Raises Conflict when somebody else changed it meanwhile."""

    @abc.abstractmethod
    def settle(self, holder: Object, state: t.Any) -> None:
        """Wait for what an earlier run may not have waited for."""

    @abc.abstractmethod
    def is_done(self, canary: Object) -> bool:
        """Say whether the stable side has the canary's pods; without a canary Service there are none to lose."""

    def leftovers(self) -> tuple[Object, ...]:
        """Return what the promotion made for its own time only."""
        return ()


class BySelector(Promotion):
    """The stable Service selects the canary's pods."""

    kind = "Service"

    def holder(self, canary: Object | None) -> Object:
        return self.objects.get_stable(canary)

    def state(self, holder: Object) -> dict[str, str]:
        return selector_of(holder)

    def wanted(self, holder: Object) -> dict[str, str]:
        return selector_of(self.objects.get_canary_service())

    def require_ready(self, holder: Object, state: dict[str, str], canary: Object | None) -> None:
        if not self.cluster.check_mode and not pods_of(self.cluster, self.namespace, state):
            raise NotReady(
                f"{words(holder)} cannot select {selector_words(state)}: no pod of those is ready, and every request "
                "would fail. Nothing was changed; scale that version up and wait for it."
            )

    def move(self, holder: Object, state: dict[str, str]) -> Differences:
        difference = move_selector(self.cluster, holder, state)
        self.settle(holder, state)
        return (difference,)

    def settle(self, holder: Object, state: dict[str, str]) -> None:
        if not self.cluster.check_mode:
            wait_for_endpoints(self.cluster, self.namespace, holder["metadata"]["name"], state, _ENDPOINT_SECONDS)

    def is_done(self, canary: Object) -> bool:
        service = self.objects.find_service(self.objects.target.canary_service)
        return service is None or selector_of(self.objects.get_stable(canary)) == selector_of(service)


class ByRepointing(Promotion):
    """The main Ingress leads to the canary's Service. state: ``[[host, path, path type, Service], ...]``.

    That is all of it that leads to the stable Service: the paths that are split, and the default backend if it does,
    which would go on sending to the old version otherwise.

    The order that loses nothing: the canary has everything; a keeper goes on naming the Service that is left, where the
    controller would forget it under workers that still send there; the main Ingress is patched. Only then is the canary
    Ingress taken away, and the keeper with it.
    """

    kind = "Ingress"

    def holder(self, canary: Object | None) -> Object:
        return self.objects.main

    def state(self, holder: Object) -> list[list[str]]:
        return [[*route.place, route.service] for route in self._routes()]

    def wanted(self, holder: Object) -> list[list[str]]:
        return [[*route.place, self.objects.target.canary_service] for route in self._routes()]

    def knows(self, state: list[list[str]]) -> bool:
        return any(route.place in places(state) for route in self._routes())

    def require_ready(self, holder: Object, state: list[list[str]], canary: Object | None) -> None:
        services = places(state)
        for service in sorted({services[route.place] for route in leaving(holder, services)}):
            if not self.cluster.check_mode and not endpoints_at_home(self.objects.placement, self.namespace, service):
                raise NotReady(
                    f"{words(holder)} cannot lead to Service {self.namespace}/{service}: that has no ready endpoint, "
                    "and every request would fail. Nothing was changed; scale that version up and wait for it."
                )
        # Of two Ingresses that name one Service the first one says what it is: were it the canary, the Service would be
        # a canary only, and the main Ingress's paths answer 404 (kubernetes/ingress-nginx issues 3952, 8004; on the lab
        # to all of 11,017 requests until the canary Ingress was gone).
        if canary is not None and self.objects.controller.forgets_upstreams and not comes_first(holder, canary):
            raise Conflict(
                f"{words(holder)} was not made before {words(canary)}, and ingress-nginx would answer 404 when both "
                "lead to one Service. Nothing was changed; take the canary back (weight 0, state detached), and begin "
                "again."
            )

    def move(self, holder: Object, state: list[list[str]]) -> Differences:
        services = places(state)
        routes = leaving(holder, services)
        if not routes:
            return ()
        kept: Differences = ()
        if self.objects.controller.forgets_upstreams:
            kept = (self.cluster.apply(keeper(self.objects.keeper_name, holder, routes)),)
        try:
            written = self.cluster.patch(holder, repointing(holder, services))
        except Conflict:
            written = self.cluster.get("Ingress", holder["metadata"]["name"], self.namespace)
            if leaving(written, services):
                raise
            # A patch whose answer was lost is sent again, and then fails on its own success.
        self.objects.main = written
        moved = ", ".join(f"{route} {route.service} -> {services[route.place]}" for route in routes)
        return (*kept, Difference(words(holder), holder, written, moved))

    def settle(self, holder: Object, state: list[list[str]]) -> None:
        """Nothing: an Ingress is as it is written."""

    def is_done(self, canary: Object) -> bool:
        return self.objects.stable_service(canary) == self.objects.target.canary_service

    def leftovers(self) -> tuple[Object, ...]:
        item = self.cluster.find("Ingress", self.objects.keeper_name, self.namespace)
        return () if item is None or not is_ours(item) else (item,)

    def _routes(self) -> list[Route]:
        stable = self.objects.stable_service(None)
        return [route for route in all_routes_of(self.objects.main) if route.service == stable]


def comes_first(one: Object, other: Object) -> bool:
    """Say whether ingress-nginx takes `one` before `other`: the older, and of the same second the greater name.

    (sortIngressSlice in its internal/ingress/controller/store/store.go.) What check mode made has no time yet.
    """
    first, second = one["metadata"], other["metadata"]
    if first.get("creationTimestamp") == second.get("creationTimestamp"):
        return bool((first["namespace"], first["name"]) > (second["namespace"], second["name"]))
    return str(first.get("creationTimestamp") or "9") < str(second.get("creationTimestamp") or "9")


Place = tuple[str, str, str]


def places(state: t.Iterable[t.Sequence[str]]) -> dict[Place, str]:
    """Return the Service of each place, from ``[[host, path, path type, Service], ...]``."""
    return {(host, path, path_type): service for host, path, path_type, service in state}


def leaving(ingress: Object, services: t.Mapping[Place, str]) -> list[Route]:
    """Return what of an Ingress does not lead where `services` wants it to."""
    return [route for route in all_routes_of(ingress) if services.get(route.place, route.service) != route.service]


def repointing(ingress: Object, services: t.Mapping[Place, str]) -> list[Operation]:
    """Return a JSON patch that tests all routes of an Ingress and then lets these places lead to these Services."""
    spec = ingress["spec"]
    edits: list[Operation] = []
    for i, rule in enumerate(spec.get("rules") or ()):
        for j, path in enumerate((rule.get("http") or {}).get("paths") or ()):
            place = (rule.get("host") or "", path.get("path") or "", path["pathType"])
            service = path["backend"].get("service")
            if service and services.get(place, service["name"]) != service["name"]:
                where = f"/spec/rules/{i}/http/paths/{j}/backend/service/name"
                edits.append({"op": "replace", "path": where, "value": services[place]})
    for route in leaving(ingress, services):
        if route.is_default:
            where, service = "/spec/defaultBackend/service/name", services[route.place]
            edits.append({"op": "replace", "path": where, "value": service})
    # A test for null passes on an absent member (measured on the API server).
    parts = ("rules", "defaultBackend")
    tests: list[Operation] = [{"op": "test", "path": f"/spec/{part}", "value": spec.get(part)} for part in parts]
    return [*tests, *edits] if edits else []


def keeper(name: str, main: Object, routes: t.Iterable[Route]) -> Object:
    """Return an Ingress that names the Services of `routes` at a host that nobody can ask for (RFC 6761: invalid)."""
    namespace = main["metadata"]["namespace"]
    # An upstream is a Service and a port of it.
    upstreams = sorted({(route.service, route.port) for route in routes}, key=str)
    paths = []
    for number, (service, port) in enumerate(upstreams):
        number_or_name = {"number": port} if isinstance(port, int) else {"name": port}
        backend = {"service": {"name": service, "port": number_or_name}}
        paths.append({"path": f"/{number}", "pathType": "Exact", "backend": backend})
    item: Object = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
        "spec": {"rules": [{"host": f"{name}.{namespace}.invalid", "http": {"paths": paths}}]},
    }
    if main["spec"].get("ingressClassName"):
        item["spec"]["ingressClassName"] = main["spec"]["ingressClassName"]
    elif CLASS_ANNOTATION in annotations_of(main):
        item["metadata"]["annotations"] = {CLASS_ANNOTATION: annotations_of(main)[CLASS_ANNOTATION]}
    return item
