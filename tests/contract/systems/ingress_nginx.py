"""The canary annotations of ingress-nginx: on Traefik, on ingress-nginx itself, and as an API gateway has them.

The environment names other controllers than the lab's: CANARY_TEST_INGRESS_CLASS and _ADDRESS for Traefik's,
CANARY_TEST_REAL_INGRESS_* for ingress-nginx, CANARY_TEST_APIG_* for the API gateway, which the lab's Traefik plays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible_collections.gradual.canary.plugins.module_utils._backends.ingress_nginx import IngressNginx
from ansible_collections.gradual.canary.plugins.module_utils._difference import presentable
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match
from tests.contract.cluster_access import Object, Operator
from tests.contract.systems.base import Routed, TrafficSystem
from tests.contract.workloads import service

INSTANCE = "ingress.vke.volcengine.com/apig-instance-name"
PREFIX = "nginx.ingress.kubernetes.io"


class IngressNginxSystem(TrafficSystem):
    """One Ingress with one path, which leads to a Service of its own that selects v1. Traefik serves it."""

    backend = IngressNginx
    environment: ClassVar[str] = "CANARY_TEST_INGRESS"
    lab: ClassVar[tuple[str, str]] = ("nginx", "127.0.0.1:8380")
    annotations: ClassVar[dict[str, str]] = {}
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
    def ingress_class(cls) -> str:
        return os.environ.get(f"{cls.environment}_CLASS", cls.lab[0])

    @classmethod
    def missing(cls, operator: Operator) -> str | None:
        if operator.get("IngressClass", cls.ingress_class()):
            return None
        return f"there is no IngressClass {cls.ingress_class()}; name another with {cls.environment}_CLASS"

    @classmethod
    def entry(cls) -> str:
        return os.environ.get(f"{cls.environment}_ADDRESS", cls.lab[1])

    @property
    def address(self) -> str:
        return self.entry()

    @property
    def options(self) -> dict[str, Any]:
        return {"type": "ingress_nginx", "ingress": self.name}

    @property
    def stable(self) -> str:
        """The Service that the main Ingress leads to before any release."""
        return self.name

    def create(self) -> None:
        if self.stable == self.name:
            self.operator.create(service(self.namespace, "v1", self.name))
        self.create_ingress(self.name, self.hostname, self.stable, self.annotations)

    def create_ingress(self, name: str, host: str, leads_to: str, annotations: dict[str, str] | None = None) -> None:
        self.operator.create(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": name, "namespace": self.namespace, "annotations": annotations or {}},
                "spec": {
                    "ingressClassName": self.ingress_class(),
                    "rules": [{"host": host, "http": {"paths": [path("/", leads_to)]}}],
                },
            }
        )

    def remove(self) -> None:
        for name in (self.canary_name, self.name):
            self.operator.delete("Ingress", name, self.namespace)
        self.operator.delete("Service", self.name, self.namespace)

    def objects(self) -> list[Object]:
        found = [
            presentable(self.operator.get("Ingress", self.canary_name, self.namespace)),
            presentable(self.operator.get("Service", self.name, self.namespace)),
        ]
        return [item for item in found if item is not None]

    def edit_weight(self, percent: int) -> None:
        """Write a percentage of 100, as the annotation's own documentation shows it."""
        self.annotate({f"{PREFIX}/canary-weight": str(percent), f"{PREFIX}/canary-weight-total": "100"})

    def edit_something_else(self) -> Callable[[], bool]:
        self.annotate({"example.com/note": "was here"})
        return lambda: "example.com/note" in (self.canary()["metadata"]["annotations"])

    def make_ambiguous(self) -> str:
        paths = [path("/api", "web-v1"), path("/", self.name)]
        rules = [{"host": self.hostname, "http": {"paths": paths}}]
        self.operator.edit("Ingress", self.name, self.namespace, {"spec": {"rules": rules}})
        return "backend.service"

    @property
    def canary_name(self) -> str:
        return f"{self.name}-canary"

    def canary(self) -> Object:
        item = self.operator.get("Ingress", self.canary_name, self.namespace)
        assert item is not None
        return item

    def annotate(self, annotations: Mapping[str, str | None]) -> None:
        self.operator.edit("Ingress", self.canary_name, self.namespace, {"metadata": {"annotations": annotations}})


class IngressNginxReal(IngressNginxSystem):
    """The same, served by ingress-nginx itself."""

    environment = "CANARY_TEST_REAL_INGRESS"
    lab = ("nginx-real", "127.0.0.1:8580")


class Apig(IngressNginxSystem):
    """The same as the API gateway's users have it: bound to an instance, whole percents, one header with its value.

    Header and weight together are allowed, so that the contract can be tried whole; test_apig.py has what is refused.
    """

    environment = "CANARY_TEST_APIG"
    lab = ("apig", "127.0.0.1:8380")
    annotations: ClassVar[dict[str, str]] = {INSTANCE: "lab"}
    routed = IngressNginxSystem.routed[:1]

    @property
    def options(self) -> dict[str, Any]:
        return {**super().options, "match_with_weight": True, "propagation": 2.0}

    def edit_weight(self, percent: int) -> None:
        self.annotate({f"{PREFIX}/canary-weight": str(percent)})


class Repointed(IngressNginxSystem):
    """The main Ingress leads to v1's own Service, and a promotion leads it to v2's."""

    @property
    def options(self) -> dict[str, Any]:
        return {**super().options, "promotion": "repoint"}

    @property
    def stable(self) -> str:
        return "web-v1"

    @property
    def keeper_name(self) -> str:
        return f"{self.canary_name}-keeper"

    def remove(self) -> None:
        for name in (self.canary_name, self.name, self.keeper_name):
            self.operator.delete("Ingress", name, self.namespace)

    def objects(self) -> list[Object]:
        names = (self.canary_name, self.name, self.keeper_name)
        found = [presentable(self.operator.get("Ingress", name, self.namespace)) for name in names]
        return [item for item in found if item is not None]

    def make_ambiguous(self) -> str:
        paths = [path("/api", "web-api"), path("/", self.stable)]
        rules = [{"host": self.hostname, "http": {"paths": paths}}]
        self.operator.edit("Ingress", self.name, self.namespace, {"spec": {"rules": rules}})
        return "backend.path"


class IngressNginxRealRepointed(Repointed, IngressNginxReal):
    """Re-pointed, on ingress-nginx itself."""


class ApigRepointed(Repointed, Apig):
    """Re-pointed, as the API gateway's users have it."""


SERVED = {"ingress_nginx": IngressNginxSystem, "ingress_nginx_real": IngressNginxReal, "apig": Apig}
"""The controllers by the names that they have throughout the tests."""


def path(prefix: str, name: str) -> Object:
    """Return a path that sends everything under a prefix to one Service."""
    return {"path": prefix, "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": 80}}}}
