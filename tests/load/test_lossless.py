"""No request is lost, whatever is done.

500 requests a second on new connections, 50 clients that keep theirs, and 20 four-second requests always in flight.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.cluster_access import Access
from tests.load.conditions import ABRUPT, BUSY, ROUTES, Condition
from tests.load.journey import HELD, RATE, Journey, stages
from tests.load.report import Report
from tests.load.way import cut_by_nature, none_lost, there_and_back, whole_way
from tests.shop.systems import REPOINTING, SYSTEMS, chosen, lead_to_v1

LEAST = 20 * RATE
"""Of each journey: 10,000 at 500 a second."""

# Answers well and too late, which only sampling shows: a rollback in which no answer is a failed one.
SLOW = {"LATENCY": "400ms"}
SLOW_STAGES = [{"weight": 10, "verify": {"profile": "quick", "latency": {"p95": 0.2, "rollback_above": 0.3}}}, 100]


@pytest.mark.parametrize("backend", chosen(SYSTEMS))
def test_no_request_is_lost_when_a_version_comes_and_goes(backend: str, home: Path, report: Report) -> None:
    with Journey(backend, home, report) as journey:
        there_and_back(journey)
        assert none_lost(journey)["requests"] >= LEAST


@pytest.mark.variant
@pytest.mark.parametrize("backend", chosen(SYSTEMS))
def test_no_request_is_lost_on_the_whole_way_of_versions(backend: str, home: Path, report: Report) -> None:
    with Journey(backend, home, report) as journey:
        whole_way(journey)
        assert none_lost(journey)["requests"] >= LEAST


@pytest.mark.variant
@pytest.mark.parametrize("backend", chosen(("gateway_api", "ingress_nginx")))
def test_no_request_is_lost_when_versions_are_refused_or_promoted_by_hand(
    backend: str, home: Path, report: Report
) -> None:
    with Journey(backend, home, report) as journey:
        journey.step("v3 refused in the probe", "release", code=2, canary_version="v3")
        slow: dict[str, Any] = {"canary_workload": journey.workload(**SLOW), "canary_stages": SLOW_STAGES}
        journey.step("slow v4 taken back from 10 %", "release", code=2, canary_version="v4", canary_probe=False, **slow)
        at_the_end = stages(journey.shop.system, ask_at=100)
        journey.step("release of v5, held", "release", code=HELD, canary_version="v5", canary_stages=at_the_end)
        journey.step("promotion by hand", "promote")
        none_lost(journey)


@pytest.mark.variant
@pytest.mark.parametrize("backend", chosen(("ingress_nginx_real", "apig")))
def test_no_request_is_lost_when_the_main_ingress_is_led_to_the_new_version(
    backend: str, home: Path, report: Report
) -> None:
    with Journey(backend, home, report, variant="re-pointed", prepare=lead_to_v1, canary_backend=REPOINTING) as journey:
        whole_way(journey)
        none_lost(journey)


@pytest.mark.variant
@pytest.mark.parametrize("backend", chosen(SYSTEMS))
@pytest.mark.parametrize("condition", [ROUTES, ABRUPT, BUSY], ids=lambda condition: condition.name.replace(" ", "-"))
def test_no_request_is_lost_under_worse_conditions(
    condition: Condition, backend: str, home: Path, access: Access, report: Report
) -> None:
    with condition.applied(backend, access) as told, Journey(backend, home, report, **told) as journey:
        whole_way(journey)
        none_lost(journey, cut=cut_by_nature(backend, condition))
