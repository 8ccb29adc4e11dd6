# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb rollout on an Argo Rollout: what ``kubectl argo rollouts`` does, safe to repeat. Private."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _rollout_writes as writes
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_contract import (
    Differences,
    RolloutControl,
    RolloutStatus,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_driver import RolloutDriver, now
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_status import DEGRADED
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_writes import Writing
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import ROLLOUT, Workload
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, Degraded, NotReady

_MOVING_SECONDS: t.Final = 30.0
_ABORTED: t.Final = "RolloutAborted"
"""The reason for which the controller calls an aborted Rollout degraded; the message of its phase begins with it."""


class ArgoControl(RolloutControl):
    """One Rollout with a canary strategy."""

    def __init__(self, driver: RolloutDriver) -> None:
        self._driver = driver

    def look(self) -> Workload:
        return self._driver.look().workload

    def status(self) -> RolloutStatus:
        return _status(self._driver.look())

    def pause(self) -> Differences:
        rollout = self._driver.look()
        return () if rollout.paused else self._written(rollout, writes.holding(rollout, paused=True))

    def resume(self) -> Differences:
        rollout = self._driver.look()
        return self._written(rollout, writes.holding(rollout, paused=False)) if rollout.paused else ()

    def promote(self, *, full: bool) -> Differences:
        """Go on from the pause it is in, exactly one; or (full) past all that is left.

        Raises Conflict when it is at no pause: then there is nothing to end, and what runs is not skipped.
        """
        resumed = self.resume()  # held as a whole, a promote would only let it go
        rollout = self._driver.look()
        if not rollout.has_canary:
            return resumed
        rested = self._driver.rested(rollout, _MOVING_SECONDS)
        if full:
            written = self._written(rested, writes.past_all_steps(rested))
            self._driver.require_moved(rested, _MOVING_SECONDS)
            return (*resumed, *written)
        if rested.is_inconclusive:
            return (*resumed, *self._written(rested, writes.deciding(rested)))
        if rested.stop is None:
            raise Conflict(
                f"{rested.where} is at no pause but at step {rested.index} of {rested.steps.end}: {rested.judged}. "
                "Nothing was promoted. Wait until it pauses, or go past everything that is left with full: true.",
                phase=rested.judged.phase,
            )
        written = self._written(rested, writes.going_on(rested))
        self._driver.require_moved(rested, _MOVING_SECONDS)
        return (*resumed, *written)

    def abort(self) -> Differences:
        rollout = self._driver.look()
        if rollout.aborted or not rollout.has_canary:
            return ()
        return self._written(rollout, writes.aborting(rollout))

    def retry(self) -> Differences:
        rollout = self._driver.look()
        return self._written(rollout, writes.trying_again(rollout)) if rollout.aborted else ()

    def undo(self, revision: int | None) -> Differences:
        rollout = self._driver.look()
        wanted = rollout.workload.to_undo(revision)
        if wanted.template_hash == rollout.current_hash:
            return ()
        return self._written(rollout, writes.with_template(rollout, wanted.template, paused=None))

    def restart(self) -> Differences:
        rollout = self._driver.look()
        return self._written(rollout, writes.restarting(rollout, now()))

    def wait(self, seconds: float) -> RolloutStatus:
        def rests(one: ArgoRollout) -> bool:
            # What was just written stands beside what the controller said before it.
            if one.judged.message.startswith(_ABORTED) and not one.aborted:
                return False
            at_stop = one.stop is not None and not (one.has_canary and one.status.get("promoteFull"))
            return one.paused or at_stop or one.judged.phase == DEGRADED

        rollout = self._driver.look()
        rested = self._driver.wait(rollout, rests, seconds)
        if rested is None:
            left = self._driver.look()
            raise NotReady(f"{left.where} does not rest after {seconds:g} s: {left.judged}", phase=left.judged.phase)
        if rested.judged.phase == DEGRADED and not rested.aborted:
            raise Degraded(f"{rested.where} is {rested.judged}", phase=rested.judged.phase)
        return _status(rested)

    def _written(self, rollout: ArgoRollout, writing: Writing) -> Differences:
        written = self._driver.write(rollout, writing)
        self._driver.remember(written.predicted(written.status, written.item))
        return (_difference(rollout, writing),)


def _status(rollout: ArgoRollout) -> RolloutStatus:
    judged = rollout.judged
    number = (rollout.item["metadata"].get("annotations") or {}).get(ROLLOUT.revision) or ""
    return RolloutStatus(
        phase=judged.phase.lower(),
        message=judged.message,
        version=rollout.workload.version,
        revision=int(number) if number.isdigit() else None,
        step=f"{rollout.index}/{rollout.steps.end}" if rollout.steps.end else None,
    )


def _difference(rollout: ArgoRollout, writing: Writing) -> Difference:
    """Return the fields that a patch changes: most are of the status, which differences leave out otherwise."""
    changes = [operation for operation in writing.operations if operation["op"] != "test"]
    place = {"kind": "Rollout", "metadata": {key: rollout.item["metadata"].get(key) for key in ("name", "namespace")}}
    before = {operation["path"]: _at(rollout.item, operation["path"]) for operation in changes}
    after = {operation["path"]: operation.get("value") for operation in changes}
    return Difference(rollout.where, {**place, "fields": before}, {**place, "fields": after})


def _at(item: t.Any, path: str) -> t.Any:
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        item = item.get(key) if isinstance(item, dict) else None
    return item
