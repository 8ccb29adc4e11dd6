# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to an Argo Rollout, as JSON patches with tests. Pure. Private to the gradual.canary collection.

They change the same fields as ``kubectl argo rollouts`` does, which sends merge patches. Where a pause is ended the
tests make the difference: the plugin's promote skips a step when it comes twice, because the pause of the next step is
not written yet when it reads (pkg/kubectl-argo-rollouts/cmd/promote/promote.go).
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import (
    CANARY_LABEL,
    STABLE_LABEL,
    ArgoRollout,
)
from ansible_collections.gradual.canary.plugins.module_utils._manifests import VERSION_LABEL
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object

TOUCHED: t.Final = "gradual.canary/touched"


class Writing(t.NamedTuple):
    """One patch: its operations, and the subresource it goes to (empty: the object itself)."""

    operations: list[Operation]
    subresource: str = ""


def going_on(rollout: ArgoRollout) -> Writing:
    """End the pause it is in, and no other."""
    return Writing(
        [
            *_same_version(rollout),
            *_same_pause(rollout),
            {"op": "remove", "path": "/status/pauseConditions"},
        ],
        "status",
    )


def deciding(rollout: ArgoRollout) -> Writing:
    """Go on from an analysis that came to no conclusion: past its step, and out of the pause it led to."""
    return Writing(
        [
            *_same_version(rollout),
            *_same_pause(rollout),
            {"op": "remove", "path": "/status/pauseConditions"},
            _set("/status/controllerPause", value=False),
            _set("/status/currentStepIndex", min(rollout.index + 1, rollout.steps.end)),
        ],
        "status",
    )


def past_all_steps(rollout: ArgoRollout) -> Writing:
    return Writing([*_same_version(rollout), _set("/status/promoteFull", value=True)], "status")


def aborting(rollout: ArgoRollout) -> Writing:
    """Take all traffic back. Wherever it is in its steps: only the version is tested."""
    return Writing([*_same_version(rollout), _set("/status/abort", value=True)], "status")


def trying_again(rollout: ArgoRollout) -> Writing:
    return Writing(
        [*_same_version(rollout), _test("/status/abort", True), _set("/status/abort", value=False)], "status"
    )


def holding(rollout: ArgoRollout, *, paused: bool, labels: t.Mapping[str, str] | None = None) -> Writing:
    """Hold it where it is, or let it go on from there; with the labels that say which release it is in."""
    return Writing(
        [
            _test("/spec/paused", rollout.item["spec"].get("paused")),
            _set("/spec/paused", value=paused),
            *labelling(rollout.item, labels or {}),
        ]
    )


def restarting(rollout: ArgoRollout, moment: str) -> Writing:
    """Have its pods replaced. moment: RFC 3339; pods that are older go."""
    return Writing([_test("/spec/restartAt", rollout.item["spec"].get("restartAt")), _set("/spec/restartAt", moment)])


def with_template(
    rollout: ArgoRollout,
    template: Object,
    *,
    paused: bool | None,
    annotations: t.Mapping[str, str | None] | None = None,
) -> Writing:
    """Give it another template, and (not None) hold it or let it go in the same write; it is in no release then.

    annotations: those of the Rollout that go with the template; None takes one away.
    """
    item = rollout.item
    operations = [
        _test("/spec/template", item["spec"]["template"]),
        {"op": "replace", "path": "/spec/template", "value": copy.deepcopy(template)},
    ]
    if paused is not None and paused != rollout.paused:
        operations += holding(rollout, paused=paused).operations
    return Writing([*operations, *unlabelling(item), *annotating(item, annotations or {})])


def scaling(rollout: ArgoRollout, replicas: int) -> Writing:
    there = rollout.item["spec"].get("replicas")
    return Writing([_test("/spec/replicas", there), _set("/spec/replicas", replicas)])


def touching(rollout: ArgoRollout, moment: str) -> Writing:
    """Change nothing that means anything, so that the controller looks again."""
    return Writing(annotating(rollout.item, {TOUCHED: moment}))


def release_labels(rollout: ArgoRollout) -> dict[str, str]:
    """Return the labels of a Rollout in a release: since its annotations go to its ReplicaSets."""
    return {STABLE_LABEL: str(rollout.stable_version), CANARY_LABEL: str(rollout.canary_version)}


def labelling(item: Object, labels: t.Mapping[str, str | None]) -> list[Operation]:
    return _marking(item, "labels", labels)


def unlabelling(item: Object) -> list[Operation]:
    return labelling(item, {CANARY_LABEL: None, STABLE_LABEL: None})


def annotating(item: Object, annotations: t.Mapping[str, str | None]) -> list[Operation]:
    return _marking(item, "annotations", annotations)


def _marking(item: Object, field: str, wanted: t.Mapping[str, str | None]) -> list[Operation]:
    """Return what brings labels or annotations to these values; None takes one away."""
    there = item["metadata"].get(field)
    changes = {key: value for key, value in sorted(wanted.items()) if (there or {}).get(key) != value}
    if changes and there is None:
        return [_set(f"/metadata/{field}", changes)]
    return [
        {"op": "remove", "path": f"/metadata/{field}/{_escaped(key)}"}
        if value is None
        else _set(f"/metadata/{field}/{_escaped(key)}", value)
        for key, value in changes.items()
    ]


def _same_version(rollout: ArgoRollout) -> list[Operation]:
    """Return tests of the version, by what people give it: check mode knows no hash of a template that is not there."""
    template = rollout.workload.template
    tests = [_test("/spec/template/spec/containers/0/image", template["spec"]["containers"][0].get("image"))]
    version = ((template.get("metadata") or {}).get("labels") or {}).get(VERSION_LABEL)
    if version:
        tests.append(_test(f"/spec/template/metadata/labels/{_escaped(VERSION_LABEL)}", version))
    return tests


def _same_pause(rollout: ArgoRollout) -> list[Operation]:
    """Return tests of the step and of the pause in it, which is not there while the controller goes on."""
    return [
        _test("/status/currentStepIndex", rollout.status.get("currentStepIndex")),
        _test("/status/pauseConditions/0/reason", rollout.reasons[0] if rollout.reasons else None),
    ]


def _test(path: str, value: t.Any) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _set(path: str, value: t.Any) -> Operation:
    return {"op": "add", "path": path, "value": value}  # which replaces what is there, and may be where nothing is


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
