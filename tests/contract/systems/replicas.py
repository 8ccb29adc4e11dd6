"""Numbers of pods behind one Service, seen by clients of its address through kube-proxy."""

from __future__ import annotations

import fractions
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, ClassVar

from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import ready_pods
from ansible_collections.gradual.canary.plugins.module_utils._backends.replicas import Replicas
from ansible_collections.gradual.canary.plugins.module_utils._difference import presentable
from tests.contract.cluster_access import Object, Operator
from tests.contract.systems.base import TrafficSystem
from tests.contract.workloads import selector, service

VERSION = "app.kubernetes.io/version"
DEPLOYMENTS = ("web-v1", "web-v2")


class ReplicasSystem(TrafficSystem):
    """One Service that selects v1, and the two Deployments that all tests share with one pod each at the beginning."""

    backend = Replicas
    routed = ()
    write_rules: ClassVar[tuple[Object, ...]] = (
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    )

    @classmethod
    def missing(cls, operator: Operator) -> str | None:
        item = operator.get("Service", "kubernetes", "default")
        address = item["spec"]["clusterIP"] if item else "?"
        try:
            socket.create_connection((address, 443), timeout=5).close()
        except OSError as error:
            return f"addresses of Services do not answer here ({address}: {error}); the lab's tier proxy makes them"
        return None

    @property
    def address(self) -> str:
        item = self.operator.get("Service", self.name, self.namespace)
        assert item is not None
        return f"{item['spec']['clusterIP']}:80"

    @property
    def options(self) -> dict[str, Any]:
        return {"type": "replicas", "service": self.name, "ready_timeout": 120}

    def create(self) -> None:
        for version in ("v1", "v2"):
            self.scale(version, 1)
        self.operator.create(service(self.namespace, "v1", self.name))
        for version in ("v1", "v2"):
            self.wait_for_pods(version, 1)

    def wait_until_served(self) -> None:
        """Wait until kube-proxy has the Service, then as everywhere.

        A connection begun before that is never led anywhere: its source port stays without a destination for two
        minutes, and whoever gets that port again times out. So these come from ports that the system gives to nobody.
        """
        deadline = time.monotonic() + 30
        while not self.is_reached_from(20000 + secrets.randbelow(10000)):
            assert time.monotonic() < deadline, f"Service {self.name} does not answer at {self.address}"
        super().wait_until_served()

    def is_reached_from(self, port: int) -> bool:
        """Say whether a connection from this port of the client reaches a pod."""
        host, _colon, service_port = self.address.partition(":")
        try:
            socket.create_connection((host, int(service_port)), timeout=0.5, source_address=("", port)).close()
        except OSError:
            return False
        return True

    def remove(self) -> None:
        self.operator.delete("Service", self.name, self.namespace)
        for version in ("v1", "v2"):
            self.scale(version, 1)

    def objects(self) -> list[Object]:
        found = [
            presentable(self.operator.get("Service", self.name, self.namespace)),
            *(presentable(self.operator.get("Deployment", name, self.namespace)) for name in DEPLOYMENTS),
        ]
        return [item for item in found if item is not None]

    def edit_weight(self, percent: int) -> None:
        """Scale both versions to the fewest pods that make this share."""
        share = fractions.Fraction(percent, 100)
        self.scale("v1", share.denominator - share.numerator)
        self.scale("v2", share.numerator)

    def edit_something_else(self) -> Callable[[], bool]:
        note = secrets.token_hex(3)
        change = {"metadata": {"annotations": {"example.com/note": note}}}
        self.operator.edit("Deployment", "web-v1", self.namespace, change)

        def is_there() -> bool:
            item = self.operator.get("Deployment", "web-v1", self.namespace)
            assert item is not None
            return bool(item["metadata"]["annotations"].get("example.com/note") == note)

        return is_there

    def make_ambiguous(self) -> str:
        self.operator.edit("Service", self.name, self.namespace, {"spec": {"selector": {VERSION: None}}})
        return VERSION

    def scale(self, version: str, replicas: int) -> None:
        self.operator.edit("Deployment", f"web-{version}", self.namespace, {"spec": {"replicas": replicas}})

    def wait_for_pods(self, version: str, count: int) -> None:
        """Wait until a version has so many ready pods, and none besides that is not on its way out."""

        def done(pods: list[Object]) -> bool:
            staying = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
            return len(staying) == len(ready_pods(pods)) == count

        found = self.access.connect().wait("Pod", self.namespace, done, seconds=60, labels=selector(version))
        assert found is not None, f"web-{version} does not come to {count} ready pods in namespace {self.namespace}"
