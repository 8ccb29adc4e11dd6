# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything around a split by canary annotations, read once. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import Route, class_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import Controller
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import endpoints_of
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Forbidden
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS, Object


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the options say: the main Ingress, its paths that are split, and the names around it.

    repoints: whether the promotion changes the main Ingress, and not the stable Service.
    """

    target: Target
    main: Object
    routes: tuple[Route, ...]
    canary_name: str
    prefix: str
    controller: Controller
    controller_given: bool
    repoints: bool = False


@dataclasses.dataclass(frozen=True)
class Scene:
    """Everything that was read. others: all Ingresses but the main one and the canary. *_pods: ready endpoints.

    everywhere: whether the Ingresses of all namespaces could be read. rehearsed: the canary is one of check mode only.
    """

    setting: Setting
    ingress_class: Object | None
    canary: Object | None
    others: tuple[Object, ...]
    everywhere: bool
    stable_service: Object | None
    canary_service: Object | None
    stable_pods: frozenset[str]
    canary_pods: frozenset[str]
    rehearsed: bool = False

    @classmethod
    def look(cls, cluster: Cluster, setting: Setting) -> Scene:
        namespace, target = setting.target.namespace, setting.target
        class_name = class_of(setting.main)
        try:
            ingresses, everywhere = cluster.search("Ingress"), True
        except Forbidden:
            ingresses, everywhere = cluster.search("Ingress", namespace), False
        own = {(namespace, setting.main["metadata"]["name"]), (namespace, setting.canary_name)}
        stable = setting.routes[0].service
        return cls(
            setting=setting,
            ingress_class=cluster.find("IngressClass", class_name) if class_name else None,
            canary=cluster.find("Ingress", setting.canary_name, namespace),
            others=tuple(i for i in ingresses if (i["metadata"]["namespace"], i["metadata"]["name"]) not in own),
            everywhere=everywhere,
            stable_service=cluster.find("Service", stable, namespace),
            canary_service=cluster.find("Service", target.canary_service, namespace),
            stable_pods=endpoints_of(cluster, namespace, stable),
            canary_pods=endpoints_of(cluster, namespace, target.canary_service),
            rehearsed=any(
                cluster.rehearsal.knows(KINDS[kind].path(namespace, target.canary_service))
                for kind in ("Service", "Deployment")
            ),
        )
