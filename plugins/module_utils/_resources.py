# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds of Kubernetes objects there are, and where the API keeps them. Private to the gradual.canary collection.

A fixed table instead of discovery: discovery costs three requests a process and a stale cache is a correctness risk.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput

Object = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind at the one API version the collection speaks."""

    name: str
    api_version: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        """Return the resource as error messages and RBAC name it: ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Return the URL path of the collection, or of one object in it."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{middle}/{self.plural}" + (f"/{name}" if name else "")


_TABLE = (
    ("ConfigMap", "v1", "configmaps"),
    ("Event", "v1", "events"),
    ("Namespace", "v1", "namespaces", False),
    ("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    ("Pod", "v1", "pods"),
    ("Secret", "v1", "secrets"),
    ("Service", "v1", "services"),
    ("ServiceAccount", "v1", "serviceaccounts"),
    ("Lease", "coordination.k8s.io/v1", "leases"),
    ("Deployment", "apps/v1", "deployments"),
    ("ReplicaSet", "apps/v1", "replicasets"),
    ("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
    ("EndpointSlice", "discovery.k8s.io/v1", "endpointslices"),
    ("Ingress", "networking.k8s.io/v1", "ingresses"),
    ("IngressClass", "networking.k8s.io/v1", "ingressclasses", False),
    ("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    ("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
    ("Role", "rbac.authorization.k8s.io/v1", "roles"),
    ("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings"),
    ("Gateway", "gateway.networking.k8s.io/v1", "gateways"),
    ("GatewayClass", "gateway.networking.k8s.io/v1", "gatewayclasses", False),
    ("HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes"),
    ("ReferenceGrant", "gateway.networking.k8s.io/v1beta1", "referencegrants"),
    ("DestinationRule", "networking.istio.io/v1", "destinationrules"),
    ("VirtualService", "networking.istio.io/v1", "virtualservices"),
    ("Rollout", "argoproj.io/v1alpha1", "rollouts"),
)
KINDS: t.Final[dict[str, Kind]] = {
    **{row[0]: Kind(*row) for row in _TABLE},
    # Of two kinds with one name, the second is asked for by its full name.
    "Gateway.networking.istio.io": Kind("Gateway", "networking.istio.io/v1", "gateways"),
}


def kind_of(item: Object) -> Kind:
    """Return the kind of an object; InvalidInput when the collection does not know it at that API version."""
    known = [kind for kind in KINDS.values() if kind.name == item.get("kind")]
    if not known:
        raise InvalidInput(
            f"kind {item.get('kind')!r} cannot be applied with a version; allowed: {', '.join(sorted(KINDS))}. "
            "Apply other kinds before the release, for example with kubernetes.core.k8s."
        )
    for kind in known:
        if item.get("apiVersion") == kind.api_version:
            return kind
    versions = " or ".join(kind.api_version for kind in known)
    raise InvalidInput(
        f"{known[0].name} must have apiVersion {versions}, not {item.get('apiVersion')!r}", kind=known[0].name
    )


def words(item: Object) -> str:
    """Return an object as a user names it: ``HTTPRoute shop/web``."""
    metadata = item.get("metadata", {})
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{item.get('kind')} {place}{metadata.get('name')}"


def last_writer(item: Object, *, other_than: str, field: t.Sequence[str] = ()) -> str | None:
    """Return the field manager that wrote last, if it is not `other_than` and not a status writer.

    field: the path of what was written, for example ``("spec", "rules")``. Whoever owns it is named then, since the
    last write may have been to another part. Times have whole seconds: ``a or b`` wrote within the same one.
    """
    foreign = _foreign_writes(item, other_than, field)
    latest = max((time for time, _manager in foreign), default="")
    return " or ".join(sorted({manager for time, manager in foreign if time == latest})) or None


def last_written(item: Object, *, other_than: str, field: t.Sequence[str]) -> str:
    """Return when the one that `last_writer` names wrote, as the API has it; empty when it names nobody."""
    return max((time for time, _manager in _foreign_writes(item, other_than, field)), default="")


def _foreign_writes(item: Object, other_than: str, field: t.Sequence[str]) -> list[tuple[str, str]]:
    """Return (time, manager) of the writes to a field by others."""
    entries = [e for e in item.get("metadata", {}).get("managedFields", []) if e.get("subresource") != "status"]
    owners = [e for e in entries if _owns(e, field)]
    return [(str(e.get("time", "")), str(e["manager"])) for e in owners or entries if e.get("manager") != other_than]


def _owns(entry: Object, field: t.Sequence[str]) -> bool:
    fields: t.Any = entry.get("fieldsV1") or {}
    for name in field:
        if f"f:{name}" not in fields:
            return False
        fields = fields[f"f:{name}"]
    return True
