"""Phase and message of a Rollout, as its own command line judges them."""

from __future__ import annotations

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_status import (
    Status,
    invalid_spec,
    is_unpausing,
    status_of,
)
from tests.unit.argo_objects import Object, item


@pytest.mark.parametrize(
    ("status", "judged"),
    [
        ({}, Status("Paused", "CanaryPauseStep")),
        ({"observedGeneration": "6"}, Status("Progressing", "waiting for rollout spec update to be observed")),
        ({"observedGeneration": "8"}, Status("Paused", "CanaryPauseStep")),
        ({"observedGeneration": "6f9c"}, Status("Paused", "CanaryPauseStep")),
        ({"pauseConditions": None}, Status("Progressing", "waiting for rollout to unpause")),
        ({"phase": "Degraded", "message": "RolloutAborted: x"}, Status("Degraded", "RolloutAborted: x")),
        (
            {"phase": None, "controllerPause": False},
            Status("Progressing", "the controller has not said anything about it yet"),
        ),
    ],
)
def test_the_phase_is_that_of_the_spec_as_written(status: Object, judged: Status) -> None:
    assert status_of(item(status=status)) == judged


def test_the_observed_generation_is_a_text_and_compared_as_a_number() -> None:
    rollout = item(status={"observedGeneration": "9"})
    rollout["metadata"]["generation"] = 10
    assert status_of(rollout).phase == "Progressing"


def test_a_referenced_workload_has_a_generation_of_its_own() -> None:
    rollout = item(workloadRef={"kind": "Deployment", "name": "web"}, status={"workloadObservedGeneration": "3"})
    rollout["metadata"]["annotations"] = {"rollout.argoproj.io/workload-generation": "4"}
    assert "reference workload" in status_of(rollout).message


def test_a_pause_ended_by_hand_that_the_controller_still_believes_in_is_told_apart() -> None:
    assert is_unpausing(item(status={"pauseConditions": []}))
    assert not is_unpausing(item(status={"pauseConditions": [], "controllerPause": False}))


def test_what_the_controller_refuses_of_a_spec_is_in_a_condition_alone() -> None:
    conditions = [{"type": "InvalidSpec", "status": "True", "message": "services must differ"}]
    assert invalid_spec(item(status={"conditions": conditions})) == "services must differ"
    assert invalid_spec(item()) is None


def test_a_status_is_said_as_the_command_line_says_it() -> None:
    assert str(Status("Paused", "CanaryPauseStep")) == "Paused - CanaryPauseStep"
    assert str(Status("Healthy", "")) == "Healthy"
