"""How the shop is reached on each traffic system, before any release."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable
from typing import Any

from tests.contract.systems import argo_rollouts
from tests.contract.systems.ingress_nginx import Apig, IngressNginxReal, IngressNginxSystem
from tests.shop import routes

Object = dict[str, Any]

HOSTNAME = "shop.example.com"


@dataclasses.dataclass(frozen=True)
class System:
    """A traffic system: where clients connect, its lab tiers, and the objects that lead to v1 of the application.

    propagation: seconds a change takes at most until every answer follows it (measured on the lab).
    other: makes one of other people's routes, so that a cluster can be full of them.
    kinds: those of its objects that a cluster without it does not know.
    example: the inventory that shows it, where that is another one's too.
    stages: the percents of a release under load; what it can reach of 10, 50 and 100.
    service: where connections are shared out by kube-proxy, the Service whose cluster address clients under load use.
    in_place: whether all versions are templates of the one workload `web`.
    has_first_version: whether the objects bring the pods of v1 themselves.
    """

    backend: str
    address: str
    tiers: tuple[str, ...]
    propagation: float
    objects: Callable[[str, str], list[Object]]
    other: Callable[[str, int], Object]
    kinds: tuple[str, ...] = ()
    example: str = ""
    stages: tuple[int, ...] = (10, 50, 100)
    service: str = ""
    in_place: bool = False
    has_first_version: bool = False


def _gateway_api(namespace: str, hostname: str) -> list[Object]:
    gateway = os.environ.get("CANARY_TEST_GATEWAY", "projectcontour/contour").partition("/")
    return [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {
                "parentRefs": [{"namespace": gateway[0], "name": gateway[2]}],
                "hostnames": [hostname],
                "rules": [
                    {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                        "backendRefs": [{"name": "web-v1", "port": 8080, "weight": 1}],
                    }
                ],
            },
        }
    ]


def _stable_service(namespace: str) -> Object:
    selector = {"app.kubernetes.io/name": "web", "app.kubernetes.io/version": "v1"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 8080, "targetPort": 8080}]},
    }


def _ingress(served: type[IngressNginxSystem], namespace: str, hostname: str) -> list[Object]:
    path = {
        "path": "/",
        "pathType": "Prefix",
        "backend": {"service": {"name": "web", "port": {"number": 8080}}},
    }
    return [
        _stable_service(namespace),
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "web", "namespace": namespace, "annotations": served.annotations},
            "spec": {
                "ingressClassName": served.ingress_class(),
                "rules": [{"host": hostname, "http": {"paths": [path]}}],
            },
        },
    ]


def _istio(namespace: str, hostname: str) -> list[Object]:
    route = [{"destination": {"host": "web-v1", "port": {"number": 8080}}}]
    return [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {
                "hosts": [hostname],
                "gateways": [os.environ.get("CANARY_TEST_ISTIO_GATEWAY", "istio-system/gateway")],
                "http": [{"name": "web", "route": route}],
            },
        }
    ]


def _replicas(namespace: str, hostname: str) -> list[Object]:
    """Return a Service, and a route to it by which clients outside of the cluster come."""
    (route,) = _gateway_api(namespace, hostname)
    route["spec"]["rules"][0]["backendRefs"] = [{"name": "web", "port": 8080}]
    return [_stable_service(namespace), route]


def _deployment(namespace: str, hostname: str) -> list[Object]:
    """Return a Service for all versions of one Deployment, and a route to it."""
    service, route = _replicas(namespace, hostname)
    del service["spec"]["selector"]["app.kubernetes.io/version"]
    return [service, route]


def _argo_rollouts(namespace: str, hostname: str) -> list[Object]:
    """Return a Rollout of v1 behind an Ingress that Traefik serves."""
    (ingress,) = [item for item in _ingress(IngressNginxSystem, namespace, hostname) if item["kind"] == "Ingress"]
    services = argo_rollouts.services(namespace, "web")
    for service in services:
        service["spec"]["ports"][0]["port"] = 8080
    rollout = argo_rollouts.rollout(
        namespace, "web", {"nginx": {"stableIngress": "web"}}, argo_rollouts.steps(10, 50, 100)
    )
    # The controller ends old pods by itself, after half a minute unless it is told otherwise.
    rollout["spec"]["strategy"]["canary"].update(scaleDownDelaySeconds=1, abortScaleDownDelaySeconds=1)
    return [*services, ingress, rollout]


SYSTEMS = {
    system.backend: system
    for system in (
        System(
            "gateway_api",
            os.environ.get("CANARY_TEST_GATEWAY_ADDRESS", "127.0.0.1:8080"),
            ("core",),
            0.035,
            _gateway_api,
            routes.other_http_route,
        ),
        System(
            "ingress_nginx",
            IngressNginxSystem.entry(),
            ("core", "traefik"),
            1.8,
            functools.partial(_ingress, IngressNginxSystem),
            functools.partial(routes.other_ingress, IngressNginxSystem),
        ),
        System(
            "ingress_nginx_real",
            IngressNginxReal.entry(),
            ("core", "ingress_nginx"),
            1.9,
            functools.partial(_ingress, IngressNginxReal),
            functools.partial(routes.other_ingress, IngressNginxReal),
            example="ingress_nginx",
        ),
        System(
            "apig",
            Apig.entry(),
            ("core", "traefik"),
            1.8,
            functools.partial(_ingress, Apig),
            functools.partial(routes.other_ingress, Apig),
        ),
        System(
            "istio",
            os.environ.get("CANARY_TEST_ISTIO_ADDRESS", "127.0.0.1:8480"),
            ("core", "istio"),
            0.13,
            _istio,
            routes.other_virtual_service,
            ("VirtualService", "DestinationRule"),
        ),
        System(
            "replicas",
            os.environ.get("CANARY_TEST_GATEWAY_ADDRESS", "127.0.0.1:8080"),
            ("core",),
            0.035,
            _replicas,
            routes.other_service,
            service="web",
        ),
        System(
            "deployment",
            os.environ.get("CANARY_TEST_GATEWAY_ADDRESS", "127.0.0.1:8080"),
            ("core",),
            0.035,
            _deployment,
            routes.other_service,
            service="web",
            in_place=True,
        ),
        System(
            "argo_rollouts",
            IngressNginxSystem.entry(),
            ("core", "traefik", "argo"),
            1.8,
            _argo_rollouts,
            functools.partial(routes.other_ingress, IngressNginxSystem),
            ("Rollout",),
            in_place=True,
            has_first_version=True,
        ),
    )
}


REPOINTING = {"type": "ingress_nginx", "ingress": "web", "promotion": "repoint", "propagation": 5}


def lead_to_v1(item: Object) -> None:
    """Let the main Ingress lead to v1's own Service, as it has to be for a promotion that re-points it."""
    if item["kind"] == "Ingress":
        (path,) = item["spec"]["rules"][0]["http"]["paths"]
        path["backend"]["service"]["name"] = "web-v1"


def chosen(names: Iterable[str]) -> list[str]:
    """Return those of the systems' names that CANARY_TEST_SYSTEMS asks for; all of them when it is not set."""
    wanted = os.environ.get("CANARY_TEST_SYSTEMS", "").split()
    return [name for name in names if not wanted or name in wanted]
