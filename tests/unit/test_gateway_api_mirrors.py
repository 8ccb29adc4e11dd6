"""Copies of requests to the canary, as filters of an HTTPRoute. The patches are applied, not compared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._backends import _http_route_mirrors as mirror_filters
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._gateway_controllers import capabilities_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_references import reaches
from ansible_collections.gradual.canary.plugins.module_utils._errors import Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Weight
from tests.unit.test_gateway_api_route import BETA, TARGET, SplitRule, after, ref, route, rule

Object = dict[str, Any]
TEN = Weight.percent(10)
CONTOUR = "projectcontour.io/gateway-controller"
HEADER = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X-A", "value": "b"}]}}


def mirror(name: str, **share: Any) -> Object:
    reference = {"group": "", "kind": "Service", "name": name, "port": 80}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": reference, **share}}


def split_rule(*filters: Object, **fields: Any) -> SplitRule:
    given_filters = {"filters": list(filters)} if filters else {}
    return SplitRule.find(route(rule(ref("web-v1", 10000), ref("web-v2", 0), **given_filters, **fields)), TARGET)


def test_copies_are_a_filter_to_the_canarys_reference() -> None:
    made = after(split_rule(), split_rule().sharing(None, None, TEN))
    assert made.rule["filters"] == [mirror("web-v2", percent=10)]
    assert (made.split.mirror, made.split.weight) == (TEN, NOTHING)
    assert str(made.split) == "0 % to web-v2, 100 % to web-v1; copies of 10 % to web-v2"


def test_copies_come_with_the_attachment_in_one_patch() -> None:
    alone = SplitRule.find(route(rule(ref("web-v1"))), TARGET)
    made = after(alone, alone.sharing(NOTHING, [], EVERYTHING))
    assert (made.split.canary, made.split.mirror) == ("web-v2", EVERYTHING)
    assert made.rule["filters"] == [mirror("web-v2")]


def test_copies_already_there_cost_no_operation_however_they_are_written() -> None:
    for share in ({"percent": 10}, {"fraction": {"numerator": 1, "denominator": 10}}, {"fraction": {"numerator": 10}}):
        found = split_rule(mirror("web-v2", **share))
        assert found.operations(found.sharing(NOTHING, [], TEN)) == []


def test_ending_the_copies_leaves_no_empty_list_and_no_other_filter_touched() -> None:
    alone, beside = split_rule(mirror("web-v2")), split_rule(HEADER, mirror("web-v2"), mirror("archive"))
    assert "filters" not in after(alone, alone.sharing(None, None, NOTHING)).rule
    assert after(beside, beside.sharing(None, None, NOTHING)).rule["filters"] == [HEADER, mirror("archive")]


def test_a_mirror_to_another_service_is_neither_counted_nor_touched() -> None:
    found = split_rule(mirror("archive"))
    assert found.split.mirror == NOTHING
    assert after(found, found.sharing(None, None, TEN)).rule["filters"] == [
        mirror("archive"),
        mirror("web-v2", percent=10),
    ]


def test_requests_of_match_routes_are_not_copied_to_where_they_go_anyway() -> None:
    found = split_rule(HEADER, mirror("web-v2"))
    made = after(found, found.sharing(None, [BETA], EVERYTHING))
    (match_rule,) = made.state.match_rules
    assert match_rule["filters"] == [HEADER]
    again = after(made, made.sharing(None, [BETA], NOTHING))
    assert again.state.match_rules == [match_rule]


def test_weight_matches_and_copies_change_in_one_patch() -> None:
    found = split_rule(mirror("web-v2", percent=10))
    made = after(found, found.sharing(TEN, [BETA], NOTHING))
    assert (made.split.weight, made.split.matches, made.split.mirror) == (TEN, (BETA,), NOTHING)


def test_promotion_and_detaching_end_the_copies() -> None:
    moved = SplitRule.find(route(rule(ref("web-v1", 0), ref("web-v2", 1), filters=[mirror("web-v2")])), TARGET)
    assert "filters" not in after(moved, moved.promoted()).rule
    found = split_rule(HEADER, mirror("web-v2"))
    made = after(found, found.detached())
    assert (made.rule["filters"], made.split.canary) == ([HEADER], None)
    assert not reaches(made.route, "web-v2", "shop")


def test_detaching_again_takes_a_copy_away_that_was_left_behind() -> None:
    found = SplitRule.find(route(rule(ref("web-v1"), filters=[mirror("web-v2")])), TARGET)
    assert "filters" not in after(found, found.detached()).rule


def test_who_only_looks_sees_the_copies_to_the_second_reference() -> None:
    looked = SplitRule.find(split_rule(mirror("web-v2", percent=25)).route, Target("shop", "web"))
    assert looked.split.mirror == Weight.percent(25)


def test_a_filter_that_changed_meanwhile_is_tested_for() -> None:
    found = split_rule(HEADER)
    tested = [each["path"] for each in found.operations(found.sharing(None, None, TEN)) if each["op"] == "test"]
    assert "/spec/rules/0/filters" in tested


@given(st.integers(0, 10000))
def test_every_share_survives_being_written_and_read(points: int) -> None:
    filters = mirror_filters.filters_for(Weight(points), ref("web-v2"))
    assert mirror_filters.share_of(filters) == Weight(points)


def test_two_filters_to_the_canary_copy_their_sum_and_at_most_all() -> None:
    assert mirror_filters.share_of([mirror("web-v2", percent=60), mirror("web-v2", percent=20)]) == Weight.percent(80)
    assert mirror_filters.share_of([mirror("web-v2"), mirror("web-v2")]) == EVERYTHING


# who can


def test_contour_copies_all_or_nothing() -> None:
    able = capabilities_of([CONTOUR])
    able.require_mirror(EVERYTHING, "here", "")
    able.require_mirror(NOTHING, "here", "")
    with pytest.raises(Unsupported, match=r"copies all requests to the canary or none, not 10 %.*would copy them all"):
        able.require_mirror(TEN, "here", "")


def test_controllers_together_can_do_what_the_least_of_them_can() -> None:
    istio = "istio.io/gateway-controller"
    assert capabilities_of([istio]).mirror == "any"
    assert capabilities_of([istio, CONTOUR]).mirror == "all"
    assert capabilities_of([istio, CONTOUR, "example.com/unknown"]).mirror == "none"


def test_a_controller_that_copies_nothing_is_refused_with_its_reason_and_a_way_out() -> None:
    with pytest.raises(Unsupported, match=r"backend x cannot send.*: because\. Nothing was changed; let testers in"):
        capabilities_of([]).require_mirror(TEN, "backend x", "because")
