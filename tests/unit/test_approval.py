"""What counts as a yes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._approval import (
    Decision,
    Gate,
    NotApproved,
    by_variable,
    judge,
    unattended,
)

GATE = Gate("web", "v2", "50")


@pytest.mark.parametrize("answer", ["y", "Y", "yes", " yes "])
def test_a_typed_yes_approves(answer: str) -> None:
    assert judge(GATE, answer) == Decision("terminal")


def test_a_yes_may_carry_a_reason() -> None:
    assert judge(GATE, "y dashboards are quiet").reason == "dashboards are quiet"


@given(st.text().filter(lambda text: text.strip().partition(" ")[0].lower() not in {"y", "yes"}))
def test_no_other_answer_approves(answer: str) -> None:
    with pytest.raises(NotApproved, match="is not approved"):
        judge(GATE, answer)


def test_a_reason_alone_is_a_no_and_is_kept() -> None:
    with pytest.raises(NotApproved, match=r"the answer was no \(error rate looks odd\)") as refusal:
        judge(GATE, "error rate looks odd")
    assert refusal.value.details["reason"] == "error rate looks odd"


@pytest.mark.parametrize(
    "given_", [[], ["web/v2"], ["web/v2/10"], ["web/v3/50"], ["*"], ["web/v2/*"], ["true"], ["WEB/V2/50"]]
)
def test_a_variable_for_anything_else_does_not_approve(given_: list[str]) -> None:
    assert by_variable(GATE, given_) is None


def test_a_variable_approves_the_stage_it_names() -> None:
    assert by_variable(GATE, ["web/v2/10", "web/v2/50"]) == Decision("variable")


@pytest.mark.parametrize(
    ("variables", "environment", "name"),
    [
        ({"awx_job_id": 7}, {}, "AWX"),
        ({"tower_job_id": 7}, {}, "AWX"),
        ({}, {"AWX_HOST": "x"}, "AWX"),
        ({}, {"AWX_ISOLATED_DATA_DIR": "x"}, "ansible-runner"),
        ({}, {"RUNNER_OMIT_EVENTS": "False"}, "ansible-runner"),
        ({}, {"HOME": "/home/olga"}, None),
    ],
)
def test_a_play_without_a_person_is_recognised(
    variables: dict[str, object], environment: dict[str, str], name: str | None
) -> None:
    assert unattended(variables, environment) == name


def test_the_refusal_tells_how_to_approve() -> None:
    assert "-e canary_approve=web/v2/50" in GATE.refused("no answer").message
