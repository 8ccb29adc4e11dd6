# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Deployment in a release: who serves with how many pods. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import json

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_patch import Record, held_pods
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_ratio import share, weight_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import selector_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import DEPLOYMENT, Workload
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import AmbiguousTarget, TargetNotFound
from ansible_collections.gradual.canary.plugins.module_utils._manifests import NAME_LABEL, VERSION_LABEL
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS, Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Split, Weight


@dataclasses.dataclass(frozen=True)
class Scene:
    """The Deployment, the Service that clients use, and the version that is meant (None: none).

    rehearsed: the Deployment is as check mode would have made it, so that its ReplicaSets say nothing of it.
    """

    target: Target
    workload: Workload
    service: Object
    rehearsed: bool = False

    @classmethod
    def look(cls, cluster: Cluster, target: Target, workload: str, service: str) -> Scene:
        """Read everything. Raises TargetNotFound and AmbiguousTarget."""
        found = cluster.find("Service", service, target.namespace)
        if found is None:
            raise TargetNotFound(
                f"deployment: there is no Service {target.namespace}/{service} on {cluster.server}; name the one that "
                "clients of the application use with backend.service"
            )
        _require_all_versions(found, target)
        rehearsed = cluster.rehearsal.knows(KINDS[DEPLOYMENT.kind].path(target.namespace, workload))
        scene = cls(target, Workload.look(cluster, DEPLOYMENT, target.namespace, workload), found, rehearsed)
        if scene.workload.version is None:
            raise AmbiguousTarget(
                f"the pods of {words(scene.item)} do not tell their version. Give its template the label "
                f"{VERSION_LABEL}, or its first container an image with a tag"
            )
        return scene

    @property
    def item(self) -> Object:
        return self.workload.item

    @property
    def record(self) -> Record | None:
        return Record.of(self.item)

    @property
    def stable(self) -> str:
        """The version that serves, or that did before the canary."""
        if self.record:
            return self.record.stable
        active = [one.version for one in self.workload.revisions if one.replicas and one.version]
        current = self.workload.current
        if self.workload.paused and active and (current is None or not current.replicas):
            return active[0]
        if not self.rehearsed and active and (current is None or not current.replicas):
            return active[0]
        return str(self.workload.version)

    @property
    def canary(self) -> str | None:
        return self.record.canary if self.record else self.target.version

    @property
    def is_staged(self) -> bool:
        """Whether the Deployment has a template that no pod has, and waits."""
        return self.workload.paused and self.workload.version != self.stable and not self.canary_pods

    @property
    def rests_at_nothing(self) -> bool:
        """Whether no pod of the canary is there or on its way."""
        if self.canary_pods or held_pods(self.item) is not None:
            return False
        return self.is_staged or (self.workload.version == self.stable and not self.workload.paused)

    @property
    def canary_pods(self) -> int:
        """How many pods the canary is to have, by what its controller was told."""
        return self.pods[0]

    @property
    def weight(self) -> Weight:
        if self.record is None:
            return NOTHING
        if self.record.promoted:
            return EVERYTHING
        canary, others = self.pods
        if not canary:
            return NOTHING
        return weight_of(share(others, canary)) if others else EVERYTHING

    @property
    def split(self) -> Split:
        return self.split_as(self.record, *self.pods)

    def split_as(self, record: Record | None, canary_pods: int, other_pods: int) -> Split:
        """Return the split that this record and these numbers of pods make."""
        name = str(self.service["metadata"]["name"])
        if record is None:
            return Split(name, None, NOTHING, stable_version=self.stable)
        weight = weight_of(share(other_pods, canary_pods)) if canary_pods and other_pods else NOTHING
        if record.promoted or (canary_pods and not other_pods):
            weight = EVERYTHING
        return Split(
            stable=name,
            canary=self.target.service_of(record.canary),
            weight=weight,
            stable_version=record.stable,
            canary_version=record.canary,
            raw=() if record.promoted else (("stable pods", other_pods), ("canary pods", canary_pods)),
        )

    def with_item(self, item: Object) -> Scene:
        return dataclasses.replace(self, workload=dataclasses.replace(self.workload, item=item))

    @property
    def pods(self) -> tuple[int, int]:
        """Return how many pods are the canary's, and how many are not."""
        if self.rehearsed:
            return self._pods_to_be()
        found = [(one.version == self.canary, one.replicas) for one in self.workload.revisions]
        canary, others = (sum(number for is_it, number in found if is_it is which) for which in (True, False))
        if not canary and not others:
            return self._pods_to_be()
        return canary, others

    def _pods_to_be(self) -> tuple[int, int]:
        number = self.workload.replicas
        if self.workload.version != self.canary:
            return 0, number
        if held_pods(self.item) is not None:
            return int(held_pods(self.item) or 0), number
        if self.workload.paused:
            return 0, number
        return max(number, 1), 0  # a Deployment without pods, too, is all of the version that it would have


def _require_all_versions(service: Object, target: Target) -> None:
    """Raise AmbiguousTarget when a Service cannot select both versions of one Deployment."""
    selector = selector_of(service)
    if selector and VERSION_LABEL not in selector:
        return
    body = json.dumps({"spec": {"selector": {NAME_LABEL: target.app, VERSION_LABEL: None}}})
    why = f"names one version ({selector[VERSION_LABEL]})" if selector else "has no selector"
    raise AmbiguousTarget(
        f"{words(service)} {why}, so that a new one of the same Deployment would never get a request. Its selector "
        f"must fit the pods of every version, without {VERSION_LABEL}: kubectl -n {target.namespace} patch service "
        f"{service['metadata']['name']} -p '{body}'"
    )
