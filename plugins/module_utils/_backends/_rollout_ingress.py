# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether users reach an Argo Rollout by its Ingress. Private to the gradual.canary collection.

The Rollout's nginx router makes a canary Ingress beside the stable one and never looks whether anybody serves the two.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    Annotated,
    annotations_of,
    class_of,
    routes_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._findings import unseen_elsewhere
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import identify, serving
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Forbidden, TargetNotFound
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Findings = t.Iterator[Finding]

_USUAL_PREFIX: t.Final = "nginx.ingress.kubernetes.io"
_SERVING_SECONDS: t.Final = 5.0
"""For the address that whoever serves an Ingress writes into its status; Traefik and ingress-nginx took at most 2."""


def ingress_findings(cluster: Cluster, rollout: ArgoRollout) -> Findings:
    """Yield what keeps users from the split of each Ingress that the Rollout names."""
    nginx, namespace = rollout.routing["nginx"], str(rollout.item["metadata"]["namespace"])
    prefix = str(nginx.get("annotationPrefix") or _USUAL_PREFIX)
    names = [*filter(None, [nginx.get("stableIngress")]), *(nginx.get("stableIngresses") or ())]
    try:
        others = cluster.search("Ingress")
    except Forbidden:
        others = cluster.search("Ingress", namespace)
        yield unseen_elsewhere("Ingress", namespace, "Ingresses", "claim the same paths")
    for name in names:
        item = cluster.find("Ingress", name, namespace)
        if item is None:
            yield Finding(
                "error",
                TargetNotFound.code,
                f"there is no Ingress {namespace}/{name}, which {rollout.where} splits by",
                "Make it, leading to the stable Service.",
            )
            continue
        yield from _served(cluster, item)
        yield from _leads(item, rollout)
        yield from _sticky(item, prefix)
        yield from _shadowed(item, others, prefix)


def _served(cluster: Cluster, item: Object) -> Findings:
    found = tuple(_of_class(cluster, item))
    yield from found
    if not any(finding.level == "error" for finding in found) and not _has_address(cluster, item):
        yield Finding(
            "error",
            "not_served",
            f"no controller serves {words(item)} of class {class_of(item) or 'none'}: nobody has written an address "
            "into its status. The Rollout would report its weights all the same",
            "See that the controller of this class runs and publishes its address, or correct the class.",
        )


def _of_class(cluster: Cluster, item: Object) -> Findings:
    name = class_of(item)
    if not name:
        return
    try:
        ingress_class = cluster.find("IngressClass", name)
    except Forbidden as error:
        yield Finding(
            "warning",
            Forbidden.code,
            f"IngressClass {name!r} of {words(item)} could not be looked at, so that its controller may be one that "
            f"reads no canary annotations: {error.message}",
            "Allow get.",
        )
        return
    if ingress_class is None and item["spec"].get("ingressClassName"):
        yield Finding(
            "error",
            "class_missing",
            f"{words(item)} is of IngressClass {name!r}, which does not exist, so that nothing serves it",
            "Create the class, or set the Ingress's ingressClassName to one that exists.",
        )
    elif ingress_class is not None and not serving(ingress_class):
        yield Finding(
            "error",
            "unsupported_controller",
            f"IngressClass {name!r} of {words(item)} is for the controller {ingress_class['spec'].get('controller')}, "
            "which is not known to read canary annotations: the Rollout would write weights that nobody follows",
            "Give the Ingress a class that ingress-nginx or Traefik serves.",
        )


def _has_address(cluster: Cluster, item: Object) -> bool:
    def addressed(items: list[Object]) -> bool:
        return any(((one.get("status") or {}).get("loadBalancer") or {}).get("ingress") for one in items)

    if identify(item).name == "apig" or cluster.rehearsal.objects:
        return True  # that gateway is outside of the cluster, and check mode sees no status
    fields = f"metadata.name={item['metadata']['name']}"
    namespace = item["metadata"]["namespace"]
    return cluster.wait("Ingress", namespace, addressed, seconds=_SERVING_SECONDS, fields=fields) is not None


def _leads(item: Object, rollout: ArgoRollout) -> Findings:
    stable = rollout.canary.get("stableService")
    services = sorted({route.service for route in routes_of(item)})
    if stable not in services:
        yield Finding(
            "error",
            TargetNotFound.code,
            f"{words(item)} leads to {', '.join(services) or 'no Service'} and not to {stable}, the stableService of "
            f"{rollout.where}, so that there is nothing to split",
            "Let it lead to that Service.",
        )


def _sticky(item: Object, prefix: str) -> Findings:
    given = annotations_of(item)
    affinity = given.get(f"{prefix}/affinity")
    if affinity and given.get(f"{prefix}/affinity-canary-behavior") != "legacy":
        yield Finding(
            "error",
            "sticky",
            f"{words(item)} keeps clients where they are (affinity: {affinity}), before the weight is looked at: users "
            "with a cookie see none of the canary while the Rollout reports its weight",
            f"Remove {prefix}/affinity for the release, or set {prefix}/affinity-canary-behavior: legacy.",
        )


def _shadowed(item: Object, others: t.Iterable[Object], prefix: str) -> Findings:
    places = {route.place for route in routes_of(item)}
    for other in others:
        same = _place(other) == _place(item) or class_of(other) != class_of(item)
        if same or Annotated.read(prefix, other).is_canary:
            continue
        taken = sorted({str(route) for route in routes_of(other) if route.place in places})
        if taken:
            yield Finding(
                "error",
                "duplicate_host",
                f"{words(other)} claims {', '.join(taken)} as {words(item)} does, and only one of them is served",
                "Remove that path from one of them.",
            )


def _place(item: Object) -> tuple[str, str]:
    return str(item["metadata"]["namespace"]), str(item["metadata"]["name"])
