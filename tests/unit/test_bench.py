"""The benchmarks' own arithmetic: a wrong sum there would be a wrong claim in the documentation."""

from __future__ import annotations

import pytest

from tests.bench import report
from tests.bench.measure import Clock, in_turn
from tests.bench.noticing import Change, judged
from tests.bench.report import Row


def test_a_row_that_meets_its_scaled_target_alone_still_misses_the_absolute_one() -> None:
    row = Row("G3", "three stages", "1.6", target="<= 1.4", met=False, scaled="0.8 above", scaled_met=True)
    assert list(row.missed) == ["three stages: 1.6, target <= 1.4"]


def test_a_row_that_misses_both_says_so_twice() -> None:
    row = Row("G2", "a stage", "90", target="<= 50", met=False, scaled="60; <= 36", scaled_met=False)
    assert [words.partition(":")[0] for words in row.missed] == ["a stage", "a stage, scaled to this machine"]


def test_every_row_has_as_many_cells_as_the_head() -> None:
    lines = report.table([Row("G1", "what", "ours"), Row("", "", "", "naive", 2.0)]).splitlines()
    assert len({line.count("|") for line in lines}) == 1


def test_noticing_is_told_from_the_last_old_answer_even_if_new_ones_came_before() -> None:
    answers = [(1.0, "v1"), (1.1, "v2"), (1.2, "v1"), (1.3, "v2"), (1.4, "v2")]
    noticed = judged(Change("v1", written=0.9, counted=1.25), answers)
    assert noticed.data_plane == pytest.approx(0.3)
    assert noticed.after == pytest.approx(0.05)


def test_a_proof_that_counts_too_early_is_noticed_before_the_change() -> None:
    noticed = judged(Change("v1", written=0.9, counted=1.15), [(1.0, "v1"), (1.2, "v1"), (1.3, "v2")])
    assert noticed.after == pytest.approx(-0.05)


def test_the_next_change_back_is_not_taken_for_an_old_answer() -> None:
    noticed = judged(Change("v1", written=0.9, counted=1.1), [(1.0, "v1"), (1.1, "v2"), (9.0, "v1")])
    assert noticed.after == pytest.approx(0.1)


def test_a_late_benchmark_stops_at_three_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "hurry_at", 0.0)
    assert in_turn({"one": lambda: 1}, 5) == {"one": [1, 1, 1]}


def test_a_benchmark_in_time_goes_all_rounds() -> None:
    assert in_turn({"one": lambda: 1}, 5) == {"one": [1] * 5}
