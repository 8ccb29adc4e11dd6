"""The ways to a version that no user has yet: what is accepted, what is refused, and how each is asked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._preview import parse_preview, require_blue_green

NO_ROUTES: dict[str, Any] = {
    "resolution": 1000,
    "match_kinds": [],
    "match_operators": [],
    "match_with_weight": False,
    "most_matches": 0,
    "per": "connection",
    "law": "random",
    "zero_canary_endpoints": "no_share",
    "zero_stable_endpoints": "no_share",
    "propagation_seconds": 1.0,
    "weights": "ratio",
}
ROUTES = {**NO_ROUTES, "match_kinds": ["cookie", "header"], "match_operators": ["always", "exact"], "most_matches": 2}
HEADER = {"header": "X-Preview", "value": "v2"}


@pytest.mark.parametrize(
    ("preview", "clients"),
    [
        (None, []),
        ([], []),
        ({}, []),
        (HEADER, [{"headers": {"X-Preview": "v2"}}]),
        ({"header": "X-Preview"}, [{"headers": {"X-Preview": "always"}}]),
        ({"cookie": "preview", "value": "v2"}, [{"headers": {"Cookie": "preview=v2"}}]),
        ({"host": "preview.example.com"}, [{"host": "preview.example.com"}]),
        ({"address": "web-v2.shop.svc:8080"}, [{"address": "web-v2.shop.svc:8080"}]),
        ({"host": "p", "address": "a:1"}, [{"host": "p", "address": "a:1"}]),
        ([HEADER, {"host": "p"}], [{"headers": {"X-Preview": "v2"}}, {"host": "p"}]),
    ],
)
def test_each_way_is_asked_by_what_differs_from_a_users_request(preview: object, clients: list[dict[str, Any]]) -> None:
    assert [way.as_result()["client"] for way in parse_preview(preview, ROUTES)] == clients


def test_only_match_routes_are_made_by_the_release() -> None:
    ways = parse_preview([HEADER, {"host": "p"}], ROUTES)
    assert [way.match.as_option() for way in ways if way.match] == [HEADER]
    assert [way.words for way in ways] == ["preview by header X-Preview = v2", "preview at host p"]


@pytest.mark.parametrize(
    ("preview", "capabilities", "message"),
    [
        ("v2", ROUTES, "'v2' is no way to the version"),
        ({"header": "X-Preview", "regex": "v.*"}, ROUTES, "no request can be made up for 'header X-Preview ~ v"),
        ({"heder": "X-Preview"}, ROUTES, r"unknown keys \['heder'\]"),
        ({"host": "p", "header": "X"}, ROUTES, r"unknown keys \['header'\]; beside host and address there are none"),
        ({"host": ""}, ROUTES, "names neither a host nor an address"),
        (HEADER, NO_ROUTES, "this traffic system has no match routes.*A host or an address that leads to the version"),
        ([HEADER, {"header": "B"}, {"header": "C"}], ROUTES, "takes at most 2 match routes, not 3"),
    ],
)
def test_a_way_that_cannot_be_taken_is_refused(preview: object, capabilities: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_preview(preview, capabilities)


def test_a_match_route_that_is_there_anyway_is_a_way_where_none_can_be_asked_for() -> None:
    capabilities = {**NO_ROUTES, "own_matches": [{"header": "X-Test", "value": "yes"}]}
    (way,) = parse_preview({"header": "x-test", "value": "yes"}, capabilities)
    assert way.client == {"headers": {"x-test": "yes"}}
    with pytest.raises(InvalidInput, match="has no match routes"):
        parse_preview({"header": "X-Test", "value": "no"}, capabilities)


def test_without_match_routes_a_host_will_do_and_without_any_way_nothing_is_switched() -> None:
    require_blue_green(parse_preview({"host": "p"}, NO_ROUTES), NO_ROUTES)
    with pytest.raises(InvalidInput, match=r"needs a preview.*canary_preview: \{host: preview.shop.example.com\}"):
        require_blue_green((), NO_ROUTES)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ("ratio", "In one Deployment users get each new pod as soon as it is ready, and .* no old pod is left"),
        (
            "steps",
            "of a Rollout its controller says both.*'setWeight: 100' and 'pause: {}' hold both versions at full size",
        ),
    ],
)
def test_a_workload_that_changes_in_place_is_refused_with_what_keeps_it_from_being_switched(
    weights: str, reason: str
) -> None:
    capabilities = {**ROUTES, "in_place": True, "weights": weights}
    with pytest.raises(InvalidInput, match=reason) as refused:
        require_blue_green(parse_preview(HEADER), capabilities)
    assert "Take the strategy canary" in refused.value.message
