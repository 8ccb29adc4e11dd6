"""The verb rollout on a Rollout whose controller has not yet taken up what was written to it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_control import ArgoControl
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_driver import Done
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._errors import Degraded, NotReady
from tests.unit.argo_objects import rollout

ABORTED = {"phase": "Degraded", "message": "RolloutAborted: Rollout aborted update", "pauseConditions": None}
DONE = {"phase": "Healthy", "message": "", "currentStepIndex": 10, "stableRS": "hash-v2", "pauseConditions": None}


class Watched:
    """A driver of a Rollout that looks like these, one after the other."""

    def __init__(self, *looks: ArgoRollout) -> None:
        self._looks = looks

    def look(self) -> ArgoRollout:
        return self._looks[0]

    def wait(self, _rollout: ArgoRollout, done: Done, _seconds: float) -> ArgoRollout | None:
        return next((look for look in self._looks if done(look)), None)


def waited(*looks: ArgoRollout) -> str:
    driver: Any = Watched(*looks)
    return ArgoControl(driver).wait(1).phase


def seen(**status: Any) -> ArgoRollout:
    return rollout(status={"controllerPause": False, **status})


def test_an_abort_that_was_just_ended_is_not_taken_for_a_failure() -> None:
    assert waited(seen(**ABORTED, abort=False), rollout(status={"currentStepIndex": 1})) == "paused"


def test_a_pause_that_is_promoted_past_is_not_taken_for_the_end() -> None:
    assert waited(rollout(status={"promoteFull": True}), seen(**DONE)) == "healthy"


def test_an_abort_is_where_an_abort_leads() -> None:
    assert waited(rollout(status={"abort": True}), seen(**ABORTED, abort=True)) == "degraded"


def test_what_fails_on_its_way_past_all_steps_is_told() -> None:
    late = {"phase": "Degraded", "message": "ProgressDeadlineExceeded: x", "pauseConditions": None}
    with pytest.raises(Degraded, match="ProgressDeadlineExceeded"):
        waited(rollout(status={"promoteFull": True}), seen(**late, promoteFull=True))


def test_one_that_is_never_tried_again_is_told_after_the_time() -> None:
    with pytest.raises(NotReady, match="does not rest"):
        waited(seen(**ABORTED, abort=False))


def test_one_that_is_held_rests_whatever_is_to_come() -> None:
    assert waited(rollout(paused=True, status={"promoteFull": True})) == "paused"
