# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would break or falsify a split by numbers of pods. Private to the gradual.canary collection.

`Surroundings.look` asks the cluster; the findings are pure.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target, ownership
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_objects import Scene, pod_labels
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_ratio import Selected
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
from ansible_collections.gradual.canary.plugins.module_utils._manifests import VERSION_LABEL
from ansible_collections.gradual.canary.plugins.module_utils._replicas import autoscaler_of
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS, Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Findings = t.Iterator[Finding]


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """A scene and what else is around it.

    pods: all that the Service would select during a split. rehearsed: the canary is one of check mode only.
    """

    scene: Scene
    target: Target
    autoscalers: tuple[Object, ...]
    pods: tuple[Object, ...]
    rehearsed: bool = False

    @classmethod
    def look(cls, cluster: Cluster, target: Target, scene: Scene) -> Surroundings:
        path = KINDS["Deployment"].path(target.namespace, target.canary_service)
        return cls(
            scene=scene,
            target=target,
            autoscalers=tuple(cluster.search("HorizontalPodAutoscaler", target.namespace)),
            pods=tuple(cluster.search("Pod", target.namespace, labels=scene.selector(Selected.BOTH))),
            rehearsed=cluster.rehearsal.knows(path),
        )

    @property
    def deployments(self) -> tuple[Object, ...]:
        found = (self.scene.stable_deployment, self.scene.canary_deployment)
        return tuple(item for item in found if item is not None)


def findings_of(around: Surroundings) -> tuple[Finding, ...]:
    """Return everything that is in the way of a split, most basic first."""
    looks = (_of_ownership, _of_readiness, _of_endings)
    rest = (finding for look in looks for finding in look(around))
    return (*obstacles_of(around), *of_service(around.scene.service), *rest)


def obstacles_of(around: Surroundings) -> tuple[Finding, ...]:
    """Return what makes a ratio impossible or untrue at any time of a release: errors all."""
    looks = (_of_deployments, _of_autoscalers, _of_other_pods)
    return tuple(finding for look in looks for finding in look(around))


def _of_deployments(around: Surroundings) -> Findings:
    scene, service = around.scene, words(around.scene.service)
    for version, item in ((scene.stable, scene.stable_deployment), (str(scene.canary), scene.canary_deployment)):
        name = around.target.service_of(version)
        if item is None:
            yield Finding(
                "error",
                "deployment_missing",
                f"there is no Deployment {name}, whose pods would be the endpoints of {service} for {version}",
                f"Deploy {version} first with gradual.canary.version.",
            )
            continue
        wanted = {**scene.selector(Selected.BOTH), VERSION_LABEL: version}
        missing = {key: value for key, value in wanted.items() if pod_labels(item).get(key) != value}
        if missing:
            yield Finding(
                "error",
                "labels_missing",
                f"the pods of {words(item)} lack {selector_words(missing)}, by which {service} would find them",
                "Deploy it with gradual.canary.version, which labels them, or take the label out of the selector.",
            )
    yield from _of_shared_selectors(around)


def _of_shared_selectors(around: Surroundings) -> Findings:
    stable, canary = around.scene.stable_deployment, around.scene.canary_deployment
    if stable is None or canary is None or stable["metadata"]["name"] == canary["metadata"]["name"]:
        return
    for one, other in ((stable, canary), (canary, stable)):
        asked = one["spec"]["selector"].get("matchLabels") or {}
        if asked.items() <= pod_labels(other).items():
            yield Finding(
                "error",
                "selectors_overlap",
                f"the selector of {words(one)} ({selector_words(asked)}) fits the pods of {words(other)} too: the two "
                "would count each other's pods",
                f"A Deployment's selector cannot be changed; make it anew with {VERSION_LABEL} in its selector.",
            )


def _of_autoscalers(around: Surroundings) -> Findings:
    for item in around.deployments:
        autoscaler = autoscaler_of(item["metadata"]["name"], around.autoscalers)
        if autoscaler is not None:
            yield Finding(
                "error",
                Unsupported.code,
                f"{words({'kind': 'HorizontalPodAutoscaler', **autoscaler})} scales {words(item)}, and here the number "
                "of pods is the split",
                "Remove it for the time of the release, or use a backend that splits in a gateway.",
            )


def _of_other_pods(around: Surroundings) -> Findings:
    ours = {around.scene.stable, around.scene.canary}
    others = sorted(
        pod["metadata"]["name"]
        for pod in around.pods
        if (pod["metadata"].get("labels") or {}).get(VERSION_LABEL) not in ours
        and not pod["metadata"].get("deletionTimestamp")
    )
    if others:
        yield Finding(
            "error",
            Conflict.code,
            f"{words(around.scene.service)} would select {len(others)} pods of neither version during a split: "
            f"{', '.join(others[:3])}{' and more' if len(others) > 3 else ''}",
            "Scale their version down with gradual.canary.version (one that is kept for a way back: with "
            "gradual.canary.cleanup -e canary_keep=0), or add a label to the selector that they lack.",
        )


def _of_ownership(around: Surroundings) -> Findings:
    for item in (around.scene.service, *around.deployments):
        yield from ownership(item)


def _of_readiness(around: Surroundings) -> Findings:
    canary = around.scene.canary_deployment
    if canary is None or around.rehearsed:
        return
    asked = {**around.scene.selector(Selected.BOTH), VERSION_LABEL: str(around.scene.canary)}
    mine = [pod for pod in around.pods if asked.items() <= (pod["metadata"].get("labels") or {}).items()]
    if not ready_pods(mine):
        yield Finding(
            "error",
            NotReady.code,
            f"{words(canary)} has no ready pod, so that {words(around.scene.service)} would get no endpoint of it",
            "Wait until it is ready: gradual.canary.version does, and says what keeps it.",
        )


def _of_endings(around: Surroundings) -> Findings:
    for item in around.deployments:
        yield from of_endings(words(item), item["spec"]["template"])


def is_selected(service: Object, labels: t.Mapping[str, str]) -> bool:
    """Say whether a Service selects pods with these labels."""
    asked = selector_of(service)
    return bool(asked) and asked.items() <= labels.items()
