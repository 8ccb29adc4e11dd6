# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether users reach an Argo Rollout by its VirtualServices, and its errors show. Private to gradual.canary."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._destination_rule import Subsets
from ansible_collections.gradual.canary.plugins.module_utils._backends._istio_preflight import (
    distortions,
    policies,
    validation,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._istio_surroundings import surroundings
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service import SplitEntry
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import (
    Destination,
    destinations_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import TargetNotFound
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Findings = t.Iterator[Finding]


def istio_findings(cluster: Cluster, target: Target, rollout: ArgoRollout) -> Findings:
    """Yield what keeps users from the split of each VirtualService that the Rollout names, or falsifies it."""
    istio = rollout.routing["istio"]
    services: dict[str, dict[str, None]] = {}  # of each namespace, in the order of the routes
    for reference in [*filter(None, [istio.get("virtualService")]), *(istio.get("virtualServices") or ())]:
        namespace, name = _place(str(reference["name"]), target.namespace)
        item = cluster.find("VirtualService", name, namespace)
        if item is None:
            yield Finding(
                "error",
                TargetNotFound.code,
                f"there is no VirtualService {namespace}/{name}, which {rollout.where} splits by",
                "Make it, with a route to the stable and one to the canary Service.",
            )
            continue
        yield from validation(item)
        split = _split_entries(item, reference, rollout, namespace)
        for index, destinations in split.items():
            entry = SplitEntry(item, target, index, Subsets())
            yield from distortions(entry)
            yield from surroundings(cluster, entry)
            for one in destinations:
                if one.namespace:
                    services.setdefault(one.namespace, {})[one.service] = None
        if not split:
            yield Finding(
                "error",
                TargetNotFound.code,
                f"{words(item)} has no http entry that leads to the stable and to the canary version, so that "
                f"{rollout.where} has nothing to write weights into",
                "Give the entry both destinations.",
            )
    for namespace, names in services.items():
        yield from policies(cluster, list(names), namespace)


def _split_entries(
    item: Object, reference: Object, rollout: ArgoRollout, namespace: str
) -> dict[int, list[Destination]]:
    """Return the entries that the Rollout writes weights into: by index, the destinations that it weighs."""
    entries, names = item["spec"].get("http") or [], reference.get("routes") or []
    managed = {route.get("name") for route in rollout.routing.get("managedRoutes") or ()}
    meant = [
        index
        for index, entry in enumerate(entries)
        if (entry.get("name") in names if names else entry.get("name") not in managed)
    ]
    subsets = rollout.routing["istio"].get("destinationRule") or {}
    wanted = {subsets.get("stableSubsetName"), subsets.get("canarySubsetName")} if subsets else _services(rollout)
    found = {}
    for index in meant:
        named = [(one.subset if subsets else one.service, one) for one in destinations_of(entries[index], namespace)]
        if wanted <= {name for name, _one in named}:
            found[index] = [one for name, one in named if name in wanted]
    return found


def _services(rollout: ArgoRollout) -> set[str | None]:
    return {rollout.canary.get("stableService"), rollout.canary.get("canaryService")}


def _place(reference: str, namespace: str) -> tuple[str, str]:
    """Return namespace and name of a VirtualService; Argo Rollouts reads ``name.namespace`` too."""
    name, dot, elsewhere = reference.partition(".")
    return (elsewhere, name) if dot else (namespace, name)
