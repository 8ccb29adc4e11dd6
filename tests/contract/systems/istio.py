"""Istio on the lab's gateway, or on the one that CANARY_TEST_ISTIO_* name: between Services, and between subsets."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

from ansible_collections.gradual.canary.plugins.module_utils._backends.istio import Istio
from ansible_collections.gradual.canary.plugins.module_utils._difference import presentable
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match
from tests.contract.cluster_access import Object, Operator
from tests.contract.systems.base import Routed, TrafficSystem
from tests.contract.workloads import APP, selector

GATEWAY = os.environ.get("CANARY_TEST_ISTIO_GATEWAY", "istio-system/gateway")
ADDRESS = os.environ.get("CANARY_TEST_ISTIO_ADDRESS", "127.0.0.1:8480")
VERSION = "networking.istio.io/v1"


class IstioSystem(TrafficSystem):
    """One VirtualService with one entry, which splits between the Services web-v1 and web-v2.

    elsewhere: where the VirtualService is, when not beside the Services.
    """

    elsewhere: str | None = None

    backend = Istio
    routed = (
        Routed(Match("header", "x-canary", "exact", "yes"), {"X-Canary": "yes"}, {"X-Canary": "no"}),
        Routed(Match("header", "x-canary", "regex", "y.s"), {"X-Canary": "yes"}, {"X-Canary": "yesterday"}),
        Routed(
            Match("cookie", "test.group", "exact", "a+b"),
            {"Cookie": "other=1; test.group=a+b; last=2"},
            {"Cookie": "testsgroup=a+b; my-test.group=a+b; test.group=a+bc"},
        ),
        Routed(
            Match("cookie", "group", "regex", "qa-[0-9]+"),
            {"Cookie": "group=qa-17"},
            {"Cookie": "group=qa-; subgroup=qa-17"},
        ),
    )
    write_rules: ClassVar[tuple[Object, ...]] = (
        {
            "apiGroups": ["networking.istio.io"],
            "resources": ["virtualservices", "destinationrules"],
            "verbs": ["get", "list"],
        },
    )

    @classmethod
    def missing(cls, operator: Operator) -> str | None:
        namespace, _slash, name = GATEWAY.partition("/")
        try:
            gateway = operator.get("Gateway.networking.istio.io", name, namespace)
        except AssertionError as error:
            return f"Istio's kinds are not served: {error}"
        return (
            None if gateway else f"there is no Gateway {GATEWAY} of Istio; name another with CANARY_TEST_ISTIO_GATEWAY"
        )

    @property
    def address(self) -> str:
        return ADDRESS

    @property
    def options(self) -> dict[str, Any]:
        return {"type": "istio", "virtual_service": self.name, "virtual_service_namespace": self.elsewhere}

    @property
    def home(self) -> str:
        return self.elsewhere or self.namespace

    def create(self) -> None:
        self.operator.create(
            {
                "apiVersion": VERSION,
                "kind": "VirtualService",
                "metadata": {"name": self.name, "namespace": self.home},
                "spec": {"hosts": [self.hostname], "gateways": [GATEWAY], "http": [entry(self.stable())]},
            }
        )

    def stable(self) -> Object:
        """The destination of all traffic before a release."""
        host = f"web-v1.{self.namespace}.svc.cluster.local" if self.elsewhere else "web-v1"
        return {"host": host, "port": {"number": 80}}

    def remove(self) -> None:
        self.operator.delete("VirtualService", self.name, self.home)

    def objects(self) -> list[Object]:
        item = presentable(self.virtual_service())
        assert item is not None
        return [item]

    def edit_weight(self, percent: int) -> None:
        """Edit the weights of the last entry, which splits, and send all entries back as an editor does."""
        entries = self.virtual_service()["spec"]["http"]
        stable, canary = entries[-1]["route"]
        stable["weight"], canary["weight"] = 100 - percent, percent
        self.send(*entries)

    def edit_something_else(self) -> Callable[[], bool]:
        entries = self.virtual_service()["spec"]["http"]
        entries[-1]["timeout"] = "15s"
        self.send(*entries)
        return lambda: self.virtual_service()["spec"]["http"][-1].get("timeout") == "15s"

    def make_ambiguous(self) -> str:
        self.send(entry(self.stable(), "/api"), entry(self.stable(), "/"))
        return "backend.rule"

    def virtual_service(self) -> Object:
        item = self.operator.get("VirtualService", self.name, self.home)
        assert item is not None
        return item

    def send(self, *entries: Object) -> None:
        """Replace the entries, as an editor does."""
        self.operator.edit("VirtualService", self.name, self.home, {"spec": {"http": list(entries)}})


class IstioWithSubsets(IstioSystem):
    """The same between subsets of one Service, which has the pods of every version."""

    def create(self) -> None:
        place = {"name": self.name, "namespace": self.namespace}
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        self.operator.create(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {**place, "name": self.service},
                "spec": {"selector": {"app.kubernetes.io/name": APP}, "ports": ports},
            }
        )
        self.operator.create(
            {
                "apiVersion": VERSION,
                "kind": "DestinationRule",
                "metadata": place,
                "spec": {"host": self.service, "subsets": [{"name": "v1", "labels": selector("v1")}]},
            }
        )
        super().create()

    @property
    def service(self) -> str:
        return f"{self.name}-all"

    def stable(self) -> Object:
        return {"host": self.service, "subset": "v1"}

    def remove(self) -> None:
        super().remove()
        self.operator.delete("DestinationRule", self.name, self.namespace)
        self.operator.delete("Service", self.service, self.namespace)

    def objects(self) -> list[Object]:
        item = presentable(self.destination_rule())
        assert item is not None
        return [*super().objects(), item]

    def destination_rule(self) -> Object:
        item = self.operator.get("DestinationRule", self.name, self.namespace)
        assert item is not None
        return item


def entry(destination: Object, prefix: str = "/") -> Object:
    """Return an entry that sends everything under a prefix to one destination."""
    return {"match": [{"uri": {"prefix": prefix}}], "route": [{"destination": destination}]}
