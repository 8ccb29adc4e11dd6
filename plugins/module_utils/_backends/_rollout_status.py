# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phase and message of an Argo Rollout, as ``kubectl argo rollouts status`` judges them. Pure. Private.

Part of the gradual.canary collection. A Rollout's own phase lags behind what was written to it: the controller's
``observedGeneration`` (a string) may be of an older spec, and a pause that somebody ended stands in the status until
the controller has seen that.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._resources import Object

HEALTHY: t.Final = "Healthy"
PROGRESSING: t.Final = "Progressing"
PAUSED: t.Final = "Paused"
DEGRADED: t.Final = "Degraded"

_WORKLOAD_GENERATION: t.Final = "rollout.argoproj.io/workload-generation"


class Status(t.NamedTuple):
    """One of the four phases, and why; the message is empty when there is nothing to say."""

    phase: str
    message: str

    def __str__(self) -> str:
        return f"{self.phase} - {self.message}" if self.message else self.phase


def status_of(rollout: Object) -> Status:
    """Return the phase that holds for the Rollout as it is written now."""
    status = rollout.get("status") or {}
    if not is_observed(rollout):
        return Status(PROGRESSING, "waiting for rollout spec update to be observed")
    if is_unpausing(rollout):
        return Status(PROGRESSING, "waiting for rollout to unpause")
    if not _is_workload_observed(rollout):
        return Status(PROGRESSING, "waiting for rollout spec update to be observed for the reference workload")
    if status.get("phase"):
        return Status(str(status["phase"]), str(status.get("message") or ""))
    return Status(PROGRESSING, "the controller has not said anything about it yet")


def is_observed(rollout: Object) -> bool:
    """Say whether the controller has seen the spec. A word that is no number, as version 0.9 writes, counts as yes."""
    observed = _number((rollout.get("status") or {}).get("observedGeneration"))
    return observed is None or observed >= int(rollout["metadata"].get("generation", 0))


def is_unpausing(rollout: Object) -> bool:
    """Say whether a pause was ended that the controller still believes in; stuck, when it stays so."""
    status = rollout.get("status") or {}
    return bool(status.get("controllerPause")) and not status.get("pauseConditions")


def invalid_spec(rollout: Object) -> str | None:
    """Return what the controller finds wrong with the spec. The API server itself refuses none of it."""
    for condition in (rollout.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "InvalidSpec" and condition.get("status", "True") == "True":
            return str(condition.get("message") or "no reason given")
    return None


def _is_workload_observed(rollout: Object) -> bool:
    if not rollout["spec"].get("workloadRef"):
        return True
    wanted = _number((rollout["metadata"].get("annotations") or {}).get(_WORKLOAD_GENERATION))
    observed = _number((rollout.get("status") or {}).get("workloadObservedGeneration"))
    return wanted is None or observed is None or wanted == observed


def _number(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None
