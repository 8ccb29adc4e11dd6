"""A version that answers nothing but errors: how many users notice, at 300 new connections a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.load.departures import seconds
from tests.load.journey import Journey, ended, result_of, time_to_zero
from tests.load.report import Report, Row
from tests.shop.operators import Run
from tests.shop.systems import chosen

BACKENDS = chosen(("gateway_api", "ingress_nginx"))
BAD = {"STATUS": "500", "STATUS_RATE": "1"}
REFUSED = 2
RATE = 300

WEIGHT = 0.1
MOST_ON_A_FAST_GATEWAY = 20
OVERHEAD_SECONDS = 0.3
"""What everything but the gateway may take: noticing, deciding, writing."""

UNSEEN_SECONDS = 0.2
"""How much later than the proof's last answer from the bad version a user's may come: 100 samples, 10 % of them bad."""


def release(journey: Journey, *, probe: bool) -> tuple[Run, dict[str, Any]]:
    """Release the bad version; return the run and the load's counts once everything in flight has ended."""
    variables = {"canary_probe": probe, "canary_workload": journey.workload(**BAD)}
    name = f"bad version, {'with' if probe else 'without'} probe"
    run = journey.step(name, "release", code=REFUSED, canary_version="v2", **variables)
    return run, journey.load.stop()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bad_version_is_gone_before_many_users_notice(backend: str, home: Path, report: Report) -> None:
    with Journey(backend, home, report, rate=RATE, long=0, kept=0) as journey:
        run, counts = release(journey, probe=False)
    bad = counts["versions"]["v2"]
    first, last = seconds(bad["first"]), seconds(bad["last"])
    proof = result_of(run, "Give traffic, and prove")["proof"]
    decided, reported = proof["decided_at"], time_to_zero(run)
    there = max(0.0, first - (decided - proof["requests"]["duration_s"]))
    back = max(0.0, last - ended(run, "Take all traffic back"))
    slow_gateway = RATE * WEIGHT * (there + back + OVERHEAD_SECONDS)
    most = MOST_ON_A_FAST_GATEWAY if backend == "gateway_api" else slow_gateway
    remark = (
        f"at most {most:.0f}; {last - first:.3f} s at 10 %; gateway there {there:.3f} s, back {back:.3f} s"
        f" (by that at most {slow_gateway:.0f})"
    )
    name = "bad version from 10 % to 0"
    report.add(Row(name, backend, counts["requests"], counts["failed"], reported, last - decided, remark))
    assert counts["failed"] == bad["failed"] > 0, journey.explained(counts)
    assert counts["failed"] <= most, f"{remark}\n{journey.explained(counts)}"
    assert reported is not None
    assert last - decided <= reported + UNSEEN_SECONDS, "the bad version answered users later than the rollback says"


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_user_notices_a_bad_version_that_is_probed(backend: str, home: Path, report: Report) -> None:
    with Journey(backend, home, report, rate=RATE) as journey:
        _run, counts = release(journey, probe=True)
    assert counts["requests"] > RATE
    assert counts["failed"] == 0, journey.explained(counts)
    assert set(counts["versions"]) == {"v1"}
