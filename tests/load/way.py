"""The ways of versions that every backend has to go under load."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.load.conditions import Condition
from tests.load.journey import HELD, KINDS, Journey, stages
from tests.shop.systems import SYSTEMS


def whole_way(journey: Journey) -> None:
    """Release v2 by all stages, abort the release of v5 in the middle, go back to v1, and clean up."""
    journey.step("release of v2 to its promotion", "release", canary_version="v2")
    held = stages(journey.shop.system, ask_at=50)
    journey.step("release of v5, held at 50 %", "release", code=HELD, canary_version="v5", canary_stages=held)
    journey.step("abort at 50 %", "rollback")
    journey.step("rollback after promotion", "rollback")
    journey.step("cleanup", "cleanup")


def there_and_back(journey: Journey) -> None:
    """Release v2 by the last two stages, and go back to v1: the shorter form."""
    journey.step("release of v2", "release", canary_version="v2", canary_stages=stages(journey.shop.system)[-2:])
    journey.step("rollback after promotion", "rollback")


def cut_by_nature(backend: str, condition: Condition) -> frozenset[str]:
    """Return the kinds of requests that nothing outside of the application can save.

    Where kube-proxy shares out connections, a kept one ends with its pod: nobody between client and pod could move it
    elsewhere. A pod that exits at once cuts the request that is under way on it.
    """
    return frozenset({"kept"}) if SYSTEMS[backend].service and condition.abrupt else frozenset()


def none_lost(journey: Journey, *, cut: Collection[str] = ()) -> dict[str, Any]:
    """Require that not one request was lost, of any kind but `cut`, and return the counts."""
    counts: dict[str, Any] = journey.finish()
    assert all(counts[kind]["requests"] > 0 for kind in KINDS)
    assert sum(counts[kind]["failed"] for kind in KINDS if kind not in cut) == 0, journey.explained(counts)
    return counts
