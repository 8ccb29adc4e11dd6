"""Rollouts as their API gives them, for the tests of the backend argo_rollouts."""

from __future__ import annotations

from typing import Any

from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import ROLLOUT, Workload

Object = dict[str, Any]
STEPS: list[Object] = [
    {"setCanaryScale": {"replicas": 1}},
    {"pause": {}},
    {"setCanaryScale": {"matchTrafficWeight": True}},
    {"setWeight": 10},
    {"pause": {}},
    {"setWeight": 50},
    {"pause": {"duration": "10s"}},
    {"pause": {}},
    {"setWeight": 100},
    {"pause": {}},
]
"""It waits at index 1 (0 %), 4 (10 %), 7 (50 %), 9 (100 %), and is at its end with index 10."""


def template(version: str) -> Object:
    labels = {"app.kubernetes.io/name": "web", "app.kubernetes.io/version": version}
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": f"web:{version}"}]}}


def replica_set(version: str, number: int) -> Object:
    kept = template(version)
    kept["metadata"]["labels"]["rollouts-pod-template-hash"] = f"hash-{version}"
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-hash-{version}",
            "namespace": "shop",
            "labels": {"rollouts-pod-template-hash": f"hash-{version}"},
            "annotations": {"rollout.argoproj.io/revision": str(number)},
            "ownerReferences": [{"kind": "Rollout", "name": "web", "uid": "uid-1", "controller": True}],
        },
        "spec": {"replicas": 1, "template": kept},
    }


def item(version: str = "v2", *, strategy: Object | None = None, status: Object | None = None, **spec: Any) -> Object:
    """Return a Rollout with this version's template, v1 stable, and its controller up to date."""
    routing = {"nginx": {"stableIngress": "web"}}
    canary = {"stableService": "web", "canaryService": "web-canary", "steps": STEPS, "trafficRouting": routing}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop", "uid": "uid-1", "generation": 7},
        "spec": {
            "replicas": 3,
            "template": template(version),
            "strategy": {"canary": {**canary, **(strategy or {})}},
            **spec,
        },
        "status": {
            "observedGeneration": "7",
            "stableRS": "hash-v1",
            "currentPodHash": f"hash-{version}",
            "currentStepIndex": 4,
            "controllerPause": True,
            "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-11-21T10:00:00Z"}],
            "phase": "Paused",
            "message": "CanaryPauseStep",
            "canary": {"weights": {"canary": {"weight": 10}, "stable": {"weight": 90}}},
            **(status or {}),
        },
    }


def rollout(version: str = "v2", **changes: Any) -> ArgoRollout:
    sets = [replica_set("v1", 1), replica_set("v2", 2)]
    return ArgoRollout.of(Workload.of(ROLLOUT, item(version, **changes), sets))
