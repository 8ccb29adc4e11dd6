# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything around a split by canary annotations, read once. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    Annotated,
    Route,
    class_of,
    routes_of,
    services_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import Controller
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import (
    SERVICE_LABEL,
    endpoints_at_home,
    endpoints_of,
    ready_endpoints,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Forbidden
from ansible_collections.gradual.canary.plugins.module_utils._placement import Placement
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the options say: the main Ingress, its paths that are split, and the names around it.

    repoints: whether the promotion changes the main Ingress, and not the stable Service. accepts_affinity: whether the
    user knows that clients with a session stay where they are.
    """

    target: Target
    main: Object
    routes: tuple[Route, ...]
    canary_name: str
    prefix: str
    controller: Controller
    controller_given: bool
    repoints: bool = False
    accepts_affinity: bool = False

    def concerns(self, other: Object) -> bool:
        """Say whether another Ingress meets this split, if the same controller serves it.

        A canary does at one of its places, in whatever namespace. Any other does by leading to one of the two Services.
        """
        if Annotated.read(self.prefix, other).is_canary:
            places = {route.place for route in self.routes}
            return any(route.place in places for route in routes_of(other))
        near = other["metadata"]["namespace"] == self.target.namespace
        return near and not {self.routes[0].service, self.target.canary_service}.isdisjoint(services_of(other))


@dataclasses.dataclass(frozen=True)
class Classes:
    """IngressClasses by name, as far as they matter; None for one that does not exist. unread: those refused to us."""

    found: t.Mapping[str, Object | None]
    unread: frozenset[str] = frozenset()

    @classmethod
    def look(cls, cluster: Cluster, names: t.Iterable[str]) -> Classes:
        found: dict[str, Object | None] = {}
        unread = set()
        for name in names:
            try:
                found[name] = cluster.find("IngressClass", name)
            except Forbidden:
                unread.add(name)
        return cls(found, frozenset(unread))

    def alike(self, one: str | None, other: str | None) -> bool:
        """Say whether one controller serves both classes: it does when they name the same one, whatever their names.

        None is an Ingress without a class, which only the controller itself knows whether it serves.
        """
        controller = self._controller(one)
        return one == other or (controller is not None and controller == self._controller(other))

    def unsure(self, one: str | None, other: str | None) -> bool:
        """Say whether `alike` had nothing but the names to go by, because a class could not be read."""
        return None not in (one, other) and one != other and not self.unread.isdisjoint((one, other))

    def _controller(self, name: str | None) -> str | None:
        item = self.found.get(name) if name else None
        controller = item["spec"].get("controller") if item else None
        return str(controller) if controller else None


@dataclasses.dataclass(frozen=True)
class Scene:
    """Everything that was read. others: all Ingresses but the main one and the canary. *_pods: ready endpoints.

    classes: that of the main Ingress, and those of the others that the split concerns.
    everywhere: whether the Ingresses of all namespaces could be read. rehearsed: the canary is one of check mode only.
    abroad: where versions run in other clusters than the Ingresses are in.
    """

    setting: Setting
    classes: Classes
    canary: Object | None
    others: tuple[Object, ...]
    everywhere: bool
    stable_service: Object | None
    canary_service: Object | None
    stable_pods: frozenset[str]
    canary_pods: frozenset[str]
    rehearsed: bool = False
    abroad: Abroad | None = None

    @classmethod
    def look(cls, placement: Placement, setting: Setting) -> Scene:
        cluster, namespace, target = placement.traffic, setting.target.namespace, setting.target
        try:
            ingresses, everywhere = cluster.search("Ingress"), True
        except Forbidden:
            ingresses, everywhere = cluster.search("Ingress", namespace), False
        own = {(namespace, setting.main["metadata"]["name"]), (namespace, setting.canary_name)}
        others = tuple(i for i in ingresses if (i["metadata"]["namespace"], i["metadata"]["name"]) not in own)
        classes = {class_of(setting.main), *(class_of(other) for other in others if setting.concerns(other))}
        stable = setting.routes[0].service
        return cls(
            setting=setting,
            classes=Classes.look(cluster, sorted(name for name in classes if name)),
            canary=cluster.find("Ingress", setting.canary_name, namespace),
            others=others,
            everywhere=everywhere,
            stable_service=placement.find_service(namespace, stable),
            canary_service=placement.find_service(namespace, target.canary_service),
            stable_pods=endpoints_at_home(placement, namespace, stable),
            canary_pods=endpoints_at_home(placement, namespace, target.canary_service),
            rehearsed=placement.rehearsed(namespace, target.canary_service),
            abroad=Abroad.look(placement, setting, stable) if placement.elsewhere else None,
        )


@dataclasses.dataclass(frozen=True)
class Abroad:
    """What is to be known of more than one cluster.

    traffic: the name of the cluster with the Ingresses. together: whether both Services are in one cluster.
    stand_ins: of each Service that is in another cluster than the Ingresses, what that cluster has by the same name:
    the ready endpoints, None for no Service. ingresses: those of the other clusters in this namespace, by cluster.
    """

    traffic: str
    together: bool
    stand_ins: t.Mapping[str, frozenset[str] | None]
    ingresses: tuple[tuple[str, Object], ...]

    @classmethod
    def look(cls, placement: Placement, setting: Setting, stable: str) -> Abroad:
        cluster, namespace, canary = placement.traffic, setting.target.namespace, setting.target.canary_service
        homes = {name: placement.home(namespace, name) for name in (stable, canary)}
        return cls(
            traffic=cluster.name,
            together=homes[stable] is homes[canary],
            stand_ins={
                name: _stand_in(cluster, namespace, name, setting.controller.propagation_seconds)
                for name, home in homes.items()
                if home is not None and home.server != cluster.server
            },
            ingresses=tuple(
                (other.name, item) for other in placement.foreign for item in other.search("Ingress", namespace)
            ),
        )


def _stand_in(cluster: Cluster, namespace: str, service: str, seconds: float) -> frozenset[str] | None:
    """Return the ready endpoints of a Service that stands for one of another cluster; it may lag behind that one."""
    if cluster.find("Service", service, namespace) is None:
        return None
    if not cluster.check_mode:
        labels = {SERVICE_LABEL: service}
        cluster.wait(
            "EndpointSlice", namespace, lambda slices: bool(ready_endpoints(slices)), seconds=seconds, labels=labels
        )
    return endpoints_of(cluster, namespace, service)
