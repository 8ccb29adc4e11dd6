"""The Gateway API on the lab's Contour (or on the Gateway that CANARY_TEST_GATEWAY names), and on Traefik.

Two controllers, so that nothing holds by an accident of one of them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, ClassVar

from ansible_collections.gradual.canary.plugins.module_utils._backends.gateway_api import GatewayApi
from ansible_collections.gradual.canary.plugins.module_utils._difference import presentable
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match
from tests.contract.cluster_access import Object, Operator
from tests.contract.systems.base import Routed, TrafficSystem

GATEWAY = os.environ.get("CANARY_TEST_GATEWAY", "projectcontour/contour")
ADDRESS = os.environ.get("CANARY_TEST_GATEWAY_ADDRESS", "127.0.0.1:8080")
TRAEFIK_ADDRESS = os.environ.get("CANARY_TEST_TRAEFIK_ADDRESS", "127.0.0.1:8380")


class GatewayApiSystem(TrafficSystem):
    """One HTTPRoute with one rule, which splits.

    rule: the backend's option. route_namespace: where the HTTPRoute is, when not beside the Services.
    """

    rule: str | None = None
    route_namespace: str | None = None

    backend = GatewayApi
    routed = (
        Routed(Match("header", "X-Canary", "exact", "yes"), {"X-Canary": "yes"}, {"X-Canary": "no"}),
        Routed(Match("header", "X-Canary", "regex", "y.s"), {"X-Canary": "yes"}, {"X-Canary": "no"}),
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
        {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": ["get", "list", "watch"]},
    )

    @classmethod
    def missing(cls, operator: Operator) -> str | None:
        namespace, _slash, name = GATEWAY.partition("/")
        try:
            gateway = operator.get("Gateway", name, namespace)
        except AssertionError as error:
            return f"the Gateway API is not served: {error}"
        return None if gateway else f"there is no Gateway {GATEWAY}; name another with CANARY_TEST_GATEWAY"

    @property
    def address(self) -> str:
        return ADDRESS

    @property
    def gateway(self) -> tuple[str, str]:
        namespace, _slash, name = GATEWAY.partition("/")
        return namespace, name

    @property
    def options(self) -> dict[str, Any]:
        return {
            "type": "gateway_api",
            "route": self.name,
            "rule": self.rule,
            "route_namespace": self.route_namespace,
        }

    @property
    def home(self) -> str:
        return self.route_namespace or self.namespace

    def create(self) -> None:
        namespace, name = self.gateway
        self.operator.create(
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": {"name": self.name, "namespace": self.home},
                "spec": {
                    "parentRefs": [{"namespace": namespace, "name": name}],
                    "hostnames": [self.hostname],
                    "rules": [rule("/", "web-v1", self.namespace if self.route_namespace else None)],
                },
            }
        )

    def remove(self) -> None:
        self.operator.delete("HTTPRoute", self.name, self.home)

    def objects(self) -> list[Object]:
        route = presentable(self.route())
        assert route is not None
        return [route]

    def edit_weight(self, percent: int) -> None:
        """Edit the weights of the last rule, which splits, and send all rules back as an editor does."""
        rules = self.route()["spec"]["rules"]
        stable, canary = rules[-1]["backendRefs"]
        stable["weight"], canary["weight"] = 100 - percent, percent
        self.send(*rules)

    def edit_something_else(self) -> Callable[[], bool]:
        rules = self.route()["spec"]["rules"]
        header = {"name": "X-Operator", "value": "was-here"}
        rules[-1]["filters"] = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}}]
        self.send(*rules)
        return lambda: "filters" in self.route()["spec"]["rules"][-1]

    def make_ambiguous(self) -> str:
        self.send(rule("/api", "web-v1"), rule("/", "web-v1"))
        return "backend.rule"

    def route(self) -> Object:
        route = self.operator.get("HTTPRoute", self.name, self.home)
        assert route is not None
        return route

    def send(self, *rules: Object) -> None:
        """Replace the route's rules, as an editor does."""
        self.operator.edit("HTTPRoute", self.name, self.home, {"spec": {"rules": list(rules)}})


class GatewayApiOnTraefik(GatewayApiSystem):
    """The same by Traefik, which needs a Gateway whose listener has the port of one of its entry points."""

    @classmethod
    def missing(cls, operator: Operator) -> str | None:
        host, _colon, port = TRAEFIK_ADDRESS.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            return f"no Traefik at {TRAEFIK_ADDRESS} ({error}); say where with CANARY_TEST_TRAEFIK_ADDRESS"
        return None

    @classmethod
    def prepare(cls, operator: Operator, namespace: str) -> None:
        listener = {
            "name": "http",
            "protocol": "HTTP",
            "port": int(TRAEFIK_ADDRESS.rpartition(":")[2]),
            "allowedRoutes": {"namespaces": {"from": "All"}},
        }
        version = "gateway.networking.k8s.io/v1"
        operator.create(
            {
                "apiVersion": version,
                "kind": "GatewayClass",
                "metadata": {"name": namespace},
                "spec": {"controllerName": "traefik.io/gateway-controller"},
            }
        )
        operator.create(
            {
                "apiVersion": version,
                "kind": "Gateway",
                "metadata": {"name": "traefik", "namespace": namespace},
                "spec": {"gatewayClassName": namespace, "listeners": [listener]},
            }
        )

    @classmethod
    def dispose(cls, operator: Operator, namespace: str) -> None:
        operator.delete("GatewayClass", namespace)

    @property
    def address(self) -> str:
        return TRAEFIK_ADDRESS

    @property
    def gateway(self) -> tuple[str, str]:
        return self.namespace, "traefik"


def rule(path: str, service: str, namespace: str | None = None) -> Object:
    """Return a rule that sends everything under a path to one Service."""
    reference: Object = {"name": service, "port": 80}
    if namespace:
        reference["namespace"] = namespace
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": [reference]}
