"""Releases that end with the main Ingress led to the new version's own Service, and the flow of the API gateway."""

from __future__ import annotations

import re
import textwrap

import pytest

from tests.contract.systems.ingress_nginx import path
from tests.e2e.conftest import OpenShop
from tests.e2e.steps import all_on, held, nothing_changes, pods_wanted, release
from tests.shop.operators import ROOT
from tests.shop.shop import Shop
from tests.shop.systems import REPOINTING, chosen


@pytest.fixture(params=chosen(["ingress_nginx_real", "apig"]))
def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    """A shop whose main Ingress leads to v1's Service, and no other Service for all versions."""
    return led_to_v1(open_shop(request.param, canary_backend=REPOINTING))


def led_to_v1(opened: Shop) -> Shop:
    """Let the main Ingress lead to v1's Service, and remove the one that had all versions."""
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


def published_flow() -> str:
    """Return the playbook that the guide on backends shows for the API gateway."""
    guide = (ROOT / "docs" / "docsite" / "rst" / "backends.rst").read_text()
    found = re.search(r"^    - name: Release v2 as the guide.*?(?=^\S)", guide, re.DOTALL | re.MULTILINE)
    assert found, "the guide shows it no more"
    return textwrap.dedent(found[0])


@pytest.mark.parametrize("promotion", ["selector", "repoint"] if chosen(["apig"]) else [])
def test_the_flow_of_the_api_gateways_guide_runs_as_the_documentation_shows_it(
    promotion: str, open_shop: OpenShop
) -> None:
    backend = {**REPOINTING, "controller": "apig", "promotion": promotion, "propagation": 3}
    opened = open_shop("apig", canary_backend=backend)
    if promotion == "repoint":
        led_to_v1(opened)
    playbook = opened.operator.home / "flow.yml"
    playbook.write_text(published_flow())
    run = opened.operator.run(str(playbook), canary_version="v2").require()
    proofs = [traffic["proof"]["msg"] for traffic in run.values_of("gradual.canary.traffic") if traffic.get("proof")]
    assert [proof.split(" proven")[0] for proof in proofs] == ["0 %", "30 %", "100 %"]
    (tested,) = [values["matches"] for values in run.values("proof") if values.get("matches")]
    assert tested[0]["match"] == {"header": "X-Canary", "value": "v2"}
    all_on(opened, "v2")
    assert leads_to(opened) == {"web": "web" if promotion == "selector" else "web-v2"}
    assert pods_wanted(opened) == {"v1": 0, "v2": 1}
    # A second run finds the same version, and stops before anything is written.
    again = opened.operator.run(str(playbook), canary_version="v2")
    assert "v2 is the stable version already" in again.output
    assert again.writes == []
