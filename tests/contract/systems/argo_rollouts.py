"""Argo Rollouts on the lab's controller, which splits by Traefik's canary annotations, or by Istio."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends.argo_rollouts import ArgoRollouts
from ansible_collections.gradual.canary.plugins.module_utils._difference import presentable
from tests.contract.cluster_access import Object, Operator
from tests.contract.systems import ingress_nginx, istio
from tests.contract.systems.base import TrafficSystem
from tests.contract.workloads import APP, IMAGE, PULL

VERSION = "argoproj.io/v1alpha1"
SECONDS = 90.0
CONTROLLER = os.environ.get("CANARY_TEST_ARGO_NAMESPACE", "argo-rollouts")


def steps(*weights: int) -> list[Object]:
    """Return steps that bring up one pod and wait, then wait at each of these weights."""
    first: list[Object] = [{"setCanaryScale": {"replicas": 1}}, {"pause": {}}]
    first.append({"setCanaryScale": {"matchTrafficWeight": True}})
    return first + [step for weight in weights for step in ({"setWeight": weight}, {"pause": {}})]


def template(version: str, instance: str) -> Object:
    """Return the pods of one version of one Rollout."""
    labels = {
        "app.kubernetes.io/name": APP,
        "app.kubernetes.io/instance": instance,
        "app.kubernetes.io/version": version,
    }
    container = {
        "name": APP,
        "image": IMAGE.format(version=version),
        "imagePullPolicy": PULL,
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
    }
    return {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 2}}


def services(namespace: str, instance: str) -> list[Object]:
    """Return the Services of the stable and of the canary version; the controller narrows what they select."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "selector": {"app.kubernetes.io/instance": instance},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            },
        }
        for name in (instance, f"{instance}-preview")
    ]


def rollout(namespace: str, name: str, routing: Object | None, steps_: list[Object], **spec: Any) -> Object:
    """Return a Rollout whose first version is v1."""
    canary: Object = {"stableService": name, "canaryService": f"{name}-preview", "steps": steps_}
    if routing is not None:
        canary["trafficRouting"] = routing
    return {
        "apiVersion": VERSION,
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app.kubernetes.io/instance": name}},
            "template": template("v1", name),
            "strategy": {"canary": canary},
            **spec,
        },
    }


class ArgoRolloutsSystem(TrafficSystem):
    """One Rollout of two pods that waits at six weights, behind one Ingress which Traefik serves."""

    backend = ArgoRollouts
    routed = ()
    write_rules: ClassVar[tuple[Object, ...]] = (
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    )
    writer = None  # what a person or a command line writes into the status, the controller soon owns
    weights = (10, 25, 40, 50, 100)

    @classmethod
    def missing(cls, operator: Operator) -> str | None:
        if operator.get("Namespace", CONTROLLER) is None:
            return f"there is no namespace {CONTROLLER}, where the controller is; CANARY_TEST_ARGO_NAMESPACE names it"
        return cls.gateway_missing(operator)

    @classmethod
    def gateway_missing(cls, operator: Operator) -> str | None:
        return ingress_nginx.IngressNginxSystem.missing(operator)

    @property
    def address(self) -> str:
        return ingress_nginx.IngressNginxSystem.entry()

    @property
    def options(self) -> dict[str, Any]:
        return {"type": "argo_rollouts", "workload": self.name, "ready_timeout": 120}

    @property
    def routing(self) -> Object | None:
        return {"nginx": {"stableIngress": self.name}}

    def create(self) -> None:
        """Make everything, wait until v1 is Healthy, and stage v2 as the verb version does before traffic is moved."""
        for item in services(self.namespace, self.name):
            self.operator.create(item)
        self.create_route()
        self.operator.create(rollout(self.namespace, self.name, self.routing, steps(*self.weights)))
        self.wait_for(lambda item: item.get("status", {}).get("phase") == "Healthy", "is not Healthy")
        self.use().stage(template("v2", self.name))

    def create_route(self) -> None:
        self.operator.create(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": self.name, "namespace": self.namespace},
                "spec": {
                    "ingressClassName": ingress_nginx.IngressNginxSystem.ingress_class(),
                    "rules": [{"host": self.hostname, "http": {"paths": [ingress_nginx.path("/", self.name)]}}],
                },
            }
        )

    def remove_route(self) -> None:
        self.operator.delete("Ingress", self.name, self.namespace)

    def remove(self) -> None:
        self.operator.delete("Rollout", self.name, self.namespace)
        self.remove_route()
        for item in services(self.namespace, self.name):
            self.operator.delete("Service", item["metadata"]["name"], self.namespace)

    def objects(self) -> list[Object]:
        """Return the Rollout with what somebody decides of its status; the controller counts in its annotations."""
        item = presentable(self.rollout())
        assert item is not None
        item["metadata"].pop("annotations", None)
        status = self.rollout().get("status", {})
        decided = ("currentStepIndex", "pauseConditions", "abort", "promoteFull", "stableRS", "currentPodHash")
        return [{**item, "decided": {key: status.get(key) for key in decided}}]

    def edit_weight(self, percent: int) -> None:
        """Promote until the Rollout is at a weight, as its command line does: by ending its pause."""
        while self.weight() != percent:
            index = self.rollout()["status"]["currentStepIndex"]
            time.sleep(1.5)  # a pause that is ended within milliseconds of its beginning leaves the Rollout stuck
            self.operator.edit_status("Rollout", self.name, {"status": {"pauseConditions": None}}, self.namespace)
            self.wait_for(
                lambda item, left=index: (
                    item["status"]["currentStepIndex"] != left and item["status"].get("pauseConditions")
                ),
                f"does not leave step {index}",
            )

    def edit_something_else(self) -> Callable[[], bool]:
        self.operator.edit("Rollout", self.name, self.namespace, {"spec": {"revisionHistoryLimit": 7}})
        return lambda: self.rollout()["spec"].get("revisionHistoryLimit") == 7

    def make_ambiguous(self) -> str:
        pytest.skip("a Rollout is named, and so never ambiguous")

    # looking

    def rollout(self) -> Object:
        item = self.operator.get("Rollout", self.name, self.namespace)
        assert item is not None
        return item

    def weight(self) -> int:
        return int(self.rollout()["status"]["canary"]["weights"]["canary"]["weight"])

    def wait_for(self, done: Callable[[Object], Any], otherwise: str, seconds: float = SECONDS) -> Object:
        deadline = time.monotonic() + seconds
        while True:
            item = self.rollout()
            if done(item):
                return item
            assert time.monotonic() < deadline, f"Rollout {self.name} {otherwise}: {item.get('status')}"
            time.sleep(0.1)


class ArgoRolloutsOnIstio(ArgoRolloutsSystem):
    """The same behind a VirtualService."""

    @classmethod
    def gateway_missing(cls, operator: Operator) -> str | None:
        return istio.IstioSystem.missing(operator)

    @property
    def address(self) -> str:
        return istio.ADDRESS

    @property
    def routing(self) -> Object | None:
        return {"istio": {"virtualService": {"name": self.name, "routes": ["primary"]}}}

    def create_route(self) -> None:
        route = [
            {"destination": {"host": self.name}, "weight": 100},
            {"destination": {"host": f"{self.name}-preview"}, "weight": 0},
        ]
        self.operator.create(
            {
                "apiVersion": istio.VERSION,
                "kind": "VirtualService",
                "metadata": {"name": self.name, "namespace": self.namespace},
                "spec": {
                    "hosts": [self.hostname],
                    "gateways": [istio.GATEWAY],
                    "http": [{"name": "primary", "route": route}],
                },
            }
        )

    def remove_route(self) -> None:
        self.operator.delete("VirtualService", self.name, self.namespace)
