"""The versions of the test application that the contract suite splits traffic between."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from tests.contract.cluster_access import Operator

Object = dict[str, Any]
APP = "web"
IMAGE = os.environ.get("CANARY_TEST_IMAGE", "canary.lab/web:{version}")
PULL = os.environ.get("CANARY_TEST_PULL_POLICY", "Never")


def labels(version: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": APP,
        "app.kubernetes.io/version": version,
        "app.kubernetes.io/managed-by": "gradual.canary",
    }


def selector(version: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": APP, "app.kubernetes.io/version": version}


def service(namespace: str, version: str, name: str | None = None) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name or f"{APP}-{version}", "namespace": namespace, "labels": labels(version)},
        "spec": {"selector": selector(version), "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }


def deployment(namespace: str, version: str) -> Object:
    container = {
        "name": APP,
        "image": IMAGE.format(version=version),
        "imagePullPolicy": PULL,
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{APP}-{version}", "namespace": namespace, "labels": labels(version)},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector(version)},
            "template": {"metadata": {"labels": labels(version)}, "spec": {"containers": [container]}},
        },
    }


def deploy(operator: Operator, cluster: Cluster, namespace: str, versions: tuple[str, ...]) -> None:
    """Make the versions' Deployments and Services, and wait until each Service has a ready endpoint."""
    for version in versions:
        operator.create(deployment(namespace, version))
        operator.create(service(namespace, version))
    for version in versions:
        ready = cluster.wait(
            "EndpointSlice",
            namespace,
            _any_ready,
            seconds=120,
            labels={"kubernetes.io/service-name": f"{APP}-{version}"},
        )
        assert ready, f"{APP}-{version} has no ready endpoint in namespace {namespace} after 120 s"


def _any_ready(slices: list[Object]) -> bool:
    endpoints = [endpoint for each in slices for endpoint in each.get("endpoints") or []]
    return any(endpoint.get("conditions", {}).get("ready") for endpoint in endpoints)
