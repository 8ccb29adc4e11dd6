"""What is written for Volcengine's API gateway, and what is refused for it, without a cluster."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    Annotated,
    canary_ingress,
    routes_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import APIG_BINDINGS, named
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import patched
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Match, Weight

PREFIX = "nginx.ingress.kubernetes.io"
APIG = named("apig")
HEADER = Match("header", "X-Canary", "exact", "yes")
TEN = Weight.percent(10)


def written(weight: Weight, *matches: Match) -> dict[str, str]:
    return Annotated.none(PREFIX).with_split(weight, matches, APIG.whole).prefixed()


def test_a_weight_is_written_in_percent_without_a_total() -> None:
    assert written(Weight.percent(30)) == {f"{PREFIX}/canary": "true", f"{PREFIX}/canary-weight": "30"}
    assert written(EVERYTHING)[f"{PREFIX}/canary-weight"] == "100"


def test_a_header_is_written_with_its_value_and_nothing_undocumented() -> None:
    assert written(NOTHING, HEADER) == {
        f"{PREFIX}/canary": "true",
        f"{PREFIX}/canary-weight": "0",
        f"{PREFIX}/canary-by-header": "X-Canary",
        f"{PREFIX}/canary-by-header-value": "yes",
    }


def test_a_total_that_somebody_wrote_goes_with_the_next_weight() -> None:
    there = Annotated(PREFIX, {"canary": "true", "canary-weight": "1000", "canary-weight-total": "10000"})
    wanted = there.with_split(Weight.percent(30), None, APIG.whole)
    given: dict[str, Any] = {"metadata": {"annotations": there.prefixed()}}
    after = patched(given, there.operations_to(wanted))
    assert after["metadata"]["annotations"] == written(Weight.percent(30))


def test_a_weight_that_means_the_same_stays_as_somebody_wrote_it() -> None:
    there = Annotated(PREFIX, {"canary": "true", "canary-weight": "1000", "canary-weight-total": "10000"})
    assert there.operations_to(there.with_split(TEN, None, APIG.whole)) == []


@pytest.mark.parametrize(
    ("weight", "matches", "words"),
    [
        (Weight.percent("2.5"), [], "smallest step is 1 %"),
        (NOTHING, [Match("header", "X-Canary", "always")], "cannot route"),
        (NOTHING, [Match("header", "X-Canary", "regex", "^y")], "cannot route"),
        (NOTHING, [Match("cookie", "tester", "always")], "cannot route"),
        (NOTHING, [HEADER, Match("header", "X-Other", "exact", "yes")], "at most 1"),
        (TEN, [HEADER], "the one or the other"),
    ],
)
def test_what_is_not_documented_is_refused(weight: Weight, matches: list[Match], words: str) -> None:
    with pytest.raises(InvalidSplit, match=words):
        APIG.capabilities.require(weight, matches, "apig")


def test_a_header_without_weight_and_a_weight_without_header_are_possible() -> None:
    APIG.capabilities.require(NOTHING, [HEADER], "apig")
    APIG.capabilities.require(TEN, [], "apig")


def test_a_user_who_has_proven_it_may_have_both() -> None:
    dataclasses.replace(APIG, match_with_weight=True).capabilities.require(TEN, [HEADER], "apig")


def test_the_canary_is_bound_to_the_main_ingresss_gateway() -> None:
    bound = {key: f"of {key}" for key in APIG_BINDINGS}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    main = {
        "metadata": {"name": "web", "namespace": "shop", "annotations": {**bound, "example.com/note": "stays"}},
        "spec": {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]},
    }
    annotated = Annotated.none(PREFIX)
    made = canary_ingress("web-canary", main, routes_of(main), "web-v2", annotated, APIG.bindings)
    assert {**made["metadata"]["annotations"], **bound} == made["metadata"]["annotations"]
    assert "example.com/note" not in made["metadata"]["annotations"]
    unbound = canary_ingress("web-canary", main, routes_of(main), "web-v2", annotated, named("traefik").bindings)
    assert not set(APIG_BINDINGS) & set(unbound["metadata"]["annotations"])
