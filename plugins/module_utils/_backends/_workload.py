# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload that changes in place: one object whose versions are its pod templates. Private to gradual.canary.

A Deployment or a Rollout has one template at a time, and a ReplicaSet for each template that it had and that its
controller has not forgotten. So the ReplicaSets are the versions, their revisions are the history, and what serves is
told by their pods. Reading is `Workload.look`; all else is pure.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import NotFound, TargetNotFound
from ansible_collections.gradual.canary.plugins.module_utils._manifests import NAME_LABEL, VERSION_LABEL, Identity
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words

CHANGE_CAUSE: t.Final = "kubernetes.io/change-cause"


@dataclasses.dataclass(frozen=True)
class WorkloadKind:
    """How one kind marks its ReplicaSets: the annotation with the revision, the label with the template's hash."""

    kind: str
    revision: str
    template_hash: str


DEPLOYMENT: t.Final = WorkloadKind("Deployment", "deployment.kubernetes.io/revision", "pod-template-hash")
ROLLOUT: t.Final = WorkloadKind("Rollout", "rollout.argoproj.io/revision", "rollouts-pod-template-hash")


@dataclasses.dataclass(frozen=True)
class Revision:
    """One template that a workload had, with the ReplicaSet that keeps it.

    template: as it is written into the workload, without the hash that its controller adds to the pods' labels.
    """

    number: int
    version: str | None
    template_hash: str
    template: Object
    replica_set: Object

    @property
    def replicas(self) -> int:
        """How many pods it is to have."""
        return int(self.replica_set["spec"].get("replicas", 1))

    @property
    def ready(self) -> int:
        return int((self.replica_set.get("status") or {}).get("readyReplicas") or 0)

    @property
    def available(self) -> int:
        return int((self.replica_set.get("status") or {}).get("availableReplicas") or 0)

    @property
    def pods(self) -> int:
        """How many pods it has, ready or not; those on their way out are not counted."""
        return int((self.replica_set.get("status") or {}).get("replicas") or 0)

    @property
    def image(self) -> str:
        return str(self.template["spec"]["containers"][0].get("image"))

    @property
    def annotations(self) -> dict[str, str]:
        return dict(self.replica_set["metadata"].get("annotations") or {})

    @property
    def cause(self) -> str | None:
        """Why it was made, as ``kubectl rollout history`` tells: by the ReplicaSet, else by its template."""
        notes = self.template["metadata"].get("annotations") or {}
        return self.annotations.get(CHANGE_CAUSE) or notes.get(CHANGE_CAUSE) or None

    @property
    def created(self) -> str:
        return str(self.replica_set["metadata"].get("creationTimestamp") or "")

    def as_result(self) -> dict[str, t.Any]:
        return {
            "revision": self.number,
            "version": self.version,
            "replicas": self.replicas,
            "ready": self.ready,
            "image": self.image,
            "cause": self.cause,
            "created": self.created,
        }


@dataclasses.dataclass(frozen=True)
class Workload:
    """A Deployment or Rollout with the templates that it had, the newest revision first."""

    kind: WorkloadKind
    item: Object
    revisions: tuple[Revision, ...]

    @classmethod
    def look(cls, cluster: Cluster, kind: WorkloadKind, namespace: str, name: str) -> Workload:
        """Read it and the ReplicaSets that it controls. Raises TargetNotFound."""
        item = cluster.find(kind.kind, name, namespace)
        if item is None:
            raise TargetNotFound(
                f"there is no {kind.kind} {namespace}/{name} on {cluster.server}; name the one that changes in place "
                "with backend.workload, or deploy the first version with gradual.canary.deploy"
            )
        return cls.of(kind, item, cluster.search("ReplicaSet", namespace))

    @classmethod
    def of(cls, kind: WorkloadKind, item: Object, replica_sets: t.Iterable[Object]) -> Workload:
        """Return it with those of the ReplicaSets that it controls."""
        mine = [revision_of(kind, one) for one in replica_sets if is_controlled_by(one, kind, item)]
        return cls(kind, item, tuple(sorted(mine, key=lambda one: -one.number)))

    @property
    def name(self) -> str:
        return str(self.item["metadata"]["name"])

    @property
    def template(self) -> Object:
        return t.cast(Object, self.item["spec"]["template"])

    @property
    def version(self) -> str | None:
        """The version of the template that the workload has now, whether its pods run or not."""
        return version_of_template(self.template)

    @property
    def paused(self) -> bool:
        return bool(self.item["spec"].get("paused"))

    @property
    def replicas(self) -> int:
        return int(self.item["spec"].get("replicas", 1))

    @property
    def observed(self) -> bool:
        """Whether the controller has seen the object as it is now. A Rollout has a text there."""
        seen = (self.item.get("status") or {}).get("observedGeneration") or 0
        return int(seen) >= int(self.item["metadata"].get("generation") or 0)

    @property
    def current(self) -> Revision | None:
        """The revision of the template that the workload has now; None while it is only staged."""
        return self.of_template(self.template)

    def of_template(self, template: Object) -> Revision | None:
        wanted = plain(template, self.kind)
        return next((one for one in self.revisions if one.template == wanted), None)

    def of_version(self, version: str) -> Revision | None:
        """Return the newest revision of a version; the one that has pods comes first."""
        found = [one for one in self.revisions if one.version == version]
        return next((one for one in found if one.replicas), found[0] if found else None)

    def to_undo(self, revision: int | None) -> Revision:
        """Return what ``kubectl rollout undo`` returns to: that revision, or (None) the one before the newest.

        The choice is that of kubectl (pkg/polymorphichelpers/rollback.go): among the ReplicaSets that the workload
        controls, the exact number, or the second highest. Raises NotFound, naming those there are.
        """
        known = ", ".join(str(one.number) for one in reversed(self.revisions)) or "none"
        if revision:
            for one in self.revisions:
                if one.number == revision:
                    return one
            raise NotFound(
                f"{words(self.item)} has no revision {revision}; it has {known}. Nothing was changed.",
                revision=revision,
            )
        if len(self.revisions) < 2:
            raise NotFound(
                f"{words(self.item)} has no revision to go back to: it has {known}, and its revisionHistoryLimit is "
                f"{self.item['spec'].get('revisionHistoryLimit', 10)}. Nothing was changed; release the version you "
                "want instead."
            )
        return self.revisions[1]


@dataclasses.dataclass(frozen=True)
class WorkloadIdentity(Identity):
    """A version of a workload that changes in place: that workload's name and selector."""

    workload: str = ""
    labels_of_pods: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return self.workload or super().name

    @property
    def selector(self) -> dict[str, str]:
        return dict(self.labels_of_pods)

    @classmethod
    def first(cls, identity: Identity, workload: str) -> WorkloadIdentity:
        """Return that of the first version, with which this collection makes the workload."""
        match = ((NAME_LABEL, identity.app),)
        return cls(identity.namespace, identity.app, identity.version, workload, match)

    @classmethod
    def of(cls, workload: Workload, app: str, version: str) -> WorkloadIdentity:
        metadata = workload.item["metadata"]
        match = (workload.item["spec"].get("selector") or {}).get("matchLabels") or {}
        return cls(metadata["namespace"], app, version, metadata["name"], tuple(sorted(match.items())))


def revision_of(kind: WorkloadKind, replica_set: Object) -> Revision:
    """Return what a ReplicaSet keeps."""
    metadata = replica_set["metadata"]
    template = plain(replica_set["spec"]["template"], kind)
    number = (metadata.get("annotations") or {}).get(kind.revision) or "0"
    return Revision(
        number=int(number) if number.isdigit() else 0,
        version=version_of_template(template),
        template_hash=str((metadata.get("labels") or {}).get(kind.template_hash) or ""),
        template=template,
        replica_set=replica_set,
    )


def plain(template: Object, kind: WorkloadKind) -> Object:
    """Return a template without the hash label, and without the empty time that older API servers write into it."""
    result = copy.deepcopy(template)
    metadata = result.setdefault("metadata", {})
    (metadata.get("labels") or {}).pop(kind.template_hash, None)
    if metadata.get("creationTimestamp") is None:
        metadata.pop("creationTimestamp", None)
    return result


def version_of_template(template: Object) -> str | None:
    """Return the version that a template's label tells; without one, the tag of its first container's image."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    if labels.get(VERSION_LABEL):
        return str(labels[VERSION_LABEL])
    image = str(template["spec"]["containers"][0].get("image") or "").partition("@")[0]
    _repository, colon, tag = image.rpartition(":")
    return tag if colon and "/" not in tag else None


def is_controlled_by(item: Object, kind: WorkloadKind, owner: Object) -> bool:
    """Say whether an object's controller is this workload. One as check mode would have made it has no uid."""
    metadata = owner["metadata"]
    return any(
        one.get("controller")
        and (one.get("kind"), one.get("name")) == (kind.kind, metadata["name"])
        and metadata.get("uid") in (None, one.get("uid"))
        for one in item["metadata"].get("ownerReferences") or ()
    )
