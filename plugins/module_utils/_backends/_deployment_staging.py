# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving one Deployment a new template without touching a pod. Pure. Private to the gradual.canary collection."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _deployment_patch as patches
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_scene import Scene
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words


def staged(scene: Scene, template: Object, *, replicas: int | None, annotations: t.Mapping[str, str | None]) -> Object:
    """Return the Deployment as it is to be; the very same when it has that template already.

    replicas: its number of pods, None to leave it. annotations: those that go with the template. Raises Conflict when
    the Deployment is under way to something, and for another template of the version that serves.
    """
    if template == scene.workload.template:
        return scene.item if replicas is None or scene.record else _scaled(scene.item, replicas)
    _require_rest(scene)
    serving = scene.workload.of_version(scene.stable)
    if serving is not None and serving.template == template:
        return patches.told(patches.released(scene.item, template), patches.annotations_of(serving))
    if scene.stable == scene.target.version:
        raise Conflict(
            f"{words(scene.item)} serves {scene.stable} already, with another template. Nothing was changed; two "
            "templates of one version could not be told apart, so give this one a version of its own."
        )
    return patches.told(patches.staged(scene.item, template, replicas=replicas), annotations)


def _scaled(item: Object, replicas: int) -> Object:
    result = copy.deepcopy(item)
    result["spec"]["replicas"] = replicas
    return result


def _require_rest(scene: Scene) -> None:
    """Raise Conflict when a new template would end something that is under way."""
    record, item, workload = scene.record, words(scene.item), scene.workload
    version = scene.target.version
    if record is not None and (record.promoted or record.canary != version or not scene.rests_at_nothing):
        raise Conflict(
            f"{item} is in the middle of a release: {scene.split}. Nothing was changed; finish it with "
            f"gradual.canary.release, or take it back with gradual.canary.rollback, and then deploy {version}."
        )
    if record is not None or scene.rehearsed:
        return
    others = [one for one in workload.revisions if one.replicas and one is not workload.current]
    if others and not workload.paused:
        raise Conflict(
            f"{item} is being rolled to {workload.version} by somebody, and has pods of another template still. "
            "Nothing was changed; wait until that is done, or end it with gradual.canary.rollout and action abort."
        )
    if workload.paused and not scene.is_staged:
        raise Conflict(
            f"{item} was paused by somebody, and a release would let it run again. Nothing was changed; resume it with "
            "gradual.canary.rollout and action resume, then deploy again."
        )
