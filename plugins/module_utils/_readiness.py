# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a version is ready, and what keeps it from that. Private to the gradual.canary collection.

Pure functions on objects as the API returns them. Reasons are those that kubelet, scheduler and the Deployment
controller write: pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime, pkg/controller/deployment/util of Kubernetes.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._resources import Object

_REVISION = "deployment.kubernetes.io/revision"

_IMAGE = "check the image's name and tag, the registry and image_pull_secrets"
_IMAGE_LOCAL = "bring the image to the node, or change image_pull_policy"
_CONFIGURATION = "create the ConfigMap or Secret, or the key in it, that the pod refers to"
_CRASH = "read its log, and mend the application or its settings"

# Reasons of a waiting container that do not go away by themselves.
_HOPELESS: t.Final = {
    "ErrImagePull": _IMAGE,
    "ImagePullBackOff": _IMAGE,
    "ErrImageNeverPull": _IMAGE_LOCAL,
    "InvalidImageName": _IMAGE,
    "ImageInspectError": _IMAGE,
    "CreateContainerConfigError": _CONFIGURATION,
    "CreateContainerError": "check command, args and mounts of the container",
    "RunContainerError": "check command and args of the container",
    "CrashLoopBackOff": _CRASH,
}
_RESTARTS = 3  # a container that is started this often again and still not ready is as good as in CrashLoopBackOff

# A condition of the Deployment may be from before the write that is waited for; the controller renews it within that.
_CONDITION_PATIENCE = 5.0


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """Why a version cannot become ready.

    reason: Kubernetes' own word. patience: seconds it must have been seen before it counts. remedy: what to do.
    crashed: whether the container ran, so that it has a log. output: the end of it, where the pod's status has that.
    """

    reason: str
    explanation: str
    remedy: str
    pod: str | None = None
    container: str | None = None
    patience: float = 0.0
    crashed: bool = False
    output: str = ""

    @property
    def key(self) -> tuple[str, str | None]:
        return self.reason, self.pod


@dataclasses.dataclass(frozen=True)
class Rollout:
    """How far a Deployment's pods are: numbers of pods as its controller reports them."""

    wanted: int
    total: int
    updated: int
    ready: int
    available: int
    observed: bool  # whether the controller has seen the object as it is now

    @classmethod
    def of(cls, deployment: Object) -> Rollout:
        status = deployment.get("status") or {}
        return cls(
            wanted=int(deployment["spec"].get("replicas", 1)),
            total=int(status.get("replicas") or 0),
            updated=int(status.get("updatedReplicas") or 0),
            ready=int(status.get("readyReplicas") or 0),
            available=int(status.get("availableReplicas") or 0),
            observed=int(status.get("observedGeneration") or 0) >= int(deployment["metadata"].get("generation") or 0),
        )

    @property
    def done(self) -> bool:
        """Say whether all pods are of this template and available, and no others are left."""
        return self.observed and self.updated == self.available == self.total == self.wanted

    def __str__(self) -> str:
        old = self.total - self.updated
        text = f"{self.available} of {self.wanted} pods available"
        return f"{text}, {self.updated} new and {old} old" if old > 0 else text


def deployment_obstacle(deployment: Object) -> Obstacle | None:
    """Return what the Deployment controller itself reports as being in the way."""
    if not Rollout.of(deployment).observed:
        return None
    name = deployment["metadata"]["name"]
    conditions = {item["type"]: item for item in (deployment.get("status") or {}).get("conditions") or ()}
    failure = conditions.get("ReplicaFailure", {})
    if failure.get("status") == "True":
        message = str(failure.get("message", ""))
        quota = "exceeded quota" in message
        return Obstacle(
            "QuotaExceeded" if quota else str(failure.get("reason", "ReplicaFailure")),
            f"the pods of Deployment {name} cannot be created: {message}",
            "raise the quota, or ask for fewer replicas or resources" if quota else "mend what the message names",
            patience=_CONDITION_PATIENCE,
        )
    progress = conditions.get("Progressing", {})
    if progress.get("status") == "False" and progress.get("reason") == "ProgressDeadlineExceeded":
        return Obstacle(
            "ProgressDeadlineExceeded",
            f"Deployment {name} made no progress for its progressDeadlineSeconds: {progress.get('message', '')}",
            "look at its pods; raise progressDeadlineSeconds if they only start slowly",
            patience=_CONDITION_PATIENCE,
        )
    return None


def unprobed(deployment: Object) -> tuple[str, ...]:
    """Return the containers without a readiness probe: they count as ready as soon as they run."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return tuple(str(container["name"]) for container in containers if not container.get("readinessProbe"))


def current_pods(deployment: Object, replica_sets: t.Sequence[Object], pods: t.Sequence[Object]) -> list[Object]:
    """Return the pods of the Deployment's newest template: those of an older one say nothing about this one."""
    if not Rollout.of(deployment).observed:
        return []
    uid = deployment["metadata"].get("uid")
    revision = (deployment["metadata"].get("annotations") or {}).get(_REVISION)
    current = {
        item["metadata"]["uid"]
        for item in replica_sets
        if uid in _owners(item) and (item["metadata"].get("annotations") or {}).get(_REVISION) == revision
    }
    return [pod for pod in pods if current & _owners(pod) and not pod["metadata"].get("deletionTimestamp")]


def pod_obstacle(pod: Object, *, unschedulable_after: float) -> Obstacle | None:
    """Return what keeps this pod from ever becoming ready; None while it may still come."""
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        obstacle = _container_obstacle(name, container)
        if obstacle:
            return obstacle
    for condition in status.get("conditions") or ():
        if (condition.get("type"), condition.get("status")) == ("PodScheduled", "False"):
            return Obstacle(
                str(condition.get("reason", "Unschedulable")),
                f"pod {name} fits on no node: {condition.get('message', 'the scheduler gives no reason')}",
                "ask for fewer resources, change node_selector or tolerations, or add a node",
                pod=name,
                patience=unschedulable_after,
            )
    return None


def _container_obstacle(pod: str, status: Object) -> Obstacle | None:
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, restarts = str(waiting.get("reason", "")), int(status.get("restartCount") or 0)
    ended = (status.get("lastState") or {}).get("terminated") or (status.get("state") or {}).get("terminated") or {}
    if reason not in _HOPELESS:
        if restarts < _RESTARTS or status.get("ready"):
            return None
        reason = "CrashLoopBackOff"
    crashed = reason == "CrashLoopBackOff"
    if crashed:
        end = f"exit code {ended['exitCode']}" if "exitCode" in ended else "an unknown exit code"
        if ended.get("reason") not in (None, "Error", "Completed"):
            end += f", {ended['reason']}"
        why = f"it ends again and again (restarts: {restarts}; last with {end})"
    else:
        why = str(waiting.get("message") or "no message")
    return Obstacle(
        reason,
        f"container {status['name']} of pod {pod} (image {status.get('image')}): {why}",
        _HOPELESS[reason],
        pod=pod,
        container=str(status["name"]),
        crashed=crashed,
        output=str(ended.get("message") or "") if crashed else "",
    )


def unready_reason(pod: Object) -> str | None:
    """Return in a few words why a pod is not ready yet; None when it is."""
    status = pod.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    if conditions.get("Ready", {}).get("status") == "True":
        return None
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        if state.get("waiting"):
            return str(state["waiting"].get("reason", "waiting"))
        if state.get("running") and not container.get("ready"):
            started = container.get("started", True)
            return "running, readiness probe fails" if started else "running, startup probe has not succeeded"
    return str(status.get("phase", "unknown"))


def ready_endpoints(slices: t.Sequence[Object], port: str | None) -> int:
    """Return how many different pods are ready behind a Service's port, named or (None) nameless."""
    pods: set[str] = set()
    for item in slices:
        if not any((entry.get("name") or None) == port for entry in item.get("ports") or ()):
            continue
        for endpoint in item.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            if conditions.get("ready") is False or conditions.get("terminating"):
                continue
            reference = endpoint.get("targetRef") or {}
            pods.add(str(reference.get("uid") or (endpoint.get("addresses") or [""])[0]))
    return len(pods)


def _owners(item: Object) -> set[str]:
    return {str(owner.get("uid")) for owner in item["metadata"].get("ownerReferences") or ()}
