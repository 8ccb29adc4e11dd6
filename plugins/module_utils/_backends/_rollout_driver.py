# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives an Argo Rollout from one stop to another and watches it get there. Private to the gradual.canary collection.

The controller stays in charge: each write ends one pause that it is in. Measured on Argo Rollouts 1.9.2: a promote
within milliseconds of the pause leaves the Rollout stuck with a pause that nobody sees any more, four times of five;
after 1.2 seconds without any change never in 38. So one is sent only to a Rollout that has rested for so long, and one
that is stuck all the same is freed by touching an annotation, upon which the controller looks again.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _readiness as readiness
from ansible_collections.gradual.canary.plugins.module_utils._backends import _rollout_writes as writes
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import PAUSE_STEP, ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_status import (
    DEGRADED,
    is_observed,
    is_unpausing,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_steps import Stop
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_writes import Writing
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import ROLLOUT, Workload
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, Degraded, NotLive, NotReady
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING

RESTING_SECONDS: t.Final = 1.2
_OBSERVING_SECONDS: t.Final = 15.0
_WAKING_SECONDS: t.Final = 3.0
_SAME_TEMPLATE_SECONDS: t.Final = 3.0
_ENDING_SECONDS: t.Final = 15.0
_UNSCHEDULABLE_SECONDS: t.Final = 15.0

Done = t.Callable[[ArgoRollout], bool]


class RolloutDriver:
    """One Rollout. seconds: how long a way from one stop to another may take, pods included."""

    def __init__(self, cluster: Cluster, namespace: str, name: str, seconds: float) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._seconds = seconds
        self._first_seen: dict[tuple[str, str | None], float] = {}

    # reading

    def look(self) -> ArgoRollout:
        """Return it as its controller has seen it. Raises TargetNotFound, Unsupported, and NotLive when it does not."""
        rollout = ArgoRollout.of(Workload.look(self._cluster, ROLLOUT, self._namespace, self._name))
        if is_observed(rollout.item) or self._cluster.check_mode:
            return rollout
        return self._observed(rollout)

    def seen(self, rollout: ArgoRollout) -> ArgoRollout:
        """Return it once its controller has seen what was just written, and wake one that missed it. Raises NotLive."""
        deadline = time.monotonic() + _OBSERVING_SECONDS
        while not is_observed(rollout.item) and time.monotonic() < deadline:
            changed = self._change(rollout, _WAKING_SECONDS)
            rollout = changed or self.write(rollout, writes.touching(rollout, now()))
        return self.look()

    def wait(self, rollout: ArgoRollout, done: Done, seconds: float) -> ArgoRollout | None:
        """Watch it until `done`; None after `seconds`."""
        deadline = time.monotonic() + seconds
        while not done(rollout):
            changed = self._change(rollout, deadline - time.monotonic())
            if changed is None:
                return None
            rollout = changed
        return rollout

    # moving

    def reach(self, rollout: ArgoRollout, stop: Stop) -> ArgoRollout:
        """Go from stop to stop until it waits at this one, or (when it went on by itself) at a later one."""
        if self._cluster.check_mode:
            return self._rehearsed(rollout, stop)
        deadline = time.monotonic() + self._seconds
        while True:
            rollout, here = self._settle(rollout, stop, deadline)
            if here.index >= stop.index:
                return rollout
            try:
                rollout = self.write(rollout, writes.going_on(rollout))
            except Conflict as conflict:
                rollout, there = self._settle(self.look(), stop, deadline)
                if there != stop:  # else it went where it was to go, perhaps by this very patch, whose answer was lost
                    raise Conflict(
                        f"{rollout.where} was changed by somebody while it was being written: it was at {here.weight} "
                        f"and went on to {there.weight}. Nothing was changed by this call. Look at it with the "
                        "playbook gradual.canary.status, and run again when that is what you want to start from.",
                        found=there.weight.as_percent(),
                    ) from conflict
            deadline = time.monotonic() + self._seconds  # for each way from one stop to the next

    def rested(self, rollout: ArgoRollout, seconds: float) -> ArgoRollout:
        """Return it after it has not changed for a while, so that a write does not meet one of its controller's."""
        deadline = time.monotonic() + seconds
        while not self._cluster.check_mode and time.monotonic() < deadline:
            changed = self._change(rollout, RESTING_SECONDS)
            if changed is None and not is_unpausing(rollout.item):
                break
            rollout = changed or self.write(rollout, writes.touching(rollout, now()))
        return rollout

    def require_moved(self, before: ArgoRollout, seconds: float) -> None:
        """Wait until it has left the step it was at, and free it when it is stuck. Raises NotLive."""
        rollout, deadline = before, time.monotonic() + seconds
        while not self._cluster.check_mode and rollout.has_canary and rollout.index == before.index:
            if time.monotonic() > deadline:
                raise NotLive(f"{before.where} does not leave step {before.index}: {rollout.judged}")
            changed = self._change(rollout, RESTING_SECONDS)
            if changed is None and (is_unpausing(rollout.item) or rollout.status.get("promoteFull")):
                changed = self.write(rollout, writes.touching(rollout, now()))
            rollout = changed or rollout

    def write(self, rollout: ArgoRollout, writing: Writing) -> ArgoRollout:
        """Send one patch. Raises Conflict when what it rests on has changed."""
        item = self._cluster.patch(rollout.item, writing.operations, subresource=writing.subresource)
        return self._with(rollout, item)

    def scaled(self, rollout: ArgoRollout, replicas: int | None) -> ArgoRollout:
        """Give it so many pods, and wait for them, as long as it is not held.

        Before its template and not with it: while it is held the controller scales nothing, and as long as it has to
        scale it does not look at the template.
        """
        if replicas is None or replicas == rollout.workload.replicas or rollout.paused:
            return rollout
        rollout = self.write(rollout, writes.scaling(rollout, replicas))
        if self._cluster.check_mode:
            return self.remember(rollout.predicted(rollout.status))
        rollout = self.seen(rollout)
        self.wait(rollout, lambda one: one.stop is not None, self._seconds)
        return self.rested(self.look(), self._seconds)

    def staged(self, before: ArgoRollout, written: ArgoRollout) -> ArgoRollout:
        """Return it once its controller has taken a new template; it says that it saw the spec before it has done so.

        One that the controller finds to be the template it has already (a default written out) changes nothing there.
        """
        if self._cluster.check_mode:
            return self.remember(written.predicted_staged())
        is_other = written.workload.version != before.workload.version
        seconds = _OBSERVING_SECONDS if is_other else _SAME_TEMPLATE_SECONDS
        self.wait(written, lambda one: one.current_hash != before.current_hash, seconds)
        return self.look()

    def remember(self, rollout: ArgoRollout) -> ArgoRollout:
        """In check mode, let later reads see it like this."""
        if self._cluster.check_mode:
            self._cluster.predict(rollout.item)
        return rollout

    def wait_for_end(self, rollout: ArgoRollout) -> ArgoRollout:
        """Wait until an abort has taken the weight away, and wake a controller that missed it.

        Never fails: the way back must not hang on a controller, and only samples prove it.
        """
        deadline = time.monotonic() + _ENDING_SECONDS
        while time.monotonic() < deadline and rollout.weight > NOTHING:
            changed = self._change(rollout, RESTING_SECONDS)
            rollout = changed or self.write(rollout, writes.touching(rollout, now()))
        return rollout

    # waiting

    def _settle(self, rollout: ArgoRollout, wanted: Stop, deadline: float) -> tuple[ArgoRollout, Stop]:
        """Wait until it is at the wanted stop, or rests at one before it."""
        while True:
            here = rollout.stop
            if here and here.index >= wanted.index:
                return rollout, here
            changed = self._change(rollout, RESTING_SECONDS)
            if changed is not None:
                rollout = changed
            elif here:
                return rollout, here
            else:
                rollout = self._unmoved(rollout)
            if time.monotonic() > deadline:
                raise NotReady(
                    f"{rollout.where} did not come to {wanted.weight} within {self._seconds:g} s: {rollout.judged}. "
                    f"It is at step {rollout.index} of {rollout.steps.end} with {rollout.weight}. Give "
                    "backend.ready_timeout more and run again, or take the release back.",
                    phase=rollout.judged.phase,
                    reason="Timeout",
                )

    def _unmoved(self, rollout: ArgoRollout) -> ArgoRollout:
        """Say why it has not moved for a while, where that is for good; free it where it is stuck."""
        judged = rollout.judged
        if is_unpausing(rollout.item):
            return self.write(rollout, writes.touching(rollout, now()))
        if rollout.paused:
            raise Conflict(
                f"{rollout.where} was paused as a whole by somebody (spec.paused) at {rollout.weight}. Let it go on "
                "with gradual.canary.rollout (action resume), then run again."
            )
        if rollout.aborted or judged.phase == DEGRADED:
            self._require_pods(rollout)
            raise Degraded(
                f"{rollout.where} does not go on: {judged}. Its traffic is at {rollout.weight}. Look at it with "
                f"kubectl argo rollouts get rollout {self._name} -n {self._namespace}; take the release back with "
                "gradual.canary.rollback, mend it and release again.",
                phase=judged.phase,
            )
        other = [reason for reason in rollout.reasons if reason != PAUSE_STEP]
        if other:
            raise Degraded(
                f"{rollout.where} waits for somebody to decide: {', '.join(other)}. Go on with gradual.canary.rollout "
                "(action promote), or take the release back with gradual.canary.rollback.",
                phase=judged.phase,
            )
        self._require_pods(rollout)
        return rollout

    def _require_pods(self, rollout: ArgoRollout) -> None:
        """Raise NotReady when a pod of the new version can never become ready."""
        labels = {ROLLOUT.template_hash: rollout.current_hash}
        pods = self._cluster.search("Pod", self._namespace, labels=labels) if rollout.current_hash else []
        now = time.monotonic()
        for pod in pods:
            obstacle = readiness.pod_obstacle(pod, unschedulable_after=_UNSCHEDULABLE_SECONDS)
            if obstacle is None:
                continue
            since = self._first_seen.setdefault(obstacle.key, now)
            if now - since >= obstacle.patience:
                raise NotReady(
                    f"version {rollout.canary_version} of {rollout.where} cannot become ready: {obstacle.reason}: "
                    f"{obstacle.explanation}. To go on: {obstacle.remedy}.",
                    reason=obstacle.reason,
                    pod=obstacle.pod,
                    container=obstacle.container,
                )

    def _observed(self, rollout: ArgoRollout) -> ArgoRollout:
        seen = self.wait(rollout, lambda one: is_observed(one.item), _OBSERVING_SECONDS)
        if seen is None:
            raise NotLive(
                f"the controller has not looked at {rollout.where} for {_OBSERVING_SECONDS:g} s; it has seen "
                f"generation {rollout.status.get('observedGeneration') or 'none'} of "
                f"{rollout.item['metadata'].get('generation')}. See whether the Argo Rollouts controller runs."
            )
        return seen

    def _change(self, rollout: ArgoRollout, seconds: float) -> ArgoRollout | None:
        """Return it as soon as it is another than it was; None when nothing changed in so many seconds."""
        version = rollout.item["metadata"].get("resourceVersion")

        def changed(items: list[Object]) -> bool:
            return not items or items[0]["metadata"].get("resourceVersion") != version

        fields = f"metadata.name={self._name}"
        found = self._cluster.wait(
            "Rollout", self._namespace, changed, seconds=max(0.0, seconds), fields=fields, since=rollout.item
        )
        if found is None:
            return None
        return self._with(rollout, found[0]) if found else self.look()

    def _with(self, rollout: ArgoRollout, item: Object) -> ArgoRollout:
        """Return it as the API answered; the ReplicaSets are read again when it speaks of one that is not known."""
        item = {"apiVersion": rollout.item["apiVersion"], "kind": rollout.item["kind"], **item}
        then = ArgoRollout(dataclasses.replace(rollout.workload, item=item))
        if then.stable is None and then.has_canary and not self._cluster.check_mode:
            sets = self._cluster.search("ReplicaSet", self._namespace)
            then = ArgoRollout(Workload.of(ROLLOUT, item, sets))
        return then

    # check mode

    def _rehearsed(self, rollout: ArgoRollout, stop: Stop) -> ArgoRollout:
        """Go the same way, with what the controller would do between the writes."""
        here = rollout.stop or rollout.steps.next_stop(0 if rollout.aborted else rollout.index)
        rollout = self.remember(rollout.predicted_at(here))
        while here.index < stop.index:
            rollout = self.write(rollout, writes.going_on(rollout))
            here = rollout.steps.next_stop(here.index + 1)
            rollout = self.remember(rollout.predicted_at(here))
        return rollout


def now() -> str:
    """Return the present moment as the API writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
