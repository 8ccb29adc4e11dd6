# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between users and a VirtualService: Gateways and other routes. Private to the gradual.canary collection.

Reads only, and as far as the permissions go.
"""

from __future__ import annotations

import fnmatch
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service import SplitEntry
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import (
    gateways_of,
    hosts_of,
    service_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_overlap import (
    Rival,
    rivals,
    shadowing,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Forbidden, NotFound
from ansible_collections.gradual.canary.plugins.module_utils._resources import words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Object = dict[str, t.Any]
Findings = t.Iterator[Finding]

GATEWAY: t.Final = "Gateway.networking.istio.io"
_CONTROLLER: t.Final = "istio.io/"  # what its controllers of the Gateway API begin with


def surroundings(cluster: Cluster, entry: SplitEntry) -> Findings:
    """Yield what keeps requests from the split, or takes them before it."""
    yield from _gateways(cluster, entry.item)
    for label in shadowing(entry.item, entry.index):
        yield Finding(
            "error",
            "shadowed",
            f"{words(entry.item)} {label} comes before {entry.label} and takes all of its requests",
            "Put it behind, or give it a narrower match.",
        )
    services, unseen = _seen(cluster, "VirtualService", entry.home)
    yield from unseen
    if not hosts_of(entry.item):
        yield from undelegated(entry, services)
    for rival in rivals(entry.item, entry.entry, services):
        yield from _rival(entry, rival)
    routes, unseen = _seen(cluster, "HTTPRoute", entry.home)
    yield from unseen
    yield from same_host(entry, routes)


def _gateways(cluster: Cluster, item: Object) -> Findings:
    for place in sorted(gateways_of(item) - {"mesh"}):
        namespace, _slash, name = place.partition("/")
        try:
            gateway = cluster.find(GATEWAY, name, namespace)
        except Forbidden as error:
            message = f"Gateway {place} could not be looked at: {error.message}"
            yield Finding("warning", Forbidden.code, message, "Allow get.")
            continue
        if gateway is None:
            yield Finding(
                "error",
                "gateway_missing",
                f"{words(item)} belongs to Gateway {place}, which does not exist",
                "Create it (of networking.istio.io), or correct spec.gateways.",
            )
            continue
        patterns = [host for server in gateway["spec"].get("servers") or [] for host in server.get("hosts") or []]
        if hosts_of(item) and not any(_admits(pattern, host) for pattern in patterns for host in hosts_of(item)):
            yield Finding(
                "error",
                "gateway_host",
                f"Gateway {place} serves {', '.join(patterns) or 'no host'} and none of the hosts of {words(item)}: "
                f"{', '.join(sorted(hosts_of(item)))}",
                "Add the host to a server of the Gateway.",
            )


def _admits(pattern: str, host: str) -> bool:
    """Say whether a host of a Gateway, which may have a namespace before it, takes in a host of a VirtualService."""
    pattern = pattern.rpartition("/")[2]
    return fnmatch.fnmatchcase(host, pattern) or fnmatch.fnmatchcase(pattern, host)


def undelegated(entry: SplitEntry, services: t.Iterable[Object]) -> Findings:
    """Yield that nobody delegates to a VirtualService which has no hosts of its own."""

    def leads_here(other: Object) -> bool:
        home = other["metadata"]["namespace"]
        places = {
            (str(one["delegate"].get("namespace") or home), one["delegate"].get("name"))
            for one in other["spec"].get("http") or []
            if one.get("delegate")
        }
        return (entry.home, entry.item["metadata"]["name"]) in places

    if not any(map(leads_here, services)):
        yield Finding(
            "error",
            "not_delegated",
            f"{words(entry.item)} has no hosts, and no VirtualService delegates to it, so nobody reaches it",
            "Give it hosts, or name it as delegate in the one that has them.",
        )


def _rival(entry: SplitEntry, rival: Rival) -> Findings:
    both = f"{words(rival.item)} and {words(entry.item)} are both for {', '.join(rival.hosts)}"
    if "mesh" in rival.places:
        wins, loses = (rival.item, entry.item) if rival.older else (entry.item, rival.item)
        yield Finding(
            "error" if rival.older else "warning",
            "duplicate_host",
            f"{both} in the mesh; sidecars know the older alone, {words(wins)}, and nothing of {words(loses)}",
            "Make one VirtualService of them.",
        )
    gateways = [place for place in rival.places if place != "mesh"]
    if gateways and rival.overlaps:
        yield Finding(
            "error",
            "duplicate_host",
            f"{both} on Gateway {', '.join(gateways)}, with paths in common; which of them takes a request is not "
            "defined, so the split may not be seen by users",
            "Make one VirtualService of them, or give them paths that do not overlap.",
        )


def same_host(entry: SplitEntry, routes: t.Iterable[Object]) -> Findings:
    """Yield the HTTPRoutes that Istio serves for a host of this VirtualService."""
    hosts = hosts_of(entry.item)
    for route in routes:
        if _is_istios(route) and (set(route["spec"].get("hostnames") or ()) & hosts or _parent_hosts(route) & hosts):
            yield Finding(
                "error",
                "duplicate_host",
                f"{words(route)} is served by Istio for a host of {words(entry.item)} as well; the two do not mix",
                "Keep one of them. With the HTTPRoute the backend is gateway_api.",
            )


def _is_istios(route: Object) -> bool:
    parents = (route.get("status") or {}).get("parents") or []
    return any(str(parent.get("controllerName")).startswith(_CONTROLLER) for parent in parents)


def _parent_hosts(route: Object) -> set[str]:
    """Return the Services, as hosts in full, to which a route for the mesh belongs."""
    home = route["metadata"]["namespace"]
    return {
        f"{ref['name']}.{ref.get('namespace') or home}.svc.cluster.local"
        for ref in route["spec"].get("parentRefs") or []
        if ref.get("kind") == "Service"
    }


def _seen(cluster: Cluster, kind: str, namespace: str) -> tuple[list[Object], list[Finding]]:
    """Return all objects of a kind, and what could not be seen.

    Those of one namespace where more is not allowed, none where the kind is not served.
    """
    try:
        return cluster.search(kind), []
    except NotFound:
        return [], []
    except Forbidden as error:
        message = f"whether a {kind} of another namespace is for the same host could not be looked at: {error.message}"
        unseen = [Finding("warning", Forbidden.code, message, "Allow list in the whole cluster.")]
    try:
        return cluster.search(kind, namespace), unseen
    except Forbidden:
        return [], unseen


def means(host: str, home: str, service: str, namespace: str | None) -> bool:
    """Say whether a host in an object of namespace `home` means this Service."""
    return service_of(host, home) == (service, namespace)
