# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Splits inside one Deployment, whose new template gets a fixed number of pods. Private to gradual.canary.

The versions are pod templates of one Deployment. A new one is staged while the Deployment is paused, which touches no
pod; a weight makes exactly k new pods beside all n old ones and pauses there, so that k of n+k connections reach it;
100 lets the Deployment roll as it always does; 0 gives it the old template back, which ends the new pods and no other.
The share is never above one half but for the whole: all old pods stay, and there are at most as many new ones.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _deployment_patch as patches
from ansible_collections.gradual.canary.plugins.module_utils._backends import _deployment_staging as staging
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Live, Snapshot
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_control import DeploymentControl
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_patch import Record
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_preflight import (
    Surroundings,
    findings_of,
    obstacles_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_ratio import nearest_count
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_scene import Scene
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_writer import DeploymentWriter
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_findings import PROPAGATION_SECONDS
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import (
    selector_of,
    wait_for_endpoints,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import Workload
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    InvalidSplit,
    Refused,
    StillServing,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    EVERYTHING,
    NOTHING,
    Capabilities,
    Change,
    Finding,
    Match,
    Split,
    Weight,
)

_STRATEGY: t.Final = ("spec", "strategy")


class OneDeployment(Backend):
    """Everything by one Deployment in the application's namespace, and the Service that clients use."""

    name = "deployment"
    knows_versions = True  # no version has a Service of its own
    in_place = True
    no_mirror = "a Service hands connections to pods and reads no requests"
    OPTIONS: t.ClassVar[dict[str, dict[str, t.Any]]] = {
        "workload": {"type": "str"},
        "service": {"type": "str"},
        "max_error": {"type": "str", "default": "5"},
        "ready_timeout": {"type": "int", "default": 300},
    }

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            resolution=1,
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
            in_place=True,
        )

    def observe(self) -> Split:
        return self._look().split

    def preflight(self) -> tuple[Finding, ...]:
        try:
            scene = self._look()
        except (TargetNotFound, AmbiguousTarget) as error:
            return (Finding("error", error.code, error.message, "Without it nothing else can be looked at."),)
        return findings_of(Surroundings.look(self.cluster, scene))

    def require_reachable(self, weights: t.Sequence[Weight], replicas: int | None = None) -> None:
        scene = self._look()
        number = scene.workload.replicas if replicas is None or scene.record else replicas
        for weight in weights:
            if NOTHING < weight < EVERYTHING:
                nearest_count(weight, number, self._max_error)

    def set(
        self, *, weight: Weight | None = None, matches: t.Sequence[Match] | None = None, expect: Weight | None = None
    ) -> Change:
        self.capabilities.require_matches(matches or (), self.name)
        scene = self._look()
        before = scene.split
        self._require_split_expected(scene, before, expect)
        if before.canary_version == before.stable_version == self.target.version and weight in (None, EVERYTHING):
            return Change(before, before)  # promoted, and not detached yet
        record = self._attached(scene)
        if weight is None or (weight == NOTHING and scene.rests_at_nothing):
            return self._note(scene, record)
        if weight == NOTHING:
            return self._take_back(scene, record)
        if before.weight == NOTHING:
            self._refuse(self._obstacles(scene), f"get {weight}")
        if weight == EVERYTHING:
            return self._roll(scene, record)
        return self._hold(scene, record, nearest_count(weight, scene.workload.replicas, self._max_error))

    def promote(self) -> Change:
        scene = self._look()
        before = scene.split
        if scene.stable == self.target.version:
            return Change(before, before)
        record = scene.record
        if record is None or before.weight != EVERYTHING:
            raise Conflict(
                f"{words(scene.item)} can be made that of {self.target.canary_service} when all its pods are, and they "
                f"are {before.weight}. Nothing was changed; give it a weight of 100 first.",
                found=before.weight.as_percent(),
            )
        self._require_own_version(scene, record)
        return self._note(scene, Record(record.canary, record.canary))

    def detach(self) -> Change:
        scene = self._look()
        before, record = scene.split, scene.record
        if record is None:
            return Change(before, before)
        self._require_own_version(scene, record)
        if before.weight != NOTHING and not record.promoted:
            raise StillServing(
                f"{words(scene.item)} still gives {before}. Nothing was changed; take the traffic back with weight 0, "
                "or promote the canary.",
                weight=before.weight.as_percent(),
            )
        if scene.workload.paused:
            return self._take_back(scene, None)
        return self._note(scene, None)

    def serves(self, service: str) -> bool:
        if service == self.service:
            return True
        scene = self._look()
        split = scene.split
        serving = [split.stable_version] if split.weight < EVERYTHING else []
        serving += [split.canary_version] if split.weight > NOTHING else []
        if not scene.rehearsed:
            serving += [one.version for one in scene.workload.revisions if one.replicas]
        return any(version and self.target.service_of(version) == service for version in serving)

    def snapshot(self) -> Snapshot:
        scene = self._look()
        metadata, record = scene.item["metadata"], scene.record
        canary = None
        if record:
            canary = {"version": record.canary, "pods": 0 if scene.weight == NOTHING else scene.canary_pods}
        values = {"stable": scene.stable, "canary": canary, "everything": scene.weight == EVERYTHING}
        entry = {"kind": "Deployment", "name": metadata["name"], "uid": metadata.get("uid"), "values": values}
        return Snapshot(self.name, ({"namespace": metadata["namespace"], **entry},))

    def restore(self, snapshot: Snapshot) -> Change:
        (saved,) = snapshot.objects
        scene = self._look()
        if scene.item["metadata"].get("uid", saved["uid"]) != saved["uid"]:
            raise Conflict(
                f"{words(scene.item)} is not the one of the snapshot; it was made anew. Nothing was changed."
            )
        stable, canary = saved["values"]["stable"], saved["values"]["canary"]
        if canary is None:
            if scene.record is None and scene.stable == stable:
                return Change(scene.split, scene.split)
            return self._take_back(scene, None, stable=stable)
        record = Record(stable, canary["version"])
        if record.promoted or saved["values"]["everything"]:
            return self._roll(scene, record)
        if not canary["pods"]:
            return self._take_back(scene, record)
        return self._hold(scene, record, int(canary["pods"]))

    def wait_accepted(self, seconds: float) -> Live:
        if self.cluster.check_mode:
            return Live("written", 0.0, "in check mode no pods are made")
        started = time.monotonic()
        service = self._look().service
        wait_for_endpoints(self.cluster, self.target.namespace, self.service, selector_of(service), seconds)
        detail = f"the endpoints of {words(service)} are exactly the ready pods that it selects"
        return Live("accepted", round(time.monotonic() - started, 3), detail)

    # what changes in place

    def workload(self) -> Workload:
        return self._look().workload

    def create(self, deployment: Object) -> Difference:
        return self.cluster.apply(deployment)

    def stage(
        self, template: Object, *, replicas: int | None = None, annotations: t.Mapping[str, str | None] | None = None
    ) -> Difference:
        scene = self._look()
        after = staging.staged(scene, template, replicas=replicas, annotations=annotations or {})
        writer = self._writer(scene, f"template of {self.target.version}")
        writer.write(after)
        return writer.difference

    def unstage(self) -> Difference:
        scene = self._look()
        writer = self._writer(scene, f"template of {scene.stable}")
        if scene.is_staged and scene.record is None and scene.workload.version == self.target.version:
            writer.write(self._with_template(scene, scene.stable, patches.released))
        return writer.difference

    def control(self) -> DeploymentControl:
        return DeploymentControl(self.cluster, self.target, self.workload_name)

    # what is meant

    @property
    def service(self) -> str:
        """The Service that clients use, for all versions."""
        return str(self.options.get("service") or self.target.app)

    @property
    def _max_error(self) -> int:
        return Weight.percent(self.options.get("max_error") or self.OPTIONS["max_error"]["default"]).points

    @property
    def _seconds(self) -> float:
        return float(self.options.get("ready_timeout") or self.OPTIONS["ready_timeout"]["default"])

    def _look(self) -> Scene:
        return Scene.look(self.cluster, self.target, self.workload_name, self.service)

    def _attached(self, scene: Scene) -> Record:
        """Return the record of this release, as it is or as it is to be. Raises Conflict when it is another one's."""
        record = scene.record
        if record is not None:
            self._require_own_version(scene, record)
            if not record.promoted:
                return record
        if scene.stable == self.target.version:
            raise Conflict(
                f"{words(scene.item)} has the pods of {self.target.canary_service} already: {self.target.version} is "
                "the stable version. Nothing was changed."
            )
        self._refuse([one for one in self._obstacles(scene) if one.code == "deployment_missing"], "be attached")
        return Record(scene.stable, str(self.target.version))

    def _template(self, scene: Scene, version: str) -> Object:
        """Return the template of a version: the one that the Deployment has, else that of its history."""
        if scene.workload.version == version:
            return scene.workload.template
        found = scene.workload.of_version(version)
        if found is None:
            raise Conflict(
                f"{words(scene.item)} has no template of {version} any more, neither now nor in its history. Nothing "
                f"was changed; deploy {version} again with gradual.canary.version, and raise revisionHistoryLimit."
            )
        return found.template

    # refusing

    def _require_own_version(self, scene: Scene, record: Record) -> None:
        if record.canary != self.target.version:
            raise Conflict(
                f"the canary of {words(scene.item)} is {self.target.service_of(record.canary)} and not "
                f"{self.target.canary_service}: another version is being released. Nothing was changed; finish that "
                "release with gradual.canary.release, or take it back with gradual.canary.rollback, first."
            )

    def _require_split_expected(self, scene: Scene, before: Split, expect: Weight | None) -> None:
        """Raise Conflict unless the split is the expected one, or the nearest to it that pods can make."""
        if expect is None or before.weight == expect:
            return
        if scene.record and NOTHING < before.weight < EVERYTHING and NOTHING < expect < EVERYTHING:
            try:
                if nearest_count(expect, scene.workload.replicas, self._max_error) == scene.canary_pods:
                    return
            except InvalidSplit:
                pass  # then it is not the one that was made for it
        self.require_expected(before, expect, scene.item, _STRATEGY)

    def _obstacles(self, scene: Scene) -> tuple[Finding, ...]:
        return obstacles_of(Surroundings.look(self.cluster, scene))

    def _refuse(self, findings: t.Sequence[Finding], what: str) -> None:
        if findings:
            reasons = " ".join(f"({number}) {finding}" for number, finding in enumerate(findings, 1))
            raise Refused(
                f"{self.target.canary_service} cannot {what}: {reasons} Nothing was changed.",
                findings=[finding.as_result() for finding in findings],
            )

    # writing

    def _note(self, scene: Scene, record: Record | None) -> Change:
        """Write the record alone."""
        canary, others = scene.pods

        def go(writer: DeploymentWriter) -> None:
            writer.write(patches.recorded(scene.item, record))

        return self._moved(scene, record, canary, others, go)

    def _take_back(self, scene: Scene, record: Record | None, stable: str | None = None) -> Change:
        """Give the Deployment the stable version's template again, in one patch: only the canary's pods end."""
        version = stable or scene.stable

        def go(writer: DeploymentWriter) -> None:
            self._go_back(scene, writer, record, version)

        return self._moved(scene, record, 0, scene.workload.replicas, go)

    def _roll(self, scene: Scene, record: Record) -> Change:
        """Let the Deployment roll to the canary's template as it always does."""
        after = self._with_template(scene, record.canary, patches.released)

        def go(writer: DeploymentWriter) -> None:
            writer.write(patches.recorded(after, record))
            writer.wait_for_rollout()
            writer.wait_for_endpoints()

        return self._moved(scene, record, max(scene.workload.replicas, 1), 0, go)

    def _hold(self, scene: Scene, record: Record, count: int) -> Change:
        """Make exactly so many pods of the canary beside all others, and pause the Deployment there.

        Where there are more already, they end first: a Deployment cannot have fewer new pods than it has, but by
        beginning again.
        """
        template = self._template(scene, record.canary)

        def held(item: Object, its_template: Object) -> Object:
            return patches.held(item, its_template, count)

        def go(writer: DeploymentWriter) -> None:
            if scene.canary_pods > count:
                self._go_back(scene, writer, record, record.stable)
            item = self._with_template(scene.with_item(writer.item), record.canary, held, template)
            writer.write(patches.recorded(item, record))
            writer.wait_for_held(template, count)
            writer.write(patches.paused(writer.item))
            writer.wait_for_endpoints()

        if scene.canary_pods == count == patches.held_pods(scene.item) and scene.workload.paused:
            return self._note(scene, record)
        return self._moved(scene, record, count, scene.workload.replicas, go)

    def _go_back(self, scene: Scene, writer: DeploymentWriter, record: Record | None, stable: str) -> None:
        after = self._with_template(scene, stable, patches.released)
        writer.write(patches.recorded(after, record))
        if scene.weight == EVERYTHING:
            writer.wait_for_rollout()
        else:
            writer.wait_for_none_but(after["spec"]["template"])

    def _with_template(
        self,
        scene: Scene,
        version: str,
        make: t.Callable[[Object, Object], Object],
        template: Object | None = None,
    ) -> Object:
        """Return the Deployment as `make` makes it of a version's template, with the annotations that go with that."""
        template = self._template(scene, version) if template is None else template
        after = make(scene.item, template)
        if template == scene.workload.template:
            return after
        known = scene.workload.of_template(template)
        return patches.told(after, patches.annotations_of(known)) if known else after

    def _moved(
        self, scene: Scene, record: Record | None, canary: int, others: int, go: t.Callable[[DeploymentWriter], None]
    ) -> Change:
        before, after = scene.split, scene.split_as(record, canary, others)
        writer = self._writer(scene, f"{before} -> {after}")
        go(writer)
        return Change(before, after, (writer.difference,))

    def _writer(self, scene: Scene, text: str) -> DeploymentWriter:
        return DeploymentWriter(self.cluster, scene, str(self.target.version or scene.stable), text, self._seconds)
