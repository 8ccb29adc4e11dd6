"""A release as tutorials publish it: kubectl, a fixed sleep, a loop of curl; nothing is proven."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.measure import run
from tests.contract.systems.ingress_nginx import SERVED
from tests.contract.workloads import IMAGE, deployment, labels, selector, service
from tests.shop.shop import Shop

STAGES = (10, 50, 100)
SLEEP = 5
"""Seconds after each weight. Published examples wait longer, one of them 300; a quiet lab needs no more than this."""
CURLS = 100

_LONGEST = 180.0

Object = dict[str, Any]
_VERSION = "app.kubernetes.io/version"


class Release(NamedTuple):
    """The commands of a release: to deploy, for each weight, and at the end."""

    deploy: list[str]
    stage: Callable[[int], list[str]]
    promote: list[str]


class Published(NamedTuple):
    """How long it took, and how much of that it slept, in seconds."""

    seconds: float
    sleeping: float


def release(shop: Shop, stable: str, canary: str) -> Published:
    """Run it as one bash script. Raises RuntimeError when a command fails."""
    lines = list(_script(shop, stable, canary))
    try:
        done = run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)], os.environ, Path.cwd(), longest=_LONGEST)
    except RuntimeError as error:
        told = str(error).rstrip().splitlines()[-1]
        raise RuntimeError(f"the published commands on {shop.system.backend}: {told}\n{error}") from None
    return Published(done.wall, sleeping(lines))


def sleeping(lines: Iterable[str]) -> float:
    """Return the seconds that a script's own lines sleep."""
    return sum(float(line.removeprefix("sleep ")) for line in lines if line.startswith("sleep "))


def _script(shop: Shop, stable: str, canary: str) -> Iterator[str]:
    kubeconfig = shlex.quote(str(Path(shop.inventory["canary_cluster"]["kubeconfig"]).absolute()))
    commands = _RELEASES[shop.system.backend](shop, stable, canary)
    yield f"export KUBECONFIG={kubeconfig}"
    yield from commands.deploy
    ask = f"curl -s -o /dev/null -D - -H 'Host: {shop.hostname}' http://{shop.address}/"
    for weight in STAGES:
        yield from commands.stage(weight)
        yield f"sleep {SLEEP}"
        yield f"n=0; for i in $(seq {CURLS}); do if {ask} | grep -qi 'x-version: {canary}'; then n=$((n+1)); fi; done"
        yield f'echo "{canary} gave $n of {CURLS} answers at {weight} %"; test "$n" -gt 0'
    yield from commands.promote


def _kubectl(shop: Shop, words: str) -> str:
    return f"kubectl -n {shop.namespace} {words} > /dev/null"


def _apply(shop: Shop, *items: Object) -> str:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    return f"{_kubectl(shop, 'apply -f -')} <<< {shlex.quote(text)}"


def _patch(shop: Shop, what: str, body: Object) -> str:
    return _kubectl(shop, f"patch {what} --type merge -p {shlex.quote(json.dumps(body))}")


def _deploy(shop: Shop, version: str, replicas: int = 3) -> list[str]:
    item = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment(shop.namespace, version)}
    item["spec"]["replicas"] = replicas
    item["metadata"]["labels"] = labels(version)
    front = {"apiVersion": "v1", "kind": "Service", **service(shop.namespace, version)}
    front["spec"]["ports"] = [{"name": "http", "port": 8080, "targetPort": 8080}]
    return [_apply(shop, item, front), _kubectl(shop, f"rollout status deployment/web-{version}")]


def _end(shop: Shop, version: str) -> str:
    return _kubectl(shop, f"scale deployment/web-{version} --replicas=0")


def _gateway_api(shop: Shop, stable: str, canary: str) -> Release:
    def split(**weights: int) -> list[str]:
        refs = [{"name": f"web-{version}", "port": 8080, "weight": weight} for version, weight in weights.items()]
        rule = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": refs}
        return [_patch(shop, "httproute/web", {"spec": {"rules": [rule]}})]

    return Release(
        _deploy(shop, canary),
        lambda weight: split(**{stable: 100 - weight, canary: weight}),
        [*split(**{canary: 1}), _end(shop, stable)],
    )


def _istio(shop: Shop, stable: str, canary: str) -> Release:
    def split(**weights: int) -> list[str]:
        route = [
            {"destination": {"host": f"web-{version}", "port": {"number": 8080}}, "weight": weight}
            for version, weight in weights.items()
        ]
        return [_patch(shop, "virtualservice/web", {"spec": {"http": [{"name": "web", "route": route}]}})]

    return Release(
        _deploy(shop, canary),
        lambda weight: split(**{stable: 100 - weight, canary: weight}),
        [*split(**{canary: 100}), _end(shop, stable)],
    )


def _ingress(shop: Shop, stable: str, canary: str) -> Release:
    served = SERVED[shop.system.backend]
    name = "web-published"
    prefix = "nginx.ingress.kubernetes.io"
    backend = {"service": {"name": f"web-{canary}", "port": {"number": 8080}}}
    rule = {"host": shop.hostname, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    annotations = {**served.annotations, f"{prefix}/canary": "true", f"{prefix}/canary-weight": "0"}
    item = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": shop.namespace, "annotations": annotations},
        "spec": {"ingressClassName": served.ingress_class(), "rules": [rule]},
    }
    return Release(
        [*_deploy(shop, canary), _apply(shop, item)],
        lambda weight: [_kubectl(shop, f"annotate ingress/{name} --overwrite {prefix}/canary-weight={weight}")],
        [
            _patch(shop, "service/web", {"spec": {"selector": selector(canary)}}),
            _kubectl(shop, f"delete ingress/{name}"),
            _end(shop, stable),
        ],
    )


def _replicas(shop: Shop, stable: str, canary: str) -> Release:
    """The Service selects both versions, and the numbers of pods are changed: ten in all."""

    def scaled(weight: int) -> list[str]:
        pods = {canary: weight // 10, stable: 10 - weight // 10}
        return [_kubectl(shop, f"scale deployment/web-{each} --replicas={count}") for each, count in pods.items()]

    widened = {"spec": {"selector": {_VERSION: None}}}
    return Release(
        [*_deploy(shop, canary, 1), _patch(shop, "service/web", widened)],
        scaled,
        [],
    )


def _deployment(shop: Shop, _stable: str, canary: str) -> Release:
    """Paused when the first new pods are there, and resumed: nothing in between is asked for."""
    image = IMAGE.format(version=canary)

    def stage(weight: int) -> list[str]:
        if weight < 100:
            return []
        return [_kubectl(shop, "rollout resume deployment/web"), _kubectl(shop, "rollout status deployment/web")]

    return Release(
        [
            _kubectl(shop, f"set image deployment/web web={image}"),
            "sleep 1",
            _kubectl(shop, "rollout pause deployment/web"),
        ],
        stage,
        [],
    )


def _argo_rollouts(shop: Shop, _stable: str, canary: str) -> Release:
    plugin = f"kubectl-argo-rollouts -n {shop.namespace}"
    promote = f"{plugin} promote web > /dev/null"
    return Release(
        [f"{plugin} set image web web={IMAGE.format(version=canary)} > /dev/null", f"sleep {SLEEP}"],
        lambda _weight: [promote],
        [promote, f"{plugin} status web > /dev/null"],
    )


_RELEASES: dict[str, Callable[[Shop, str, str], Release]] = {
    "gateway_api": _gateway_api,
    "ingress_nginx": _ingress,
    "ingress_nginx_real": _ingress,
    "apig": _ingress,
    "istio": _istio,
    "replicas": _replicas,
    "deployment": _deployment,
    "argo_rollouts": _argo_rollouts,
}
