"""The contract suite: every backend, held to the same facts on a real controller.

    tests/lab/lab exec -- .venv/bin/pytest tests/contract

To add a traffic system: a class in systems/ and its line in `SYSTEMS`.
"""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.contract.cluster_access import Access
from tests.contract.systems.base import TrafficSystem
from tests.contract.workloads import deploy
from tests.shop.systems import chosen

# By module path, so that one backend can be tried out while another is being written.
SYSTEMS = {
    "gateway_api": "tests.contract.systems.gateway_api:GatewayApiSystem",
    "gateway_api_on_traefik": "tests.contract.systems.gateway_api:GatewayApiOnTraefik",
    "ingress_nginx": "tests.contract.systems.ingress_nginx:IngressNginxSystem",
    "istio": "tests.contract.systems.istio:IstioSystem",
    "istio_with_subsets": "tests.contract.systems.istio:IstioWithSubsets",
    "ingress_nginx_real": "tests.contract.systems.ingress_nginx:IngressNginxReal",
    "ingress_nginx_real_repointed": "tests.contract.systems.ingress_nginx:IngressNginxRealRepointed",
    "apig": "tests.contract.systems.ingress_nginx:Apig",
    "apig_repointed": "tests.contract.systems.ingress_nginx:ApigRepointed",
    "replicas": "tests.contract.systems.replicas:ReplicasSystem",
    "deployment": "tests.contract.systems.deployment:DeploymentSystem",
    "argo_rollouts": "tests.contract.systems.argo_rollouts:ArgoRolloutsSystem",
    "argo_rollouts_on_istio": "tests.contract.systems.argo_rollouts:ArgoRolloutsOnIstio",
}

Enter = Callable[[str], tuple[type[TrafficSystem], str]]


@pytest.fixture(scope="session")
def access() -> Access:
    """The cluster; without it every test fails and says how to start it."""
    found = Access()
    found.require()
    return found


@pytest.fixture(scope="session")
def enter(access: Access) -> Iterator[Enter]:
    """Give out a system's class and its namespace with v1 and v2 in it, made when the first test asks."""
    operator = access.operator()
    entered: dict[str, tuple[type[TrafficSystem], str]] = {}

    def enter_one(name: str) -> tuple[type[TrafficSystem], str]:
        if not chosen([name]):
            pytest.skip("other systems were chosen")
        if name not in entered:
            module, _colon, class_name = SYSTEMS[name].partition(":")
            system = getattr(importlib.import_module(module), class_name)
            missing = system.missing(operator)
            if missing:
                pytest.skip(f"this cluster cannot try {name}: {missing}")
            namespace = f"contract-{name.replace('_', '-')}-{secrets.token_hex(3)}"
            operator.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            entered[name] = (system, namespace)
            system.prepare(operator, namespace)
            deploy(operator, access.connect(), namespace, ("v1", "v2"))
        return entered[name]

    yield enter_one
    for system, namespace in entered.values():
        system.dispose(operator, namespace)
        operator.delete("Namespace", namespace)


@pytest.fixture(params=chosen(SYSTEMS))
def traffic_system(request: pytest.FixtureRequest, access: Access, enter: Enter) -> Iterator[TrafficSystem]:
    """A traffic system with all traffic of a fresh route going to v1, seen by clients."""
    system, namespace = enter(request.param)
    made = system(access, namespace)
    try:
        made.create()
        made.wait_until_served()
        yield made
    finally:
        made.remove()


@pytest.fixture
def routed_system(traffic_system: TrafficSystem) -> TrafficSystem:
    """A traffic system that has match routes."""
    if not traffic_system.use().capabilities.match_kinds:
        pytest.skip("this traffic system has no match routes")
    return traffic_system
