"""Subsets of a DestinationRule: found, derived, added and removed by patches that are applied."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._destination_rule import (
    OURS,
    Subsets,
    adding,
    recorded,
    removing,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import Destination
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    ForeignOwner,
    TargetNotFound,
    Unsupported,
)
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import patched

Object = dict[str, Any]
LABEL = "app.kubernetes.io/version"
STABLE = Destination("web", "shop", "v1", 1)


def subset(name: str, **labels: str) -> Object:
    return {"name": name, "labels": labels or {LABEL: name}}


def rule(*subsets: Object, name: str = "web", host: str = "web", annotations: Object | None = None) -> Object:
    metadata = {"name": name, "namespace": "shop", "generation": 3}
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": metadata,
        "spec": {"host": host, "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}, "subsets": list(subsets)},
    }


def names(item: Object) -> list[str]:
    return [each["name"] for each in item["spec"]["subsets"]]


def test_a_subset_is_found_by_the_host_that_means_its_service() -> None:
    for host in ("web", "web.shop.svc.cluster.local"):
        assert Subsets((rule(subset("v1"), host=host),)).find(STABLE) == subset("v1")
    for host in ("other", "web.other.svc.cluster.local", "web.shop"):
        with pytest.raises(TargetNotFound, match="subset v1 of Service web"):
            Subsets((rule(subset("v1"), host=host),)).rule_of(STABLE)


def test_a_subset_that_two_rules_define_asks_for_one_of_them() -> None:
    both = Subsets((rule(subset("v1")), rule(subset("v1"), name="more")))
    with pytest.raises(AmbiguousTarget, match=r"shop/web.*shop/more.*backend\.destination_rule"):
        both.rule_of(STABLE)


def test_the_canarys_subset_is_stables_with_its_own_version() -> None:
    policy = {"connectionPool": {"http": {"http2MaxRequests": 10}}}
    stable = {"name": "v1", "labels": {"app": "web", "version": "v1"}, "trafficPolicy": policy}
    made = Subsets((rule(stable),)).definition(STABLE, "v2")
    assert made == {"name": "v2", "labels": {"app": "web", "version": "v2"}, "trafficPolicy": policy}


def test_labels_that_do_not_tell_a_version_cannot_be_told_another() -> None:
    with pytest.raises(Unsupported, match="track"):
        Subsets((rule(subset("v1", track="stable")),)).definition(STABLE, "v2")


def test_a_subset_that_selects_the_version_is_used_whatever_its_name() -> None:
    there = Subsets((rule(subset("v1"), subset("next", version="v2")),))
    assert there.name_for(STABLE, "v2") == "next"
    assert there.name_for(STABLE, "v3") == "v3"


def test_a_subset_of_the_versions_name_that_selects_something_else_is_not_used() -> None:
    with pytest.raises(ForeignOwner, match="v7"):
        Subsets((rule(subset("v1"), subset("v2", version="v7")),)).name_for(STABLE, "v2")


@pytest.mark.parametrize("annotations", [None, {"team": "shop"}, {OURS: "v0"}])
def test_what_was_added_is_recorded_and_only_that_is_removed(annotations: Object | None) -> None:
    before = rule(subset("v1"), subset("v0"), annotations=annotations)
    added = patched(before, adding(before, [subset("v2")]))
    assert names(added) == ["v1", "v0", "v2"]
    assert Subsets((added,)).added_by_us(STABLE) == (("v0", "v2") if annotations and OURS in annotations else ("v2",))
    removed = patched(added, removing(added, {"v2"}))
    assert removed["spec"] == before["spec"]
    assert recorded(removed) == recorded(before)


def test_the_policy_of_the_rule_is_not_touched() -> None:
    before = rule(subset("v1"))
    assert all("trafficPolicy" not in operation["path"] for operation in adding(before, [subset("v2")]))


@pytest.mark.parametrize(
    "change",
    [
        {"op": "replace", "path": "/metadata/generation", "value": 4},
        {"op": "add", "path": "/spec/subsets/-", "value": subset("v9")},
        {"op": "add", "path": "/metadata/annotations", "value": {"note": "somebody's"}},
    ],
)
def test_a_rule_that_changed_meanwhile_is_not_written(change: Object) -> None:
    before = rule(subset("v1"))
    with pytest.raises(Conflict):
        patched(patched(before, [change]), adding(before, [subset("v2")]))
