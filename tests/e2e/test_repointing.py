"""Releases that end with the main Ingress led to the new version's own Service."""

from __future__ import annotations

import pytest

from tests.contract.systems.ingress_nginx import path
from tests.e2e.conftest import OpenShop
from tests.e2e.test_release import all_on, held, nothing_changes, pods_wanted, release
from tests.shop.shop import Shop


@pytest.fixture(params=["ingress_nginx_real", "apig"])
def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    """A shop whose main Ingress leads to v1's Service, and no other Service for all versions."""
    options = {"type": "ingress_nginx", "ingress": "web", "promotion": "repoint", "propagation": 5}
    opened = open_shop(request.param, canary_backend=options)
    operator = opened.access.operator()
    leading = path("/", "web-v1")
    leading["backend"]["service"]["port"] = {"number": 8080}
    rules = [{"host": opened.hostname, "http": {"paths": [leading]}}]
    operator.edit("Ingress", "web", opened.namespace, {"spec": {"rules": rules}})
    operator.delete("Service", "web", opened.namespace)
    return opened


def leads_to(shop: Shop) -> dict[str, str]:
    """Return the Service that each Ingress leads to."""
    return {
        name.removeprefix("Ingress/"): item["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
        for name, item in shop.objects().items()
        if name.startswith("Ingress/")
    }


def test_a_release_and_the_way_back_lead_the_main_ingress_and_leave_nothing_else(shop: Shop) -> None:
    held(shop)
    assert leads_to(shop) == {"web": "web-v1", "web-canary": "web-v2"}
    release(shop, "v2").require()
    all_on(shop, "v2")
    assert leads_to(shop) == {"web": "web-v2"}
    assert pods_wanted(shop) == {"v1": 0, "v2": 1}
    nothing_changes(release(shop, "v2"))
    shop.run("rollback").require()
    all_on(shop, "v1")
    assert leads_to(shop) == {"web": "web-v1"}
    assert pods_wanted(shop) == {"v1": 1, "v2": 0}
