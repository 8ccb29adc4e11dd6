# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of one version, made from the user's own manifests. Private to the gradual.canary collection.

Version ``v2`` of application ``web`` is the Deployment and the Service ``web-v2``; their selectors name application and
version, so no two versions share a pod.
"""

from __future__ import annotations

import copy
import dataclasses
import re
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, MissingLibrary
from ansible_collections.gradual.canary.plugins.module_utils._replicas import autoscaler_of
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, kind_of, words

try:
    import yaml
except ImportError as import_error:
    YAML_ERROR: str | None = str(import_error)
else:
    YAML_ERROR = None

MANAGED_BY: t.Final = "gradual.canary"
NAME_LABEL: t.Final = "app.kubernetes.io/name"
VERSION_LABEL: t.Final = "app.kubernetes.io/version"
MANAGED_BY_LABEL: t.Final = "app.kubernetes.io/managed-by"
REPLACES: t.Final = "gradual.canary/replaces"
OTHERS: t.Final = "gradual.canary/objects"

# What may come along with a version. Traffic objects belong to the backend, pods to the Deployment.
COMPANIONS: t.Final = (
    "ConfigMap",
    "HorizontalPodAutoscaler",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Secret",
    "ServiceAccount",
)
_LONGEST_NAME = 63  # of a Service, and of a label's value


@dataclasses.dataclass(frozen=True)
class Identity:
    """One version of one application in one namespace, and everything that follows from that by name."""

    namespace: str
    app: str
    version: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", self.app):
            raise InvalidInput(
                f"app {self.app!r} cannot name a Service; allowed: lower-case letters, digits and '-', a letter first "
                "and no '-' at the end"
            )
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", self.version):
            proposal = re.sub(r"[^a-z0-9]+", "-", self.version.lower()).strip("-")
            raise InvalidInput(
                f"version {self.version!r} cannot be part of a Service's name; allowed: lower-case letters, digits and "
                f"'-', neither first nor last a '-'{f', for example {proposal!r}' if proposal else ''}"
            )
        if len(self.name) > _LONGEST_NAME:
            raise InvalidInput(
                f"{self.name!r} has {len(self.name)} characters and a Service's name at most {_LONGEST_NAME}; "
                "shorten app or version"
            )

    @property
    def name(self) -> str:
        """Return the name of both the Deployment and the Service."""
        return f"{self.app}-{self.version}"

    @property
    def selector(self) -> dict[str, str]:
        return {NAME_LABEL: self.app, VERSION_LABEL: self.version}

    @property
    def labels(self) -> dict[str, str]:
        return {**self.selector, MANAGED_BY_LABEL: MANAGED_BY}

    def owns(self, item: Object) -> bool:
        """Say whether an object carries all our labels for this version."""
        found = item["metadata"].get("labels") or {}
        return all(found.get(key) == value for key, value in self.labels.items())

    def __str__(self) -> str:
        return f"version {self.version} of {self.app}"


@dataclasses.dataclass(frozen=True)
class Manifests:
    """What one version consists of: whole objects, ready to be applied in the order others, Deployment, Service.

    replicas: what the user asked for; None when that was left open.
    """

    identity: Identity
    deployment: Object
    service: Object
    others: tuple[Object, ...] = ()
    replicas: int | None = None

    @property
    def autoscaler(self) -> Object | None:
        """Return the HorizontalPodAutoscaler among the objects that scales the Deployment."""
        return autoscaler_of(self.identity.name, self.others)


def from_objects(
    identity: Identity, objects: t.Sequence[Object], *, replicas: int | None = None, replaces: str | None = None
) -> Manifests:
    """Return the version that the user's manifests describe, under our names, labels and selectors.

    Exactly one Deployment; at most one Service (made from the Deployment's first port when there is none); other kinds
    of `COMPANIONS` stay as they are. Raises InvalidInput.
    """
    placed = [_placed(identity, item, position) for position, item in enumerate(objects, 1)]
    _require_distinct(placed)
    deployments = [item for item in placed if item["kind"] == "Deployment"]
    services = [item for item in placed if item["kind"] == "Service"]
    others = tuple(item for item in placed if item["kind"] in COMPANIONS)
    if len(deployments) != 1:
        found = ", ".join(words(item) for item in deployments) or "none"
        raise InvalidInput(f"the manifests of {identity} must have exactly one Deployment; found: {found}")
    if len(services) > 1:
        found = ", ".join(words(item) for item in services)
        raise InvalidInput(
            f"the manifests of {identity} may have one Service, to become {identity.name}; found: {found}"
        )
    deployment = _own_deployment(identity, deployments[0], others, replaces)
    service = _own_service(identity, services[0] if services else _service_for(deployment))
    asked = replicas if replicas is not None else deployment["spec"].get("replicas")
    return Manifests(identity, deployment, service, others, asked)


def read_file(path: str) -> list[Object]:
    """Return the objects of a YAML file with one or more documents; InvalidInput when it cannot be read."""
    if YAML_ERROR:
        raise MissingLibrary(f"the Python library PyYAML cannot be imported ({YAML_ERROR}); pip install PyYAML")
    try:
        with open(path, encoding="utf-8") as file:
            documents = [document for document in yaml.safe_load_all(file) if document is not None]
    except OSError as error:
        raise InvalidInput(f"manifests_file {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"manifests_file {path} is not YAML: {error}") from error
    if not documents:
        raise InvalidInput(f"manifests_file {path} has no objects")
    return documents


def _placed(identity: Identity, item: t.Any, position: int) -> Object:
    """Return one object of the manifests, in the namespace of the target."""
    if not isinstance(item, dict) or not isinstance(item.get("metadata"), dict) or not item["metadata"].get("name"):
        raise InvalidInput(f"object {position} of the manifests must have apiVersion, kind and metadata with a name")
    kind = kind_of(item)
    allowed = ("Deployment", "Service", *COMPANIONS)
    if kind.name not in allowed:
        raise InvalidInput(f"{words(item)} cannot come with a version; allowed: {', '.join(allowed)}", kind=kind.name)
    placed = copy.deepcopy(item)
    namespace = placed["metadata"].setdefault("namespace", identity.namespace)
    if namespace != identity.namespace:
        raise InvalidInput(
            f"{words(item)} names namespace {namespace} but the version is deployed to {identity.namespace}; take "
            "metadata.namespace out of the manifests or change the option namespace",
            kind=kind.name,
        )
    placed.pop("status", None)
    for field in ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"):
        placed["metadata"].pop(field, None)
    return placed


def _require_distinct(items: t.Sequence[Object]) -> None:
    seen: set[str] = set()
    for item in items:
        if words(item) in seen:
            raise InvalidInput(f"{words(item)} is in the manifests twice; leave one out")
        seen.add(words(item))


def _own_deployment(identity: Identity, item: Object, others: t.Sequence[Object], replaces: str | None) -> Object:
    deployment = copy.deepcopy(item)
    metadata, spec = deployment["metadata"], deployment.setdefault("spec", {})
    template = spec.setdefault("template", {})
    if not (template.get("spec") or {}).get("containers"):
        raise InvalidInput(f"{words(item)} has no containers in spec.template.spec.containers")
    metadata["name"] = identity.name
    _label(identity, metadata)
    metadata["annotations"] = dict(metadata.get("annotations") or {})
    if replaces:
        metadata["annotations"][REPLACES] = replaces
    if others:
        metadata["annotations"][OTHERS] = ",".join(f"{other['kind']}/{other['metadata']['name']}" for other in others)
    spec["selector"] = {"matchLabels": identity.selector}
    _label(identity, template.setdefault("metadata", {}))
    return deployment


def _own_service(identity: Identity, item: Object) -> Object:
    service = copy.deepcopy(item)
    spec = service.setdefault("spec", {})
    if spec.get("type") == "ExternalName":
        raise InvalidInput(f"{words(item)} is of type ExternalName and cannot select the pods of {identity}")
    if not spec.get("ports"):
        raise InvalidInput(f"{words(item)} has no ports")
    service["metadata"]["name"] = identity.name
    _label(identity, service["metadata"])
    spec["selector"] = identity.selector
    return service


def _service_for(deployment: Object) -> Object:
    """Return a Service for the first port of the first container that has one."""
    metadata = deployment["metadata"]
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        for port in container.get("ports") or ():
            exposed = {"port": port["containerPort"], "targetPort": port.get("name", port["containerPort"])}
            return {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
                "spec": {"ports": [{"name": port.get("name", "http"), **exposed}]},
            }
    raise InvalidInput(
        f"{words(deployment)} has no container port to make a Service from; add ports to a container, or a Service to "
        "the manifests"
    )


def _label(identity: Identity, metadata: Object) -> None:
    metadata["labels"] = {**(metadata.get("labels") or {}), **identity.labels}
