# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``kubectl rollout`` does to a Deployment, and what it cannot. Private to the gradual.canary collection.

The judgement of a status, the choice of a revision and the fields that are written are those of kubectl
(pkg/polymorphichelpers: rollout_status.go, rollback.go, objectpauser.go, objectrestarter.go). Other than it, status
calls a paused Deployment paused whatever pods it has, undo keeps the Deployment's annotations and works while it is
paused, and abort goes back without going forward first.
"""

from __future__ import annotations

import copy
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _deployment_patch as patches
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_patch import Record
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_contract import (
    Differences,
    RolloutControl,
    RolloutStatus,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import (
    DEPLOYMENT,
    Revision,
    Workload,
    WorkloadIdentity,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER, Cluster
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, NotReady, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._readiness import Rollout
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, last_writer, words
from ansible_collections.gradual.canary.plugins.module_utils._rollout import Wait

_RESTARTED_AT: t.Final = "kubectl.kubernetes.io/restartedAt"
_UNSCHEDULABLE_SECONDS: t.Final = 15.0


class DeploymentControl(RolloutControl):
    """The Deployment `name` of an application."""

    def __init__(self, cluster: Cluster, target: Target, name: str) -> None:
        self._cluster = cluster
        self._target = target
        self._name = name

    def look(self) -> Workload:
        return Workload.look(self._cluster, DEPLOYMENT, self._target.namespace, self._name)

    def status(self) -> RolloutStatus:
        return status_of(self.look())

    def pause(self) -> Differences:
        item = self.look().item
        return self._write(item, patches.paused(item), "pause")

    def resume(self) -> Differences:
        workload = self.look()
        if not workload.paused and patches.held_pods(workload.item) is None:
            return ()
        return self._write(workload.item, patches.released(workload.item, workload.template), "resume")

    def promote(self, *, full: bool) -> Differences:
        return self.resume()  # a Deployment has no steps: what is next is everything

    def abort(self) -> Differences:
        workload = self.look()
        old = serving(workload)
        if old is None or old is workload.current:
            return ()
        after = patches.told(patches.released(workload.item, old.template), patches.annotations_of(old))
        return self._write(workload.item, after, f"abort, back to {_named(old)}")

    def retry(self) -> Differences:
        raise Unsupported(
            f"Deployment {self._target.namespace}/{self._name} has nothing to retry: an aborted template is not kept "
            "as the wanted one. Nothing was changed; go to it again with action undo and its revision (action history "
            "tells which), or release it again."
        )

    def undo(self, revision: int | None) -> Differences:
        workload = self.look()
        wanted, record = workload.to_undo(revision), Record.of(workload.item)
        if record is not None and not record.promoted:
            if wanted.version != record.stable:
                raise Conflict(
                    f"{words(workload.item)} is in the middle of a release from {record.stable} to {record.canary}, "
                    f"and {_named(wanted)} is not what it came from. Nothing was changed; end the release with "
                    "gradual.canary.rollback, then undo."
                )
            return self.abort()
        if wanted is workload.current:
            return ()
        after = copy.deepcopy(workload.item)
        after["spec"]["template"] = copy.deepcopy(wanted.template)
        after = patches.told(after, patches.annotations_of(wanted))
        return self._write(workload.item, after, f"undo to {_named(wanted)}")

    def restart(self) -> Differences:
        workload = self.look()
        if workload.paused:
            raise Conflict(
                f"{words(workload.item)} is paused, so that no pod would be restarted. Nothing was changed; resume it "
                "first."
            )
        after = copy.deepcopy(workload.item)
        metadata = after["spec"]["template"].setdefault("metadata", {})
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        metadata["annotations"] = {**(metadata.get("annotations") or {}), _RESTARTED_AT: now}
        return self._write(workload.item, after, "restart")

    def wait(self, seconds: float) -> RolloutStatus:
        if self._cluster.check_mode:
            return self.status()
        workload = self.look()
        if workload.paused:
            self._wait_until_observed(seconds)
        else:
            identity = WorkloadIdentity.of(workload, self._target.app, str(workload.version))
            wait = Wait(
                self._cluster,
                identity,
                seconds=seconds,
                unschedulable_after=_UNSCHEDULABLE_SECONDS,
                show=lambda _line: None,
            )
            wait.for_rollout()
        return self.status()

    def _wait_until_observed(self, seconds: float) -> None:
        """Wait until the controller has taken a paused Deployment as it is, and ended what it does not want."""

        def done(items: list[Object]) -> bool:
            return bool(items) and Rollout.of(items[0]).observed

        fields = f"metadata.name={self._name}"
        found = self._cluster.wait(DEPLOYMENT.kind, self._target.namespace, done, seconds=seconds, fields=fields)
        if found is None:
            raise NotReady(
                f"the controller of Deployment {self._target.namespace}/{self._name} did not see its change within "
                f"{seconds:g} s. Does kube-controller-manager run? Run the same again to wait on.",
                reason="Timeout",
            )

    def _write(self, item: Object, after: Object, text: str) -> Differences:
        operations = patches.patch_of(item, after)
        if not operations:
            return ()
        try:
            self._cluster.patch(item, operations)
        except Conflict as conflict:
            found = self._cluster.get(DEPLOYMENT.kind, self._name, self._target.namespace)
            if not patches.is_made(found, after):
                writer = last_writer(found, other_than=FIELD_MANAGER, field=("spec",))
                raise Conflict(
                    f"{words(item)} was changed while this was about to write ({text})"
                    f"{f', by {writer}' if writer else ''}. Nothing was changed by this; look at it with action "
                    "status, and run again if it is right.",
                    writer=writer,
                ) from conflict
        return (Difference(words(item), item, after, text),)


def serving(workload: Workload) -> Revision | None:
    """Return the revision that served before the one that is under way; the current one when none is.

    Of a release of ours the Deployment's labels say it; else it is the newest other one that has pods.
    """
    record = Record.of(workload.item)
    if record is not None and not record.promoted:
        return workload.of_version(record.stable)
    others = [one for one in workload.revisions if one.replicas and one is not workload.current]
    return others[0] if others else workload.current


def status_of(workload: Workload) -> RolloutStatus:
    """Return how far a Deployment is, in the order in which ``kubectl rollout status`` judges."""
    item, current = workload.item, workload.current
    rollout = Rollout.of(item)
    phase, message = _judged(item, workload.paused, rollout, workload)
    return RolloutStatus(phase, message, workload.version, current.number if current else None)


def _judged(item: Object, paused: bool, rollout: Rollout, workload: Workload) -> tuple[str, str]:
    name = words(item)
    if not rollout.observed:
        return "progressing", f"the controller of {name} has not seen its newest change yet"
    conditions = {one["type"]: one for one in (item.get("status") or {}).get("conditions") or ()}
    progress = conditions.get("Progressing", {})
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return "degraded", f"{name} made no progress within its deadline: {progress.get('message', '')}".rstrip(": ")
    if paused:
        new = workload.current.replicas if workload.current else 0
        return "paused", f"{name} is paused, with {new} of {rollout.total} pods of {workload.version}"
    if rollout.updated < rollout.wanted:
        return "progressing", f"{rollout.updated} of {rollout.wanted} pods of {name} are new"
    if rollout.total > rollout.updated:
        return "progressing", f"{rollout.total - rollout.updated} old pods of {name} are still to end"
    if rollout.available < rollout.updated:
        return "progressing", f"{rollout.available} of {rollout.updated} new pods of {name} are available"
    return "healthy", f"{name} has all {rollout.wanted} pods of {workload.version}"


def _named(revision: Revision) -> str:
    return f"revision {revision.number} ({revision.version})"
