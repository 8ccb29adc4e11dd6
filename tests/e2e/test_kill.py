"""Killed at any write, a run can be seen, gone on with and taken back by anybody, and users notice nothing.

A proxy in front of the API server kills the playbook when its nth write comes: before it is passed on, when it is done
and not answered yet, or when it is answered.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.modules import traffic_info, verify
from tests.e2e.conftest import OpenShop
from tests.e2e.steps import said
from tests.shop.api_proxy import ApiProxy, Call, Cut, Passed
from tests.shop.load import Load
from tests.shop.operators import Run, Running
from tests.shop.shop import Shop
from tests.shop.systems import chosen
from tests.shop.verbs import perform

TAKE_OVER = {"canary_take_over": "the run before was killed"}
ASKING: list[Any] = [{"weight": 50, "verify": "quick", "approve": True}, {"weight": 100, "verify": "quick"}]
TO_THE_QUESTION = {"canary_version": "v2", "canary_stages": ASKING}
APPROVED = {**TO_THE_QUESTION, "canary_approve": "web/v2/50"}
MOMENTS = ("before", "answered", "after")
RATE = 50
"""Requests a second of the users who are there all the while."""


class Killed(Passed):
    """Ends the playbook as the operating system does it: before its request, before its answer or after it."""

    def __init__(self, moment: str, kill: Callable[[], None]) -> None:
        self._moment = moment
        self._kill = kill

    def before(self) -> None:
        self._at("before")

    def answered(self) -> None:
        self._at("answered")

    def after(self) -> None:
        self._at("after")

    def _at(self, moment: str) -> None:
        if moment == self._moment:
            self._kill()
            raise Cut


class Victim:
    """Runs playbooks behind the proxy, and kills one at the write that is named."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.proxy = ApiProxy(shop.access, lambda _call: Passed())
        self.killed_at: Call | None = None
        self._running: Running | None = None
        self._started = threading.Event()

    def run(self, scenario: Scenario, write: int = 0, moment: str = "") -> Run:
        """Run the scenario, killed at its nth write; with write 0 to its end."""
        self.proxy.forget()
        self.killed_at = None
        self._started.clear()
        self.proxy.decide = lambda call: self._decided(call, write, moment)
        variables = {**scenario.variables, "canary_cluster": self.proxy.options}
        with self.shop.operator.start(f"gradual.canary.{scenario.playbook}", **variables) as running:
            self._running = running
            self._started.set()
            return running.finish()

    def _decided(self, call: Call, write: int, moment: str) -> Passed:
        if not write or call.write != write:
            return Passed()
        self.killed_at = call
        return Killed(moment, self._kill)

    def _kill(self) -> None:
        self._started.wait()
        assert self._running is not None
        os.killpg(self._running.process.pid, signal.SIGKILL)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What is killed. most: the share in percent above which nobody has approved the canary."""

    name: str
    playbook: str
    variables: dict[str, Any]
    most: float
    prepare: Callable[[Shop], None] = lambda shop: None


def hold_at_half(shop: Shop) -> None:
    run = shop.run("release", **TO_THE_QUESTION)
    assert "web v2 holds. " in run.output, run.output


def release_whole(shop: Shop) -> None:
    shop.run("release", **APPROVED).require()


SCENARIOS = (
    Scenario("a release to its first question", "release", TO_THE_QUESTION, 50),
    Scenario("a release after the yes", "release", APPROVED, 100, hold_at_half),
    Scenario("an abort at 50 %", "abort", {}, 50, hold_at_half),
    Scenario("a rollback after the promotion", "rollback", {}, 100, release_whole),
)


def looked_at(shop: Shop) -> dict[str, Any]:
    """Return the split as the traffic system has it."""
    target = {key: value for key, value in shop.target("v2").items() if key != "version"}
    found = perform(traffic_info, {**target, "preflight": False})
    assert not found.get("failed"), found["msg"]
    split: dict[str, Any] = found["split"]
    return split


def require_seen(shop: Shop, split: dict[str, Any], where: str) -> None:
    """Hold when clients get what the traffic system has."""
    stable = split["stable"]["version"]
    canary = (split["canary"] or {}).get("version", stable)
    claim = {"stable": stable, "canary": canary, "weight": split["weight"] if canary != stable else "100"}
    seen = perform(verify, {**shop.inventory["canary_client"], **claim, "profile": "quick"})
    assert not seen.get("failed"), f"{where}: {seen['msg']}"


def require_alone(shop: Shop, version: str, where: str) -> None:
    split = looked_at(shop)
    assert (split["canary"], split["stable"]["version"]) == (None, version), f"{where}: {split}"
    require_seen(shop, split, where)


def finish(shop: Shop, where: str) -> None:
    """Release as before, from another machine: nothing of the killed run is known there."""
    shop.run("release", **APPROVED, **TAKE_OVER).require()
    require_alone(shop, "v2", where)


def take_back(shop: Shop, where: str) -> None:
    """Abort; what is promoted already is rolled back."""
    run = shop.run("abort", **TAKE_OVER)
    if run.code:
        assert "go back to the version before with gradual.canary.rollback" in run.output, f"{where}: {run.output}"
    if looked_at(shop)["stable"]["version"] == "v2":
        shop.run("rollback").require()
    require_alone(shop, "v1", where)


def start_again(shop: Shop) -> None:
    """Bring v1 back as the only version, whatever there is."""
    split = looked_at(shop)
    if split["canary"] is not None or split["stable"]["version"] != "v1":
        shop.run("rollback", **TAKE_OVER).require()
    shop.run("cleanup", **TAKE_OVER, canary_keep="0").require()
    require_alone(shop, "v1", "start again")


@pytest.fixture(params=chosen(["gateway_api", "ingress_nginx"]))
def victim(request: pytest.FixtureRequest, open_shop: OpenShop) -> Iterator[Victim]:
    one = Victim(open_shop(request.param))
    with one.proxy:
        yield one


def some(writes: int) -> list[tuple[int, str]]:
    """Return a few of the points, over all writes and each moment."""
    return list(zip(range(2, writes + 1, 5), itertools.cycle(MOMENTS), strict=False))


def all_of_them(writes: int) -> list[tuple[int, str]]:
    return list(itertools.product(range(1, writes + 1), MOMENTS))


ORDINARY, *FURTHER = (
    pytest.param(scenario, points, id=f"{scenario.name}-{points.__name__}")
    for points in (some, all_of_them)
    for scenario in SCENARIOS
)


@pytest.mark.parametrize(
    ("scenario", "points"),
    [ORDINARY, *(pytest.param(*each.values, id=each.id, marks=pytest.mark.variant) for each in FURTHER)],
)
def test_whoever_comes_after_a_killed_run_can_finish_it_or_take_it_back(
    victim: Victim, scenario: Scenario, points: Callable[[int], list[tuple[int, str]]], tmp_path: Path
) -> None:
    shop = victim.shop
    scenario.prepare(shop)
    victim.run(scenario)
    writes = len(victim.proxy.writes)
    assert writes > 5, victim.proxy.writes
    start_again(shop)
    tried = 0
    with Load(shop.address, shop.hostname, tmp_path / "load.json", rate=RATE, long=3, kept=5) as load:
        for (write, moment), way in zip(points(writes), itertools.cycle([finish, take_back]), strict=False):
            scenario.prepare(shop)
            run = victim.run(scenario, write, moment)
            if victim.killed_at is not None:  # a run may have fewer writes than the first had
                where = f"{scenario.name}, write {write} of {writes} ({victim.killed_at}), {moment}, {way.__name__}"
                print(where, flush=True)
                assert run.code == -signal.SIGKILL, f"{where}: {run.output}"
                split = looked_at(shop)
                assert float(split["weight"]) <= scenario.most, where
                assert said(shop.run("status")).startswith(f"web: {split['words']}"), where
                require_seen(shop, split, where)
                way(shop, where)
                counts = load.count()
                assert counts["failed"] == 0, f"{where}: {counts['failures'][-3:]}"
                tried += 1
            start_again(shop)
        counts = load.stop()
    print(f"{shop.system.backend}, {scenario.name}: {tried} points survived, {counts['requests']} requests, none lost")
    assert counts["failed"] == 0, counts["failures"][:3]
    assert tried >= 2
