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
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_delegation import (
    Front,
    fronts_of,
    left_out_by,
    lost_by,
    obstacles,
)
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
from ansible_collections.gradual.canary.plugins.module_utils._errors import Forbidden, NotFound, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._resources import words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding, Match

Object = dict[str, t.Any]
Findings = t.Iterator[Finding]

GATEWAY: t.Final = "Gateway.networking.istio.io"
_CONTROLLER: t.Final = "istio.io/"  # what its controllers of the Gateway API begin with


def surroundings(cluster: Cluster, entry: SplitEntry) -> Findings:
    """Yield what keeps requests from the split, or takes them before it.

    A VirtualService without hosts has them from those that delegate to it, so those are looked at in its stead.
    """
    services, unseen = _seen(cluster, "VirtualService", entry.home)
    delegate = not hosts_of(entry.item)
    fronts = fronts_of(entry.item, services) if delegate else [Front(entry.item, entry.index)]
    items = list({id(front.item): front.item for front in fronts}.values())
    for item in items:
        yield from _gateways(cluster, item)
    yield from _shadowed(entry.item, entry.index, entry.label)
    yield from unseen
    if delegate:
        yield from undelegated(entry, services, whole=not unseen)
        yield from left_out(entry, fronts)
        for front in fronts:
            yield from _shadowed(front.item, front.place, f"http entry {front.place}")
    found = (
        finding
        for front in fronts
        for rival in rivals(front.item, front.entry, services)
        for finding in _rival(front.item, rival)
    )
    yield from dict.fromkeys(found)  # of two entries of one VirtualService once
    routes, unseen = _seen(cluster, "HTTPRoute", entry.home)
    yield from unseen
    for item in items:
        yield from same_host(item, routes)


def require_joined(cluster: Cluster, entry: SplitEntry, routes: t.Iterable[tuple[Match, Object]]) -> None:
    """Raise Unsupported when Istio would leave out a match route because of what delegates to the VirtualService.

    routes: what is to be matched, each with its entry as it would be written.
    """
    services, _unseen = _seen(cluster, "VirtualService", entry.home)
    fronts = [front for front in fronts_of(entry.item, services) if not left_out_by(front, entry.entry, entry.home)]
    for match, route in routes:
        for front in fronts:
            lost = lost_by(front, route, entry.entry, entry.home)
            if lost:
                raise Unsupported(
                    f"{entry.where} has its requests from {front.where}, and Istio cannot join '{match}' with the "
                    f"conditions there ({', '.join(lost)}): it would leave the match route out and say nothing. "
                    f"Nothing was changed; {_way_out(lost, entry)}."
                )


def _way_out(lost: t.Sequence[str], entry: SplitEntry) -> str:
    if any(condition.startswith("headers.") for condition in lost):
        return "match by another header, or release by weight alone"
    return f"repeat {', '.join(lost)} in the matches of {entry.label}, or release by weight alone"


def _shadowed(item: Object, index: int, label: str) -> Findings:
    for other in shadowing(item, index):
        yield Finding(
            "error",
            "shadowed",
            f"{words(item)} {other} comes before {label} and takes all of its requests",
            "Put it behind, or give it a narrower match.",
        )


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


def undelegated(entry: SplitEntry, services: t.Sequence[Object], *, whole: bool = True) -> Findings:
    """Yield that nobody delegates to a VirtualService which has no hosts of its own.

    whole: whether the VirtualServices of all namespaces were seen.
    """
    if fronts_of(entry.item, services):
        return
    reasons = obstacles(entry.item, services)
    if reasons:
        said = f"{'; '.join(reasons)}. So nobody reaches it"
    elif whole:
        said = "no VirtualService delegates to it, so nobody reaches it"
    else:
        said = "none of the VirtualServices that could be looked at delegates to it, so perhaps nobody reaches it"
    yield Finding(
        "error" if whole else "warning",
        "not_delegated",
        f"{words(entry.item)} has no hosts, and {said}",
        "Give it hosts, or let one that has hosts name it as delegate.",
    )


def left_out(entry: SplitEntry, fronts: t.Sequence[Front]) -> Findings:
    """Yield that Istio leaves the entry of a delegate out, wherever it delegates to it from."""
    found = {front.where: left_out_by(front, entry.entry, entry.home) for front in fronts}
    if found and all(found.values()):
        reasons = "; ".join(f"{where} ({', '.join(conditions)})" for where, conditions in found.items())
        yield Finding(
            "error",
            "not_joined",
            f"{entry.where} asks for requests that are not delegated to it by {reasons}, so Istio leaves it out and "
            "says nothing",
            "Let the entry ask for a part of what is delegated, or for nothing of its own.",
        )


def _rival(item: Object, rival: Rival) -> Findings:
    both = f"{words(rival.item)} and {words(item)} are both for {', '.join(rival.hosts)}"
    if "mesh" in rival.places:
        wins, loses = (rival.item, item) if rival.older else (item, rival.item)
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


def same_host(item: Object, routes: t.Iterable[Object]) -> Findings:
    """Yield the HTTPRoutes that Istio serves for a host of this VirtualService."""
    hosts = hosts_of(item)
    for route in routes:
        if _is_istios(route) and (set(route["spec"].get("hostnames") or ()) & hosts or _parent_hosts(route) & hosts):
            yield Finding(
                "error",
                "duplicate_host",
                f"{words(route)} is served by Istio for a host of {words(item)} as well; the two do not mix",
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
