"""`--check --diff` says beforehand what a run will write: each write, in order, and nothing else; and writes nothing.

A release is a chain of writes, each resting on the one before; check mode carries the objects as they would be from
task to task. Nothing is left out of the comparison: verb, path and body of each write are the same, the generations
that patches test included.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.test_release import ASKING, HELD_AT_ALL, held, release
from tests.shop.operators import Run
from tests.shop.shop import Shop


def writes(run: Run) -> list[str]:
    """Return each write as one line of text: verb, path and body."""
    return [f"{write['verb']} {write['path']} {json.dumps(write['body'], sort_keys=True)}" for write in run.writes]


def _nothing(_shop: Shop) -> None:
    """The shop as it was opened."""


def _held(shop: Shop) -> None:
    held(shop)


def _held_at_all(shop: Shop) -> None:
    held(shop, stages=HELD_AT_ALL)


def _released(shop: Shop) -> None:
    release(shop, "v2").require()


def _released_twice(shop: Shop) -> None:
    release(shop, "v2").require()
    release(shop, "v4").require()


APPROVED = {"canary_stages": ASKING, "canary_approve": "web/v2/50"}
CASES: dict[str, tuple[Callable[[Shop], Any], str, dict[str, Any]]] = {
    "a release": (_nothing, "release", {"canary_version": "v2", **APPROVED}),
    "a release without a probe": (_nothing, "release", {"canary_version": "v2", "canary_probe": False}),
    "a release after another": (_released, "release", {"canary_version": "v4"}),
    "a third release, with its cleanup": (_released_twice, "release", {"canary_version": "v5"}),
    "a release that goes on": (_held, "release", {"canary_version": "v2", **APPROVED}),
    "a promotion": (_held_at_all, "promote", {}),
    "a rollback in the middle": (_held, "rollback", {}),
    "a rollback in the middle by stages": (
        _held,
        "rollback",
        {"canary_rollback_stages": [20, 0], "canary_rollback_ask": True, "canary_approve": "web/v2/rollback-0"},
    ),
    "a rollback after the promotion": (_released, "rollback", {}),
    "a cleanup": (_released, "cleanup", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_check_mode_predicts_each_write_of_the_real_run_and_makes_none(shop: Shop, case: str) -> None:
    prepare, playbook, variables = CASES[case]
    if shop.system.in_place:
        if case == "a cleanup":
            pytest.skip("in place there is nothing to clean up")
        if "canary_rollback_stages" in variables:
            variables = {**variables, "canary_rollback_stages": [50, 0]}  # one pod with one makes no other share
    prepare(shop)
    before = shop.settled_objects()

    predicted = shop.run(playbook, "--check", "--diff", **variables).require()
    assert shop.objects() == before, "check mode changed something"

    real = shop.run(playbook, "--diff", **variables).require()
    assert writes(predicted) == writes(real)
    assert predicted.changed == real.changed
    assert real.writes, "this case writes nothing, so it shows nothing"


@pytest.mark.parametrize("case", ["a release", "a rollback in the middle", "a cleanup"])
def test_the_differences_shown_beforehand_are_those_of_the_real_run(shop: Shop, case: str) -> None:
    prepare, playbook, variables = CASES[case]
    if shop.system.in_place and case == "a cleanup":
        pytest.skip("in place there is nothing to clean up")
    prepare(shop)
    predicted = shop.run(playbook, "--check", "--diff", **variables).require()
    real = shop.run(playbook, "--diff", **variables).require()
    assert _headers(predicted) == _headers(real)
    assert _headers(real)


def _headers(run: Run) -> list[Any]:
    """Return what each difference is headed with: the object, and the change in words."""
    return [
        difference.get("before_header") or difference.get("after_header")
        for differences in run.values("diff")
        for difference in differences
    ]


def test_check_mode_asks_nobody_and_says_what_it_would_ask(shop: Shop) -> None:
    run = release(shop, "v2", "--check", canary_stages=ASKING).require()
    assert "would ask: Go on?" in run.values("msg")


def test_check_mode_of_a_run_that_has_nothing_to_do_predicts_nothing(shop: Shop) -> None:
    release(shop, "v2").require()
    run = release(shop, "v2", "--check", "--diff").require()
    assert run.writes == []
    assert run.changed == []
