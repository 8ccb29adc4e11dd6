# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether pods of an Argo Rollout end while somebody still sends to them. Pure. Private to gradual.canary.

Without a traffic router every step ends pods that serve, and with ``dynamicStableScale`` every step ends stable ones.
Else the controller ends only pods that have no share any more: after ``scaleDownDelaySeconds`` those of the version
before, after ``abortScaleDownDelaySeconds`` those of an aborted one. Without a router it refuses a spec with the first
and ignores the second (argo-rollouts v1.9, rollout/replicaset.go and utils/defaults/defaults.go).
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import endings
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Findings = t.Iterator[Finding]

_USUAL: t.Final = 30  # seconds; the controller's own where a Rollout does not say
_ROUNDING: t.Final = 1  # second that a delay may lack: the controller notes its end in whole seconds, rounded down


def findings_of_endings(rollout: ArgoRollout, propagation_seconds: float) -> Findings:
    """Warn of pods that end too early. propagation_seconds: until nobody sends to a pod that lost its share."""
    current = rollout.workload.template
    stable = rollout.stable_template
    if rollout.routing and not rollout.canary.get("dynamicStableScale"):
        yield from _of_delay(rollout, "scaleDownDelaySeconds", "a promotion", stable or current, propagation_seconds)
        yield from _of_delay(rollout, "abortScaleDownDelaySeconds", "an abort", current, propagation_seconds)
        return
    for version, template in {rollout.stable_version: stable, rollout.workload.version: current}.items():
        if template:
            yield from endings(f"{version} of {rollout.where}", template, propagation_seconds)


def _of_delay(rollout: ArgoRollout, field: str, event: str, template: Object, propagation_seconds: float) -> Findings:
    """Yield a delay that is too short. event: after which it begins. template: of the pods that end then."""
    delay = rollout.canary.get(field)
    remedy = (
        f"Leave it out, which means {_USUAL}, or set it to at least {math.ceil(propagation_seconds) + _ROUNDING} and "
        "the longest request."
    )
    if delay == 0 and field == "scaleDownDelaySeconds":
        # Documented for aborts only. Here it is https://github.com/argoproj/argo-rollouts/issues/1992.
        yield Finding(
            "warning",
            "endless_pods",
            f"{rollout.where} has {field} 0, by which its controller never ends the pods of the version before",
            remedy,
        )
    if not delay:
        return
    rest = propagation_seconds - (delay - _ROUNDING)  # which the pods would have to wait by themselves
    if rest > 0 and any(endings("", template, rest)):
        yield Finding(
            "warning",
            "short_delay",
            f"{rollout.where} ends the pods that lost their share {delay} s after {event} ({field}), and it takes up "
            f"to {propagation_seconds:g} s until its traffic router sends nothing to them any more: requests in "
            "between are lost",
            remedy,
        )
