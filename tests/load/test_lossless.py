"""No request is lost, whatever is done: 300 new connections a second, and 20 four-second requests always in flight."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.cluster_access import Access
from tests.load.journey import Journey
from tests.load.report import Report
from tests.shop.routes import OtherRoutes

BACKENDS = ("gateway_api", "ingress_nginx")

BURNING_SECONDS = 300
_BURN = f"import time\nend = time.monotonic() + {BURNING_SECONDS}\nwhile time.monotonic() < end: pass"

# Answers well and too late, which only sampling shows: a rollback in which no answer is a failed one.
SLOW = {"LATENCY": "400ms"}
SLOW_STAGES = [{"weight": 10, "verify": {"profile": "quick", "latency": {"p95": 0.2, "rollback_above": 0.3}}}, 100]

STOPS_AT_50 = [{"weight": 10, "verify": "quick"}, {"weight": 50, "verify": "quick", "approve": True}, 100]
STOPS_AT_100 = [{"weight": 50, "verify": "quick"}, {"weight": 100, "verify": "quick", "approve": True}]
HELD = 2


@contextlib.contextmanager
def many_routes(backend: str, access: Access) -> Iterator[None]:
    """200 other routes in the cluster: weights take effect late, and after the status says so."""
    with OtherRoutes(backend, access):
        yield


@contextlib.contextmanager
def busy_node(_backend: str, _access: Access) -> Iterator[None]:
    """Every core loaded by somebody else."""
    burners = [subprocess.Popen([sys.executable, "-c", _BURN]) for _core in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@contextlib.contextmanager
def abrupt_pods(_backend: str, _access: Access) -> Iterator[None]:
    """Nothing about the cluster: the pods are those that end at once."""
    yield


Condition = Callable[[str, Access], contextlib.AbstractContextManager[None]]
VARIANTS: dict[Condition, dict[str, Any]] = {
    many_routes: {},
    abrupt_pods: {"environment": {"SHUTDOWN": "0", "LATENCY": "200ms"}},
    # Answers are slow there, and verify would rightly say so; here it is about losing none.
    busy_node: {"client": {"latency": {"enabled": False}}},
}


def none_lost(journey: Journey) -> None:
    """Fail, with what was being done at the time, when any request failed."""
    counts: dict[str, Any] = journey.finish()
    assert counts["requests"] > 0
    assert counts["long"]["requests"] > 0
    assert counts["failed"] == 0, journey.explained(counts)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_request_is_lost_on_the_whole_way_of_versions(backend: str, home: Path, report: Report) -> None:
    with Journey(backend, home, report) as journey:
        journey.step("release of v2 to its promotion", "release", canary_version="v2")
        journey.step("rollback after promotion", "rollback")
        journey.step("v3 refused in the probe", "release", code=2, canary_version="v3")
        slow = {"canary_workload": journey.workload(**SLOW), "canary_stages": SLOW_STAGES, "canary_probe": False}
        journey.step("slow v4 taken back from 10 %", "release", code=2, canary_version="v4", **slow)
        journey.step("second release of v2, held", "release", code=HELD, canary_version="v2", canary_stages=STOPS_AT_50)
        journey.step("rollback from 50 %", "rollback")
        journey.step("cleanup", "cleanup")
        journey.step("release of v5, held", "release", code=HELD, canary_version="v5", canary_stages=STOPS_AT_100)
        journey.step("promotion by hand", "promote")
        none_lost(journey)


@pytest.mark.variant
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("condition", VARIANTS, ids=lambda condition: condition.__name__)
def test_no_request_is_lost_under_worse_conditions(
    condition: Condition, backend: str, home: Path, access: Access, report: Report
) -> None:
    name = condition.__name__.replace("_", " ")
    with (
        condition(backend, access),
        Journey(backend, home, report, variant=name, **VARIANTS[condition]) as journey,
    ):
        journey.step("release of v2 to its promotion", "release", canary_version="v2")
        journey.step("rollback after promotion", "rollback")
        journey.step("second release of v2, held", "release", code=HELD, canary_version="v2", canary_stages=STOPS_AT_50)
        journey.step("rollback from 50 %", "rollback")
        none_lost(journey)
