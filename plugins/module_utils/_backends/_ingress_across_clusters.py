# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would falsify a split whose versions run in other clusters. Private to the gradual.canary collection.

Pure: `_ingress_scene.py` has asked the clusters. How a gateway finds Services of other clusters is its own affair; what
can be seen of it in the cluster of the Ingresses is looked at, and the rest is proven by samples.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    Annotated,
    class_of,
    routes_of,
    services_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_scene import Abroad, Scene
from ansible_collections.gradual.canary.plugins.module_utils._errors import NotReady
from ansible_collections.gradual.canary.plugins.module_utils._resources import words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding


def of_clusters(scene: Scene) -> t.Iterator[Finding]:
    """Yield what is found of more clusters than one; nothing where there is but one."""
    if scene.abroad is not None:
        yield from _of_stand_ins(scene, scene.abroad)
        yield from _of_ingresses(scene, scene.abroad)


def _of_stand_ins(scene: Scene, abroad: Abroad) -> t.Iterator[Finding]:
    namespace, controller = scene.setting.target.namespace, scene.setting.controller
    for name, endpoints in abroad.stand_ins.items():
        if endpoints:
            continue
        if endpoints is not None:
            yield Finding(
                "warning" if scene.rehearsed else "error",
                NotReady.code,
                f"Service {namespace}/{name} in {abroad.traffic}, which stands for that of another cluster, has no "
                "ready endpoints, so that the gateway would find none",
                "Bring its EndpointSlices up to date; or remove it, if the gateway finds the other one by itself.",
            )
        elif not controller.finds_other_clusters:
            yield Finding(
                "error",
                "not_found",
                f"Service {namespace}/{name} is in another cluster than the Ingresses, and {controller.name} finds "
                f"only those of {abroad.traffic}",
                "Make a Service of that name there, without a selector, with EndpointSlices of the other's pods.",
            )


def _of_ingresses(scene: Scene, abroad: Abroad) -> t.Iterator[Finding]:
    setting = scene.setting
    places = {route.place for route in setting.routes}
    versions = {setting.routes[0].service, setting.target.canary_service}
    for cluster, item in abroad.ingresses:
        claimed = [route for route in routes_of(item) if route.place in places]
        if claimed and setting.controller.finds_other_clusters and class_of(item) == class_of(setting.main):
            canary = Annotated.read(setting.prefix, item).is_canary
            yield Finding(
                "error",
                "other_canary" if canary else "other_route",
                f"{words(item)} in {cluster} is {'a canary' if canary else 'there'} for {claimed[0]} too, and the "
                "gateway reads the Ingresses of both clusters",
                f"Remove it. The Ingresses of a release are those of {abroad.traffic} alone.",
            )
        for name in sorted(versions & set(services_of(item))):
            yield Finding(
                "warning",
                "other_route",
                f"{words(item)} in {cluster} leads to {name}, so that this version counts as serving whatever the "
                "weight",
                "Remove it before the version is to be scaled down.",
            )
