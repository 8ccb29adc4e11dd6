"""Approvals fail closed: only a person's yes, or a variable that names the stage, lets a release go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import terminals
from tests.e2e.conftest import OpenShop
from tests.e2e.steps import ASKING, all_on, held, traffic
from tests.e2e.terminals import at_a_terminal
from tests.shop.operators import Operator, Run
from tests.shop.shop import Shop

Way = Callable[[Operator, terminals.Start], Run]
EVIDENCE = "50 % proven: 663 of 1327 answers from v2"
ADVICE = "To approve, answer y on a terminal, or run again with -e canary_approve=web/v2/50"
NOBODY = "there is no terminal to ask on, or it was interrupted"


def answering(*answers: str) -> Way:
    return lambda operator, start: at_a_terminal(operator, start, *answers)


# What stands for the answer, what else is said to the run, and the reason that it gives.
REFUSALS: dict[str, tuple[Way, dict[str, Any], str]] = {
    "no input": (terminals.from_dev_null, {}, NOBODY),
    "closed input": (terminals.from_closed_input, {}, NOBODY),
    "a pipe that says yes": (terminals.from_a_pipe_that_says_yes, {}, NOBODY),
    "the background of a terminal": (terminals.in_the_background_of_a_terminal, {}, NOBODY),
    "ansible-runner": (terminals.under_ansible_runner, {}, "this runs under ansible-runner, where nobody can be asked"),
    "AWX": (answering(), {"awx_job_id": 7}, "this runs under AWX, where nobody can be asked"),
    "Tower": (answering(), {"tower_job_id": 7}, "this runs under AWX, where nobody can be asked"),
    "a time-out": (answering(), {"ask_timeout": 1}, "nobody answered within 1 s"),
    "an empty answer": (answering(""), {}, "the answer was empty"),
    "a blank answer": (answering("   "), {}, "the answer was empty"),
    "no": (answering("n"), {}, "the answer was no."),
    "no with a reason": (answering("n errors on the dashboard"), {}, "the answer was no (errors on the dashboard)"),
    "a reason": (answering("not before lunch"), {}, "the answer was no (not before lunch)"),
    "a word that begins with y": (answering("yesterday"), {}, "the answer was no (yesterday)"),
    "an approval of another stage": (terminals.from_dev_null, {"canary_approve": "web/v2/10"}, NOBODY),
    "an approval of another version": (terminals.from_dev_null, {"canary_approve": "web/v3/50"}, NOBODY),
    "an approval of another application": (terminals.from_dev_null, {"canary_approve": "shop/v2/50"}, NOBODY),
    "an approval of anything": (terminals.from_dev_null, {"canary_approve": "*"}, NOBODY),
    "an approval by truth": (terminals.from_dev_null, {"canary_approve": True}, NOBODY),
}
YES: dict[str, tuple[Way, dict[str, Any], str, str | None]] = {
    "y": (answering("y"), {}, "terminal", None),
    "yes": (answering("yes"), {}, "terminal", None),
    "y and a reason": (answering("y dashboards are quiet"), {}, "terminal", "dashboards are quiet"),
    "a variable": (terminals.from_dev_null, {"canary_approve": "web/v2/50"}, "variable", None),
    "a variable with a list": (
        terminals.from_dev_null,
        {"canary_approve": ["web/v2/10", "web/v2/50"]},
        "variable",
        None,
    ),
    "a variable under AWX": (answering(), {"awx_job_id": 7, "canary_approve": "web/v2/50"}, "variable", None),
    "a variable under ansible-runner": (
        terminals.under_ansible_runner,
        {"canary_approve": "web/v2/50"},
        "variable",
        None,
    ),
}


@pytest.fixture(scope="module")
def asker(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody with a playbook that asks one question, then does one thing."""
    home = tmp_path_factory.mktemp("asker")
    (home / "collections").symlink_to(installed / "collections")
    question = {
        "app": "web",
        "version": "v2",
        "stage": "50",
        "prompt": "v2 at 50 %. Go on?",
        "evidence": [EVIDENCE],
        "next": "100 % to v2",
        "timeout": "{{ ask_timeout | default(60) }}",
        "approved": "{{ canary_approve | default([]) }}",
    }
    play = {
        "name": "Ask",
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {"name": "Ask", "gradual.canary.approval": question, "register": "asked"},
            {"name": "Go on", "ansible.builtin.debug": {"msg": "it went on"}},
        ],
    }
    (home / "ask.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    return Operator(home, {})


def ask(asker: Operator, way: Way, **variables: Any) -> Run:
    return way(asker, asker.prepare(str(asker.home / "ask.yml"), **variables))


@pytest.mark.parametrize("case", REFUSALS)
def test_the_verb_takes_nothing_but_a_clear_yes(asker: Operator, case: str) -> None:
    way, variables, reason = REFUSALS[case]
    run = ask(asker, way, **variables)
    assert run.code == 2, run.output
    (result,) = [result["result"] for result in run.results]
    assert result["failure"]["code"] == "not_approved"
    assert f"stage 50 of web v2 is not approved: {reason}" in result["msg"]
    assert ADVICE in result["msg"]
    assert "it went on" not in run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize("case", YES)
def test_the_verb_takes_a_yes_and_keeps_where_it_came_from(asker: Operator, case: str) -> None:
    way, variables, source, reason = YES[case]
    run = ask(asker, way, **variables)
    assert run.code == 0, run.output
    result = run.results[0]["result"]
    assert (result["approved"], result["source"], result["reason"]) == (True, source, reason)
    assert result["by"]
    assert "it went on" in run.output


def test_the_question_shows_the_evidence_and_what_comes_next(asker: Operator) -> None:
    run = ask(asker, answering("y"))
    screen = run.output.partition("[y, n or a reason]")[0]
    shown = [line.strip() for line in screen.splitlines()]
    start = shown.index("stage 50 of web v2:")
    assert shown[start:] == ["stage 50 of web v2:", EVIDENCE, "next: 100 % to v2", "v2 at 50 %. Go on?"]


def test_on_another_host_nobody_is_asked(asker: Operator) -> None:
    """There the verb is a module, which has no terminal, whoever sits at that of the playbook."""
    run = ask(asker, answering(), ansible_become=True, ansible_become_method="ansible.builtin.su")
    assert run.code == 2, run.output
    assert NOBODY in run.results[0]["result"]["msg"]


# the release playbook


@pytest.fixture(scope="module")
def waiting(open_shop_for_module: OpenShop) -> Shop:
    """A shop whose release to v2 holds at 50 %, before a question."""
    shop = open_shop_for_module("gateway_api")
    held(shop)
    return shop


def release(shop: Shop, way: Way, **variables: Any) -> Run:
    timeout = variables.pop("ask_timeout", 60)
    stages = [{**ASKING[0], "approve": {"prompt": "Half of all users. Go on?", "timeout": timeout}}, ASKING[1]]
    start = shop.operator.prepare("gradual.canary.release", canary_version="v2", canary_stages=stages, **variables)
    return way(shop.operator, start)


# The verb is asked in each of these ways above; here the whole release is.
RELEASE_REFUSALS = [
    *("closed input", "ansible-runner", "an empty answer", "no", "an approval of another stage"),
    *(
        pytest.param(case, marks=pytest.mark.variant)
        for case in (
            *("no input", "a pipe that says yes", "the background of a terminal", "AWX", "a time-out", "a reason"),
            "an approval of anything",
        )
    ),
]


@pytest.mark.parametrize("case", RELEASE_REFUSALS)
def test_a_release_without_a_clear_yes_holds_where_it_is(waiting: Shop, case: str) -> None:
    way, variables, reason = REFUSALS[case]
    run = release(waiting, way, **variables)
    assert run.code == 2, run.output
    last = [result["result"]["msg"] for result in run.results if result["failed"]][-1]
    assert f"web v2 holds. stage 50 of web v2 is not approved: {reason}" in last
    assert "Traffic is 50 % to web-v2" in last
    assert "Run gradual.canary.release again to go on, or gradual.canary.rollback to take it back." in last
    assert run.writes == []
    assert traffic(waiting)["weight"] == "50"


def test_a_release_that_is_refused_can_be_taken_back_at_once(open_shop: OpenShop) -> None:
    shop = open_shop("gateway_api")
    run = release(shop, answering("n wrong day"), canary_on_refusal="rollback")
    assert run.code == 2, run.output
    assert "web v2 was refused. stage 50 of web v2 is not approved: the answer was no (wrong day)" in run.output
    all_on(shop, "v1")


def test_a_release_goes_on_after_a_yes_at_the_terminal(open_shop: OpenShop) -> None:
    shop = open_shop("gateway_api")
    run = release(shop, answering("y quiet"))
    assert run.code == 0, run.output
    asked = run.output.partition("[y, n or a reason]")[0].rpartition("stage 50 of web v2:")[2]
    assert "50 % proven: " in asked
    assert "next: 100 % to v2" in asked
    assert "Half of all users. Go on?" in asked
    all_on(shop, "v2")
