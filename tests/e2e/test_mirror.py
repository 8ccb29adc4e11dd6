"""A release whose first stage sends the canary copies of requests: counted at the canary, seen by no user."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import STAGES, OpenShop
from tests.e2e.steps import all_on, held, pods_wanted, release, said, traffic, words
from tests.shop.shop import Shop
from tests.shop.systems import chosen

# Contour copies all requests or none.
SHARES = {"gateway_api": "100", "istio": "10"}
COUNTER = {"name": "http_requests_total"}


@pytest.fixture(params=chosen(SHARES))
def mirroring(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    return open_shop(request.param, canary_mirror_counter=COUNTER)


def share_of(shop: Shop) -> str:
    return SHARES[shop.system.backend]


def stages(shop: Shop, **first: Any) -> list[dict[str, Any]]:
    return [{"mirror": share_of(shop), "verify": "quick", **first}, *STAGES]


def route(shop: Shop) -> str:
    kind = "HTTPRoute" if shop.system.backend == "gateway_api" else "VirtualService"
    return json.dumps(shop.objects()[f"{kind}/web"]["spec"]).lower()


def test_copies_are_counted_at_the_canary_before_any_user_reaches_it(mirroring: Shop) -> None:
    run = release(mirroring, "v2", canary_stages=stages(mirroring)).require()
    (proof,) = [result for result in run.values_of("gradual.canary.verify_mirror") if "verdict" in result]
    assert (proof["verdict"], proof["mirror"]["target"]) == ("pass", share_of(mirroring))
    assert proof["answers"] == {"v1": proof["requests"]["sent"]}
    assert f"copies of {share_of(mirroring)} % proven: v2 counted " in said(run)
    splits = [(split["weight"], split["mirror"]) for split in run.values("after")]
    assert splits[:3] == [("0", "0"), ("0", share_of(mirroring)), ("50", "0")]
    all_on(mirroring, "v2")
    assert "mirror" not in route(mirroring)
    assert pods_wanted(mirroring) == {"v1": 0, "v2": 1}


@pytest.mark.variant
def test_a_release_that_holds_at_its_copies_goes_on_from_there(mirroring: Shop) -> None:
    asking = stages(mirroring, approve={"prompt": "Go on?"})
    held(mirroring, stages=asking)
    assert words(mirroring) == f"0 % to web-v2, 100 % to web-v1; copies of {share_of(mirroring)} % to web-v2"
    name = f"web/v2/mirror-{share_of(mirroring)}"
    release(mirroring, "v2", canary_stages=asking, canary_approve=[name]).require()
    all_on(mirroring, "v2")


@pytest.mark.variant
def test_the_rollback_ends_the_copies(mirroring: Shop) -> None:
    held(mirroring, stages=stages(mirroring, approve={"prompt": "Go on?"}))
    assert "mirror" in route(mirroring)
    run = mirroring.run("rollback").require()
    assert run.values("after")[0]["mirror"] == "0"
    all_on(mirroring, "v1")
    assert "mirror" not in route(mirroring)
    assert pods_wanted(mirroring) == {"v1": 1, "v2": 0}


def test_copies_that_do_not_arrive_take_the_release_back(mirroring: Shop) -> None:
    # Counted is what no request has, so that the share looks like none of the stable version's requests were copied.
    nobody = {"name": "http_request_duration_seconds_bucket", "labels": {"version": "v1", "le": "+Inf"}}
    run = release(mirroring, "v2", canary_stages=stages(mirroring), canary_mirror_counter=nobody)
    assert run.code != 0
    assert f"copies of {share_of(mirroring)} % are not what v2 gets, no request is copied" in run.output
    assert "All traffic is on v1 again" in run.output
    assert traffic(mirroring)["mirror"] == "0"
    assert "mirror" not in route(mirroring)


@pytest.mark.variant
def test_without_a_counter_the_evidence_says_that_copies_were_not_counted(mirroring: Shop) -> None:
    run = release(mirroring, "v2", canary_stages=stages(mirroring), canary_mirror_counter=None).require()
    assert f"copies of {share_of(mirroring)} % not counted" in said(run)
    all_on(mirroring, "v2")


@pytest.mark.parametrize("backend", chosen(["ingress_nginx", "replicas", "gateway_api"]))
def test_copies_that_a_traffic_system_cannot_make_are_refused_before_anything_is_deployed(
    open_shop: OpenShop, backend: str
) -> None:
    shop = open_shop(backend)
    before = shop.objects()
    run = release(shop, "v2", canary_stages=[{"mirror": 10}, *STAGES])
    assert run.code != 0
    assert "stage 1: the traffic system c" in run.output  # cannot, or copies all or none
    assert "Nothing was changed" in run.output
    assert run.writes == []
    assert shop.objects() == before
