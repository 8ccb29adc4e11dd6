# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Deployment as it is to be, and the patch that makes it so. Pure. Private to the gradual.canary collection.

How exactly k new pods come to be beside all old ones (rolling.go of the Deployment controller): it may have `maxSurge`
pods more than asked for, and it takes an old one away only for a new one that is available. With ``maxSurge: k``,
``maxUnavailable: 0`` and a ``minReadySeconds`` that no pod reaches, it makes k and stops there.

`minReadySeconds` stays so while the Deployment is paused: also a paused one ends all its old pods once as many new ones
are available as it has replicas (sync.go). The deadline for progress must be longer, which the API server checks.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import CHANGE_CAUSE, Revision
from ansible_collections.gradual.canary.plugins.module_utils._manifests import REPLACES
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object

# Labels, because a Deployment's controller copies its annotations to the ReplicaSet, and `kubectl rollout undo` copies
# them back when nobody is releasing any more.
STABLE: t.Final = "gradual.canary/stable-version"
CANARY: t.Final = "gradual.canary/canary-version"
SETTINGS: t.Final = "gradual.canary/rollout-settings"

_A_YEAR: t.Final = 365 * 24 * 3600  # seconds
_NO_DEADLINE: t.Final = 2**31 - 1  # as the controller has it
_KEPT: t.Final = ("strategy", "minReadySeconds", "progressDeadlineSeconds")
_DEFAULTS: t.Final = {
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
    "progressDeadlineSeconds": 600,
}
_WRITTEN: t.Final = (
    *(("spec", field) for field in ("template", "paused", "replicas", *_KEPT)),
    *(("metadata", "labels", name) for name in (STABLE, CANARY)),
    *(("metadata", "annotations", name) for name in (SETTINGS, REPLACES, CHANGE_CAUSE)),
)


@dataclasses.dataclass(frozen=True)
class Record:
    """Which release is under way, as the Deployment's labels say while a canary is attached: two versions."""

    stable: str
    canary: str

    @property
    def promoted(self) -> bool:
        return self.stable == self.canary

    @classmethod
    def of(cls, item: Object) -> Record | None:
        labels = item["metadata"].get("labels") or {}
        if STABLE in labels and CANARY in labels:
            return cls(str(labels[STABLE]), str(labels[CANARY]))
        return None


def recorded(item: Object, record: Record | None) -> Object:
    """Return the Deployment with this record."""
    result = copy.deepcopy(item)
    labels = result["metadata"].setdefault("labels", {})
    for name in (STABLE, CANARY):
        labels.pop(name, None)
    if record:
        labels.update({STABLE: record.stable, CANARY: record.canary})
    return result


def held_pods(item: Object) -> int | None:
    """Return how many new pods a Deployment is held at; None when it is not held."""
    if int(item["spec"].get("minReadySeconds") or 0) != _A_YEAR:
        return None
    surge = ((item["spec"].get("strategy") or {}).get("rollingUpdate") or {}).get("maxSurge")
    return surge if isinstance(surge, int) else None


def held(item: Object, template: Object, count: int) -> Object:
    """Return the Deployment that makes exactly this many pods of the template beside all old ones."""
    result = copy.deepcopy(item)
    spec = result["spec"]
    if held_pods(item) is None:
        kept = {field: spec[field] for field in _KEPT if field in spec}
        annotations = result["metadata"].setdefault("annotations", {})
        annotations[SETTINGS] = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    spec["template"] = copy.deepcopy(template)
    spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": count, "maxUnavailable": 0}}
    spec["minReadySeconds"], spec["progressDeadlineSeconds"] = _A_YEAR, _NO_DEADLINE
    spec.pop("paused", None)
    return result


def paused(item: Object) -> Object:
    result = copy.deepcopy(item)
    result["spec"]["paused"] = True
    return result


def unpaused(item: Object) -> Object:
    result = copy.deepcopy(item)
    result["spec"].pop("paused", None)
    return result


def released(item: Object, template: Object) -> Object:
    """Return the Deployment that rolls to the template as it would without us: with its own settings, unpaused."""
    result = unpaused(item)
    spec, annotations = result["spec"], result["metadata"].get("annotations") or {}
    spec["template"] = copy.deepcopy(template)
    if held_pods(item) is not None:
        kept = _settings(annotations.get(SETTINGS))
        for field in _KEPT:
            spec.pop(field, None)
        spec.update(kept)
    annotations.pop(SETTINGS, None)
    return result


def staged(item: Object, template: Object, *, replicas: int | None = None) -> Object:
    """Return the Deployment with a new template that touches no pod yet."""
    result = paused(item)
    result["spec"]["template"] = copy.deepcopy(template)
    if replicas is not None:
        result["spec"]["replicas"] = replicas
    return result


def told(item: Object, annotations: t.Mapping[str, str | None]) -> Object:
    """Return the Deployment with these annotations; None takes one away."""
    result = copy.deepcopy(item)
    own = result["metadata"].get("annotations") or {}
    own.update({key: value for key, value in annotations.items() if value is not None})
    for key in (key for key, value in annotations.items() if value is None):
        own.pop(key, None)
    if own or result["metadata"].get("annotations") is not None:
        result["metadata"]["annotations"] = own
    return result


def annotations_of(revision: Revision) -> dict[str, str | None]:
    """Return the annotations that belong to a template and come back with it; all others are the Deployment's own.

    ``kubectl rollout undo`` replaces all of them by those of the ReplicaSet, and what was added since is lost.
    """
    return {key: revision.annotations.get(key) for key in (REPLACES, CHANGE_CAUSE)}


def patch_of(before: Object, after: Object) -> list[Operation]:
    """Return the JSON patch from one state of a Deployment to another; empty when they are the same.

    It tests everything that it relied on: all that this file ever writes, and the number of replicas.
    """
    # A test for null passes on an absent member (measured on the API server), but not below an absent one.
    tests: list[Operation] = []
    edits: list[Operation] = []
    for path in _WRITTEN:
        *parents, _last = path
        holder, wanted = _at(before, tuple(parents)), _at(after, tuple(parents)) or {}
        if holder is None:
            tests.append({"op": "test", "path": _pointer(tuple(parents)), "value": None})
            if wanted:
                edits.append({"op": "add", "path": _pointer(tuple(parents)), "value": copy.deepcopy(wanted)})
            continue
        old, new = _at(before, path), _at(after, path)
        tests.append({"op": "test", "path": _pointer(path), "value": copy.deepcopy(old)})
        if old == new:
            continue
        if new is None:
            edits.append({"op": "remove", "path": _pointer(path)})
        else:
            edits.append({"op": "add" if old is None else "replace", "path": _pointer(path), "value": new})
    distinct = [one for number, one in enumerate(tests) if one not in tests[:number]]
    changes = [one for number, one in enumerate(edits) if one not in edits[:number]]
    return [*distinct, *changes] if changes else []


def is_made(item: Object, after: Object) -> bool:
    """Say whether a Deployment is as `after` in all that is written here."""
    return all(_at(item, path) == _at(after, path) for path in _WRITTEN)


def _settings(text: str | None) -> Object:
    """Return what a Deployment had before it was held; Kubernetes' defaults where somebody took the note away."""
    try:
        kept = json.loads(text or "")
    except ValueError:
        kept = None
    return kept if isinstance(kept, dict) and "strategy" in kept else copy.deepcopy(dict(_DEFAULTS))


def _at(item: t.Any, path: t.Sequence[str]) -> t.Any:
    for part in path:
        item = (item or {}).get(part)
    return item


def _pointer(path: t.Sequence[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
