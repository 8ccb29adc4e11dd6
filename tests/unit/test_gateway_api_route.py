"""An HTTPRoute read as a split, and the patch that makes it another one. The patches are applied, not compared."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route import SplitRule
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_references import reaches
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    InvalidInput,
    InvalidSplit,
    TargetNotFound,
    Unsupported,
)
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import patched
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Match, Weight

Object = dict[str, Any]
TARGET = Target("shop", "web", "v2")
BETA = Match("header", "X-Beta", "exact", "yes")
QA = Match("cookie", "group", "exact", "qa")


def ref(name: str, weight: int = 1, **fields: Any) -> Object:
    return {"group": "", "kind": "Service", "name": name, "port": 80, "weight": weight, **fields}


def rule(*refs: Object, path: str = "/", **fields: Any) -> Object:
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": list(refs), **fields}


def route(*rules: Object, namespace: str = "shop") -> Object:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": namespace, "generation": 7},
        "spec": {"rules": list(rules)},
    }


def after(found: SplitRule, state: Any) -> SplitRule:
    """Return the rule in the route as the patch makes it."""
    return SplitRule.find(patched(found.route, found.operations(state)), found.target)


# which rule


def test_the_rule_that_splits_the_canary_is_found_among_others() -> None:
    found = SplitRule.find(
        route(rule(ref("static"), path="/static"), rule(ref("front", 90), ref("web-v2", 10))), TARGET
    )
    assert (found.index, found.split.stable, found.split.weight) == (1, "front", Weight.percent(10))


def test_without_a_canary_the_rule_of_the_applications_services_is_found() -> None:
    assert SplitRule.find(route(rule(ref("static"), path="/static"), rule(ref("web-v1"))), TARGET).index == 1


def test_a_single_rule_is_meant_whatever_its_service_is_called() -> None:
    assert SplitRule.find(route(rule(ref("frontend"))), TARGET).split.stable == "frontend"


def test_a_preview_of_the_canary_is_not_taken_for_the_split() -> None:
    with pytest.raises(AmbiguousTarget, match=r"rule 0 'preview' \(web-v2\), rule 1 \(web-v1\).*backend.rule"):
        SplitRule.find(route(rule(ref("web-v2"), path="/preview", name="preview"), rule(ref("web-v1"))), TARGET)


def test_an_option_names_or_numbers_the_rule() -> None:
    both = route(rule(ref("web-v1"), path="/api", name="api"), rule(ref("web-v1"), name="pages"))
    assert SplitRule.find(both, TARGET, "pages").index == 1
    assert SplitRule.find(both, TARGET, "0").index == 0
    with pytest.raises(TargetNotFound, match=r"'api'.*'pages'"):
        SplitRule.find(both, TARGET, "2")


def test_a_rule_keeps_its_number_while_match_routes_come_and_go() -> None:
    both = route(rule(ref("web-v1"), path="/api"), rule(ref("web-v1")))
    found = SplitRule.find(both, TARGET, "1")
    attached = patched(both, found.operations(found.sharing(NOTHING, [BETA, QA])))
    assert SplitRule.find(attached, TARGET, "1").rule["matches"] == found.rule["matches"]


def test_a_route_without_a_rule_for_the_application_is_not_guessed_at() -> None:
    with pytest.raises(TargetNotFound, match=r"rule 0 \(static\)"):
        SplitRule.find(route(rule(ref("static"), path="/a"), rule(ref("other"))), TARGET)


@pytest.mark.parametrize(
    "refs",
    [
        [ref("web-v1", 1), ref("web-v2", 1), ref("web-v3", 1)],
        [ref("web-v1", 1), ref("web-v3", 0)],
        [ref("web-v1", 1), {**ref("bucket", 1), "group": "example.com", "kind": "Bucket"}],
        [],
    ],
)
def test_what_is_no_split_of_two_services_is_refused(refs: list[Object]) -> None:
    with pytest.raises(Unsupported):
        SplitRule.find(route(rule(*refs)), TARGET)


def test_a_service_of_the_same_name_elsewhere_is_not_the_canary() -> None:
    elsewhere = route(rule(ref("web-v1"), ref("web-v2", namespace="other")))
    with pytest.raises(Unsupported, match="another canary"):
        SplitRule.find(elsewhere, TARGET)


# what it says


def test_without_a_version_the_second_service_is_the_canary() -> None:
    split = SplitRule.find(route(rule(ref("web-v1", 3), ref("web-v2", 1))), Target("shop", "web")).split
    assert (split.stable_version, split.canary_version, split.weight) == ("v1", "v2", Weight.percent(25))


@pytest.mark.parametrize(
    ("stable", "canary", "points"),
    [
        (90, 10, 1000),
        (2, 1, 3333),
        (1, 2, 6667),
        (1_000_000, 1, 1),
        (1, 1_000_000, 9999),
        (0, 5, 10000),
        (5, 0, 0),
        (0, 0, 0),
    ],
)
def test_other_sums_are_read_as_shares_and_never_rounded_to_nothing_or_everything(
    stable: int, canary: int, points: int
) -> None:
    split = SplitRule.find(route(rule(ref("web-v1", stable), ref("web-v2", canary))), TARGET).split
    assert split.weight.points == points
    assert split.raw == (("web-v1", stable), ("web-v2", canary))


# what is written


def test_a_canary_is_attached_with_everything_stable_has() -> None:
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": []}}]
    found = SplitRule.find(route(rule(ref("web-v1", port=8080, filters=filters, namespace="shop"))), TARGET)
    attached = after(found, found.sharing(None, None)).rule["backendRefs"]
    assert attached == [
        ref("web-v1", 10000, port=8080, filters=filters, namespace="shop"),
        ref("web-v2", 0, port=8080, filters=filters, namespace="shop"),
    ]


@given(
    st.integers(0, 10000),
    st.lists(st.sampled_from([BETA, QA, Match("header", "X-Ring", "regex", "[01]")]), unique=True),
    st.integers(0, 3),
    st.booleans(),
)
def test_any_state_is_reached_by_its_patch_and_leaves_the_rest_alone(
    points: int, matches: list[Match], others: int, canary_first: bool
) -> None:
    refs = [ref("web-v2", 30, port=81), ref("web-v1", 70)]
    split_rule = rule(*(refs if canary_first else reversed(refs)), name="split", timeouts={"request": "5s"})
    around = [rule(ref(f"other-{n}"), path=f"/{n}") for n in range(others)]
    old = SplitRule.find(route(*around, split_rule, *around), TARGET)
    first = after(old, old.sharing(None, [Match("header", f"X-Old-{n}", "exact", "1") for n in range(2)]))
    new = after(first, first.sharing(Weight(points), matches))
    assert (new.split.weight.points, new.split.matches) == (points, tuple(matches))
    assert [one for one in new.route["spec"]["rules"] if "canary-match" not in one.get("name", "")] == [
        *around,
        {**split_rule, "backendRefs": new.rule["backendRefs"]},
        *around,
    ]
    assert [{**one, "weight": 0} for one in new.rule["backendRefs"]] == [
        {**one, "weight": 0} for one in split_rule["backendRefs"]
    ]
    # Our rules stand together, right before the rule that splits.
    assert new.index == others + len(matches)
    assert new.operations(new.sharing(Weight(points), matches)) == []


def test_a_patch_fails_when_anything_it_relied_on_has_changed() -> None:
    found = SplitRule.find(route(rule(ref("web-v1", 9000), ref("web-v2", 1000), name="split")), TARGET)
    for matches in (None, [BETA]):
        operations = found.operations(found.sharing(Weight.percent(50), matches))
        for change in (
            {"op": "replace", "path": "/metadata/generation", "value": 8},
            {"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 2500},
            {"op": "replace", "path": "/spec/rules/0/matches/0/path/value", "value": "/other"},
            {"op": "replace", "path": "/spec/rules/0/name", "value": "renamed"},
        ):
            with pytest.raises(Conflict):
                patched(patched(found.route, [change]), operations)


def test_the_same_share_in_other_numbers_is_not_written_again() -> None:
    found = SplitRule.find(route(rule(ref("web-v1", 9), ref("web-v2", 1))), TARGET)
    assert found.operations(found.sharing(Weight.percent(10), None)) == []
    nearly = SplitRule.find(route(rule(ref("web-v1", 2), ref("web-v2", 1))), TARGET)
    assert nearly.operations(nearly.sharing(Weight(3333), None)) != []


def test_both_weights_zero_are_mended_by_setting_zero() -> None:
    found = SplitRule.find(route(rule(ref("web-v1", 0), ref("web-v2", 0))), TARGET)
    assert after(found, found.sharing(NOTHING, None)).split.raw == (("web-v1", 10000), ("web-v2", 0))


def test_promotion_leaves_the_canary_alone_with_the_default_weight() -> None:
    found = SplitRule.find(route(rule(ref("web-v1", 0), ref("web-v2", 10000))), TARGET)
    with_match = after(found, found.sharing(None, [BETA]))
    done = after(with_match, with_match.promoted())
    assert done.route["spec"]["rules"] == [rule(ref("web-v2"))]
    assert done.operations(done.promoted()) == []


@pytest.mark.parametrize(("stable", "canary"), [(1, 9999), (1, 1_000_000), (10000, 0), (0, 0)])
def test_promotion_is_refused_while_stable_has_any_weight(stable: int, canary: int) -> None:
    found = SplitRule.find(route(rule(ref("web-v1", stable), ref("web-v2", canary))), TARGET)
    with pytest.raises(Conflict):
        found.promoted()


def test_without_a_version_nothing_is_shifted_or_promoted() -> None:
    found = SplitRule.find(route(rule(ref("web-v1", 0), ref("web-v2", 1))), Target("shop", "web"))
    for change in (lambda: found.sharing(Weight.percent(10), None), found.promoted):
        with pytest.raises(InvalidInput, match="version"):
            change()


def test_a_version_that_is_stable_already_cannot_get_a_share() -> None:
    found = SplitRule.find(route(rule(ref("web-v2"))), TARGET)
    with pytest.raises(Conflict, match="already sends everything to web-v2"):
        found.sharing(EVERYTHING, None)


def test_a_route_without_room_for_another_rule_is_refused() -> None:
    full = route(*(rule(ref("other"), path=f"/{n}") for n in range(15)), rule(ref("web-v1")))
    found = SplitRule.find(full, TARGET)
    assert found.operations(found.sharing(NOTHING, [])) != []
    with pytest.raises(InvalidSplit, match=r"17 rules \(of 16\)"):
        found.sharing(NOTHING, [BETA])


# who is reached


def test_a_mirror_reaches_a_service() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "web-v2", "port": 80}}}
    assert reaches(route(rule(ref("web-v1"), filters=[mirror])), "web-v2", "shop")


def test_weight_zero_and_other_namespaces_do_not_reach_a_service() -> None:
    assert not reaches(route(rule(ref("web-v1", 1), ref("web-v2", 0))), "web-v2", "shop")
    assert not reaches(route(rule(ref("web-v2")), namespace="other"), "web-v2", "shop")
    assert reaches(route(rule(ref("web-v2", namespace="shop")), namespace="other"), "web-v2", "shop")


def test_reading_a_route_does_not_change_it() -> None:
    item = route(rule(ref("web-v1", 9), ref("web-v2", 1)))
    kept = copy.deepcopy(item)
    found = SplitRule.find(item, TARGET)
    found.sharing(Weight.percent(20), [BETA])
    found.detached()
    assert item == kept
