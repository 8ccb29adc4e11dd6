"""Two runs at a time: the second is refused, takes over when told to, and finds the lock of a killed run ended."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.e2e.conftest import STAGES, OpenShop
from tests.e2e.steps import all_on, release, said, traffic
from tests.shop.operators import Running
from tests.shop.routes import MOST_SECONDS
from tests.shop.shop import Shop

# Long enough for another run to come meanwhile, and to see whether anything of a killed one goes on.
WATCHING: list[dict[str, Any]] = [{"weight": 50, "verify": "quick", "bake": 600}, STAGES[1]]
LEASE = "gradual-canary-web"


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop("gateway_api")


def spec(shop: Shop) -> dict[str, Any]:
    item = shop.access.operator().get("Lease", LEASE, shop.namespace)
    return dict(item["spec"]) if item else {}


def at_half_of(route: dict[str, Any]) -> bool:
    weights = [reference["weight"] for reference in route["spec"]["rules"][-1]["backendRefs"]]
    return len(weights) == 2 and weights[0] == weights[1] > 0


def at_half(shop: Shop) -> Running:
    """Start a release, and return it when half of the users have v2 and it goes on watching."""
    running = shop.operator.start("gradual.canary.release", canary_version="v2", canary_stages=WATCHING)
    found = shop.access.connect().wait(
        "HTTPRoute",
        shop.namespace,
        lambda items: at_half_of(items[0]),
        seconds=MOST_SECONDS,
        fields="metadata.name=web",
    )
    assert found is not None, "the release does not come to half"
    return running


def test_a_second_run_is_refused_with_who_is_at_work_and_may_take_over(shop: Shop) -> None:
    with at_half(shop) as first:
        holder = spec(shop)["holderIdentity"]
        status = shop.run("status").require()
        assert f"{holder} works on web since " in said(status)
        assert status.values("lock")[-1]["alive"]
        for playbook, variables in (
            ("release", {"canary_version": "v2"}),
            ("abort", {}),
            ("rollback", {}),
            ("promote", {}),
            ("cleanup", {}),
        ):
            run = shop.run(playbook, **variables)
            assert run.code == 2, run.output
            assert f"web in namespace {shop.namespace} is being worked on by {holder} since " in run.output
            assert ": release of v2. Nothing was changed." in run.output
            assert run.writes == []
        checked = shop.run("rollback", "--check")
        assert checked.code == 2
        assert f"is being worked on by {holder}" in checked.output

        taken = shop.run("rollback", canary_take_over="errors in the shop").require()
        assert f"the lock of web was taken from {holder}" in taken.output
        ended = first.finish()
    assert ended.code == 2, ended.output
    assert "web v2 holds. the lock of web in namespace" in ended.output, ended.output
    assert "it was taken over: errors in the shop" in ended.output
    all_on(shop, "v1")
    assert "holderIdentity" not in spec(shop), "who takes over gives back"


def test_the_lock_of_a_killed_run_ends_by_itself_and_the_release_goes_on(shop: Shop) -> None:
    with at_half(shop) as first:
        os.killpg(first.process.pid, signal.SIGKILL)
    killed = time.monotonic()
    assert "works on web since " in said(shop.run("status"))
    run = release(shop, "v2")
    assert run.code == 2, run.output
    assert "if that run was killed, its lock ends 60 s after its last sign of life" in run.output
    while run.code != 0:
        assert time.monotonic() - killed < 60 + 30, run.output
        run = release(shop, "v2")
    all_on(shop, "v2")


def test_facts_that_are_cached_give_no_run_the_lock_of_another(shop: Shop) -> None:
    cached = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(shop.operator.home / "facts")}
    shop.operator.environment |= cached
    with at_half(shop) as first:
        assert list((shop.operator.home / "facts").iterdir()), "no fact is cached"
        run = release(shop, "v2")
        assert run.code == 2, run.output
        assert "is being worked on by " in run.output
        os.killpg(first.process.pid, signal.SIGKILL)
    assert traffic(shop)["weight"] == "50"
