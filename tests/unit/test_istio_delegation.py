"""A VirtualService without hosts: who delegates to it, and which of its entries Istio joins with theirs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._istio_surroundings import (
    surroundings,
    undelegated,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service import SplitEntry
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_delegation import (
    Front,
    left_out_by,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends.istio import Istio
from ansible_collections.gradual.canary.plugins.module_utils._errors import Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation, patched
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Finding, Match
from tests.unit.known_cluster import KnownCluster, known

Object = dict[str, Any]
TARGET = Target("shop", "web", "v2")
BETA = Match("header", "X-Beta", "exact", "yes")
QA = Match("cookie", "group", "exact", "qa")
PAGES = {"uri": {"prefix": "/"}}
GATEWAY = {
    "kind": "Gateway",
    "metadata": {"name": "public", "namespace": "gateways"},
    "spec": {"servers": [{"hosts": ["*"]}]},
}


def service(name: str, namespace: str, *entries: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"http": list(entries), **spec},
    }


def delegate(*matches: Object, **spec: Any) -> Object:
    """Return the VirtualService shop/web, which has no hosts and leads to v1."""
    entry = {**({"match": list(matches)} if matches else {}), "route": [{"destination": {"host": "web-v1"}}]}
    return service("web", "shop", entry, **spec)


def leading(*matches: Object, to: Object | None = None) -> Object:
    """Return an entry that delegates what fits these matches to shop/web, or to another."""
    return {
        **({"match": list(matches)} if matches else {}),
        "delegate": to or {"name": "web", "namespace": "shop"},
    }


def root(*entries: Object, **spec: Any) -> Object:
    """Return the VirtualService gateways/root, which has the host and the Gateway."""
    return service("root", "gateways", *entries, **{"hosts": ["shop.example.com"], "gateways": ["public"], **spec})


def split(item: Object) -> SplitEntry:
    return SplitEntry.find(item, TARGET)


def seen(item: Object, *others: Object, **limits: Any) -> list[Finding]:
    """Return what is found around this VirtualService, beside others and the Gateway."""
    return list(surroundings(known(item, GATEWAY, *others, **limits), split(item)))


def codes(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in found]


# who delegates


def test_a_delegate_of_one_that_has_hosts_is_in_nobodys_way() -> None:
    assert seen(delegate(), root(leading(PAGES))) == []


@pytest.mark.parametrize(
    "others",
    [
        [],
        [root({"route": [{"destination": {"host": "web-v1"}}]})],
        [root(leading(to={"name": "other", "namespace": "shop"}))],
        # Without a namespace it is the root's own.
        [root(leading(to={"name": "web"}))],
    ],
)
def test_a_virtual_service_without_hosts_needs_one_that_delegates_to_it(others: list[Object]) -> None:
    (finding,) = seen(delegate(), *others)
    assert (finding.level, finding.code) == ("error", "not_delegated")
    assert "VirtualService shop/web has no hosts, and no VirtualService delegates to it" in finding.message


def test_a_root_of_the_same_namespace_need_not_name_it() -> None:
    own = service("root", "shop", leading(to={"name": "web"}), hosts=["shop.example.com"])
    assert not list(undelegated(split(delegate()), [own]))


def test_of_a_delegate_that_delegates_on_the_second_is_reached_by_nobody() -> None:
    between = service("between", "shop", leading())
    chain = root(leading(to={"name": "between", "namespace": "shop"}))
    (finding,) = seen(delegate(), between, chain)
    assert (finding.level, finding.code) == ("error", "not_delegated")
    assert "shop/between http entry 0 delegates to it, but has no hosts either" in finding.message


@pytest.mark.parametrize(
    ("exported", "reached"), [(["*"], True), (["gateways"], True), (None, True), (["."], False), (["shop"], False)]
)
def test_a_delegate_has_to_be_exported_to_the_namespace_of_its_root(exported: Any, reached: bool) -> None:
    found = seen(delegate(exportTo=exported), root(leading()))
    assert codes(found) == ([] if reached else [("error", "not_delegated")])
    assert all("exportTo" in finding.message for finding in found)


def test_where_other_namespaces_could_not_be_looked_at_it_is_a_warning() -> None:
    found = seen(delegate(), root(leading()), namespaced={"VirtualService"})
    assert codes(found) == [("warning", "forbidden"), ("warning", "not_delegated")]
    assert "perhaps nobody reaches it" in found[-1].message


# what is around the one that delegates


def test_a_gateway_that_the_root_lacks_is_found() -> None:
    found = seen(delegate(), root(leading(), gateways=["gateways/gone"]))
    assert codes(found) == [("error", "gateway_missing")]
    assert "VirtualService gateways/root belongs to Gateway gateways/gone" in found[0].message


def test_another_for_the_roots_host_is_found_once_however_often_the_root_delegates() -> None:
    twin = service("twin", "else", {"route": []}, hosts=["shop.example.com"], gateways=["gateways/public"])
    found = seen(delegate(), root(leading({"uri": {"prefix": "/a"}}), leading({"uri": {"prefix": "/b"}})), twin)
    assert codes(found) == [("error", "duplicate_host")]
    assert "else/twin and VirtualService gateways/root" in found[0].message


def test_an_entry_of_the_root_that_leaves_nothing_to_delegate_is_found() -> None:
    found = seen(delegate(), root({"redirect": {"uri": "/"}}, leading(PAGES)))
    assert codes(found) == [("error", "shadowed")]
    assert "gateways/root http entry 0 comes before http entry 1" in found[0].message


# which entries are joined


@pytest.mark.parametrize(
    ("theirs", "ours", "clashes"),
    [
        ({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/a/b"}}, []),
        ({"uri": {"prefix": "/a"}}, {"uri": {"exact": "/a"}}, []),
        ({"uri": {"prefix": "/a/b"}}, {"uri": {"prefix": "/a"}}, ["uri"]),
        ({"uri": {"exact": "/a"}}, {"uri": {"exact": "/a"}}, []),
        ({"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a"}}, ["uri"]),
        ({"uri": {"regex": "/a"}}, {"uri": {"regex": "/a"}}, ["uri"]),
        ({"uri": {"prefix": "/a"}}, {"uri": {"regex": "/a.*"}}, ["uri"]),
        ({"uri": {"regex": "/a.*"}}, {"headers": {"x": {"exact": "1"}}}, []),
        ({"headers": {"x": {"exact": "1"}}}, {"headers": {"y": {"regex": "1"}}}, []),
        ({"headers": {"x": {}}}, {"headers": {"x": {"exact": "1"}}}, ["headers.x"]),
        ({"withoutHeaders": {"x": {"exact": "1"}}}, {"withoutHeaders": {"x": {"exact": "2"}}}, ["withoutHeaders.x"]),
        ({"queryParams": {"q": {"exact": "1"}}}, {"queryParams": {"q": {"exact": "2"}}}, ["queryParams.q"]),
        ({"ignoreUriCase": True}, {"headers": {"x": {"exact": "1"}}}, ["ignoreUriCase"]),
        ({"sourceNamespace": "a"}, {"port": 80}, ["sourceNamespace"]),
        ({"port": 80}, {"sourceNamespace": "a"}, []),
        ({"port": 80}, {"port": 81}, ["port"]),
        ({"sourceLabels": {"a": "1"}}, {"sourceLabels": {"a": "2", "b": "1"}}, ["sourceLabels.a"]),
        ({"gateways": ["public", "mesh"]}, {"gateways": ["gateways/public"]}, []),
        ({"gateways": ["public"]}, {"gateways": ["public"]}, ["gateways"]),  # that is shop/public
        ({"gateways": ["public"]}, {}, []),
    ],
)
def test_what_a_delegate_asks_for_has_to_be_within_what_is_delegated(
    theirs: Object, ours: Object, clashes: list[str]
) -> None:
    front = Front(root(leading(theirs)), 0)
    assert left_out_by(front, {"match": [ours]}, "shop") == clashes


def test_one_part_that_fits_is_enough_for_each_of_the_delegates() -> None:
    front = Front(root(leading({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/b"}})), 0)
    both = [{"uri": {"prefix": "/b/1"}}, {"uri": {"prefix": "/a/1"}}]
    assert left_out_by(front, {"match": both}, "shop") == []
    assert left_out_by(front, {"match": [*both, {"uri": {"prefix": "/c"}}]}, "shop") == ["uri"]
    assert left_out_by(front, {}, "shop") == []
    assert left_out_by(Front(root(leading()), 0), {"match": both}, "shop") == []


def test_an_entry_that_no_root_leaves_in_is_found() -> None:
    item = delegate({"uri": {"prefix": "/shop"}})
    api, shop = leading({"uri": {"prefix": "/api"}}), leading({"uri": {"prefix": "/shop"}})
    assert seen(item, root(api, shop)) == []
    (finding,) = seen(item, root(api))
    assert (finding.level, finding.code) == ("error", "not_joined")
    assert "VirtualService gateways/root http entry 0 (uri)" in finding.message


# match routes


class Written(KnownCluster):
    """A cluster that takes patches, and keeps nothing of them."""

    def patch(self, item: Object, operations: list[Operation]) -> Object:
        return patched(item, operations)


def routed(item: Object, above: Object, *matches: Match) -> tuple[Match, ...]:
    """Set these match routes in a delegate; return those that it has then."""
    cluster: Any = Written(item, above)
    backend = Istio(cluster, TARGET, {"virtual_service": "web"})
    return backend.set(weight=NOTHING, matches=matches).after.matches


@pytest.mark.parametrize(
    ("theirs", "match"),
    [
        ({"headers": {"x-beta": {"regex": ".+"}}}, BETA),
        ({"headers": {"x-beta": {"exact": "no"}}}, BETA),
        ({"headers": {"x-beta": {}}}, BETA),
        ({"headers": {"cookie": {"prefix": "group"}}}, QA),
    ],
)
@pytest.mark.parametrize("item", [delegate(), delegate(PAGES)])
def test_a_match_route_that_istio_would_leave_out_is_refused(item: Object, theirs: Object, match: Match) -> None:
    name = next(iter(theirs["headers"]))
    with pytest.raises(Unsupported, match=rf"gateways/root http entry 0.*\(headers\.{name}\).*match by another header"):
        routed(item, root(leading({**PAGES, **theirs})), match)


@pytest.mark.parametrize("condition", [{"ignoreUriCase": True}, {"sourceNamespace": "shop"}])
def test_a_condition_that_istio_wants_repeated_is_named(condition: Object) -> None:
    (name,) = condition
    with pytest.raises(Unsupported, match=f"repeat {name} in the matches of http entry 0"):
        routed(delegate(), root(leading({**PAGES, **condition})), BETA)


def test_a_match_route_that_would_miss_a_part_of_the_requests_is_refused() -> None:
    apart = {"uri": {"prefix": "/a"}, "headers": {"x-beta": {"regex": ".+"}}}, {"uri": {"prefix": "/b"}}
    with pytest.raises(Unsupported, match=r"headers\.x-beta"):
        routed(delegate(), root(leading(*apart)), BETA)


@pytest.mark.parametrize(
    ("item", "above"),
    [
        (delegate(), root(leading())),
        (delegate(PAGES), root(leading(PAGES))),
        (delegate(), root(leading({"headers": {"x-beta": {"prefix": "y"}}}))),
        (delegate(), root(leading({"headers": {"x-other": {"regex": ".+"}}}))),
        (delegate({**PAGES, "ignoreUriCase": True}), root(leading({**PAGES, "ignoreUriCase": True}))),
        # What does not reach the entry that splits is no matter of its match routes.
        (
            delegate({"uri": {"prefix": "/b"}}),
            root(
                leading({"uri": {"prefix": "/a"}, "headers": {"x-beta": {"regex": ".+"}}}),
                leading({"uri": {"prefix": "/b"}}),
            ),
        ),
        # Nor is another's condition where the VirtualService has hosts itself.
        (delegate(hosts=["web"]), root(leading({"headers": {"x-beta": {"regex": ".+"}}}))),
    ],
)
def test_a_match_route_that_istio_joins_is_written(item: Object, above: Object) -> None:
    assert routed(item, above, BETA) == (Match("header", "x-beta", "exact", "yes"),)
