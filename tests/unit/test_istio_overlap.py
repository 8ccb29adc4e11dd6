"""Who else takes requests that a split by a VirtualService means to have."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_overlap import (
    rivals,
    shadowing,
)

Object = dict[str, Any]


def entry(uri: Object | None = None, **conditions: Any) -> Object:
    match = {**({"uri": uri} if uri else {}), **conditions}
    return {**({"match": [match]} if match else {}), "route": [{"destination": {"host": "web"}}]}


def service(name: str, *entries: Object, created: str = "2026-01-01T00:00:00Z", **spec: Any) -> Object:
    return {
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
        "spec": {"hosts": ["shop.example.com"], "gateways": ["istio-system/gateway"], "http": list(entries), **spec},
    }


@pytest.mark.parametrize(
    ("first", "second", "shadowed"),
    [
        (entry(), entry({"prefix": "/api"}), True),
        (entry({"prefix": "/"}), entry(), True),
        (entry({"prefix": "/a"}), entry({"prefix": "/api"}), True),
        (entry({"prefix": "/api"}), entry({"prefix": "/api"}, headers={"x": {"exact": "1"}}), True),
        (entry({"prefix": "/api"}), entry(), False),
        (entry({"exact": "/api"}), entry({"prefix": "/api"}), False),
        (entry({"prefix": "/api"}, headers={"x": {"exact": "1"}}), entry({"prefix": "/api"}), False),
        (entry({"regex": "/a.*"}), entry({"prefix": "/api"}), False),
    ],
)
def test_an_entry_before_takes_all_when_nothing_is_left(first: Object, second: Object, shadowed: bool) -> None:
    assert bool(shadowing(service("web", first, second), 1)) is shadowed


@pytest.mark.parametrize(
    ("theirs", "overlaps"),
    [
        (entry(), True),
        (entry({"prefix": "/api/v1"}), True),
        (entry({"exact": "/api"}), True),
        (entry({"regex": "/x"}), True),
        (entry({"prefix": "/static"}), False),
        (entry({"exact": "/"}), False),
    ],
)
def test_two_for_one_host_overlap_by_their_paths(theirs: Object, overlaps: bool) -> None:
    ours = service("web", entry({"prefix": "/api"}))
    (rival,) = rivals(ours, ours["spec"]["http"][0], [ours, service("other", theirs)])
    assert rival.overlaps is overlaps


def test_other_hosts_and_other_gateways_are_no_rivals() -> None:
    ours = service("web", entry())
    others = [
        service("host", entry(), hosts=["other.example.com"]),
        service("gateway", entry(), gateways=["istio-system/internal"]),
        service("mesh", entry(), gateways=None),
    ]
    assert rivals(ours, ours["spec"]["http"][0], others) == []


def test_in_the_mesh_a_short_host_is_the_one_in_full_and_age_is_told() -> None:
    ours = service("web", entry(), hosts=["web"], gateways=None)
    full = "web.shop.svc.cluster.local"
    older = service("old", entry(), created="2025-01-01T00:00:00Z", hosts=[full], gateways=["mesh"])
    (rival,) = rivals(ours, ours["spec"]["http"][0], [older])
    assert (rival.hosts, rival.places, rival.older) == ([full], ["mesh"], True)
