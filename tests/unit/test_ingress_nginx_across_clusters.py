"""What the preflight says when the versions run in other clusters than the Ingresses are in."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import routes_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import named
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_preflight import findings_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_scene import Abroad, Scene, Setting
from tests.unit.test_ingress_nginx_preflight import PREFIX, classes, ingress, service

Object = dict[str, Any]
MAIN = ingress("web", "web.example", "web-v1")
READY, NONE = frozenset({"10.0.0.1"}), frozenset[str]()


def seen(
    controller: str = "apig", *, rehearsed: bool = False, canary_service: Object | None = None, **abroad: Any
) -> list[tuple[str, str]]:
    setting = Setting(
        Target("shop", "web", "v2"), MAIN, routes_of(MAIN), "web-canary", PREFIX, named(controller), True, True
    )
    around = Abroad("route", together=False, stand_ins={}, ingresses=())
    scene = Scene(
        setting=setting,
        classes=classes(),
        canary=None,
        others=(),
        everywhere=True,
        stable_service=service("web-v1", "v1"),
        canary_service=canary_service or service("web-v2", "v2"),
        stable_pods=frozenset({"web-v1-a"}),
        canary_pods=frozenset({"web-v2-a"}),
        rehearsed=rehearsed,
        abroad=dataclasses.replace(around, **abroad),
    )
    return [(finding.level, finding.code) for finding in findings_of(scene)]


def test_a_gateway_that_finds_other_clusters_needs_nothing_in_its_own() -> None:
    assert seen() == []
    assert seen(stand_ins={"web-v1": None, "web-v2": None}) == []


@pytest.mark.parametrize("controller", ["traefik", "ingress-nginx"])
def test_others_need_a_service_that_stands_for_each_of_another_cluster(controller: str) -> None:
    assert seen(controller, stand_ins={"web-v2": READY}) == []
    assert seen(controller, stand_ins={"web-v1": READY, "web-v2": None}) == [("error", "not_found")]


def test_a_service_that_stands_for_another_needs_endpoints() -> None:
    assert seen(stand_ins={"web-v2": NONE}) == [("error", "not_ready")]
    assert seen(stand_ins={"web-v2": NONE}, rehearsed=True) == [("warning", "not_ready")]


@pytest.mark.parametrize(("together", "expected"), [(False, []), (True, [("error", "conflict")])])
def test_the_same_selector_in_two_clusters_means_different_pods(
    together: bool, expected: list[tuple[str, str]]
) -> None:
    assert seen(together=together, canary_service=service("web-v2", "v1")) == expected


def left(service_name: str, host: str = "web.example", **annotations: str) -> tuple[tuple[str, Object], ...]:
    return (("canary", ingress("route2", host, service_name, annotations)),)


@pytest.mark.parametrize(
    ("controller", "ingresses", "expected"),
    [
        ("apig", left("web-v0"), [("error", "other_route")]),
        ("apig", left("web-v0", **{f"{PREFIX}/canary": "true"}), [("error", "other_canary")]),
        ("apig", left("web-v2", "preview.example"), [("warning", "other_route")]),
        ("apig", left("web-v0", "preview.example"), []),
        # Its own controller reads it, and sends to the Service that is there.
        ("traefik", left("web-v2"), [("warning", "other_route")]),
    ],
)
def test_what_was_left_in_the_other_cluster_is_found(
    controller: str, ingresses: Any, expected: list[tuple[str, str]]
) -> None:
    assert seen(controller, ingresses=ingresses) == expected
