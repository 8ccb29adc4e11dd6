# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing one Deployment and waiting for what its controller makes of it. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_patch import is_made, patch_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_scene import Scene
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import (
    selector_of,
    wait_for_endpoints,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import (
    DEPLOYMENT,
    Revision,
    Workload,
    WorkloadIdentity,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER, Cluster
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, NotReady
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, last_writer, words
from ansible_collections.gradual.canary.plugins.module_utils._rollout import Wait

_UNSCHEDULABLE_SECONDS: t.Final = 15.0


class DeploymentWriter:
    """Goes from one state of a Deployment to the next.

    text: what it is all for, for the differences. seconds: how long each step may take. Raises Conflict when somebody
    else was faster, NotReady when pods do not become ready; the split is then the one that the objects say.
    """

    def __init__(self, cluster: Cluster, scene: Scene, version: str, text: str, seconds: float) -> None:
        self._cluster = cluster
        self._scene = scene
        self._before = self._item = scene.item
        self._version = version
        self._text = text
        self._seconds = seconds

    @property
    def item(self) -> Object:
        """The Deployment as it is after the last write."""
        return self._item

    @property
    def difference(self) -> Difference:
        return Difference(words(self._before), self._before, self._item, self._text)

    def write(self, after: Object) -> bool:
        """Make the Deployment so; say whether anything had to be written."""
        operations = patch_of(self._item, after)
        if not operations:
            return False
        try:
            self._cluster.patch(self._item, operations)
        except Conflict as conflict:
            found = self._cluster.get(DEPLOYMENT.kind, self._scene.workload.name, self._scene.target.namespace)
            if not is_made(found, after):  # a patch whose answer was lost is sent again, and fails on its own success
                raise self._changed_meanwhile() from conflict
        # Not the server's answer: what its controller writes meanwhile is no difference that we made.
        self._item = after
        return True

    def wait_for_held(self, template: Object, count: int) -> None:
        """Wait until exactly this many pods of a template are ready."""
        if self._cluster.check_mode:
            return

        def done(replica_sets: list[Object]) -> bool:
            mine, _others = self._revisions(template, replica_sets)
            return mine is not None and mine.replicas == mine.ready == mine.pods == count

        self._wait().for_replica_sets(done)

    def wait_for_none_but(self, template: Object) -> None:
        """Wait until no other template has a pod. Nobody asks how the others are: a way back must not hang on them."""
        if self._cluster.check_mode:
            return

        def done(replica_sets: list[Object]) -> bool:
            _mine, others = self._revisions(template, replica_sets)
            return all(not one.replicas and not one.pods for one in others)

        labels = self._identity().selector
        namespace = self._scene.target.namespace
        if self._cluster.wait("ReplicaSet", namespace, done, seconds=self._seconds, labels=labels) is None:
            raise NotReady(
                f"{words(self._item)} has its old template again, and after {self._seconds:g} s there are still pods "
                "of another. Its controller ends them; run the same again to wait on.",
                reason="Timeout",
            )

    def wait_for_rollout(self) -> None:
        """Wait until all pods are of the Deployment's template and available."""
        if not self._cluster.check_mode:
            self._wait().for_rollout()

    def wait_for_endpoints(self) -> None:
        """Wait until clients reach exactly the pods that are ready."""
        if not self._cluster.check_mode:
            service = self._scene.service
            name, namespace = service["metadata"]["name"], self._scene.target.namespace
            wait_for_endpoints(self._cluster, namespace, name, selector_of(service), self._seconds)

    def _revisions(self, template: Object, replica_sets: list[Object]) -> tuple[Revision | None, tuple[Revision, ...]]:
        """Return the revision of a template, and all others."""
        workload = Workload.of(DEPLOYMENT, self._item, replica_sets)
        mine = workload.of_template(template)
        return mine, tuple(one for one in workload.revisions if one is not mine)

    def _identity(self) -> WorkloadIdentity:
        return WorkloadIdentity.of(self._scene.workload, self._scene.target.app, self._version)

    def _wait(self) -> Wait:
        return Wait(
            self._cluster,
            self._identity(),
            seconds=self._seconds,
            unschedulable_after=_UNSCHEDULABLE_SECONDS,
            show=lambda _line: None,
        )

    def _changed_meanwhile(self) -> Conflict:
        target = self._scene.target
        service = self._scene.service["metadata"]["name"]
        found = Scene.look(self._cluster, target, self._scene.workload.name, service)
        writer = last_writer(found.item, other_than=FIELD_MANAGER, field=("spec",))
        return Conflict(
            f"{words(found.item)} was changed while this was about to write ({self._text})"
            f"{f', by {writer}' if writer else ''}: the split is now {found.split}. Nothing was changed by this; look "
            "at it, and run again if it is right.",
            found=found.weight.as_percent(),
            writer=writer,
        )
