# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The writes of a split by numbers of pods, each waited for before the next. Private to gradual.canary."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_objects import Record, Scene
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_ratio import Layout, Selected
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import wait_for_endpoints
from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER, Cluster
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict
from ansible_collections.gradual.canary.plugins.module_utils._manifests import Identity
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation
from ansible_collections.gradual.canary.plugins.module_utils._replicas import number_of
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, last_writer, words
from ansible_collections.gradual.canary.plugins.module_utils._rollout import Wait

Role = t.Literal["stable", "canary"]

_UNSCHEDULABLE_SECONDS: t.Final = 15.0  # a pod that no node takes for so long is not only waiting for its turn


class ReplicaWriter:
    """Writes to the objects of one scene. text: what the whole change is, for each difference.

    seconds: how long each step may take until its pods are ready and are endpoints. Raises NotReady after that, or as
    soon as they cannot become so; the split is then the one that the objects say.
    """

    def __init__(self, cluster: Cluster, target: Target, scene: Scene, text: str, seconds: float) -> None:
        self._cluster = cluster
        self._target = target
        self._scene = scene
        self._selected = scene.selected
        self._text = text
        self._seconds = seconds
        self.differences: list[Difference] = []

    def scale(self, role: Role, layout: Layout) -> None:
        """Give a version's Deployment its number of pods, and wait for them; for its endpoints too where it has any."""
        item = self._deployment(role)
        before, wanted = number_of(item), layout.stable if role == "stable" else layout.canary
        operations: list[Operation] = [
            {"op": "test", "path": "/spec/replicas", "value": before},
            {"op": "replace", "path": "/spec/replicas", "value": wanted},
        ]
        after = self._patch(item, operations, lambda live: number_of(live) == wanted)
        text = f"{self._text}; {before} -> {wanted} replicas"
        self.differences.append(Difference(words(item), item, after, text))
        self.wait_for_pods(role)
        if self._selected in (Selected.BOTH, Selected(role)):
            self._wait_for_endpoints()

    def select(self, selected: Selected, record: Record | None) -> None:
        """Let the Service select these pods, once all of them are ready, and say of itself what the record says."""
        service, selector = self._scene.service, self._scene.selector(selected)
        operations = self._scene.operations(selector, record)
        if not operations:
            return
        if selected is not self._selected:
            for role in _ROLES[selected]:
                self.wait_for_pods(role)
        edits = [operation for operation in operations if operation["op"] != "test"]
        after = self._patch(service, operations, lambda live: _has(live, edits))
        self.differences.append(Difference(words(service), service, after, self._text))
        if selected is not self._selected:
            self._selected = selected
            self._wait_for_endpoints()

    def wait_for_pods(self, role: Role) -> None:
        """Wait until a version has as many ready pods as its Deployment asks for."""
        if not self._cluster.check_mode:
            identity = Identity(self._target.namespace, self._target.app, self._version(role))
            wait = Wait(
                self._cluster,
                identity,
                seconds=self._seconds,
                unschedulable_after=_UNSCHEDULABLE_SECONDS,
                show=lambda _line: None,
            )
            wait.for_rollout()

    def _deployment(self, role: Role) -> Object:
        item = self._scene.stable_deployment if role == "stable" else self._scene.canary_deployment
        if item is None:
            return self._cluster.get("Deployment", self._target.service_of(self._version(role)), self._target.namespace)
        return item

    def _version(self, role: Role) -> str:
        return self._scene.stable if role == "stable" else str(self._scene.canary)

    def _patch(self, item: Object, operations: list[Operation], done: t.Callable[[Object], bool]) -> Object:
        try:
            return self._cluster.patch(item, operations)
        except Conflict as conflict:
            found = self._cluster.get(item["kind"], item["metadata"]["name"], self._target.namespace)
            if done(found):  # a patch whose answer was lost is sent again, and then fails on its own success
                return found
            raise self._changed_meanwhile(found) from conflict

    def _changed_meanwhile(self, item: Object) -> Conflict:
        found = Scene.look(self._cluster, self._target, self._scene.service["metadata"]["name"]).split(self._target)
        field = ("spec", "replicas") if item["kind"] == "Deployment" else ("spec", "selector")
        writer = last_writer(item, other_than=FIELD_MANAGER, field=field)
        done = f"Written before that: {', '.join(d.name for d in self.differences)}" if self.differences else ""
        return Conflict(
            f"{words(item)} was changed while this was about to write ({self._text})"
            f"{f', by {writer}' if writer else ''}: the split is now {found}. {done or 'Nothing was changed'}; look at "
            "it, and run again if it is right.",
            found=found.weight.as_percent(),
            writer=writer,
        )

    # waiting

    def _wait_for_endpoints(self) -> None:
        if not self._cluster.check_mode:
            name, selector = self._scene.service["metadata"]["name"], self._scene.selector(self._selected)
            wait_for_endpoints(self._cluster, self._target.namespace, name, selector, self._seconds)


_ROLES: t.Final[dict[Selected, tuple[Role, ...]]] = {
    Selected.STABLE: ("stable",),
    Selected.CANARY: ("canary",),
    Selected.BOTH: ("stable", "canary"),
}


def _has(item: Object, edits: list[Operation]) -> bool:
    """Say whether an object is as these edits make it."""
    return all(_at(item, edit["path"]) == edit.get("value") for edit in edits)


def _at(item: Object, path: str) -> t.Any:
    found: t.Any = item
    for part in path.split("/")[1:]:
        found = (found or {}).get(part.replace("~1", "/").replace("~0", "~"))
    return found
