"""The guide's tables of what was counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.load import soak_tables


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "requests": 1000,
        "failed": 0,
        "seconds": 2.0,
        "short": {"requests": 900, "failed": 0},
        "long": {"requests": 20, "failed": 0},
        "kept": {"requests": 80, "failed": 0},
        "control": {"requests": 100, "failed": 0},
        "departures": [
            {"seconds": 0.1, "stayed": 6.0, "endpoints": 0.05},
            {"seconds": 0.3, "stayed": None, "endpoints": None},
        ],
        "times_to_zero": [0.4],
        "date": "2026-01-02",
        "machine": "2 cores",
        **changes,
    }


def test_requests_of_all_conditions_are_added_up_and_losses_told_by_condition_and_kind() -> None:
    worse = entry(failed=3, kept={"requests": 80, "failed": 3}, control={"requests": 100, "failed": 2})
    results = {"gateway_api": {"quiet": entry(), "busy node": worse}}
    assert soak_tables.lost_row("gateway_api", results["gateway_api"])[1:] == ("2,000", "1,800", "160", "40", "3")
    assert soak_tables.condition_row("gateway_api", "busy node", worse)[1:] == (
        *("busy node", "1,000", "500"),
        *("3 kept", "2 of 100"),
    )


def test_times_are_a_median_and_the_worst_and_what_was_not_measured_says_so() -> None:
    row = soak_tables.times_row("gateway_api", {"quiet": entry()})
    assert row[1:] == (
        "0.200 s median, 0.300 s at most (2)",
        "not measured",
        "",
        "6.0 s or more",
        "0.400 s median, 0.400 s at most (1)",
    )


def test_where_pods_are_the_split_the_time_since_their_endpoints_changed_is_told_too() -> None:
    assert soak_tables.times_row("replicas", {"quiet": entry()})[3] == "0.050 s median, 0.050 s at most (1)"


def test_new_tables_take_the_place_of_the_old_ones_and_nothing_else(tmp_path: Path) -> None:
    guide = tmp_path / "guide.rst"
    guide.write_text(f"before\n\n{soak_tables.BEGIN}\n\nold\n\n{soak_tables.END}\n\nafter\n")
    for _time in range(2):
        soak_tables.write({"gateway_api": {"quiet": entry()}}, guide)
        text = guide.read_text()
        assert text.startswith("before\n")
        assert text.endswith("after\n")
        assert "old\n" not in text
        assert text.count("Counted on 2026-01-02") == 1


def test_a_guide_without_a_place_for_them_is_an_error(tmp_path: Path) -> None:
    guide = tmp_path / "guide.rst"
    guide.write_text("nothing\n")
    with pytest.raises(AssertionError, match="no place"):
        soak_tables.write({}, guide)
