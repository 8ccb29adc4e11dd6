"""Weight and match routes are one state: testers and users are served rightly at every moment of a change."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Match, Weight
from tests.contract.systems.base import Routed, TrafficSystem, outcome

TEN, FORTY = Weight.percent(10), Weight.percent(40)
Answers = collections.Counter[str]


@contextmanager
def sampled(system: TrafficSystem, *clients: Mapping[str, str]) -> Iterator[list[Answers]]:
    """Ask as each client without a pause for as long as the block lasts, and a while longer; count what they get."""
    counts = [Answers() for _client in clients]
    done = threading.Event()

    def ask(headers: Mapping[str, str], answers: Answers) -> None:
        for sample in system.sampler(headers):
            answers[outcome(sample)] += 1
            if done.is_set():
                return

    threads = [threading.Thread(target=ask, args=pair) for pair in zip(clients, counts, strict=True)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        done.set()
        for thread in threads:
            thread.join()


def another(system: TrafficSystem, first: Routed) -> Routed | None:
    """Return a match route that can stand beside the first: on something else, where two are allowed."""
    able = system.use().capabilities
    others = (each for each in system.routed if each.match.kind != first.match.kind)
    return next(others, None) if able.most_matches > 1 else None


def settled(system: TrafficSystem, first: Routed, weight: Weight, matches: list[Match]) -> None:
    system.use().set(weight=weight, matches=matches)
    system.ask_until(lambda answers: set(answers) == {"v2"}, first.fits)


def test_a_tester_stays_with_the_canary_while_weight_and_match_routes_change(routed_system: TrafficSystem) -> None:
    if not routed_system.some_matches:
        pytest.skip("this traffic system has no match routes beside a weight")
    first = routed_system.routed[0]
    second = another(routed_system, first)
    extra = [second.match] if second else []
    settled(routed_system, first, TEN, [first.match])
    with sampled(routed_system, first.fits, first.misses) as (tester, user):
        for weight, matches in (
            (FORTY, [*extra, first.match]),
            (TEN, [first.match, *extra]),
            (FORTY, [first.match]),
            (NOTHING, [*extra, first.match]),
            (TEN, [first.match]),
        ):
            before = sum(tester.values())
            routed_system.use().set(weight=weight, matches=matches)
            if second and second.match in matches:
                routed_system.ask_until(lambda answers: set(answers) == {"v2"}, second.fits)
            routed_system.ask_until(lambda answers: set(answers) == {"v2"}, first.fits)
            assert sum(tester.values()) > before
    assert set(tester) == {"v2"}, tester
    assert set(user) <= {"v1", "v2"}, user


def test_no_user_reaches_a_canary_without_weight_while_its_match_routes_change(routed_system: TrafficSystem) -> None:
    first = routed_system.routed[0]
    second = another(routed_system, first)
    routed_system.use().set(weight=NOTHING, matches=[])
    with sampled(routed_system, first.misses, {}) as (nearly, user):
        for matches in ([first.match], [first.match, second.match] if second else [], [first.match], []):
            routed_system.use().set(weight=NOTHING, matches=matches)
            wanted = "v2" if first.match in matches else "v1"
            routed_system.ask_until(lambda answers, wanted=wanted: set(answers) == {wanted}, first.fits)  # type: ignore[misc]
    assert set(nearly) == {"v1"}, nearly
    assert set(user) == {"v1"}, user
    assert min(nearly.total(), user.total()) > 100
