"""Releases as people type them: kubectl, a pause after each weight, and the old version deleted; nothing is proven.

They release v2 where v1 serves. `published.py` has the forms of tutorials, which also look with curl; here all that
counts is what the load loses.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.contract.systems.ingress_nginx import PREFIX, IngressNginxSystem
from tests.contract.workloads import IMAGE, deployment, selector, service

WEIGHTS = (10, 50, 100)
PAUSE = 5
_STABLE, _CANARY = "v1", "v2"
_PORT = 8080
_LONGEST = 90
_ROLLED_OUT = 60

Object = dict[str, Any]


class Command(NamedTuple):
    """Words of a command, and what it gets on standard input."""

    words: tuple[str, ...]
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Application:
    """What is released: where, by which name clients ask for it, and how its pods are."""

    namespace: str
    hostname: str
    replicas: int
    environment: Mapping[str, str]

    def kubectl(self, *words: str, text: str = "") -> Command:
        return Command(("kubectl", "--namespace", self.namespace, *words), text)

    def apply(self, *items: Object) -> Command:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        return self.kubectl("apply", "--filename", "-", text=text)

    def patch(self, kind: str, body: Object) -> Command:
        return self.kubectl("patch", f"{kind}/web", "--type", "merge", "--patch", json.dumps(body))

    def deploy(self) -> list[Command]:
        """Deploy v2 beside v1, and wait until it is there."""
        item = deployment(self.namespace, _CANARY)
        item["metadata"]["labels"] = item["spec"]["template"]["metadata"]["labels"] = selector(_CANARY)
        item["spec"]["replicas"] = self.replicas
        (container,) = item["spec"]["template"]["spec"]["containers"]
        container["env"] = [{"name": name, "value": value} for name, value in self.environment.items()]
        front = service(self.namespace, _CANARY)
        front["metadata"]["labels"] = selector(_CANARY)
        front["spec"]["ports"] = [{"name": "http", "port": _PORT, "targetPort": _PORT}]
        return [self.apply(item, front), self.rolled_out(f"web-{_CANARY}")]

    def rolled_out(self, name: str) -> Command:
        return self.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={_ROLLED_OUT}s")

    def end(self) -> Command:
        return self.kubectl("delete", f"deployment/web-{_STABLE}")


def _by_weights(split: Callable[[Application, int], Command]) -> Callable[[Application], list[Command]]:
    """Return the release 10-50-100 by an object whose weights are written, and the deletion of v1 after it."""

    def release(application: Application) -> list[Command]:
        stages = [each for weight in WEIGHTS for each in (split(application, weight), _pause())]
        return [*application.deploy(), *stages, application.end()]

    return release


def _http_route(application: Application, weight: int) -> Command:
    refs = [{"name": f"web-{version}", "port": _PORT, "weight": share} for version, share in _shares(weight)]
    rule = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": refs}
    return application.patch("httproute", {"spec": {"rules": [rule]}})


def _virtual_service(application: Application, weight: int) -> Command:
    route = [
        {"destination": {"host": f"web-{version}", "port": {"number": _PORT}}, "weight": share}
        for version, share in _shares(weight)
    ]
    return application.patch("virtualservice", {"spec": {"http": [{"name": "web", "route": route}]}})


def _annotations(application: Application) -> list[Command]:
    """A canary Ingress, which is deleted in the end, when the Service of the main one selects v2."""
    backend = {"service": {"name": f"web-{_CANARY}", "port": {"number": _PORT}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": "web-canary",
            "namespace": application.namespace,
            "annotations": {f"{PREFIX}/canary": "true", f"{PREFIX}/canary-weight": "0"},
        },
        "spec": {
            "ingressClassName": IngressNginxSystem.ingress_class(),
            "rules": [{"host": application.hostname, "http": {"paths": [path]}}],
        },
    }

    def weigh(weight: int) -> Command:
        return application.kubectl("annotate", "ingress/web-canary", "--overwrite", f"{PREFIX}/canary-weight={weight}")

    return [
        *application.deploy(),
        application.apply(ingress),
        *(each for weight in WEIGHTS for each in (weigh(weight), _pause())),
        _flip(application),
        application.kubectl("delete", "ingress/web-canary"),
        application.end(),
    ]


def _service_flip(application: Application) -> list[Command]:
    """The Service selects v2 from one moment to the next, and v1 is deleted at once."""
    return [*application.deploy(), _flip(application), application.end()]


def _set_image(application: Application) -> list[Command]:
    """A rolling update of one Deployment."""
    image = IMAGE.format(version=_CANARY)
    return [application.kubectl("set", "image", "deployment/web", f"web={image}"), application.rolled_out("web")]


RELEASES: dict[str, Callable[[Application], list[Command]]] = {
    "gateway_api": _by_weights(_http_route),
    "ingress_nginx": _annotations,
    "istio": _by_weights(_virtual_service),
    "replicas": _service_flip,
    "deployment": _set_image,
}
"""The commands on each of the shop's systems; they act on the objects that it makes."""


def release(commands: Sequence[Command], kubeconfig: str) -> float:
    """Carry them out one after the other; return the seconds. Raises RuntimeError with what a failed one said."""
    if not shutil.which("kubectl"):
        raise RuntimeError("there is no kubectl; the lab has it in its tier proxy")
    environment = {**os.environ, "KUBECONFIG": str(Path(kubeconfig).absolute())}
    started = time.monotonic()
    for words, text in commands:
        done = subprocess.run(
            words, input=text, env=environment, capture_output=True, text=True, timeout=_LONGEST, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)[:120]}: {done.stdout}{done.stderr}")
    return time.monotonic() - started


def _shares(weight: int) -> tuple[tuple[str, int], tuple[str, int]]:
    return (_STABLE, 100 - weight), (_CANARY, weight)


def _flip(application: Application) -> Command:
    return application.patch("service", {"spec": {"selector": selector(_CANARY)}})


def _pause() -> Command:
    return Command(("sleep", str(PAUSE)))
