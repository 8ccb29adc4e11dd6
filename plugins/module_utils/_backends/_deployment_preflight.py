# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would break or falsify a release of one Deployment. Private to the gradual.canary collection.

`Surroundings.look` asks the cluster; the findings are pure.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import ownership
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_scene import Scene
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_findings import (
    of_endings,
    of_service,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import (
    ready_pods,
    selector_of,
    selector_words,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, NotReady, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._replicas import autoscaler_of
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Findings = t.Iterator[Finding]


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """A scene and what else is around it. pods: all that the Service selects."""

    scene: Scene
    autoscalers: tuple[Object, ...]
    pods: tuple[Object, ...]

    @classmethod
    def look(cls, cluster: Cluster, scene: Scene) -> Surroundings:
        namespace = scene.target.namespace
        return cls(
            scene=scene,
            autoscalers=tuple(cluster.search("HorizontalPodAutoscaler", namespace)),
            pods=tuple(cluster.search("Pod", namespace, labels=selector_of(scene.service))),
        )


def findings_of(around: Surroundings) -> tuple[Finding, ...]:
    """Return everything that is in the way of a release, most basic first."""
    scene = around.scene
    return (
        *obstacles_of(around),
        *of_service(scene.service),
        *ownership(scene.service),
        *ownership(scene.item),
        *_of_readiness(around),
        *of_endings(words(scene.item), scene.workload.template),
    )


def obstacles_of(around: Surroundings) -> tuple[Finding, ...]:
    """Return what makes a share of pods impossible or untrue at any time of a release: errors all."""
    looks = (_of_template, _of_strategy, _of_labels, _of_autoscaler, _of_other_pods)
    return tuple(finding for look in looks for finding in look(around.scene, around))


def _of_template(scene: Scene, _around: Surroundings) -> Findings:
    version = scene.target.version
    if version is None or scene.workload.version == version or scene.workload.of_version(version):
        return
    yield Finding(
        "error",
        "deployment_missing",
        f"{words(scene.item)} has no template of {scene.target.service_of(version)}, neither now "
        f"({scene.workload.version}) nor in its history: {words(scene.service)} would get no endpoint of it",
        f"Deploy {version} first with gradual.canary.version.",
    )


def _of_strategy(scene: Scene, _around: Surroundings) -> Findings:
    kind = (scene.item["spec"].get("strategy") or {}).get("type")
    if kind == "Recreate":
        yield Finding(
            "error",
            Unsupported.code,
            f"{words(scene.item)} has the strategy Recreate, which ends all old pods before there is a new one",
            "Set its strategy to RollingUpdate, or use a backend with a Deployment for each version.",
        )


def _of_labels(scene: Scene, _around: Surroundings) -> Findings:
    labels = (scene.workload.template.get("metadata") or {}).get("labels") or {}
    missing = {key: value for key, value in selector_of(scene.service).items() if labels.get(key) != value}
    if missing:
        yield Finding(
            "error",
            "labels_missing",
            f"the pods of {words(scene.item)} lack {selector_words(missing)}, by which {words(scene.service)} would "
            "find them",
            "Take the label out of the Service's selector, or give it to the pods.",
        )


def _of_autoscaler(scene: Scene, around: Surroundings) -> Findings:
    autoscaler = autoscaler_of(scene.workload.name, around.autoscalers)
    if autoscaler is None:
        return
    spec = autoscaler["spec"]
    if spec.get("minReplicas", 1) == spec.get("maxReplicas"):
        return
    yield Finding(
        "error",
        Unsupported.code,
        f"{words({'kind': 'HorizontalPodAutoscaler', **autoscaler})} scales {words(scene.item)}, and here numbers of "
        "pods are the split",
        "Give it minReplicas equal to maxReplicas for the time of the release, or use a backend that splits in a "
        "gateway.",
    )


def _of_other_pods(scene: Scene, around: Surroundings) -> Findings:
    sets = {one.replica_set["metadata"]["uid"] for one in scene.workload.revisions}
    others = sorted(
        pod["metadata"]["name"]
        for pod in around.pods
        if not pod["metadata"].get("deletionTimestamp")
        and not any(owner.get("uid") in sets for owner in pod["metadata"].get("ownerReferences") or ())
    )
    if others:
        yield Finding(
            "error",
            Conflict.code,
            f"{words(scene.service)} selects {len(others)} pods that are not of {words(scene.item)}: "
            f"{', '.join(others[:3])}{' and more' if len(others) > 3 else ''}",
            "Scale down what makes them, or add a label to the selector that they lack.",
        )


def _of_readiness(around: Surroundings) -> Findings:
    scene = around.scene
    if not ready_pods(around.pods):
        yield Finding(
            "error",
            NotReady.code,
            f"{words(scene.service)} has no ready endpoint, of any version",
            "Let the version that serves become ready first: gradual.canary.status says which.",
        )
