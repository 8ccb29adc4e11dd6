"""Shares made of numbers of pods: which are chosen, which are refused, and the way from one to the next."""

from __future__ import annotations

import itertools
import re

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_ratio import (
    Layout,
    Limits,
    Selected,
    best_numbers,
    share,
    steps,
    weight_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Weight


@pytest.mark.parametrize(
    ("percent", "most", "numbers"),
    [(10, 10, (9, 1)), (20, 5, (4, 1)), (25, 8, (3, 1)), (33, 10, (2, 1)), (50, 10, (1, 1)), (90, 10, (1, 9))],
)
def test_the_nearest_share_is_taken_with_the_fewest_pods(percent: int, most: int, numbers: tuple[int, int]) -> None:
    assert best_numbers(Weight.percent(percent), Limits(2, most, 500)) == numbers


@pytest.mark.parametrize("percent", ["1", "7.5", "12.34", "49.99", "50", "66.6", "99"])
@pytest.mark.parametrize(("least", "most"), [(2, 10), (4, 12), (10, 20)])
def test_no_other_numbers_come_nearer(percent: str, least: int, most: int) -> None:
    wanted = Weight.percent(percent)
    stable, canary = best_numbers(wanted, Limits(least, most, 10000))
    assert stable >= 1
    assert canary >= 1
    assert least <= stable + canary <= most

    def cost(s: int, c: int) -> tuple[float, int, int]:
        return abs(c * 10000 - wanted.points * (s + c)) / (s + c), s + c, c

    others = [(s, c) for s, c in itertools.product(range(1, most), repeat=2) if least <= s + c <= most]
    assert cost(stable, canary) == min(cost(*numbers) for numbers in others)


def test_capacity_is_never_given_up_for_a_smaller_ratio() -> None:
    assert best_numbers(Weight.percent(50), Limits(10, 20, 500)) == (5, 5)


@pytest.mark.parametrize(
    ("percent", "most", "nearest"),
    [
        ("1", 10, "the nearest weights are 10 %,"),
        ("10", 4, "the nearest weights are 25 %,"),
        ("99", 10, "the nearest weights are 90 %,"),
        ("42", 2, "the nearest weights are 50 %,"),
        ("41", 3, "the nearest weights are 33.33 % and 50 %,"),
    ],
)
def test_a_share_that_is_too_far_off_is_refused_with_the_nearest_ones(percent: str, most: int, nearest: str) -> None:
    with pytest.raises(InvalidSplit, match=re.escape(nearest)):
        best_numbers(Weight.percent(percent), Limits(2, most, 500))


def test_an_error_that_is_just_allowed_is_taken() -> None:
    assert best_numbers(Weight.percent(5), Limits(2, 10, 500)) == (9, 1)
    with pytest.raises(InvalidSplit):
        best_numbers(Weight.percent(5), Limits(2, 10, 499))


def test_limits_that_leave_no_number_are_refused() -> None:
    with pytest.raises(InvalidInput, match="at least 6 pods"):
        Limits(6, 5, 500)
    with pytest.raises(InvalidInput, match="at least 2 pods"):
        Limits(1, 1, 500)


def test_a_share_is_never_rounded_to_nothing_or_to_everything() -> None:
    assert weight_of(share(100_000, 1)) == Weight(1)
    assert weight_of(share(1, 100_000)) == Weight(9999)
    assert weight_of(share(2, 1)) == Weight(3333)


def test_the_weight_is_that_of_the_pods_that_are_selected() -> None:
    assert Layout(9, 1, Selected.BOTH).weight == Weight.percent(10)
    assert Layout(9, 1, Selected.STABLE).weight == NOTHING
    assert Layout(9, 1, Selected.CANARY).weight == EVERYTHING
    assert Layout(9, 0, Selected.BOTH).weight == NOTHING
    assert Layout(0, 1, Selected.BOTH).weight == EVERYTHING


LAYOUTS = [
    Layout(stable, canary, selected)
    for stable, canary, selected in itertools.product((1, 2, 5, 9, 10), (1, 2, 5, 9, 10), Selected)
]


def serving(layout: Layout) -> int:
    return {
        Selected.STABLE: layout.stable,
        Selected.CANARY: layout.canary,
        Selected.BOTH: layout.stable + layout.canary,
    }[layout.selected]


@pytest.mark.parametrize("before", LAYOUTS, ids=str)
def test_on_the_way_no_more_users_see_the_canary_and_no_fewer_pods_serve_than_at_its_ends(before: Layout) -> None:
    for after in LAYOUTS:
        way = [before, *(step.layout for step in steps(before, after))]
        assert way[-1] == after
        for layout in way:
            assert layout.weight <= max(before.weight, after.weight), way
            assert serving(layout) >= min(serving(before), serving(after)), way


def test_each_object_is_written_once_and_the_service_always() -> None:
    for before, after in itertools.product(LAYOUTS, repeat=2):
        written = [step.what for step in steps(before, after)]
        assert len(written) == len(set(written))
        assert "service" in written
        assert ("stable" in written) == (before.stable != after.stable)
        assert ("canary" in written) == (before.canary != after.canary)


def test_a_growing_share_has_its_canary_before_stable_shrinks() -> None:
    way = steps(Layout(9, 1, Selected.BOTH), Layout(5, 5, Selected.BOTH))
    assert [step.what for step in way] == ["canary", "service", "stable"]


def test_a_shrinking_share_has_its_stable_before_the_canary_shrinks() -> None:
    way = steps(Layout(5, 5, Selected.BOTH), Layout(9, 1, Selected.BOTH))
    assert [step.what for step in way] == ["stable", "service", "canary"]


def test_a_version_that_joins_has_its_number_before() -> None:
    way = steps(Layout(10, 10, Selected.STABLE), Layout(9, 1, Selected.BOTH))
    assert [step.what for step in way] == ["canary", "service", "stable"]


def test_the_way_back_needs_all_of_stable_first() -> None:
    way = steps(Layout(5, 5, Selected.BOTH), Layout(10, 5, Selected.STABLE))
    assert [step.what for step in way] == ["stable", "service"]


def test_a_canary_that_joins_is_tried_before_stable_is_touched() -> None:
    way = steps(Layout(1, 3, Selected.STABLE), Layout(9, 1, Selected.BOTH))
    assert [step.what for step in way] == ["canary", "stable", "service"]
