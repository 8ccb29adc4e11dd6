"""`--check --diff` says beforehand what a run will write: each write, in order, and nothing else; and writes nothing.

A release is a chain of writes, each resting on the one before; check mode carries the objects as they would be from
task to task. Nothing is left out of the comparison: verb, path and body of each write are the same, the generations
that patches test included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.steps import ASKING, foretold, held, release
from tests.shop.shop import Shop


def _nothing(_shop: Shop) -> None:
    """The shop as it was opened."""


def _held(shop: Shop) -> None:
    held(shop)


APPROVED = {"canary_stages": ASKING, "canary_approve": "web/v2/50"}
# What a journey does not come by: see test_journey.py.
CASES: dict[str, tuple[Callable[[Shop], Any], str, dict[str, Any]]] = {
    "a release without a probe": (_nothing, "release", {"canary_version": "v2", "canary_probe": False}),
    "a release that goes on": (_held, "release", {"canary_version": "v2", **APPROVED}),
    "a rollback in the middle by stages": (
        _held,
        "rollback",
        {"canary_rollback_stages": [20, 0], "canary_rollback_ask": True, "canary_approve": "web/v2/rollback-0"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_check_mode_predicts_each_write_of_the_real_run_and_makes_none(shop: Shop, case: str) -> None:
    prepare, playbook, variables = CASES[case]
    if shop.system.in_place and "canary_rollback_stages" in variables:
        variables = {**variables, "canary_rollback_stages": [50, 0]}  # one pod with one makes no other share
    prepare(shop)
    foretold(shop, playbook, **variables)


def test_check_mode_asks_nobody_and_says_what_it_would_ask(shop: Shop) -> None:
    run = release(shop, "v2", "--check", canary_stages=ASKING).require()
    assert "would ask: Go on?" in run.values("msg")


def test_check_mode_of_a_run_that_has_nothing_to_do_predicts_nothing(shop: Shop) -> None:
    release(shop, "v2").require()
    run = release(shop, "v2", "--check", "--diff").require()
    assert run.writes == []
    assert run.changed == []
