"""A Rollout that lets testers in by a header of its own: its releases are probed by it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import OpenShop
from tests.e2e.steps import all_on, release
from tests.shop.systems import Object, chosen

pytestmark = pytest.mark.skipif(not chosen(["argo_rollouts"]), reason="other systems were chosen")

HEADER = {"canary-by-header": "X-Tester", "canary-by-header-value": "yes"}


def with_header(item: Object) -> None:
    if item["kind"] == "Rollout":
        item["spec"]["strategy"]["canary"]["trafficRouting"]["nginx"]["additionalIngressAnnotations"] = HEADER


def test_a_bad_version_is_refused_by_the_header_before_any_weight_and_a_good_one_goes_on(open_shop: OpenShop) -> None:
    shop = open_shop("argo_rollouts", prepare=with_header)
    bad = release(shop, "v3")
    assert bad.code == 2, bad.output
    (probe,) = [proof for proof in bad.proofs if proof["verdict"] != "pass"]
    assert probe["msg"].startswith("probe"), probe["msg"]
    weights = {traffic["after"]["weight"] for traffic in bad.values_of("gradual.canary.traffic") if "after" in traffic}
    assert weights <= {"0"}
    all_on(shop, "v1")
    release(shop, "v2").require()
    all_on(shop, "v2")
