"""Other people's routes: a cluster in which the application's own is one of many, so that changes take effect late."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.contract.cluster_access import Access
from tests.contract.systems.ingress_nginx import IngressNginxSystem

Object = dict[str, Any]

ROUTES = 200
RULES = 8
SECONDS_BETWEEN_CHANGES = 1.0
MOST_SECONDS = 120.0


class OtherRoutes:
    """200 routes of 8 rules in a namespace of their own, one of them changed every second by somebody else."""

    def __init__(self, make: Callable[[str, int], Object], access: Access) -> None:
        """make: returns the route with this number in this namespace; a function of this file."""
        self._operator = access.operator()
        self._namespace = f"others-{secrets.token_hex(3)}"
        self._make = make
        self._kind = str(make("", 0)["kind"])
        self._ended = threading.Event()
        self._changes = threading.Thread(target=self._keep_changing, daemon=True)

    def __enter__(self) -> OtherRoutes:
        self._operator.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}})
        self._operator.create(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "other", "namespace": self._namespace},
                "spec": {"selector": {"app": "other"}, "ports": [{"name": "http", "port": 8080}]},
            }
        )
        for number in range(ROUTES):
            self._operator.create(self._make(self._namespace, number))
        self._wait(self._all_are_taken, "are not all taken by a controller")
        self._changes.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        if self._changes.is_alive():
            self._changes.join()
        self._operator.delete("Namespace", self._namespace)
        self._wait(lambda: not self._operator.get("Namespace", self._namespace), "are still there")

    def _wait(self, done: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + MOST_SECONDS
        while not done():
            assert time.monotonic() < deadline, f"the routes of namespace {self._namespace} {otherwise}"
            time.sleep(0.5)

    def _all_are_taken(self) -> bool:
        """Say whether a controller has said something about each HTTPRoute; about others it need not."""
        items = self._operator.list(self._kind, self._namespace)
        return self._kind != "HTTPRoute" or all(item.get("status", {}).get("parents") for item in items)

    def _keep_changing(self) -> None:
        change = 0
        while not self._ended.wait(SECONDS_BETWEEN_CHANGES):
            change += 1
            note = {"metadata": {"annotations": {"example.com/change": str(change)}}}
            self._operator.edit(self._kind, f"other-{change % ROUTES}", self._namespace, note)


def other_http_route(namespace: str, number: int) -> Object:
    gateway = os.environ.get("CANARY_TEST_GATEWAY", "projectcontour/contour").partition("/")
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": f"other-{number}", "namespace": namespace},
        "spec": {
            "parentRefs": [{"namespace": gateway[0], "name": gateway[2]}],
            "hostnames": [f"other-{number}.example.com"],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": f"/{rule}"}}],
                    "backendRefs": [{"name": "other", "port": 8080}],
                }
                for rule in range(RULES)
            ],
        },
    }


def other_ingress(served: type[IngressNginxSystem], namespace: str, number: int) -> Object:
    backend = {"service": {"name": "other", "port": {"number": 8080}}}
    paths = [{"path": f"/{rule}", "pathType": "Prefix", "backend": backend} for rule in range(RULES)]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": f"other-{number}", "namespace": namespace},
        "spec": {
            "ingressClassName": served.ingress_class(),
            "rules": [{"host": f"other-{number}.example.com", "http": {"paths": paths}}],
        },
    }


def other_service(namespace: str, number: int) -> Object:
    """Return what kube-proxy reads."""
    ports = [{"name": f"port-{rule}", "port": 8080 + rule} for rule in range(RULES)]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"other-{number}", "namespace": namespace},
        "spec": {"selector": {"app": "other"}, "ports": ports},
    }


def other_virtual_service(namespace: str, number: int) -> Object:
    route = [{"destination": {"host": "other", "port": {"number": 8080}}}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": f"other-{number}", "namespace": namespace},
        "spec": {
            "hosts": [f"other-{number}.example.com"],
            "gateways": [os.environ.get("CANARY_TEST_ISTIO_GATEWAY", "istio-system/gateway")],
            "http": [{"match": [{"uri": {"prefix": f"/{rule}"}}], "route": route} for rule in range(RULES)],
        },
    }
