"""Copies of requests to the canary, in an entry of a VirtualService. The patches are applied, not compared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._backends import _virtual_service_mirrors as mirrors
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import everywhere
from ansible_collections.gradual.canary.plugins.module_utils._errors import Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Weight
from tests.unit.test_istio_virtual_service import BETA, SplitEntry, after, entry, find, service, to

Object = dict[str, Any]
TEN = Weight.percent(10)


def copies(host: str, percent: float | None = None, subset: str | None = None) -> Object:
    percentage = {} if percent is None else {"percentage": {"value": percent}}
    return {"destination": to(host, subset=subset)["destination"], **percentage}


def split_entry(**fields: Any) -> SplitEntry:
    return find(service(entry(to("web-v1", 100), to("web-v2", 0), **fields)))


def test_copies_are_an_item_of_mirrors_to_the_canarys_destination() -> None:
    made = after(split_entry(), split_entry().sharing(None, None, TEN))
    assert made.entry["mirrors"] == [copies("web-v2", 10)]
    assert (made.split.mirror, made.split.weight) == (TEN, NOTHING)
    assert str(made.split) == "0 % to web-v2, 100 % to web-v1; copies of 10 % to web-v2"


def test_copies_lead_to_the_subset_where_versions_are_subsets() -> None:
    alone = find(service(entry(to("web", subset="v1"))))
    made = after(alone, alone.sharing(NOTHING, [], TEN))
    assert made.entry["mirrors"] == [copies("web", 10, "v2")]
    assert made.split.mirror == TEN


@pytest.mark.parametrize(
    "fields",
    [
        {"mirrors": [copies("web-v2", 10)]},
        {"mirrors": [copies("web-v2", 10.0)]},
        {"mirror": to("web-v2")["destination"], "mirrorPercentage": {"value": 10}},
        {"mirror": to("web-v2")["destination"], "mirrorPercent": 10},
    ],
)
def test_copies_already_there_cost_no_operation_however_they_are_written(fields: Object) -> None:
    found = split_entry(**fields)
    assert found.split.mirror == TEN
    assert found.operations(found.sharing(NOTHING, [], TEN)) == []


def test_a_single_mirror_to_the_canary_becomes_an_item_when_its_share_changes() -> None:
    found = split_entry(mirror=to("web-v2")["destination"])
    assert found.split.mirror == EVERYTHING
    made = after(found, found.sharing(None, None, TEN))
    assert "mirror" not in made.entry
    assert made.entry["mirrors"] == [copies("web-v2", 10)]


def test_a_single_mirror_elsewhere_keeps_copies_to_the_canary_from_being_added() -> None:
    found = split_entry(mirror=to("archive")["destination"], mirrorPercentage={"value": 5})
    assert found.split.mirror == NOTHING
    with pytest.raises(Unsupported, match=r"has a mirror to archive.*write it as an item of mirrors"):
        found.sharing(None, None, TEN)
    assert found.operations(found.sharing(NOTHING, [], NOTHING)) == []


def test_ending_the_copies_leaves_those_of_others() -> None:
    found = split_entry(mirrors=[copies("archive", 5), copies("web-v2", 10)])
    assert after(found, found.sharing(None, None, NOTHING)).entry["mirrors"] == [copies("archive", 5)]
    alone = split_entry(mirrors=[copies("web-v2", 10)])
    assert "mirrors" not in after(alone, alone.sharing(None, None, NOTHING)).entry


def test_requests_of_match_routes_are_not_copied_to_where_they_go_anyway() -> None:
    found = split_entry(mirrors=[copies("archive", 5), copies("web-v2", 10)])
    made = after(found, found.sharing(TEN, [BETA], TEN))
    assert [each["mirrors"] for each in made.state.match_entries] == [[copies("archive", 5)]]
    assert (made.split.weight, made.split.matches, made.split.mirror) == (TEN, (BETA,), TEN)


def test_promotion_and_detaching_end_the_copies() -> None:
    moved = find(service(entry(to("web-v1", 0), to("web-v2", 100), mirrors=[copies("web-v2", 10)])))
    assert "mirrors" not in after(moved, moved.promoted()).entry
    found = split_entry(mirrors=[copies("web-v2", 10)])
    made = after(found, found.detached())
    assert made.split.canary is None
    assert {each.service for each in everywhere(made.item)} == {"web-v1"}


def test_who_only_looks_sees_the_copies_to_the_second_destination() -> None:
    looked = find(split_entry(mirrors=[copies("web-v2", 2.5)]).item, Target("shop", "web"))
    assert looked.split.mirror == Weight.percent("2.5")


@given(st.integers(0, 10000))
def test_every_share_survives_being_written_and_read(points: int) -> None:
    assert mirrors.share_of(mirrors.copies_for(Weight(points), {"host": "web-v2"})) == Weight(points)
