"""Release windows hold each step back by the clock of that moment, and never the way back."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.e2e.conftest import OpenShop
from tests.e2e.steps import all_on, nothing_changes, pods_wanted, release, traffic
from tests.shop.shop import Shop

NOW = datetime.datetime.now(datetime.UTC)
LONG_STAGES: list[Any] = [{"weight": 50, "verify": "quick"}, {"weight": 100, "verify": "quick", "bake": "2h"}]
ASKING: list[Any] = [{"weight": 50, "verify": "quick"}, {"weight": 100, "verify": "quick"}]


def window(begins: datetime.timedelta, duration: str) -> dict[str, Any]:
    """Return a window that is open each day, from so long after this test began."""
    start = NOW + begins
    rule = f"FREQ=DAILY;BYHOUR={start.hour};BYMINUTE={start.minute}"
    return {"name": "tests", "rrule": rule, "duration": duration, "timezone": "UTC"}


OPEN = window(datetime.timedelta(hours=-1), "3h")
CLOSED = window(datetime.timedelta(hours=6), "1h")


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop("gateway_api")


def test_outside_of_a_window_nothing_begins_and_a_reason_overrides(shop: Shop) -> None:
    run = release(shop, "v2", canary_windows=CLOSED)
    assert run.code == 2, run.output
    assert "web v2 holds. the release of web v2 does not begin: no release window is open" in run.output
    assert "window 'tests' opens at" in run.output
    assert run.writes == []
    assert pods_wanted(shop) == {"v1": 1}

    frozen = {"from": str(NOW.date()), "until": str((NOW + datetime.timedelta(days=2)).date()), "reason": "the fair"}
    run = release(shop, "v2", canary_windows=OPEN, canary_freezes=[{**frozen, "timezone": "UTC"}])
    assert run.code == 2
    assert "the fair" in run.output

    run = release(shop, "v2", canary_windows=CLOSED, canary_window_override="an outage").require()
    assert "It goes on all the same: an outage" in run.output
    all_on(shop, "v2")
    nothing_changes(release(shop, "v2", canary_windows=CLOSED))
    shop.run("rollback", canary_windows=CLOSED).require()
    all_on(shop, "v1")


@pytest.mark.parametrize("end", ["hold", "rollback"])
def test_a_stage_that_does_not_fit_does_not_begin(shop: Shop, end: str) -> None:
    run = release(shop, "v2", canary_windows=OPEN, canary_stages=LONG_STAGES, canary_window_end=end)
    assert run.code == 2, run.output
    assert "100 % to web v2 does not begin: it takes up to 7320 s, window 'tests' is open until" in run.output
    if end == "hold":
        assert traffic(shop)["weight"] == "50"
        shop.run("abort").require()
    else:
        assert "web v2 was refused." in run.output
    all_on(shop, "v1")


def test_a_release_that_has_begun_may_be_told_to_finish(shop: Shop) -> None:
    held = release(shop, "v2", canary_windows=OPEN, canary_stages=[{"weight": 50, "approve": True}, {"weight": 100}])
    assert held.code == 2
    release(shop, "v2", canary_windows=CLOSED, canary_window_end="finish", canary_stages=ASKING).require()
    all_on(shop, "v2")


def test_a_window_that_cannot_be_meant_stops_before_anything_is_touched(shop: Shop) -> None:
    run = release(shop, "v2", canary_windows={**OPEN, "rrule": "FREQ=DAILY;BYHOUR=25"})
    assert run.code == 2
    assert "BYHOUR=25 has '25'; allowed: 0 to 23" in run.output
    assert run.writes == []
    assert pods_wanted(shop) == {"v1": 1}
