# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods a Service sends to. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import NotReady
from ansible_collections.gradual.canary.plugins.module_utils._placement import Placement
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words

SERVICE_LABEL: t.Final = "kubernetes.io/service-name"


def selector_of(service: Object) -> dict[str, str]:
    return dict(service["spec"].get("selector") or {})


def ready_endpoints(slices: t.Iterable[Object]) -> frozenset[str]:
    """Return the pods (or addresses) that EndpointSlices list as ready; a missing condition means ready."""
    found = set()
    for item in slices:
        for endpoint in item.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                found.add(str((endpoint.get("targetRef") or {}).get("name") or endpoint["addresses"][0]))
    return frozenset(found)


def ready_pods(pods: t.Iterable[Object]) -> frozenset[str]:
    """Return the names of the pods that are ready and not on their way out."""
    return frozenset(
        pod["metadata"]["name"]
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions") or ())
    )


def endpoints_of(cluster: Cluster, namespace: str, service: str) -> frozenset[str]:
    return ready_endpoints(cluster.search("EndpointSlice", namespace, labels={SERVICE_LABEL: service}))


def endpoints_at_home(placement: Placement, namespace: str, service: str) -> frozenset[str]:
    """Return the ready endpoints of a Service, in the cluster where its pods are."""
    home = placement.home(namespace, service)
    return frozenset() if home is None else endpoints_of(home, namespace, service)


def pods_of(cluster: Cluster, namespace: str, selector: dict[str, str]) -> frozenset[str]:
    """Return the ready pods that a selector means; an empty one means none, as for a Service."""
    return ready_pods(cluster.search("Pod", namespace, labels=selector)) if selector else frozenset()


def wait_for_endpoints(
    cluster: Cluster, namespace: str, service: str, selector: dict[str, str], seconds: float
) -> None:
    """Wait until the Service's endpoints are exactly the ready pods of `selector`; NotReady after `seconds`."""

    def same(slices: list[Object]) -> bool:
        listed = ready_endpoints(slices)
        return bool(listed) and listed == pods_of(cluster, namespace, selector)

    labels = {SERVICE_LABEL: service}
    if cluster.wait("EndpointSlice", namespace, same, seconds=seconds, labels=labels) is None:
        listed, wanted = endpoints_of(cluster, namespace, service), pods_of(cluster, namespace, selector)
        found = f"{', '.join(sorted(listed)) or 'none'} instead of {', '.join(sorted(wanted)) or 'none'}"
        raise NotReady(
            f"the endpoints of Service {namespace}/{service} are still not the ready pods of "
            f"{selector_words(selector)} after {seconds:g} s: {found}. The selector is written; run again to wait on.",
            endpoints=sorted(listed),
            pods=sorted(wanted),
        )


def move_selector(cluster: Cluster, service: Object, selector: dict[str, str]) -> Difference:
    """Let a Service select other pods; Conflict when somebody else changed its selector meanwhile."""
    old = selector_of(service)
    # The whole map: a merge would leave keys of the old version that no pod of the new one has.
    written = cluster.patch(
        service,
        [
            {"op": "test", "path": "/spec/selector", "value": old},
            {"op": "replace", "path": "/spec/selector", "value": selector},
        ],
    )
    return Difference(words(service), service, written, f"selector {selector_words(old)} -> {selector_words(selector)}")


def selector_words(selector: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
