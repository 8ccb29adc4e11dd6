"""The benchmarks' own arithmetic: a wrong sum there would be a wrong claim in the documentation."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench import backends, backends_table, report
from tests.bench.measure import Clock, in_turn, run
from tests.bench.noticing import Change, judged, last_of_the_split
from tests.bench.published import sleeping
from tests.bench.report import Row
from tests.shop.operators import Run


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


def test_the_write_that_splits_is_the_ingress_even_if_its_controller_goes_on_writing() -> None:
    ours, splits, status = ({"objectRef": {"resource": name}} for name in ("rollouts", "ingresses", "rollouts"))
    assert last_of_the_split([ours, splits, status]) is splits
    assert last_of_the_split([ours, status]) is status


def test_a_script_sleeps_as_long_as_its_own_lines_say() -> None:
    assert sleeping(["kubectl get pods", "sleep 5", "sleep 1", "echo sleep 9"]) == 6


def test_what_takes_too_long_is_killed_and_said_to_have_failed() -> None:
    with pytest.raises(RuntimeError, match="exit code -9"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], {}, Path.cwd(), longest=0.2)


# the table of the backends


def stage(at: float, requests: int = 3, sampled: float = 0.5) -> dict[str, Any]:
    proof = {"verdict": "pass", "requests": {"sent": 400, "duration_s": sampled}}
    return {"at": at, "action": "traffic", "result": {"proof": proof, "cluster": {"requests": requests}}}


def other(at: float) -> dict[str, Any]:
    return {"at": at, "action": "set_fact", "result": {}}


def logged(at: str, resource: str = "leases") -> dict[str, Any]:
    return {"objectRef": {"resource": resource}, "stageTimestamp": f"1970-01-01T00:01:{at}Z"}


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "at": "2026-03-01T10:00:00+00:00",
        "surroundings": ["- Machine: 2 cores", "- Software: Python"],
        "load": 0.5,
        "seconds": 120.0,
        "failed": {},
        "overhead": {"seconds": [0.03, 0.02, 0.04], "what": "one task"},
        "noticing": {"changes": [{"data_plane": 0.02, "after": 0.01}, {"data_plane": 0.04, "after": 0.02}]}
        | {"unproven": []},
        "release": {"seconds": 20.0, "sampling": 6.0, "drain": 6, "proofs": 5, "answers": 2345}
        | {"requests": [3, 4, 3], "renewals": [1, 1, 1]},
        "published": {"seconds": 40.0, "sleeping": 15.0},
        **changes,
    }


def cells(measured: dict[str, Any]) -> dict[str, str]:
    return dict(zip(backends_table.HEAD, backends_table.row("istio", measured), strict=True))


def test_requests_of_a_stage_hold_the_writes_of_its_lock_and_of_no_other_task() -> None:
    results = [other(60), stage(62, 3), other(63), stage(66, 5)]
    # Before the first task; in the first stage; in the task between; twice in the second stage; and no lock at all.
    times = ["00.5", "01.0", "02.5", "03.5", "05.9"]
    log = [logged("05.0", "httproutes"), *map(logged, times[1:]), logged("07.0"), {**logged("00.0"), "objectRef": {}}]
    found = backends_table.of_release(Run(0, "", results, 20.0), log, 6)
    assert (found["requests"], found["renewals"]) == ([3, 5], [1, 2])
    assert (found["proofs"], found["answers"], found["sampling"]) == (2, 800, 1.0)
    told = cells(entry(release=found))["API requests of a stage"]
    assert told == "6 (4-7), 1-2 of them for the lock"


def test_the_overhead_is_what_is_between_two_stages_and_not_sampling() -> None:
    assert backends_table.between([stage(60), stage(61, sampled=0.9), stage(63, sampled=1.5)]) == [
        pytest.approx(0.1),
        pytest.approx(0.5),
    ]
    assert backends_table.between([]) == []


def test_a_row_says_which_overhead_it_is_and_what_was_slept() -> None:
    told = cells(entry())
    assert told["overhead of a stage, ms"] == "30 (20-40): one task"
    assert told["<= 50"] == "yes"
    assert told["published commands, s"] == "40.0 (15 of it sleeping)"


def test_a_change_that_is_not_proven_says_why_beside_those_that_are() -> None:
    unproven = ["100 % not proven: not decided | within 600 s"]
    some = cells(entry(noticing={"changes": [{"data_plane": 0.02, "after": 0.2}], "unproven": unproven}))
    assert some["noticed after that, ms"] == (
        r"200 (200-200); 1 of 2 do not count: 100 % not proven: not decided \| within 600 s"
    )
    assert some["<= 50"] == "**no**"
    none = cells(entry(noticing={"changes": [], "unproven": unproven}))
    assert none["data plane follows the write after, ms"].startswith("1 of 1 do not count: 100 % not proven")


def test_a_part_that_failed_leaves_the_others_in_the_row() -> None:
    measured = entry(failed={"noticing": "the observer died", "published": "exit code 1"})
    del measured["noticing"], measured["published"]
    told = cells(measured)
    assert told["data plane follows the write after, ms"] == "not measured: the observer died"
    assert told["published commands, s"] == "not measured: exit code 1"
    assert told["whole release, s"].startswith("20.0 ")


def test_a_system_that_did_not_open_has_a_row_with_the_reason() -> None:
    measured = entry(failed={"shop": "no Gateway"})
    for part in ("overhead", "noticing", "release", "published"):
        del measured[part]
    assert [cell for cell in backends_table.row("istio", measured) if cell] == [
        "istio",
        *["not measured: no Gateway"] * 5,
    ]


def test_the_document_has_each_system_in_order_and_names_those_without_figures() -> None:
    later = entry(at="2026-03-01T10:02:00+00:00", load=1.5)
    text = backends_table.document(
        {"istio": later, "apig": entry()}, ["apig", "istio", "gateway_api"], stages=6, turns=3
    )
    assert "- Date: 01 March 2026, 10:00 UTC to 01 March 2026, 10:02 UTC\n- Machine: 2 cores\n- Software" in text
    assert text.index("| apig |") < text.index("| istio |")
    assert "Not measured: gateway_api." in text
    assert "Load average before each system: 0.5 to 1.5" in text
    assert "4.0 minutes" in text


def test_what_is_resumed_leaves_out_only_what_is_there_as_a_whole() -> None:
    entries = {"apig": entry(), "istio": entry(failed={"noticing": "no answers"})}
    names = ["apig", "istio", "replicas"]
    assert backends_table.left(names, entries, resume=True) == ["istio", "replicas"]
    assert backends_table.left(names, entries, resume=False) == names


_PLAY = """
PLAY [Release] *****

TASK [Deploy] *****
fatal: [shop]: FAILED! => {"changed": false, "msg": "the first"}

TASK [Say why] *****
fatal: [shop]: FAILED! => {"changed": false, "msg": "v2 cannot become ready:\\nno image"}

TASK [Give the lock back] *****
changed: [shop]

PLAY RECAP *****
shop : ok=1 failed=1
"""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AssertionError(_PLAY), "v2 cannot become ready: no image"),
        (AssertionError(_PLAY.replace("fatal", "skipped")), "TASK [Give the lock back] ***** changed: [shop]"),
        (AssertionError(_PLAY.replace('{"', "{not json")), "fatal: [shop]: FAILED! => {not json"),
        (RuntimeError("\n\n  no Gateway\nmore"), "no Gateway"),
        (KeyError("proof"), "KeyError: 'proof'"),
        (AssertionError(), "AssertionError"),
        (RuntimeError("x" * 1000), "x" * 300),
    ],
)
def test_the_reason_is_one_line_that_tells(error: Exception, words: str) -> None:
    found = backends_table.reason(error)
    assert found.startswith(words)
    assert "\n" not in found
    assert len(found) <= 300


def test_an_entry_survives_being_kept() -> None:
    measured = entry()
    assert cells(json.loads(json.dumps(measured))) == cells(measured)


@pytest.fixture
def measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let `backends.main` measure two systems that are not there, the first of which cannot be opened."""

    class NoShop:
        def open(self) -> None:
            pass

    @contextmanager
    def no_shop(name: str, *_: object) -> Iterator[NoShop]:
        if name == "apig":
            raise ValueError("no Gateway")
        yield NoShop()

    def measure(_shop: NoShop, measured: dict[str, Any], _turns: int) -> None:
        measured |= {part: entry()[part] for part in ("overhead", "noticing", "release", "published")}

    monkeypatch.setattr(backends, "_shop", no_shop)
    monkeypatch.setattr(backends, "_measure", measure)
    monkeypatch.setattr(backends, "_RESULTS", tmp_path / "backends.json")
    monkeypatch.setattr(backends, "_DOCUMENT", tmp_path / "BACKENDS.md")
    monkeypatch.setattr(backends, "install", lambda _folder: None)
    monkeypatch.setattr(backends, "audit_log", lambda: tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(report, "surroundings", lambda: ["- Machine: 2 cores"])
    monkeypatch.setattr(sys, "argv", ["backends.py", "--systems", "apig", "istio"])
    return tmp_path


def test_a_system_that_fails_costs_no_other_its_row(measuring: Path) -> None:
    assert backends.main() == 1
    kept = json.loads((measuring / "backends.json").read_text())
    assert {name: each["failed"] for name, each in kept.items()} == {
        "apig": {"shop": "ValueError: no Gateway"},
        "istio": {},
    }
    rows = (measuring / "BACKENDS.md").read_text()
    assert "| apig | not measured: ValueError: no Gateway |" in rows
    assert "| istio | 4 (4-5), 1 of them for the lock |" in rows


def test_an_interrupted_run_leaves_what_it_measured_and_is_resumed(
    measuring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = backends._measure

    def first_only(*given: Any) -> None:
        if (measuring / "backends.json").exists():
            raise KeyboardInterrupt
        measure(*given)

    monkeypatch.setattr(sys, "argv", ["backends.py", "--systems", "istio", "replicas"])
    monkeypatch.setattr(backends, "_measure", first_only)
    with pytest.raises(KeyboardInterrupt):
        backends.main()
    assert "| istio | 4 (4-5)" in (measuring / "BACKENDS.md").read_text()
    monkeypatch.setattr(sys, "argv", ["backends.py", "--systems", "istio", "replicas", "--resume"])
    monkeypatch.setattr(backends, "_measure", measure)
    monkeypatch.setattr(backends, "_LONGEST", -1.0)
    assert backends.main() == 1  # no time for the one that is left
    monkeypatch.setattr(backends, "_LONGEST", 60.0)
    assert backends.main() == 0
    assert list(json.loads((measuring / "backends.json").read_text())) == ["istio", "replicas"]
