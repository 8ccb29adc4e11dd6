"""Which weights the steps of a Rollout can hold."""

from __future__ import annotations

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_steps import Steps, Stop
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Weight
from tests.unit.argo_objects import STEPS

TEN, FIFTY = Weight.percent(10), Weight.percent(50)
ALL = Steps(tuple(STEPS))


def test_it_waits_at_pauses_without_a_duration_and_at_its_end() -> None:
    assert [(stop.index, str(stop.weight)) for stop in ALL.stops] == [
        (1, "0 %"),
        (4, "10 %"),
        (7, "50 %"),
        (9, "100 %"),
        (10, "100 %"),
    ]


@pytest.mark.parametrize(("index", "weight"), [(0, "0 %"), (3, "10 %"), (4, "10 %"), (6, "50 %"), (10, "100 %")])
def test_the_latest_weight_holds_until_the_next(index: int, weight: str) -> None:
    assert str(ALL.weight_at(index)) == weight


def test_a_rollout_without_steps_can_hold_only_everything() -> None:
    assert Steps(()).stops == (Stop(0, EVERYTHING),)
    assert Steps(()).weight_at(0) == EVERYTHING


def test_the_first_stop_with_the_weight_is_meant() -> None:
    assert ALL.stop_for(FIFTY, 1, "Rollout shop/web") == Stop(7, FIFTY)
    assert ALL.stop_for(EVERYTHING, 1, "Rollout shop/web") == Stop(9, EVERYTHING)
    assert ALL.stop_for(EVERYTHING, 10, "Rollout shop/web") == Stop(10, EVERYTHING)


def test_a_weight_it_is_at_is_where_it_is() -> None:
    assert ALL.stop_for(TEN, 4, "Rollout shop/web") == Stop(4, TEN)


def test_a_weight_that_no_step_holds_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(InvalidSplit, match=r"no step that holds 25 %; the nearest it can hold is 10 %") as refused:
        ALL.stop_for(Weight.percent(25), 1, "Rollout shop/web")
    assert refused.value.details == {"nearest": "10", "reachable": ["0", "10", "50", "100", "100"]}
    assert "'- setWeight: 25' and '- pause: {}'" in refused.value.message


def test_steps_are_never_gone_back() -> None:
    with pytest.raises(InvalidSplit, match=r"has left 10 % behind.*only 0 takes all traffic back"):
        ALL.stop_for(TEN, 7, "Rollout shop/web")


def test_a_pause_with_a_duration_holds_nothing() -> None:
    steps = Steps(({"setWeight": 20}, {"pause": {"duration": "1h"}}))
    with pytest.raises(InvalidSplit, match="20 %"):
        steps.stop_for(Weight.percent(20), 0, "Rollout shop/web")


def test_a_release_is_refused_by_the_first_weight_that_cannot_be_held() -> None:
    ALL.require([TEN, FIFTY, EVERYTHING], "Rollout shop/web")
    with pytest.raises(InvalidSplit, match="30 %"):
        ALL.require([TEN, Weight.percent(30), EVERYTHING], "Rollout shop/web")


def test_weights_are_parts_of_the_greatest_one() -> None:
    steps = Steps.of({"steps": [{"setWeight": 25}, {"pause": {}}], "trafficRouting": {"maxTrafficWeight": 1000}})
    assert steps.stops[0].weight == Weight.percent("2.5")
    with pytest.raises(InvalidSplit, match=r"setWeight: 5'"):
        steps.stop_for(Weight.percent("0.5"), 0, "Rollout shop/web")
    with pytest.raises(InvalidSplit, match=r"counts in parts of 1000.*0.25 % is none"):
        steps.stop_for(Weight.percent("0.25"), 0, "Rollout shop/web")


def test_pods_can_be_tried_before_users_where_it_waits_at_nothing_first() -> None:
    assert ALL.stops[0].weight == NOTHING
    assert ALL.can_probe
    assert not Steps(({"setWeight": 10}, {"pause": {}})).can_probe
