"""A VirtualService read as a split, and the patch that makes it another one. The patches are applied, not compared."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._destination_rule import Subsets
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service import SplitEntry
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
BETA = Match("header", "x-beta", "exact", "yes")
QA = Match("cookie", "group", "exact", "qa")
LABEL = "app.kubernetes.io/version"
SUBSETS = Subsets(
    (
        {
            "kind": "DestinationRule",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"host": "web", "subsets": [{"name": name, "labels": {LABEL: name}} for name in ("v1", "v2")]},
        },
    )
)


def to(host: str, weight: int | None = None, subset: str | None = None, **fields: Any) -> Object:
    destination = {"host": host, "port": {"number": 80}} | ({"subset": subset} if subset else {})
    return {"destination": destination, **({} if weight is None else {"weight": weight}), **fields}


def entry(*route: Object, path: str = "/", **fields: Any) -> Object:
    return {"match": [{"uri": {"prefix": path}}], "route": list(route), **fields}


def service(*entries: Object, namespace: str = "shop", **spec: Any) -> Object:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": namespace, "generation": 7},
        "spec": {"hosts": ["shop.example.com"], "http": list(entries), **spec},
    }


def find(item: Object, target: Target = TARGET, option: str | None = None) -> SplitEntry:
    return SplitEntry.find(item, target, option, SUBSETS)


def after(found: SplitEntry, state: Any) -> SplitEntry:
    """Return the entry in the VirtualService as the patch makes it."""
    return find(patched(found.item, found.operations(state)), found.target)


def weights(found: SplitEntry) -> list[int | None]:
    return [item.get("weight") for item in found.entry["route"]]


# which entry


def test_the_entry_that_splits_the_canary_is_found_among_others() -> None:
    found = find(service(entry(to("static"), path="/static"), entry(to("front", 90), to("web-v2", 10))))
    assert (found.index, found.split.stable, found.split.weight) == (1, "front", Weight.percent(10))


def test_without_a_canary_the_entry_of_the_applications_services_is_found() -> None:
    assert find(service(entry(to("static"), path="/static"), entry(to("web-v1")))).index == 1


def test_a_preview_of_the_canary_is_not_taken_for_the_split() -> None:
    both = service(entry(to("web-v2"), path="/preview", name="preview"), entry(to("web-v1")))
    with pytest.raises(
        AmbiguousTarget, match=r"http entry 0 'preview' \(web-v2\), http entry 1 \(web-v1\).*backend.rule"
    ):
        find(both)


def test_an_option_names_or_numbers_the_entry() -> None:
    both = service(entry(to("web-v1"), path="/api", name="api"), entry(to("web-v1"), name="pages"))
    assert find(both, option="pages").index == 1
    assert find(both, option="0").index == 0
    with pytest.raises(TargetNotFound, match=r"'api'.*'pages'"):
        find(both, option="2")


def test_an_entry_keeps_its_number_while_match_routes_come_and_go() -> None:
    both = service(entry(to("web-v1"), path="/api"), entry(to("web-v1")))
    found = find(both, option="1")
    attached = patched(both, found.operations(found.sharing(NOTHING, [BETA, QA])))
    assert find(attached, option="1").entry["match"] == found.entry["match"]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (service(http=[], tcp=[{"route": [to("web-v1")]}]), "tcp routes only"),
        (service(http=[], tls=[{"route": [to("web-v1")]}]), "once for a connection"),
        (service(http=[]), "no http entries"),
        (service({"delegate": {"name": "web", "namespace": "team"}}), "team/web.*backend.virtual_service"),
        (service({"redirect": {"uri": "/"}}), "redirects"),
        (service(entry(to("web-v1", 50), to("web-v2", 25), to("web-v3", 25))), "another canary"),
        (service(entry(to("web-v1", 100), to("web-v3", 0))), "another canary"),
        (service(entry(to("web-v1", 110), to("web-v2", -10))), "negative"),
        (service(entry(to("shop.example.org"))), "does not read as a Service"),
        (service(entry(to("web.shop"))), "NAME.NAMESPACE.svc.cluster.local"),
        (service(entry(to("web", 50, "v1"), to("web-v2", 50))), "two subsets of one Service"),
        (service(entry(to("web-v2", 50), to("web-v2", 50))), "twice"),
    ],
)
def test_what_cannot_be_split_is_refused_with_the_reason(item: Object, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        find(item)


def test_a_service_of_the_same_name_elsewhere_is_not_the_canary() -> None:
    with pytest.raises(Unsupported, match="another canary"):
        find(service(entry(to("web-v1", 1), to("web-v2.other.svc.cluster.local", 1))))


def test_a_host_without_a_dot_is_in_the_namespace_of_the_virtual_service() -> None:
    found = find(service(entry(to("web-v1.shop.svc.cluster.local")), namespace="gateways"))
    attached = after(found, found.sharing(Weight.percent(10), None))
    assert attached.entry["route"][1]["destination"]["host"] == "web-v2.shop.svc.cluster.local"
    assert attached.split.canary_version == "v2"
    with pytest.raises(TargetNotFound):
        find(service(entry(to("web-v1")), entry(to("other")), namespace="gateways"))


# what it says


def test_without_a_version_the_second_destination_is_the_canary() -> None:
    split = find(service(entry(to("web-v1", 3), to("web-v2", 1))), Target("shop", "web")).split
    assert (split.stable_version, split.canary_version, split.weight) == ("v1", "v2", Weight.percent(25))


@pytest.mark.parametrize(
    ("stable", "canary", "points"),
    [(90, 10, 1000), (2, 1, 3333), (1_000_000, 1, 1), (1, 1_000_000, 9999), (0, 5, 10000), (5, None, 0), (0, 0, 0)],
)
def test_any_sum_is_read_as_shares_and_never_rounded_to_nothing_or_everything(
    stable: int, canary: int | None, points: int
) -> None:
    assert find(service(entry(to("web-v1", stable), to("web-v2", canary)))).split.weight.points == points


def test_a_subset_is_told_by_the_version_of_its_pods() -> None:
    labels = [{"name": "current", "labels": {LABEL: "v1"}}, {"name": "next", "labels": {LABEL: "v2"}}]
    rule = {"kind": "DestinationRule", "metadata": {"name": "web", "namespace": "shop"}}
    subsets = Subsets(({**rule, "spec": {"host": "web.shop.svc.cluster.local", "subsets": labels}},))
    item = service(entry(to("web", 90, "current"), to("web", 10, "next")))
    split = SplitEntry.find(item, TARGET, None, subsets).split
    assert (split.stable, split.stable_version, split.canary, split.canary_version) == ("web-v1", "v1", "web-v2", "v2")


# what is written


def test_a_canary_is_attached_with_everything_stable_has() -> None:
    headers = {"request": {"set": {"x-a": "b"}}}
    found = find(service(entry(to("web-v1", headers=headers))))
    assert after(found, found.sharing(None, None)).entry["route"] == [
        to("web-v1", 100, headers=headers),
        to("web-v2", 0, headers=headers),
    ]


def test_a_canary_is_attached_as_the_subset_of_its_version() -> None:
    found = find(service(entry(to("web", subset="v1"))))
    attached = after(found, found.sharing(Weight.percent(20), [BETA]))
    assert attached.entry["route"] == [to("web", 80, "v1"), to("web", 20, "v2")]
    assert attached.item["spec"]["http"][0]["route"] == [to("web", subset="v2")]


@pytest.mark.parametrize(("percent", "written"), [("10", [90, 10]), ("0", [100, 0]), ("2.5", [9750, 250])])
def test_whole_percents_are_written_with_the_sum_100_and_finer_ones_with_10000(
    percent: str, written: list[int]
) -> None:
    found = find(service(entry(to("web-v1", 50), to("web-v2", 50))))
    assert weights(after(found, found.sharing(Weight.percent(percent), None))) == written


@given(
    st.integers(0, 10000),
    st.lists(st.sampled_from([BETA, QA, Match("header", "x-ring", "regex", "[01]")]), unique=True),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
def test_any_state_is_reached_by_its_patch_and_leaves_the_rest_alone(
    points: int, matches: list[Match], others: int, canary_first: bool, by_subsets: bool
) -> None:
    route = [to("web", 30, "v2"), to("web", 70, "v1")] if by_subsets else [to("web-v2", 30), to("web-v1", 70)]
    split_entry = entry(*(route if canary_first else reversed(route)), name="split", timeout="5s")
    around = [entry(to(f"other-{n}"), path=f"/{n}") for n in range(others)]
    old = find(service(*around, split_entry, *around))
    first = after(old, old.sharing(None, [Match("header", f"x-old-{n}", "exact", "1") for n in range(2)]))
    new = after(first, first.sharing(Weight(points), matches))
    assert (new.split.weight.points, new.split.matches) == (points, tuple(matches))
    assert [one for one in new.item["spec"]["http"] if "canary-match" not in one.get("name", "")] == [
        *around,
        {**split_entry, "route": new.entry["route"]},
        *around,
    ]
    # Ours stand together, right before the entry that splits, and are treated as it is.
    assert new.index == others + len(matches)
    assert all(one["timeout"] == "5s" for one in new.state.match_entries)
    assert new.operations(new.sharing(Weight(points), matches)) == []


def test_a_patch_fails_when_anything_it_relied_on_has_changed() -> None:
    found = find(service(entry(to("web-v1", 90), to("web-v2", 10), name="split")))
    for matches in (None, [BETA]):
        operations = found.operations(found.sharing(Weight.percent(50), matches))
        for change in (
            {"op": "replace", "path": "/metadata/generation", "value": 8},
            {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 25},
            {"op": "replace", "path": "/spec/http/0/match/0/uri/prefix", "value": "/other"},
            {"op": "replace", "path": "/spec/http/0/name", "value": "renamed"},
        ):
            with pytest.raises(Conflict):
                patched(patched(found.item, [change]), operations)


def test_the_same_share_in_other_numbers_is_not_written_again() -> None:
    found = find(service(entry(to("web-v1", 9), to("web-v2", 1))))
    assert found.operations(found.sharing(Weight.percent(10), None)) == []
    nearly = find(service(entry(to("web-v1", 2), to("web-v2", 1))))
    assert nearly.operations(nearly.sharing(Weight(3333), None)) != []


@pytest.mark.parametrize("stable", [0, None])
def test_weights_of_nobody_are_mended_by_setting_zero(stable: int | None) -> None:
    found = find(service(entry(to("web-v1", stable), to("web-v2", 0))))
    assert after(found, found.sharing(NOTHING, None)).split.raw == (("web-v1", 100), ("web-v2", 0))


def test_promotion_leaves_the_canary_alone_and_takes_our_entries_away() -> None:
    found = find(service(entry(to("web-v1", 0), to("web-v2", 100))))
    with_match = after(found, found.sharing(None, [BETA]))
    done = after(with_match, with_match.promoted())
    assert done.item["spec"]["http"] == [entry(to("web-v2"))]
    assert done.operations(done.promoted()) == []


@pytest.mark.parametrize(("stable", "canary"), [(1, 99), (1, 1_000_000), (100, 0), (0, 0)])
def test_promotion_is_refused_while_stable_has_any_weight(stable: int, canary: int) -> None:
    with pytest.raises(Conflict):
        find(service(entry(to("web-v1", stable), to("web-v2", canary)))).promoted()


def test_a_version_that_is_stable_already_cannot_get_a_share() -> None:
    for only in (to("web-v2"), to("web", subset="v2")):
        with pytest.raises(Conflict, match="already sends everything to web-v2"):
            find(service(entry(only))).sharing(EVERYTHING, None)


def test_without_a_version_nothing_is_shifted_or_promoted() -> None:
    found = find(service(entry(to("web-v1", 0), to("web-v2", 1))), Target("shop", "web"))
    for change in (lambda: found.sharing(Weight.percent(10), None), found.promoted):
        with pytest.raises(InvalidInput, match="version"):
            change()


def test_reading_a_virtual_service_does_not_change_it() -> None:
    item = service(entry(to("web-v1", 9), to("web-v2", 1)))
    kept = copy.deepcopy(item)
    found = find(item)
    found.sharing(Weight.percent(20), [BETA])
    found.detached()
    assert item == kept


# match routes


def test_names_of_headers_are_written_in_lower_case() -> None:
    found = find(service(entry(to("web-v1"))))
    state = found.sharing(NOTHING, [Match("header", "X-Beta", "exact", "Yes")])
    assert state.match_entries[0]["match"][0]["headers"] == {"x-beta": {"exact": "Yes"}}


def test_a_match_is_told_from_the_headers_that_the_entry_has_itself() -> None:
    split_entry = entry(to("web-v1"))
    split_entry["match"][0]["headers"] = {"a-tenant": {"exact": "one"}, "z-tenant": {"exact": "one"}}
    found = find(service(split_entry))
    assert after(found, found.sharing(NOTHING, [BETA])).split.matches == (BETA,)


def test_a_header_that_the_entry_matches_on_itself_is_refused() -> None:
    split_entry = entry(to("web-v1"))
    split_entry["match"][0]["headers"] = {"X-Beta": {"prefix": "y"}}
    with pytest.raises(Unsupported, match="x-beta"):
        find(service(split_entry)).sharing(NOTHING, [BETA])


@pytest.mark.parametrize(
    "match",
    [
        Match("header", "Authority", "exact", "x"),
        Match("header", "x", "exact", ""),
        Match("header", "x", "regex", "("),
        Match("header", "x", "regex", "a" * 1025),
        Match("cookie", "x", "exact", "a b"),
    ],
)
def test_a_match_that_istio_would_not_follow_is_refused(match: Match) -> None:
    with pytest.raises(InvalidSplit):
        find(service(entry(to("web-v1")))).sharing(NOTHING, [match])


def test_an_entry_that_only_bears_our_name_is_not_read_as_a_match() -> None:
    with pytest.raises(Unsupported, match="web-canary-match-1"):
        assert find(
            service(entry(to("web-v2"), name="web-canary-match-1"), entry(to("web-v1", 1), to("web-v2", 1)))
        ).split
