# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two pod templates ask for the same pods, and whether a Rollout may get one. Pure. Private to gradual.canary.

What was sent does not come back as it was: the API server fills in that a port is TCP, the controller writes empty
``resources`` when it writes the Rollout (measured: v1.9.2), and a template that was taken from a ReplicaSet, as a
rollback does, has all defaults written out.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import version_of_template
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Split

_MOST_PLACES: t.Final = 3  # that a message names
_CONTAINER: t.Final = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
_PROBE: t.Final = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_DEFAULTS: t.Final[dict[str, dict[str, t.Any]]] = {
    "readinessProbe": _PROBE,
    "livenessProbe": _PROBE,
    "startupProbe": _PROBE,
    "httpGet": {"path": "/", "scheme": "HTTP"},
    "ports": {"protocol": "TCP"},
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
    "spec": {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
    },
    "fieldRef": {"apiVersion": "v1"},
    "configMap": {"defaultMode": 0o644},
    "secret": {"defaultMode": 0o644},
    "projected": {"defaultMode": 0o644},
    "downwardAPI": {"defaultMode": 0o644},
    "hostPath": {"type": ""},
}
"""What the API server fills in (pkg/apis/core/v1/defaults.go), by the field whose value, or its items, it is in."""


def is_same_template(one: Object, other: Object) -> bool:
    """Say whether two templates ask for the same pods."""
    return not differing(one, other)


def differing(one: Object, other: Object) -> list[str]:
    """Return where two templates ask for other pods, such as ``spec.containers[0].image``."""
    return list(_differing(_bare(one), _bare(other), ""))


def require_stageable(rollout: ArgoRollout, template: Object, split: Split) -> None:
    """Raise Conflict when a new template would end something that is under way, or is of the stable version.

    split: the Rollout's, for the message.
    """
    if rollout.is_first:
        raise Conflict(
            f"{rollout.where} has no stable version yet: {rollout.judged}. Nothing was changed. Wait until its first "
            "version is Healthy, then release the next."
        )
    if rollout.has_canary and not rollout.is_staged:
        raise Conflict(
            f"{rollout.where} is in the middle of a release: {split}. Nothing was changed. Finish it with "
            "gradual.canary.release, or take it back with gradual.canary.rollback, first."
        )
    version, kept = rollout.stable_version, rollout.stable_template
    if kept is None or version != version_of_template(template):
        return
    places = differing(kept, template)
    if places:
        others = ", and more" if len(places) > _MOST_PLACES else ""
        raise Conflict(
            f"{rollout.where} serves {version} already, with another template: it differs in "
            f"{', '.join(places[:_MOST_PLACES])}{others}. Nothing was changed. Two templates of one version could not "
            "be told apart: release this one under a version name of its own, or deploy the template that is there.",
            places=places,
        )


def _differing(one: t.Any, other: t.Any, place: str) -> t.Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _differing(one.get(key), other.get(key), f"{place}.{key}" if place else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from _differing(mine, theirs, f"{place}[{number}]")
    elif one != other:
        yield place


def _bare(value: t.Any, field: str = "") -> t.Any:
    """Return a value without members that say nothing. field: the name of the one that it is, or is an item of."""
    if isinstance(value, list):
        return [_bare(item, field) for item in value]
    if not isinstance(value, dict):
        return value
    defaults = _defaults(value, field)
    return {
        key: _bare(item, key)
        for key, item in value.items()
        if item not in (None, {}, []) and (key not in defaults or item != defaults[key])
    }


def _defaults(value: Object, field: str) -> Object:
    known = _DEFAULTS.get(field, {})
    if field in ("containers", "initContainers"):
        return {**known, "imagePullPolicy": _pull_policy(str(value.get("image")))}
    return {**known, "serviceAccount": value.get("serviceAccountName")} if field == "spec" else known


def _pull_policy(image: str) -> str:
    name, digest, _hash = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"
