# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Argo Rollout as it is: who serves, how far it is, and how it would be. Pure. Private to gradual.canary."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_matches import matches_at
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_status import (
    HEALTHY,
    PAUSED,
    Status,
    is_observed,
    is_unpausing,
    status_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_steps import Steps, Stop, is_stop
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import (
    Revision,
    Workload,
    version_of_template,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    EVERYTHING,
    NOTHING,
    WHOLE,
    Match,
    Weight,
)

STABLE_LABEL: t.Final = "gradual.canary/stable-version"
CANARY_LABEL: t.Final = "gradual.canary/canary-version"
PAUSE_STEP: t.Final = "CanaryPauseStep"
PREDICTED_HASH: t.Final = "predicted"
"""What check mode takes for the hash of a template that no controller has seen."""


@dataclasses.dataclass(frozen=True)
class ArgoRollout:
    """A Rollout with a canary strategy. workload: the object and the ReplicaSets of the templates that it had."""

    workload: Workload

    @classmethod
    def of(cls, workload: Workload) -> ArgoRollout:
        """Return it; Unsupported when it is of a form that has no weights or no template of its own."""
        item = workload.item
        if (item["spec"].get("strategy") or {}).get("canary") is None:
            raise Unsupported(
                f"{words(item)} has no canary strategy, and only that has weights. Give it spec.strategy.canary with "
                "steps, or drive it with kubectl argo rollouts."
            )
        if item["spec"].get("workloadRef"):
            reference = item["spec"]["workloadRef"]
            raise Unsupported(
                f"{words(item)} takes its template from {reference.get('kind')} {reference.get('name')} (workloadRef), "
                "which is not supported. Put the template into the Rollout's own spec.template."
            )
        return cls(workload)

    # what it is

    @property
    def item(self) -> Object:
        return self.workload.item

    @property
    def where(self) -> str:
        return words(self.item)

    @property
    def canary(self) -> Object:
        """The canary strategy of its spec."""
        return t.cast(Object, self.item["spec"]["strategy"]["canary"])

    @property
    def steps(self) -> Steps:
        return Steps.of(self.canary)

    @property
    def routing(self) -> Object:
        """The traffic routing of its spec; empty when pods are the only weights it has."""
        return t.cast(Object, self.canary.get("trafficRouting") or {})

    # where it is

    @property
    def status(self) -> Object:
        return self.item.get("status") or {}

    @property
    def judged(self) -> Status:
        return status_of(self.item)

    @property
    def index(self) -> int:
        """The step it is at; the number of steps when it is through, or has none."""
        index = self.status.get("currentStepIndex")
        return self.steps.end if index is None and not self.steps.end else int(index or 0)

    @property
    def stable_hash(self) -> str:
        return str(self.status.get("stableRS") or "")

    @property
    def current_hash(self) -> str:
        return str(self.status.get("currentPodHash") or "")

    @property
    def is_first(self) -> bool:
        """Say whether no version of it has ever been stable."""
        return not self.stable_hash

    @property
    def has_canary(self) -> bool:
        """Say whether its template is another than the stable one."""
        return bool(self.stable_hash) and self.stable_hash != self.current_hash

    @property
    def paused(self) -> bool:
        """Say whether somebody paused it as a whole: it is held between its steps, whatever they are."""
        return self.workload.paused

    @property
    def aborted(self) -> bool:
        return bool(self.status.get("abort"))

    @property
    def pauses(self) -> list[Object]:
        return list(self.status.get("pauseConditions") or ())

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the controller waits for somebody."""
        return tuple(str(condition.get("reason")) for condition in self.pauses)

    @property
    def is_inconclusive(self) -> bool:
        """Say whether it waits for a decision because the analysis of its step could not tell."""
        run = (self.status.get("canary") or {}).get("currentStepAnalysisRunStatus") or {}
        return bool(self.pauses) and bool(self.status.get("controllerPause")) and run.get("status") == "Inconclusive"

    @property
    def stop(self) -> Stop | None:
        """Return the stop at which it waits now, ready to go on; None on the way, and when it is held."""
        if self.paused or not is_observed(self.item) or is_unpausing(self.item):
            return None
        if self.has_canary:
            at_pause = self.index < self.steps.end and is_stop(self.steps.items[self.index])
            waits = at_pause and PAUSE_STEP in self.reasons and not self.aborted
            return Stop(self.index, self.steps.weight_at(self.index)) if waits else None
        return Stop(self.steps.end, EVERYTHING) if self.judged.phase == HEALTHY else None

    @property
    def is_staged(self) -> bool:
        """Say whether a new template waits, without traffic and in no release yet."""
        return self.has_canary and self.paused and self.weight == NOTHING and CANARY_LABEL not in self.labels

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.item["metadata"].get("labels") or {})

    # what serves

    @property
    def weight(self) -> Weight:
        """Return the canary's share as the controller last wrote it; without a router, as its steps say."""
        if not self.has_canary:
            return NOTHING
        written = (self.status.get("canary") or {}).get("weights")
        if written and self.routing:
            return Weight(min(WHOLE, round(int(written["canary"].get("weight") or 0) * WHOLE / self.steps.most)))
        if self.aborted or (self.paused and self.index == 0):
            return NOTHING
        return self.steps.weight_at(self.index)

    @property
    def is_heading_for_traffic(self) -> bool:
        """Say whether its canary has traffic, or will have as soon as its pods are ready."""
        held = self.paused and self.index == 0
        return self.weight > NOTHING or (self.has_canary and not held and self.steps.weight_at(self.index) > NOTHING)

    @property
    def matches(self) -> tuple[Match, ...]:
        """Return the match routes that lead to the canary now: none as long as it has no pods."""
        if not self.has_canary or self.aborted or not self._has_pods(self.index):
            return ()
        return matches_at(self.canary, self.index)

    @property
    def matches_before_weight(self) -> tuple[Match, ...]:
        """Return the match routes that lead to the canary where the Rollout first waits, if it has no weight there."""
        first = self.steps.next_stop(0)
        return self.matches_then(first) if first.weight == NOTHING and self._has_pods(first.index) else ()

    def _has_pods(self, index: int) -> bool:
        if self.paused and index == 0:
            return False
        if self.steps.weight_at(index) > NOTHING:
            return True
        scales = [step["setCanaryScale"] for step in self.steps.items[: index + 1] if step.get("setCanaryScale")]
        return bool(scales) and bool(scales[-1].get("replicas") or scales[-1].get("weight"))

    def matches_then(self, stop: Stop) -> tuple[Match, ...]:
        """Return the match routes there will be at a stop."""
        return matches_at(self.canary, stop.index)

    @property
    def stable(self) -> Revision | None:
        return next((one for one in self.workload.revisions if one.template_hash == self.stable_hash), None)

    @property
    def stable_template(self) -> Object | None:
        """The template of the version that serves; None when its ReplicaSet is gone."""
        if not self.has_canary:
            return self.workload.template
        return self.stable.template if self.stable else None

    @property
    def stable_version(self) -> str | None:
        if not self.has_canary:
            return self.workload.version
        return version_of_template(self.stable.template) if self.stable else self.labels.get(STABLE_LABEL)

    @property
    def canary_version(self) -> str | None:
        return self.workload.version if self.has_canary else None

    # as it would be

    def shown(self) -> Object:
        """Return what a difference is made of: the object, and what of its status a person decides."""
        item = copy.deepcopy(self.item)
        item.pop("status", None)
        item["metadata"].pop("annotations", None)  # the controller keeps counting in them
        place = "the end" if self.index >= self.steps.end else f"{self.index} of {self.steps.end}"
        return {**item, "step": place, "aborted": self.aborted, "weight": str(self.weight)}

    def predicted_at(self, stop: Stop) -> ArgoRollout:
        """Return it as its controller would leave it at a stop."""
        weight = {"weight": stop.weight.points * self.steps.most // WHOLE}
        status = {
            **self.status,
            "currentStepIndex": stop.index,
            "abort": False,
            "phase": PAUSED,
            "controllerPause": True,
            "pauseConditions": [{"reason": PAUSE_STEP}],
            "canary": {**(self.status.get("canary") or {}), "weights": {"canary": weight}},
        }
        if stop.index >= self.steps.end:
            status.update({"phase": HEALTHY, "controllerPause": False, "pauseConditions": None})
            status["stableRS"] = self.current_hash
        return self.predicted(status)

    def predicted_aborted(self) -> ArgoRollout:
        """Return it as its controller would leave it after an abort."""
        nothing = {"weights": {"canary": {"weight": 0}}}
        return self.predicted(
            {**self.status, "currentStepIndex": 0, "abort": True, "pauseConditions": None, "canary": nothing}
        )

    def predicted_staged(self) -> ArgoRollout:
        """Return it as its controller would have it with a new template, held before its first step."""
        nothing = {"canary": {"weight": 0}}
        return self.predicted(
            {
                **self.status,
                "currentStepIndex": 0,
                "currentPodHash": PREDICTED_HASH,
                "abort": False,
                "phase": PAUSED,
                "controllerPause": False,
                "pauseConditions": None,
                "canary": {**(self.status.get("canary") or {}), "weights": nothing},
            }
        )

    def predicted(self, status: Object, item: Object | None = None) -> ArgoRollout:
        """Return it with this status, as one that the controller has seen."""
        then = copy.deepcopy(item or self.item)
        observed = str(then["metadata"].get("generation", 0))
        then["status"] = {**copy.deepcopy(status), "observedGeneration": observed}
        return ArgoRollout(dataclasses.replace(self.workload, item=then))
