"""Cases in which a weight is written and clients get something else: what Argo Rollouts says of them, and we."""

from __future__ import annotations

import dataclasses
import http.client
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.gradual.canary.plugins.module_utils._sampler import Request, Sampler
from ansible_collections.gradual.canary.plugins.module_utils._task import Task
from ansible_collections.gradual.canary.plugins.modules import traffic
from tests.bench import argo
from tests.contract.cluster_access import Access, Object
from tests.contract.systems.ingress_nginx import IngressNginxReal
from tests.contract.workloads import deploy
from tests.shop.systems import SYSTEMS
from tests.shop.verbs import validated

HEAD = ["case", "Argo Rollouts says", "clients get", "gradual.canary"]
_COUNT = 400
_STICKY_CLIENTS, _EACH = 60, 8
_PROPAGATION = 3.0
"""Seconds in which a weight arrives at every gateway of the lab."""

_CONTOUR = SYSTEMS["gateway_api"].address
_ISTIO = SYSTEMS["istio"].address
_REAL = SYSTEMS["ingress_nginx_real"].address
_ISTIO_GATEWAY = "istio-system/gateway"
_UNSERVED = "nobody"


@dataclasses.dataclass(frozen=True)
class Case:
    """Surroundings in which a split does not come about.

    surround: makes them; takes a namespace, a hostname, and the names of the stable and the canary Service.
    serves: whether clients get the stable version by them at all.
    """

    name: str
    address: str
    routing: Object
    backend: dict[str, Any]
    surround: Callable[[Access, str, str, str, str], None]
    serves: bool = True
    sticky: bool = False

    def argo(self, access: Access, namespace: str, hostname: str) -> list[str]:
        """Release by Argo to 50 % and to the end; return what it said, and what clients got at 50 %."""
        self.surround(access, namespace, hostname, argo.STABLE_SERVICE, argo.CANARY_SERVICE)
        rollout = argo.Rollout(access, namespace, self.routing, replicas=1, environment={})
        rollout.create("v1")
        cookies = self._before(hostname)
        rollout.steps([{"setWeight": 50}, {"pause": {}}])
        rollout.start("v2")
        half = argo.said(rollout.until_paused_at(1))
        time.sleep(_PROPAGATION)
        got = self._asked(hostname, cookies)
        rollout.plugin("promote", "web")
        end = rollout.until(
            lambda status: status.get("phase") in ("Healthy", "Degraded") and status.get("currentStepIndex") == 2, 60
        )
        return [f"{half}; then {end['phase']}", got]

    def ours(self, access: Access, namespace: str, hostname: str) -> str:
        """Ask for 50 % of the same by the verb, which proves it; return what it answers."""
        deploy(access.operator(), access.connect(), namespace, ("v1", "v2"))
        self.surround(access, namespace, hostname, "web-v1", "web-v2")
        self._before(hostname)
        given: dict[str, Any] = {
            "kubeconfig": access.kubeconfig,
            "namespace": namespace,
            "app": "web",
            "version": "v2",
            "backend": self.backend,
            "weight": "50",
            "timeout": 10,
            "verify": {
                "url": f"http://{hostname}/",
                "address": self.address,
                "identify": {"header": "X-Version"},
                "settle_timeout": 5,
                "timeout": 30,
            },
        }
        task = Task(validated(traffic.ARGUMENTS, given))
        result = task.perform(traffic.run)
        if not result.get("failed"):
            return f"**accepted**: {result['msg']} {' '.join(task.warnings)}".strip()
        return f"{_ended(result)}: {result['msg']}".replace("|", "/")

    def _before(self, hostname: str) -> list[str]:
        """Wait until the stable version is served, and let clients get their cookies where they are sticky."""
        if self.serves:
            until_served(self.address, hostname, "v1")
        if not self.sticky:
            return []
        return [cookie for _client in range(_STICKY_CLIENTS) if (cookie := _ask(self.address, hostname, "")[1])]

    def _asked(self, hostname: str, cookies: Sequence[str]) -> str:
        if self.sticky:
            assert len(cookies) == _STICKY_CLIENTS, f"{len(cookies)} of {_STICKY_CLIENTS} clients got a cookie"
            answers = Counter(_ask(self.address, hostname, cookie)[0] for cookie in cookies for _turn in range(_EACH))
        else:
            answers = ask(self.address, hostname, _COUNT)
        total = sum(answers.values())
        others = {outcome: count for outcome, count in answers.items() if outcome not in ("v1", "v2")}
        rest = "".join(f", {count} times {outcome}" for outcome, count in others.items())
        return f"v2 for {answers['v2']} of {total}{rest}"


def _ended(result: dict[str, Any]) -> str:
    """Say in words how a task that failed left things, and which layer it names."""
    if "proof" in result:
        proof = result["proof"]
        return f"not proven [{proof['diagnosis'] or proof['reason']}], to be answered by {proof['recommendation']}"
    failure = result.get("failure") or {}
    assert failure.get("code") != "invalid_input", result["msg"]
    codes = [each["code"] for each in failure.get("details", {}).get("findings", [])]
    return f"refused [{', '.join(codes or [str(failure.get('code'))])}]"


def ask(address: str, hostname: str, count: int) -> Counter[str]:
    """Send requests; count the answers by version, else by status or error."""
    request = Request(f"http://{address}/", host=hostname)
    with Sampler(request, rate=400.0, limit=count, timeout=10.0) as sampler:
        return Counter(sample.headers.get("x-version") or sample.error or str(sample.status) for sample in sampler)


def until_served(address: str, hostname: str, version: str) -> None:
    """Wait until clients get this version and nothing else."""
    deadline = time.monotonic() + 40
    while set(answers := ask(address, hostname, 20)) != {version}:
        assert time.monotonic() < deadline, f"{hostname} answers {dict(answers)}"
        time.sleep(0.1)


def _ask(address: str, hostname: str, cookie: str) -> tuple[str, str]:
    """Send one request; return the version that answered, and the cookie that it set."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": hostname, **({"Cookie": cookie} if cookie else {})})
        answer = connection.getresponse()
        answer.read()
        return answer.getheader("X-Version") or str(answer.status), (answer.getheader("Set-Cookie") or "").partition(
            ";"
        )[0]
    finally:
        connection.close()


def _unserved_class(access: Access, namespace: str, hostname: str, stable: str, canary: str) -> None:
    """Users come by an HTTPRoute; the Ingress that is to split is of a class that nothing serves."""
    del canary
    operator = access.operator()
    operator.create(_ingress(namespace, hostname, _UNSERVED, stable))
    (route,) = SYSTEMS["gateway_api"].objects(namespace, hostname)
    route["spec"]["rules"][0]["backendRefs"] = [{"name": stable, "port": _port(stable)}]
    operator.create(route)


def _shadowed(access: Access, namespace: str, hostname: str, stable: str, canary: str) -> None:
    """An older VirtualService has the same host on the same gateway, and leads to the stable version alone."""
    operator = access.operator()
    operator.create(_virtual_service(namespace, hostname, _ISTIO_GATEWAY, "older", stable))
    time.sleep(1.1)  # which is older is told in whole seconds
    operator.create(_virtual_service(namespace, hostname, _ISTIO_GATEWAY, "web", stable, canary))


def _no_gateway(access: Access, namespace: str, hostname: str, stable: str, canary: str) -> None:
    """The VirtualService names a Gateway that does not exist."""
    access.operator().create(_virtual_service(namespace, hostname, "istio-system/none", "web", stable, canary))


def _sticky(access: Access, namespace: str, hostname: str, stable: str, canary: str) -> None:
    """The Ingress makes clients stick to a pod by a cookie."""
    del canary
    affinity = {"nginx.ingress.kubernetes.io/affinity": "cookie"}
    access.operator().create(_ingress(namespace, hostname, IngressNginxReal.ingress_class(), stable, **affinity))


def _port(name: str) -> int:
    return argo.PORT if name == argo.STABLE_SERVICE else 80


def _ingress(namespace: str, hostname: str, ingress_class: str, stable: str, **annotations: str) -> Object:
    item = argo.ingress(namespace, hostname, ingress_class, **annotations)
    backend = {"service": {"name": stable, "port": {"number": _port(stable)}}}
    item["spec"]["rules"][0]["http"]["paths"][0]["backend"] = backend
    return item


def _virtual_service(namespace: str, hostname: str, gateway: str, name: str, *services: str) -> Object:
    item = argo.virtual_service(namespace, hostname, gateway, name=name, services=services)
    if argo.STABLE_SERVICE not in services:  # ours: the canary is attached by the verb
        item["spec"]["http"][0]["route"] = item["spec"]["http"][0]["route"][:1]
        item["spec"]["http"][0]["route"][0]["destination"]["port"]["number"] = 80
    return item


CASES = (
    Case(
        "Ingress of a class that nothing serves",
        _CONTOUR,
        argo.NGINX,
        {"type": "ingress_nginx", "ingress": "web"},
        _unserved_class,
    ),
    Case(
        "VirtualService shadowed by an older one",
        _ISTIO,
        argo.ISTIO,
        {"type": "istio", "virtual_service": "web"},
        _shadowed,
    ),
    Case(
        "Gateway of the VirtualService does not exist",
        _ISTIO,
        argo.ISTIO,
        {"type": "istio", "virtual_service": "web"},
        _no_gateway,
        serves=False,
    ),
    Case(
        "clients stick to a version by a cookie",
        _REAL,
        argo.NGINX,
        {"type": "ingress_nginx", "ingress": "web"},
        _sticky,
        sticky=True,
    ),
)
