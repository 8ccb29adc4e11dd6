"""Argo Rollouts as its users have it: a Rollout, its two Services, a traffic system, and its kubectl plugin."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.contract.cluster_access import Access, Object, Operator
from tests.contract.workloads import IMAGE, PULL

STABLE_SERVICE, CANARY_SERVICE = "web-stable", "web-canary"
PORT = 8080
_APP = {"app.kubernetes.io/name": "web"}
_PATH = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts"


class Rollout:
    """One Rollout `web` in a namespace. routing: its spec.strategy.canary.trafficRouting."""

    def __init__(
        self, access: Access, namespace: str, routing: Object, *, replicas: int, environment: dict[str, str]
    ) -> None:
        self.namespace = namespace
        self._operator: Operator = access.operator()
        self._path = _PATH.format(namespace=namespace)
        self._routing, self._replicas, self._environment = routing, replicas, environment

    def create(self, version: str) -> None:
        """Make the Services and the Rollout, and wait until it is healthy."""
        for name in (STABLE_SERVICE, CANARY_SERVICE):
            ports = [{"name": "http", "port": PORT, "targetPort": 8080}]
            spec = {"selector": _APP, "ports": ports}
            metadata = {"name": name, "namespace": self.namespace}
            self._operator.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        container = {
            "name": "web",
            "image": IMAGE.format(version=version),
            "imagePullPolicy": PULL,
            "env": [{"name": name, "value": value} for name, value in self._environment.items()],
            "ports": [{"containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
        }
        canary = {
            "stableService": STABLE_SERVICE,
            "canaryService": CANARY_SERVICE,
            "trafficRouting": self._routing,
            "steps": [{"setWeight": 100}],
        }
        item = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "web", "namespace": self.namespace},
            "spec": {
                "replicas": self._replicas,
                "selector": {"matchLabels": _APP},
                "template": {"metadata": {"labels": _APP}, "spec": {"containers": [container]}},
                "strategy": {"canary": canary},
            },
        }
        self._operator._done("POST", self._path, item, "application/json")
        self.until(lambda status: status.get("phase") == "Healthy", 60)

    def steps(self, steps: Sequence[Object]) -> None:
        """Set the steps of the next release."""
        change = {"spec": {"strategy": {"canary": {"steps": list(steps)}}}}
        self._operator._done("PATCH", f"{self._path}/web", change, "application/merge-patch+json")

    def start(self, version: str) -> None:
        """Begin a release as its guide says."""
        self.plugin("set", "image", "web", f"web={IMAGE.format(version=version)}")

    def plugin(self, *words: str, seconds: float = 120) -> str:
        """Run its kubectl plugin."""
        done = subprocess.run(
            ["kubectl-argo-rollouts", *words, "--namespace", self.namespace],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"kubectl-argo-rollouts {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def status(self) -> Object:
        item = self._operator._answer(self._operator._send("GET", f"{self._path}/web"))
        status: Object = item.get("status") or {}
        observed = str(status.get("observedGeneration")) == str(item["metadata"]["generation"])
        return status if observed else {}

    def until(self, done: Callable[[Object], bool], seconds: float) -> Object:
        """Wait for a status, which has to be that of the present spec, and return it."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            if done(status):
                return status
            assert time.monotonic() < deadline, f"the Rollout is not as expected after {seconds:g} s: {said(status)}"
            time.sleep(0.1)

    def until_paused_at(self, step: int) -> Object:
        """Wait until it pauses at a step, and until that has rested: a promote within milliseconds can be lost."""
        status = self.until(
            lambda status: status.get("currentStepIndex") == step and bool(status.get("pauseConditions")), 60
        )
        time.sleep(2)  # longer than its status takes to come to rest
        return status

    def until_scaled_down(self, seconds: float) -> None:
        """Wait until only pods of the present version are left."""
        self.until(lambda status: status.get("replicas") == status.get("updatedReplicas"), seconds)


def said(status: Object) -> str:
    """Return what Argo says about a release, in words: phase, message, and the weight that it calls actual."""
    weights = (status.get("canary") or {}).get("weights") or {}
    weight = (weights.get("canary") or {}).get("weight")
    words = [str(status.get("phase"))]
    if status.get("message"):
        words.append(f"({status['message']})")
    if weight is not None:
        words.append(f"weight {weight}, verified: {json.dumps(weights.get('verified'))}")
    return " ".join(words)


NGINX: Object = {"nginx": {"stableIngress": "web"}}
ISTIO: Object = {"istio": {"virtualService": {"name": "web", "routes": ["web"]}}}


def ingress(namespace: str, hostname: str, ingress_class: str, **annotations: Any) -> Object:
    """Return the stable Ingress."""
    backend = {"service": {"name": STABLE_SERVICE, "port": {"number": PORT}}}
    rule = {"host": hostname, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": namespace, "annotations": annotations},
        "spec": {"ingressClassName": ingress_class, "rules": [rule]},
    }


def virtual_service(
    namespace: str, hostname: str, gateway: str, *, name: str = "web", services: Sequence[str] = ()
) -> Object:
    """Return a VirtualService with one entry `web`; by default between the two Services of the Rollout."""
    names = services or (STABLE_SERVICE, CANARY_SERVICE)
    route = [
        {"destination": {"host": each, "port": {"number": PORT}}, "weight": 0 if number else 100}
        for number, each in enumerate(names)
    ]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hosts": [hostname], "gateways": [gateway], "http": [{"name": "web", "route": route}]},
    }
