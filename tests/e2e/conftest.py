"""The end-to-end suite: playbooks as users run them, from the built archive, on a real cluster.

    tests/lab/lab exec -- .venv/bin/pytest tests/e2e -n 3

Each test that moves traffic has a shop in a namespace of its own, in which v1 serves. What a fact does not depend on is
quick: one pod a version, samples at a high rate, the profile with the fewest samples, a drain of one second.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.cluster_access import Access
from tests.contract.systems.argo_rollouts import ArgoRolloutsSystem
from tests.contract.systems.ingress_nginx import SERVED
from tests.contract.systems.istio import IstioSystem
from tests.shop.operators import install
from tests.shop.shop import Shop
from tests.shop.systems import chosen

# The least that a release is made of. A stage with a question is added by the tests that are about questions.
STAGES: list[dict[str, Any]] = [{"weight": 50, "verify": "quick"}, {"weight": 100, "verify": "quick"}]

WORKLOAD: dict[str, Any] = {
    "image": os.environ.get("CANARY_TEST_IMAGE", "canary.lab/web:{version}").format(version="{{ canary_version }}"),
    "image_pull_policy": os.environ.get("CANARY_TEST_PULL_POLICY", "Never"),
    "replicas": 1,
    "port": 8080,
    "probes": {"readiness": {"path": "/readyz", "period": 1}},
    "termination_grace_period": 2,
}

OpenShop = Callable[..., Shop]


@pytest.fixture(scope="session")
def access() -> Access:
    """The cluster; without it every test fails and says how to start it."""
    found = Access()
    found.require()
    return found


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the collection in it, installed from its archive."""
    target = tmp_path_factory.mktemp("installed")
    install(target)
    return target


def _shops(installed: Path, tmp_path_factory: pytest.TempPathFactory, access: Access) -> Iterator[OpenShop]:
    opened: list[Shop] = []

    def open_one(backend: str, **changes: Any) -> Shop:
        missing = _missing(access, backend)
        if missing:
            pytest.skip(f"this cluster cannot try {backend}: {missing}")
        home = tmp_path_factory.mktemp("home")
        (home / "collections").symlink_to(installed / "collections")
        namespace = f"e2e-{backend.replace('_', '-')}-{secrets.token_hex(3)}"
        quick = {"canary_workload": WORKLOAD, "canary_stages": STAGES, "canary_drain": 1}
        shop = Shop(
            backend, home, namespace=namespace, client={"rate": 300, "profile": "quick"}, **{**quick, **changes}
        )
        opened.append(shop)
        shop.open()
        return shop

    yield open_one
    for shop in opened:
        shop.close()


def _missing(access: Access, backend: str) -> str | None:
    """Return what the cluster lacks for a backend."""
    if backend in SERVED:
        return SERVED[backend].missing(access.operator())
    if backend == "argo_rollouts":
        return ArgoRolloutsSystem.missing(access.operator())
    if backend == "istio":
        return IstioSystem.missing(access.operator())
    namespace, _slash, name = os.environ.get("CANARY_TEST_GATEWAY", "projectcontour/contour").partition("/")
    return None if access.operator().get("Gateway", name, namespace) else f"there is no Gateway {namespace}/{name}"


@pytest.fixture
def open_shop(installed: Path, tmp_path_factory: pytest.TempPathFactory, access: Access) -> Iterator[OpenShop]:
    """Open shops that are closed when the test ends."""
    yield from _shops(installed, tmp_path_factory, access)


@pytest.fixture(scope="module")
def open_shop_for_module(
    installed: Path, tmp_path_factory: pytest.TempPathFactory, access: Access
) -> Iterator[OpenShop]:
    """Open shops that are closed when the last test of a file ends."""
    yield from _shops(installed, tmp_path_factory, access)


# One of each kind: a weight on a route, a ratio of pods, one workload in place. All systems are in test_journey.py.
KINDS = ("gateway_api", "replicas", "deployment")


@pytest.fixture(params=chosen(KINDS))
def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    """A shop on each kind of traffic system: v1 serves, nothing else is there."""
    return open_shop(request.param)
