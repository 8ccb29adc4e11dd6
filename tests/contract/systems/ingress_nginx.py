"""The canary annotations of ingress-nginx, on the lab's Traefik or the controller that CANARY_TEST_INGRESS_* name."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

from ansible_collections.gradual.canary.plugins.module_utils._backends.ingress_nginx import IngressNginx
from ansible_collections.gradual.canary.plugins.module_utils._difference import presentable
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match
from tests.contract.cluster_access import Object, Operator
from tests.contract.systems.base import Routed, TrafficSystem
from tests.contract.workloads import service

CLASS = os.environ.get("CANARY_TEST_INGRESS_CLASS", "nginx")
ADDRESS = os.environ.get("CANARY_TEST_INGRESS_ADDRESS", "127.0.0.1:8380")
PREFIX = "nginx.ingress.kubernetes.io"


class IngressNginxSystem(TrafficSystem):
    """One Ingress with one path, which leads to a Service of its own that selects v1."""

    backend = IngressNginx
    routed = (
        Routed(Match("header", "X-Canary", "exact", "yes"), {"X-Canary": "yes"}, {"X-Canary": "always"}),
        Routed(Match("header", "X-Canary", "regex", "^y.s$"), {"X-Canary": "yes"}, {"X-Canary": "yesterday"}),
        Routed(Match("header", "X-Canary", "always"), {"X-Canary": "always"}, {"X-Canary": "never"}),
        Routed(
            Match("cookie", "test.group", "always"),
            {"Cookie": "other=1; test.group=always; last=2"},
            {"Cookie": "test.group=yes; my-test.group=always"},
        ),
    )
    write_rules: ClassVar[tuple[Object, ...]] = (
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]},
    )

    @classmethod
    def missing(cls, operator: Operator) -> str | None:
        if operator.get("IngressClass", CLASS):
            return None
        return f"there is no IngressClass {CLASS}; name another with CANARY_TEST_INGRESS_CLASS"

    @property
    def address(self) -> str:
        return ADDRESS

    @property
    def options(self) -> dict[str, Any]:
        return {"type": "ingress_nginx", "ingress": self.name}

    def create(self) -> None:
        self.operator.create(service(self.namespace, "v1", self.name))
        self.operator.create(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": self.name, "namespace": self.namespace},
                "spec": {
                    "ingressClassName": CLASS,
                    "rules": [{"host": self.hostname, "http": {"paths": [path("/", self.name)]}}],
                },
            }
        )

    def remove(self) -> None:
        for name in (self._canary_name, self.name):
            self.operator.delete("Ingress", name, self.namespace)
        self.operator.delete("Service", self.name, self.namespace)

    def objects(self) -> list[Object]:
        found = [
            presentable(self.operator.get("Ingress", self._canary_name, self.namespace)),
            presentable(self.operator.get("Service", self.name, self.namespace)),
        ]
        return [item for item in found if item is not None]

    def edit_weight(self, percent: int) -> None:
        """Write a percentage of 100, as the annotation's own documentation shows it."""
        self._annotate({f"{PREFIX}/canary-weight": str(percent), f"{PREFIX}/canary-weight-total": "100"})

    def edit_something_else(self) -> Callable[[], bool]:
        self._annotate({"example.com/note": "was here"})
        return lambda: "example.com/note" in (self._canary()["metadata"]["annotations"])

    def make_ambiguous(self) -> str:
        paths = [path("/api", "web-v1"), path("/", self.name)]
        rules = [{"host": self.hostname, "http": {"paths": paths}}]
        self.operator.edit("Ingress", self.name, self.namespace, {"spec": {"rules": rules}})
        return "backend.service"

    @property
    def _canary_name(self) -> str:
        return f"{self.name}-canary"

    def _canary(self) -> Object:
        item = self.operator.get("Ingress", self._canary_name, self.namespace)
        assert item is not None
        return item

    def _annotate(self, annotations: dict[str, str]) -> None:
        self.operator.edit("Ingress", self._canary_name, self.namespace, {"metadata": {"annotations": annotations}})


def path(prefix: str, name: str) -> Object:
    """Return a path that sends everything under a prefix to one Service."""
    return {"path": prefix, "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": 80}}}}
