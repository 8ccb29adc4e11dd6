# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Splits by numbers of pods behind one Service. Private to the gradual.canary collection.

No gateway is asked: the Service shares connections out among the ready pods of both versions, and the ratio of their
numbers is the weight. A weight takes at most one write to each of three objects: the replicas of the two Deployments,
and the selector of the Service, which says whose pods are in it (see `_replica_objects.py`).

Replicas are written to the Deployment and not to its scale subresource, although that would need less permission: one
JSON patch then tests the old number, check mode carries the Deployment as it would be to the next task, and deploying a
version needs the permission to patch Deployments anyhow.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Live, Snapshot
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_objects import (
    Record,
    Scene,
    pod_labels,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_preflight import (
    Surroundings,
    findings_of,
    is_selected,
    obstacles_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_ratio import (
    Layout,
    Limits,
    Selected,
    best_numbers,
    steps,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_writer import ReplicaWriter
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_findings import PROPAGATION_SECONDS
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import (
    selector_of,
    wait_for_endpoints,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    InvalidInput,
    InvalidSplit,
    Refused,
    StillServing,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._manifests import VERSION_LABEL
from ansible_collections.gradual.canary.plugins.module_utils._replicas import number_of
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    EVERYTHING,
    NOTHING,
    WHOLE,
    Capabilities,
    Change,
    Finding,
    Match,
    Split,
    Weight,
)

_USUAL_MOST: t.Final = 10  # pods: enough for every tenth part


class Replicas(Backend):
    """Everything by two Deployments and one Service in the application's namespace."""

    name = "replicas"
    no_mirror = "a Service hands connections to pods and reads no requests"
    knows_versions = True  # the Service's selector names the canary's at 100 %, before the promotion
    OPTIONS: t.ClassVar[dict[str, dict[str, t.Any]]] = {
        "service": {"type": "str"},
        "min_replicas": {"type": "int"},
        "max_replicas": {"type": "int"},
        "max_error": {"type": "str", "default": "5"},
        "ready_timeout": {"type": "int", "default": 300},
    }

    @property
    def capabilities(self) -> Capabilities:
        most = self.options.get("max_replicas") or _USUAL_MOST
        return Capabilities(
            resolution=-(-WHOLE // max(2, int(most))),
            match_kinds=frozenset(),
            match_operators=frozenset(),
            match_with_weight=False,
            most_matches=0,
            per="connection",
            law="random",
            zero_canary_endpoints="no_share",
            zero_stable_endpoints="no_share",
            propagation_seconds=PROPAGATION_SECONDS,
            weights="ratio",
        )

    def observe(self) -> Split:
        return self._look().split(self.target)

    def preflight(self) -> tuple[Finding, ...]:
        try:
            scene = self._look()
        except (TargetNotFound, AmbiguousTarget) as error:
            return (Finding("error", error.code, error.message, "Without it nothing else can be looked at."),)
        return findings_of(Surroundings.look(self.cluster, self.target, scene))

    def require_reachable(self, weights: t.Sequence[Weight], replicas: int | None = None) -> None:
        scene = self._look()
        record = scene.record or Record(scene.stable, "", scene.layout.stable, 0)
        for weight in weights:
            if NOTHING < weight < EVERYTHING:
                best_numbers(weight, self._limits(record))

    def set(
        self, *, weight: Weight | None = None, matches: t.Sequence[Match] | None = None, expect: Weight | None = None
    ) -> Change:
        self.capabilities.require_matches(matches or (), self.name)
        scene = self._look()
        before = scene.split(self.target)
        self._require_split_expected(scene, before, expect)
        if before.canary_version == before.stable_version == self.target.version and weight in (None, EVERYTHING):
            return Change(before, before)  # promoted, and not detached yet
        record = self._attached(scene)
        wanted = scene.layout if weight is None else self._layout(weight, scene.layout, record)
        if wanted.selected is not Selected.STABLE and wanted != scene.layout:
            self._require_no_obstacles(scene, wanted.weight)
        return self._move(scene, wanted, record)

    def promote(self) -> Change:
        scene = self._look()
        before = scene.split(self.target)
        if scene.stable == self.target.version:
            return Change(before, before)
        if scene.record is None or before.weight != EVERYTHING:
            raise Conflict(
                f"{words(scene.service)} can be made that of {self.target.canary_service} when that has all traffic, "
                f"and it has {before.weight}. Nothing was changed; give it a weight of 100 first.",
                found=before.weight.as_percent(),
            )
        self._require_own_version(scene, scene.record)
        record = dataclasses.replace(scene.record, stable=scene.record.canary)
        return self._move(scene, dataclasses.replace(scene.layout, selected=Selected.CANARY), record)

    def detach(self) -> Change:
        scene = self._look()
        before = scene.split(self.target)
        if scene.record is None:
            return Change(before, before)
        self._require_own_version(scene, scene.record)
        if before.weight != NOTHING and not scene.record.promoted:
            raise StillServing(
                f"{words(scene.service)} still gives {before}. Nothing was changed; take the traffic back with weight "
                "0, or promote the canary.",
                weight=before.weight.as_percent(),
            )
        return self._move(scene, dataclasses.replace(scene.layout, selected=Selected.STABLE), None)

    def serves(self, service: str) -> bool:
        if service == self.service:
            return True
        shared = self._look().service
        deployment = self.cluster.find("Deployment", service, self.target.namespace)
        if deployment is not None:
            return is_selected(shared, pod_labels(deployment))
        item = self.cluster.find("Service", service, self.target.namespace)
        return item is not None and is_selected(shared, selector_of(item))

    def snapshot(self) -> Snapshot:
        scene = self._look()
        annotations = scene.record.annotations() if scene.record else {}
        values = {"selector": selector_of(scene.service), "annotations": annotations}
        deployments = [scene.stable_deployment]
        if scene.record and not scene.record.promoted:
            deployments.append(scene.canary_deployment)
        return Snapshot(
            self.name,
            (
                _entry(scene.service, values),
                *(_entry(item, {"replicas": number_of(item)}) for item in deployments if item is not None),
            ),
        )

    def restore(self, snapshot: Snapshot) -> Change:
        entries = {(entry["kind"], entry["name"]): entry for entry in snapshot.objects}
        saved = entries.get(("Service", self.service))
        if saved is None:
            raise InvalidInput(f"the snapshot has no Service {self.service!r}; it is of another release")
        now = self._look()
        if now.service["metadata"].get("uid", saved["uid"]) != saved["uid"]:
            raise Conflict(
                f"{words(now.service)} is not the one of the snapshot; it was made anew. Nothing was changed."
            )
        past = {**now.service, "spec": {**now.service["spec"], "selector": dict(saved["values"]["selector"])}}
        past["metadata"] = {**now.service["metadata"], "annotations": dict(saved["values"]["annotations"])}
        record = Record.of(past)
        stable = record.stable if record else str(selector_of(past)[VERSION_LABEL])
        canary = record.canary if record else now.record.canary if now.record else now.canary
        scene = Scene.of(self.cluster, self.target, now.service, stable, canary)
        selected = dataclasses.replace(scene, service=past).selected
        self._require_still_there(entries, selected, stable, canary)

        def number(version: str | None, otherwise: int) -> int:
            entry = entries.get(("Deployment", self.target.service_of(version))) if version else None
            return int(entry["values"]["replicas"]) if entry else otherwise

        layout = scene.layout
        wanted = Layout(number(stable, layout.stable), number(canary, layout.canary), selected)
        return self._move(scene, wanted, record)

    def wait_accepted(self, seconds: float) -> Live:
        if self.cluster.check_mode:
            return Live("written", 0.0, "in check mode no pods are made")
        started = time.monotonic()
        service = self._look().service
        wait_for_endpoints(self.cluster, self.target.namespace, self.service, selector_of(service), seconds)
        detail = f"the endpoints of {words(service)} are exactly the ready pods that it selects"
        return Live("accepted", round(time.monotonic() - started, 3), detail)

    # what is meant

    @property
    def service(self) -> str:
        """The Service that clients use, for all versions."""
        return str(self.options.get("service") or self.target.app)

    def _look(self) -> Scene:
        return Scene.look(self.cluster, self.target, self.service)

    def _limits(self, record: Record) -> Limits:
        full = record.stable_replicas
        least = self.options.get("min_replicas")
        least = full if least is None else int(least)
        most = self.options.get("max_replicas") or max(_USUAL_MOST, 2 * least)
        error = Weight.percent(self.options.get("max_error") or self.OPTIONS["max_error"]["default"])
        return Limits(max(2, least), int(most), error.points)

    def _layout(self, weight: Weight, now: Layout, record: Record) -> Layout:
        """Return the numbers of pods for a weight. Raises InvalidSplit when they would be too far off."""
        if weight == now.weight and now.selected is not Selected.BOTH:
            return now
        if weight == NOTHING:
            return Layout(record.stable_replicas, now.canary, Selected.STABLE)
        limits = self._limits(record)
        if weight == EVERYTHING:
            least = record.stable_replicas if self.options.get("min_replicas") is None else limits.least
            return Layout(now.stable, max(least, record.canary_replicas), Selected.CANARY)
        return Layout(*best_numbers(weight, limits), Selected.BOTH)

    def _attached(self, scene: Scene) -> Record:
        """Return the record of this release, as it is or as it is to be. Raises Conflict when it is another one's."""
        record = scene.record
        if record is not None:
            self._require_own_version(scene, record)
            if not record.promoted:
                if scene.selected is not Selected.STABLE:
                    return record
                # The number is no weight then: somebody needed more since the canary was attached.
                grown = max(record.stable_replicas, scene.layout.stable)
                return dataclasses.replace(record, stable_replicas=grown)
        if scene.stable == self.target.version:
            raise Conflict(
                f"{words(scene.service)} selects the pods of {self.target.canary_service} already: "
                f"{self.target.version} is the stable version. Nothing was changed."
            )
        return Record(scene.stable, str(scene.canary), scene.layout.stable, scene.layout.canary)

    # refusing

    def _require_own_version(self, scene: Scene, record: Record) -> None:
        if record.canary != self.target.version:
            raise Conflict(
                f"the canary of {words(scene.service)} is {self.target.service_of(record.canary)} and not "
                f"{self.target.canary_service}: another version is being released. Nothing was changed; finish that "
                "release with gradual.canary.release, or take it back with gradual.canary.rollback, first."
            )

    def _require_split_expected(self, scene: Scene, before: Split, expect: Weight | None) -> None:
        """Raise Conflict unless the split is the expected one, or the nearest to it that pods can make."""
        if expect is None or before.weight == expect:
            return
        if scene.record and scene.selected is Selected.BOTH and NOTHING < expect < EVERYTHING:
            layout = scene.layout
            try:
                if best_numbers(expect, self._limits(scene.record)) == (layout.stable, layout.canary):
                    return
            except InvalidSplit:
                pass  # then it is not the one that was made for it
        item, field = scene.last_changed
        self.require_expected(before, expect, item, field)

    def _require_no_obstacles(self, scene: Scene, weight: Weight) -> None:
        findings = obstacles_of(Surroundings.look(self.cluster, self.target, scene))
        if findings:
            reasons = " ".join(f"({number}) {finding}" for number, finding in enumerate(findings, 1))
            raise Refused(
                f"{self.target.canary_service} cannot get {weight}: {reasons} Nothing was changed.",
                findings=[finding.as_result() for finding in findings],
            )

    def _require_still_there(
        self, entries: t.Mapping[tuple[str, str], t.Any], selected: Selected, stable: str, canary: str | None
    ) -> None:
        needed = {
            Selected.STABLE: (stable,),
            Selected.CANARY: (str(canary),),
            Selected.BOTH: (stable, str(canary)),
        }
        for name in map(self.target.service_of, needed[selected]):
            gone = self.cluster.find("Deployment", name, self.target.namespace) is None
            if gone and ("Deployment", name) in entries:
                raise Conflict(
                    f"the snapshot has pods of {name} in the split, and there is no Deployment {name} any more. "
                    "Nothing was changed; deploy it again with gradual.canary.version, then run this again."
                )

    # writing

    def _move(self, scene: Scene, wanted: Layout, record: Record | None) -> Change:
        """Go from the scene to a layout and a record, one write after the other."""
        before, after = scene.split(self.target), scene.split_as(self.target, record, wanted)
        seconds = float(self.options.get("ready_timeout") or self.OPTIONS["ready_timeout"]["default"])
        writer = ReplicaWriter(self.cluster, self.target, scene, f"{before} -> {after}", seconds)
        joins = scene.selected is Selected.STABLE and wanted.selected is not Selected.STABLE
        for step in steps(scene.layout, wanted):
            if joins and step.what != "canary":
                writer.wait_for_pods("canary")  # one that cannot be ready is to cost stable nothing
                joins = False
            if step.what == "service":
                writer.select(step.layout.selected, record)
            else:
                writer.scale(step.what, step.layout)
        return Change(before, after, tuple(writer.differences))


def _entry(item: Object, values: t.Mapping[str, t.Any]) -> Object:
    metadata = item["metadata"]
    return {
        "kind": item["kind"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata.get("uid"),
        "values": dict(values),
    }
