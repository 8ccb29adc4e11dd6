"""What a route's status means, which routes take each other's requests, and what the controllers can do."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._gateway_controllers import capabilities_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_overlap import overlaps
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_status import parents

Object = dict[str, Any]
CONTOUR = "projectcontour.io/gateway-controller"


def said(kind: str, status: str = "True", generation: int = 4, reason: str = "") -> Object:
    return {"type": kind, "status": status, "reason": reason or kind, "observedGeneration": generation, "message": "m"}


def entry(*conditions: Object, controller: str = CONTOUR, **ref: Any) -> Object:
    full = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "shop", "name": "edge", **ref}
    return {"parentRef": full, "controllerName": controller, "conditions": list(conditions)}


def route(*entries: Object, refs: tuple[Object, ...] = ({"name": "edge"},)) -> Object:
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "shop", "generation": 4},
        "spec": {"parentRefs": list(refs)},
        "status": {"parents": list(entries)},
    }


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([said("Accepted"), said("ResolvedRefs")], "accepted"),
        ([said("Accepted", reason="UnsupportedField"), said("ResolvedRefs")], "accepted"),
        ([said("Accepted", generation=5), said("ResolvedRefs", generation=5)], "accepted"),
        ([said("Accepted", generation=3), said("ResolvedRefs", generation=3)], "pending"),
        ([said("Accepted"), said("ResolvedRefs", generation=3)], "pending"),
        ([said("Accepted")], "pending"),
        ([said("Accepted", "Unknown"), said("ResolvedRefs")], "pending"),
        ([said("Accepted"), said("ResolvedRefs", "False")], "unresolved"),
        ([said("Accepted", "False"), said("ResolvedRefs")], "refused"),
        ([said("Accepted", "False", generation=3), said("ResolvedRefs", generation=3)], "pending"),
        ([said("Accepted"), said("ResolvedRefs"), said("PartiallyInvalid")], "refused"),
        ([], "pending"),
    ],
)
def test_only_what_is_said_about_the_current_generation_counts(conditions: list[Object], state: str) -> None:
    (parent,) = parents(route(entry(*conditions)))
    assert parent.state == state


def test_each_parent_of_the_spec_is_looked_for_with_the_defaults_of_its_reference() -> None:
    good = (said("Accepted"), said("ResolvedRefs"))
    refs = ({"name": "edge", "sectionName": "http"}, {"name": "edge", "namespace": "infra"})
    states = parents(route(entry(*good, sectionName="http"), entry(*good), refs=refs))
    assert [(parent.namespace, parent.state) for parent in states] == [("shop", "accepted"), ("infra", "pending")]


def test_a_controller_that_declines_does_not_hide_the_one_that_accepts() -> None:
    other = entry(said("Accepted", "False"), controller="example.com/other")
    (parent,) = parents(route(other, entry(said("Accepted"), said("ResolvedRefs"))))
    assert (parent.state, parent.controller) == ("accepted", CONTOUR)


def test_the_reason_of_a_refusal_is_told() -> None:
    (parent,) = parents(route(entry(said("Accepted", "False", reason="UnsupportedValue"))))
    assert "UnsupportedValue" in parent.detail


# other routes


def web(name: str, path: str, *, hostname: str = "a.example", created: str = "2026-01-02", **match: Any) -> Object:
    rule = {"matches": [{"path": {"type": "PathPrefix", "value": path}, **match}]}
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
        "spec": {"parentRefs": [{"name": "edge"}], "hostnames": [hostname], "rules": [rule]},
    }


OURS = web("web", "/shop")
HEADERS = [{"name": "X-A", "value": "1"}]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (web("api", "/shop/api"), "longer path /shop/api"),
        (web("old", "/shop", created="2026-01-01"), "same path /shop"),
        (web("new", "/shop", created="2026-01-03"), None),
        (web("near", "/shopping"), None),
        (web("above", "/", created="2026-01-01"), None),
        (web("elsewhere", "/shop/api", hostname="b.example"), None),
        (web("picky", "/shop", created="2026-01-01", headers=HEADERS), None),
        (OURS, None),
    ],
)
def test_a_route_with_a_longer_or_the_same_older_path_takes_requests(other: Object, what: str | None) -> None:
    found = overlaps(OURS, OURS["spec"]["rules"][0], [other])
    assert [what in text for _route, text in found] == ([True] if what else [])


# controllers


def test_an_unknown_controller_is_trusted_with_the_core_only() -> None:
    for controllers in ([], ["example.com/new"], [CONTOUR, "example.com/new"]):
        found = capabilities_of(controllers)
        assert (found.match_kinds, found.match_operators) == (frozenset({"header"}), frozenset({"exact"}))


def test_contour_routes_by_cookie_and_expression() -> None:
    found = capabilities_of([CONTOUR])
    assert "cookie" in found.match_kinds
    assert "regex" in found.match_operators
