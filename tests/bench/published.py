"""A release as tutorials publish it: commands to the API, a fixed sleep, a loop of curl; nothing is proven.

The lab has no kubectl, so its commands are written as the requests it would send, by curl, which starts faster.
"""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.contract.systems.ingress_nginx import SERVED
from tests.contract.workloads import deployment, labels, selector, service
from tests.shop.shop import Shop

STAGES = (10, 50, 100)
SLEEP = 5
"""Seconds after each weight. Published examples wait longer, one of them 300; a quiet lab needs no more than this."""
CURLS = 100

Object = dict[str, Any]
_MERGE = "application/merge-patch+json"
_VERSION = "app.kubernetes.io/version"


class Command(NamedTuple):
    """One request to the API."""

    method: str
    path: str
    body: Object | None = None


class Release(NamedTuple):
    """The commands of a release: to deploy, for each weight, and at the end."""

    deploy: list[Command]
    stage: Callable[[int], list[Command]]
    promote: list[Command]
    replicas: int = 3


def release(shop: Shop, stable: str, canary: str, folder: Path) -> float:
    """Run it as one bash script and return its seconds. Raises RuntimeError when a command fails."""
    script = "\n".join(_script(shop, stable, canary, folder))
    started = time.monotonic()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"the published commands on {shop.system.backend}: {done.stdout[-500:]}{done.stderr[-1500:]}"
        )
    return time.monotonic() - started


def known(backend: str) -> bool:
    """Say whether there are published commands for this traffic system here."""
    return backend in _RELEASES


def _script(shop: Shop, stable: str, canary: str, folder: Path) -> Iterator[str]:
    api = _api(shop, folder)
    commands = _RELEASES[shop.system.backend](shop, stable, canary)

    def send(command: Command) -> str:
        body = "" if command.body is None else f"-d {shlex.quote(json.dumps(command.body))}"
        kind = _MERGE if command.method == "PATCH" else "application/json"
        return f"{api} -X {command.method} -H 'Content-Type: {kind}' {body} $SERVER{command.path} > /dev/null"

    yield _server(shop)
    apps = f"/apis/apps/v1/namespaces/{shop.namespace}/deployments"
    ready = f"{api} $SERVER{apps}/web-{canary} | grep -q '\"readyReplicas\": *{{}}\\b'"
    yield from map(send, commands.deploy)
    yield f"until {ready.format(commands.replicas)}; do sleep 0.2; done"
    ask = f"curl -s -o /dev/null -D - -H 'Host: {shop.hostname}' http://{shop.system.address}/"
    for weight in STAGES:
        yield from map(send, commands.stage(weight))
        yield f"sleep {SLEEP}"
        yield f"n=0; for i in $(seq {CURLS}); do if {ask} | grep -qi 'x-version: {canary}'; then n=$((n+1)); fi; done"
        yield 'echo "$n"; test "$n" -gt 0'
    yield from map(send, commands.promote)
    yield send(Command("PATCH", f"{apps}/web-{stable}", {"spec": {"replicas": 0}}))


def _api(shop: Shop, folder: Path) -> str:
    """Return the curl command that speaks to the API as the kubeconfig's user."""
    kubeconfig = yaml.safe_load(Path(shop.inventory["canary_cluster"]["kubeconfig"]).read_text())
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    words = ["curl -fsS"]
    for option, given, name in (
        ("--cacert", cluster, "certificate-authority"),
        ("--cert", user, "client-certificate"),
        ("--key", user, "client-key"),
    ):
        path = given.get(name)
        if path is None:
            data = base64.b64decode(given[f"{name}-data"])
            path = folder / f"{name}.pem"
            path.write_bytes(data)
        words.append(f"{option} {path}")
    return " ".join(words)


def _server(shop: Shop) -> str:
    kubeconfig = yaml.safe_load(Path(shop.inventory["canary_cluster"]["kubeconfig"]).read_text())
    return f"SERVER={kubeconfig['clusters'][0]['cluster']['server']}"


def _workload(shop: Shop, version: str, replicas: int = 3) -> list[Command]:
    item = deployment(shop.namespace, version)
    item["spec"]["replicas"] = replicas
    item["metadata"]["labels"] = labels(version)
    front = service(shop.namespace, version)
    front["spec"]["ports"] = [{"name": "http", "port": 8080, "targetPort": 8080}]
    return [
        Command("POST", f"/apis/apps/v1/namespaces/{shop.namespace}/deployments", item),
        Command("POST", f"/api/v1/namespaces/{shop.namespace}/services", front),
    ]


def _gateway_api(shop: Shop, stable: str, canary: str) -> Release:
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{shop.namespace}/httproutes/web"

    def split(**weights: int) -> list[Command]:
        refs = [{"name": f"web-{version}", "port": 8080, "weight": weight} for version, weight in weights.items()]
        rule = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": refs}
        return [Command("PATCH", path, {"spec": {"rules": [rule]}})]

    return Release(
        _workload(shop, canary),
        lambda weight: split(**{stable: 100 - weight, canary: weight}),
        split(**{canary: 1}),
    )


def _istio(shop: Shop, stable: str, canary: str) -> Release:
    path = f"/apis/networking.istio.io/v1/namespaces/{shop.namespace}/virtualservices/web"

    def split(**weights: int) -> list[Command]:
        route = [
            {"destination": {"host": f"web-{version}", "port": {"number": 8080}}, "weight": weight}
            for version, weight in weights.items()
        ]
        return [Command("PATCH", path, {"spec": {"http": [{"name": "web", "route": route}]}})]

    return Release(
        _workload(shop, canary),
        lambda weight: split(**{stable: 100 - weight, canary: weight}),
        split(**{canary: 100}),
    )


def _ingress(shop: Shop, stable: str, canary: str) -> Release:
    served = SERVED[shop.system.backend]
    ingresses = f"/apis/networking.k8s.io/v1/namespaces/{shop.namespace}/ingresses"
    name = "web-published"
    prefix = "nginx.ingress.kubernetes.io"

    def annotated(weight: int) -> Object:
        return {**served.annotations, f"{prefix}/canary": "true", f"{prefix}/canary-weight": str(weight)}

    backend = {"service": {"name": f"web-{canary}", "port": {"number": 8080}}}
    rule = {"host": shop.hostname, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    item = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": shop.namespace, "annotations": annotated(0)},
        "spec": {"ingressClassName": served.ingress_class(), "rules": [rule]},
    }
    flip = {"spec": {"selector": selector(canary)}}
    return Release(
        [*_workload(shop, canary), Command("POST", ingresses, item)],
        lambda weight: [Command("PATCH", f"{ingresses}/{name}", {"metadata": {"annotations": annotated(weight)}})],
        [
            Command("PATCH", f"/api/v1/namespaces/{shop.namespace}/services/web", flip),
            Command("DELETE", f"{ingresses}/{name}"),
        ],
    )


def _replicas(shop: Shop, stable: str, canary: str) -> Release:
    """The Service selects both versions, and the numbers of pods are changed: ten in all."""
    apps = f"/apis/apps/v1/namespaces/{shop.namespace}/deployments"

    def scaled(weight: int) -> list[Command]:
        pods = {canary: weight // 10, stable: 10 - weight // 10}
        return [Command("PATCH", f"{apps}/web-{each}", {"spec": {"replicas": count}}) for each, count in pods.items()]

    widened = {"spec": {"selector": {_VERSION: None}}}
    return Release(
        [
            *_workload(shop, canary, 1),
            Command("PATCH", f"/api/v1/namespaces/{shop.namespace}/services/web", widened),
        ],
        scaled,
        [],
        replicas=1,
    )


_RELEASES: dict[str, Callable[[Shop, str, str], Release]] = {
    "gateway_api": _gateway_api,
    "gateway_api_on_traefik": _gateway_api,
    "ingress_nginx": _ingress,
    "ingress_nginx_real": _ingress,
    "apig": _ingress,
    "istio": _istio,
    "replicas": _replicas,
}
