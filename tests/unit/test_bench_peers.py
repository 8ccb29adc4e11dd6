"""The comparison with others: what its rows cost, that they are measured apart, and what is typed by hand."""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench import handwritten, peers, report, truth
from tests.bench.handwritten import RELEASES, Application, Command
from tests.bench.rows import HEAD, Cost, Row, TakenBack, TooLong, Writes, chosen, limited, measured, reason
from tests.bench.scenarios import steps_of
from tests.contract.cluster_access import Access

APPLICATION = Application("shop", "shop.example.com", 3, {"SHUTDOWN": "0"})


def entry(resource: str, agent: str = "python-requests/2") -> dict[str, Any]:
    return {"objectRef": {"namespace": "shop", "resource": resource}, "userAgent": agent}


def test_writes_to_the_lock_are_told_apart_and_those_of_the_cluster_are_nobodys() -> None:
    entries = [entry("leases"), entry("httproutes"), entry("leases"), entry("services", "kube-controller-manager/v1")]
    assert str(Writes.of(entries)) == "1 + 2 of the lock"


def test_where_no_lock_is_written_none_is_mentioned() -> None:
    assert str(Writes.of([entry("rollouts", "rollouts-controller/v1"), entry("services", "kubectl/v1.36")])) == "2"


def test_what_is_lost_after_the_command_is_a_part_of_what_is_lost() -> None:
    cost = Cost(15618, 367, 0.31, Writes(448, 0), "nothing", TakenBack(2.3, 81))
    assert cost.cells() == ["367 of 15,618; 81 of them after the command", "0.3", "2.30", "448", "nothing"]


def test_without_an_audit_log_the_writes_are_not_said_to_be_none() -> None:
    assert Cost(10, 0, 1.0, None, "nothing").cells() == ["0 of 10", "1.0", "", "not seen", "nothing"]


class Ground:
    """A ground that notes when it was opened and left, and can fail at the latter."""

    def __init__(self, name: str, events: list[str], *, sticks: bool = False) -> None:
        self._name, self._events, self._sticks = name, events, sticks

    @contextmanager
    def open(self) -> Iterator[str]:
        self._events.append(f"open {self._name}")
        yield self._name
        self._events.append(f"leave {self._name}")
        if self._sticks:
            raise OSError("it does not go away")


def row(name: str, ground: Any, measure: Any = lambda ground: [ground, "", "", "", ""]) -> Row:
    return Row(name, HEAD, ["tool", "gateway", name], ground, measure)


def fails(_ground: str) -> Sequence[str]:
    raise KeyError("v4")


def test_a_row_that_fails_says_why_and_the_others_are_measured_on_new_ground() -> None:
    events: list[str] = []
    shared = Ground("one", events).open
    rows = [row("a", shared), row("b", shared, fails), row("c", shared)]
    lines = list(measured(rows, begin_within=60))
    assert [line.cells[3] for line in lines] == ["one", "**not measured**: KeyError 'v4'", "one"]
    assert [line.missing for line in lines] == [False, True, False]
    assert events == ["open one", "leave one"] * 2


def test_what_is_measured_on_is_left_before_another_is_opened_even_if_that_fails() -> None:
    events: list[str] = []
    rows = [row("a", Ground("one", events, sticks=True).open), row("b", Ground("two", events).open)]
    assert [line.missing for line in measured(rows, begin_within=60)] == [False, False]
    assert events == ["open one", "leave one", "open two", "leave two"]


def test_what_is_measured_on_is_left_when_the_run_ends_early() -> None:
    events: list[str] = []
    shared = Ground("one", events).open
    lines = measured([row("a", shared), row("b", shared)], begin_within=60)
    next(lines)
    lines.close()
    assert events == ["open one", "leave one"]


def test_a_row_that_takes_too_long_is_given_up() -> None:
    def sleeps(_ground: str) -> Sequence[str]:
        time.sleep(30)
        return []

    events: list[str] = []
    rows = [row("a", Ground("one", events).open, sleeps), row("b", Ground("two", events).open)]
    started = time.monotonic()
    lines = list(measured(rows, begin_within=60, row_within=0.1))
    assert time.monotonic() - started < 10
    assert [line.cells[3] for line in lines] == ["**not measured**: not done after 0.1 s", "two"]


def test_the_time_is_over_with_what_it_is_for() -> None:
    with limited(0.05):
        pass
    time.sleep(0.1)
    with pytest.raises(TooLong, match=r"0\.05 s"), limited(0.05):
        time.sleep(5)


def test_late_rows_are_not_begun_and_say_so() -> None:
    (line,) = measured([row("a", fails)], begin_within=-1)
    assert line.missing
    assert line.cells[3] == "**not measured**: not begun, for -1 s were over"


def test_a_cell_never_breaks_its_table() -> None:
    (line,) = measured([row("a", Ground("", []).open, lambda _ground: ["a|b\nc", "", "", "", ""])], begin_within=60)
    assert line.cells[3] == "a/b c"


def test_a_reason_is_one_short_line() -> None:
    assert reason(AssertionError("first\n  second")) == "first second"
    assert reason(ValueError()) == "ValueError"
    assert len(reason(RuntimeError("long " * 1000))) < 400


def test_rows_are_chosen_by_how_their_names_begin_in_their_own_order() -> None:
    rows = [row(name, fails) for name in ("truth-a", "argo-istio-release", "argo-istio-abort", "ours-istio-release")]
    names = [each.name for each in chosen(rows, ["argo-istio-abort", "truth"])]
    assert names == ["truth-a", "argo-istio-abort"]
    assert chosen(rows, []) == rows


def test_an_unknown_row_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"begins with flagger; there are truth-a, ours-b$"):
        chosen([row("truth-a", fails), row("ours-b", fails)], ["ours", "flagger"])


def test_every_row_fills_its_table_with_figures_or_without(tmp_path: Path) -> None:
    rows = peers._rows(Access(), tmp_path)
    assert len({each.name for each in rows}) == len(rows)
    figures = {id(HEAD): Cost(1, 0, 1.0, None, "").cells(), id(truth.HEAD): ["says", "get", "ours"]}
    for each in rows:
        assert len(each.measured(figures[id(each.head)]).cells) == len(each.head), each.name
        assert len(each.missing("why").cells) == len(each.head), each.name


def test_rows_of_one_tool_on_one_gateway_share_what_they_are_measured_on(tmp_path: Path) -> None:
    rows = peers._rows(Access(), tmp_path)
    groups = [list(group) for _key, group in itertools.groupby(rows, key=lambda each: id(each.ground))]
    shared = [[each.name for each in group] for group in groups if group[0].name.startswith("argo-istio")]
    assert shared == [["argo-istio-release", "argo-istio-promote-full", "argo-istio-abort", "argo-istio-bad"]]


def test_an_unfinished_document_names_what_it_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "machine", lambda: "- Machine: none")
    rows = [row("a", fails), row("b", fails)]
    document = peers.Document(rows)
    text = document.text([rows[0].missing("why")])
    assert "before these were measured: b." in text
    assert "| tool | gateway | a | **not measured**: why |" in text
    assert truth.HEAD[1] not in text.partition("## How")[0].partition("## What is not")[0]
    assert "before these" not in document.text([each.missing("why") for each in rows])


def test_argos_steps_stop_for_a_time_or_until_somebody_goes_on() -> None:
    assert steps_of({10: 5, 50: None}) == [
        {"setWeight": 10},
        {"pause": {"duration": "5s"}},
        {"setWeight": 50},
        {"pause": {}},
        {"setWeight": 100},
    ]


def verbs(commands: Sequence[Command]) -> list[str]:
    return [words[3] if words[0] == "kubectl" else words[0] for words, _text in commands]


@pytest.mark.parametrize("system", ["gateway_api", "istio"])
def test_weights_written_by_hand_always_sum_to_a_hundred_and_end_with_v2(system: str) -> None:
    patches = [json.loads(words[-1]) for words, _text in RELEASES[system](APPLICATION) if "patch" in words]
    weights = []
    for patch in patches:
        (rule,) = patch["spec"].get("rules") or patch["spec"]["http"]
        weights.append([each["weight"] for each in rule.get("backendRefs") or rule["route"]])
    assert weights == [[90, 10], [50, 50], [0, 100]]


@pytest.mark.parametrize("system", ["gateway_api", "ingress_nginx", "istio", "replicas"])
def test_by_hand_v2_is_there_before_it_gets_traffic_and_v1_is_deleted_last(system: str) -> None:
    commands = RELEASES[system](APPLICATION)
    assert verbs(commands)[:2] == ["apply", "rollout"]
    assert commands[-1].words[-2:] == ("delete", "deployment/web-v1")
    assert all(words[:3] == ("kubectl", "--namespace", "shop") for words, _text in commands if words[0] != "sleep")


def test_the_pods_of_v2_are_as_many_and_end_as_the_others_do() -> None:
    workload, front = json.loads(RELEASES["gateway_api"](APPLICATION)[0].text)["items"]
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "SHUTDOWN", "value": "0"}]
    assert workload["spec"]["replicas"] == 3
    assert workload["spec"]["selector"]["matchLabels"] == workload["spec"]["template"]["metadata"]["labels"]
    assert front["spec"]["selector"] == workload["spec"]["template"]["metadata"]["labels"]


def test_the_service_selects_v2_before_the_canary_ingress_goes() -> None:
    commands = RELEASES["ingress_nginx"](APPLICATION)
    assert verbs(commands)[-3:] == ["patch", "delete", "delete"]
    weights = [words[-1].partition("=")[2] for words, _text in commands if "annotate" in words]
    assert weights == ["10", "50", "100"]


def program(folder: Path, text: str) -> None:
    (folder / "kubectl").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "kubectl").chmod(0o755)


def test_commands_are_carried_out_in_turn_with_what_they_get_on_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, f'echo "$KUBECONFIG $*: $(cat)" >> {tmp_path}/said')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    commands = [APPLICATION.kubectl("apply", text="an object"), APPLICATION.end()]
    assert 0 < handwritten.release(commands, "/admin.yaml") < math.inf
    assert (tmp_path / "said").read_text().splitlines() == [
        "/admin.yaml --namespace shop apply: an object",
        "/admin.yaml --namespace shop delete deployment/web-v1: ",
    ]


def test_a_command_that_fails_ends_the_release_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "echo there is none >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RuntimeError, match="deployment/web-v1: there is none"):
        handwritten.release([APPLICATION.end()], "/admin.yaml")


def test_without_kubectl_it_is_said_where_it_is_to_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="tier proxy"):
        handwritten.release([], "/admin.yaml")
