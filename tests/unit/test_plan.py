"""The stages of a release: what is accepted, what is refused, and where a release goes on."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, InvalidSplit, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._plan import (
    Plan,
    next_stage,
    parse_plan,
    parse_stages,
    require_mirrors,
    seconds,
    status_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Weight


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "at least one stage"),
        ("10", "must be a list"),
        ([{"weight": 50}, {"weight": 10}, {"weight": 100}], r"stage 2 has weight 10 %, which is not above 50 %"),
        ([{"weight": 0}, {"weight": 100}], r"stage 1 has weight 0 %, which is not above 0 %"),
        ([{"weight": 10}, {"weight": 50}], r"last stage has weight 50 %; it must have 100"),
        ([{"weight": 10, "wieght": 1}, 100], r"stage 1 has unknown keys: wieght; allowed: name, weight"),
        ([{"name": "first"}, 100], r"stage 1 has no weight; give the percentage of traffic that v2"),
        ([{"weight": 10, "verify": {"profil": 1}}, 100], r"stage 1: verify has unknown keys: profil"),
        ([{"weight": 10, "verify": "sloppy"}, 100], r"profile 'sloppy' is unknown; allowed: quick, standard, strict"),
        ([{"weight": 10, "approve": {"promt": "?"}}, 100], r"stage 1: approve has unknown keys: promt"),
        ([{"weight": 10, "bake": "5 minutes"}, 100], r"stage 1: bake '5 minutes' is not a duration"),
        ([{"weight": 10, "bake": "\u00b2"}, 100], r"stage 1: bake '\u00b2' is not a duration"),
        ([{"weight": 10, "matches": [{"headr": "x"}]}, 100], r"has unknown keys \['headr'\]"),
    ],
)
def test_a_stage_that_cannot_be_meant_is_refused_with_its_number_and_key(stages: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_stages(stages, "v2")


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("ten", "'ten' is not a percentage"),
        (101, "101 is out of range"),
        (-1, "-1 is out of range"),
        ("0.001", "finer than 0.01 %"),
        ("nan", "out of range"),
    ],
)
def test_a_weight_that_is_no_percentage_is_refused(weight: object, message: str) -> None:
    with pytest.raises(InvalidSplit, match=message):
        parse_stages([{"weight": weight}, 100], "v2")


def test_defaults_are_a_standard_proof_no_bake_and_no_question() -> None:
    first, last = parse_stages([10, 100], "v2")
    assert (first.name, first.start.points, first.weight.points) == ("10", 0, 1000)
    assert first.verify == {"profile": "standard"}
    assert (first.bake, first.approval) == (0, None)
    assert last.start == first.weight


def test_an_approval_names_the_version_and_the_weight_unless_told_otherwise() -> None:
    (stage,) = parse_stages([{"weight": 100, "approve": True}], "v2")
    assert stage.approval is not None
    assert stage.approval.prompt == "v2 at 100 %: go on?"


@pytest.mark.parametrize(("weight", "number"), [("0", 1), ("1", 1), ("5", 2), ("10", 2), ("50", 3), ("100", 3)])
def test_a_release_goes_on_at_the_stage_that_has_not_been_proven(weight: str, number: int) -> None:
    assert next_stage(parse_stages([1, 10, 100], "v2"), Weight.percent(weight)) == number


@pytest.mark.parametrize(
    ("split", "status"),
    [
        ({}, "new"),
        ({"stable": {"version": "v1"}, "canary": None}, "new"),
        ({"stable": {"version": "v1"}, "canary": {"version": "v2"}}, "underway"),
        ({"stable": {"version": "v2"}, "canary": None}, "finished"),
        ({"stable": {"version": "v2"}, "canary": {"version": "v2"}}, "promoted"),
        ({"stable": {"version": "v1"}, "canary": {"version": "v3"}}, "other_canary"),
    ],
)
def test_the_split_tells_where_a_release_stands(split: dict[str, object], status: str) -> None:
    assert status_of("v2", split) == status


@pytest.mark.parametrize(
    ("text", "value"), [(90, 90), ("90", 90), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("0", 0)]
)
def test_durations_are_written_as_people_write_them(text: object, value: int) -> None:
    assert seconds(text, "bake") == value


# copies


def test_a_stage_that_mirrors_stays_at_the_weight_before_unless_it_has_one() -> None:
    stages = parse_stages([{"mirror": 10}, {"mirror": 100}, 10, {"mirror": 20}, {"weight": 50, "mirror": 5}, 100], "v2")
    assert [(stage.weight.as_percent(), stage.mirror.as_percent(), stage.name) for stage in stages] == [
        ("0", "10", "mirror-10"),
        ("0", "100", "mirror-100"),
        ("10", "0", "10"),
        ("10", "20", "mirror-20"),
        ("50", "5", "50"),
        ("100", "0", "100"),
    ]
    assert all(before.weight == after.start for before, after in itertools.pairwise(stages))


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([{"weight": 0}, 100], "stage 1 has weight 0 %, which is not above 0 %"),
        ([10, {"weight": 5, "mirror": 10}, 100], "stage 2 has weight 5 %"),
        ([{"name": "first"}, 100], "stage 1 has no weight"),
        ([{"mirror": 0}, 100], "stage 1 has no weight"),
        ([{"mirror": 120}, 100], "stage 1: mirror 120 is out of range"),
        ([{"mirror": "some"}, 100], "stage 1: mirror 'some' is not a percentage"),
        ([{"weight": 100, "mirror": 10}], "stage 1 has a mirror beside a weight of 100"),
        ([{"mirror": 10}], "the last stage has weight 0 %"),
    ],
)
def test_a_stage_that_mirrors_wrongly_is_refused(stages: list[object], words: str) -> None:
    with pytest.raises(InvalidInput if "percentage" not in words and "range" not in words else InvalidSplit) as refused:
        parse_stages(stages, "v2")
    assert words in refused.value.message


def test_an_approval_names_the_copies() -> None:
    stage = parse_stages([{"mirror": 10, "approve": True}, 100], "v2")[0]
    assert stage.approval is not None
    assert stage.approval.prompt == "v2 at 0 % and copies of 10 %: go on?"


def test_stages_with_copies_are_refused_where_there_can_be_none() -> None:
    stages = parse_stages([{"mirror": 10}, 100], "v2")
    require_mirrors(stages, "any")
    for able in ("none", "all"):
        with pytest.raises(Unsupported, match="stage 1: the traffic system c"):
            require_mirrors(stages, able)
    require_mirrors(parse_stages([{"mirror": 100}, 100], "v2"), "all")
    require_mirrors(parse_stages([10, 100], "v2"), "none")


@given(st.lists(st.integers(1, 9999), unique=True, max_size=8))
def test_any_ascending_weights_that_end_at_100_are_stages_that_follow_on_each_other(points: list[int]) -> None:
    weights = [Weight(point).as_percent() for point in sorted(points)] + ["100"]
    stages = parse_stages(weights, "v2")
    assert [stage.weight.as_percent() for stage in stages] == weights
    assert all(before.weight == after.start for before, after in itertools.pairwise(stages))


@given(st.integers(0, 10000))
def test_a_weight_survives_being_written_and_read(points: int) -> None:
    assert Weight.percent(str(Weight(points))).points == points


# the preview, and blue-green


def weights(plan: Plan) -> tuple[str | None, list[str]]:
    return plan.preview.weight.as_percent() if plan.preview else None, [
        each.weight.as_percent() for each in plan.stages
    ]


@pytest.mark.parametrize(
    ("strategy", "stages", "found"),
    [
        ("canary", [10, 100], (None, ["10", "100"])),
        ("canary", [0, 10, 100], ("0", ["10", "100"])),
        ("canary", [{"weight": "0 %", "approve": True}, 100], ("0", ["100"])),
        ("blue_green", None, ("0", ["100"])),
        ("blue_green", [], ("0", ["100"])),
        ("blue_green", [100], ("0", ["100"])),
        ("blue_green", [{"weight": 0, "approve": True}], ("0", ["100"])),
        ("blue_green", [0, {"weight": 100, "bake": "5m"}], ("0", ["100"])),
    ],
)
def test_a_plan_has_a_preview_where_one_is_given_and_always_before_a_switch(
    strategy: str, stages: object, found: tuple[str | None, list[str]]
) -> None:
    assert weights(parse_plan(stages, "v2", strategy)) == found


@pytest.mark.parametrize(
    ("strategy", "stages", "message"),
    [
        ("blue_green", [10, 50, 100], r"stage 1 has weight 10 %, and the strategy blue_green switches at once"),
        ("blue_green", [0, {"weight": 99.99}, 100], r"stage 2 has weight 99.99 %, and the strategy blue_green"),
        ("blue_green", [100, 100], r"stage 3 has weight 100 %, which is not above 100 %"),
        ("blue_green", [100, 0], r"stage 2 has weight 0 %, which is not above 100 %"),
        ("blue_green", "100", r"stages must be a list"),
        ("blue_green", [{"wieght": 100}], r"stage 2 has unknown keys: wieght"),
        ("blue_green", [{"weight": 0, "verify": False}], r"it exists to be verified"),
        ("canary", [0, {"weight": 10, "wieght": 1}, 100], r"stage 2 has unknown keys: wieght"),
        ("canary", [0, 0, 100], r"stage 2 has weight 0 %, which is not above 0 %"),
        ("canary", [0], r"stages must be a list with at least one stage"),
        ("canary", None, r"stages must be a list with at least one stage"),
        ("canary", [{"weight": 0, "matches": [{"header": "X"}]}, 100], r"are those of canary_preview"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_with_the_place_in_the_users_list(
    strategy: str, stages: object, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_plan(stages, "v2", strategy)


def test_the_preview_is_named_so_that_it_can_be_approved_beforehand() -> None:
    plan = parse_plan([{"weight": 0, "approve": True, "bake": "1m"}], "v2", "blue_green")
    assert plan.preview is not None
    assert (plan.preview.name, plan.preview.bake) == ("preview", 60)
    assert plan.preview.approval is not None
    assert plan.preview.approval.prompt == "v2 is proven in the preview, and no user sees it: go on?"
    named = parse_plan([{"weight": 0, "name": "testers"}], "v2", "blue_green").preview
    assert named is not None
    assert named.name == "testers"


@pytest.mark.parametrize(("weight", "number"), [("0", 1), ("100", 1)])
def test_a_switch_that_was_cut_short_is_proven_again(weight: str, number: int) -> None:
    plan = parse_plan([], "v2", "blue_green")
    assert [stage.number for stage in plan.stages] == [1]
    assert next_stage(plan.stages, Weight.percent(weight)) == number


@given(st.sampled_from(["canary", "blue_green"]), st.lists(st.integers(0, 100), max_size=4))
def test_whatever_is_accepted_ends_with_all_users_and_a_switch_has_nothing_between(
    strategy: str, stages: list[int]
) -> None:
    try:
        plan = parse_plan(stages, "v2", strategy)
    except InvalidInput:
        return
    assert plan.stages[-1].weight.as_percent() == "100"
    assert [stage.number for stage in plan.stages] == list(range(1, len(plan.stages) + 1))
    if strategy == "blue_green":
        assert weights(plan) == ("0", ["100"])
