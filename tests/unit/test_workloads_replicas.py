"""Who decides on the number of pods: nobody's number is fought over, and none is lost."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._replicas import (
    applied_number,
    autoscaler_of,
    dispute,
    first_number,
    wanted_number,
)

Object = dict[str, Any]


def live(replicas: int, *, applied_by_us: bool) -> Object:
    fields = {"f:spec": {"f:replicas": {}} if applied_by_us else {"f:template": {}}}
    scaler = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale"}
    entries = [
        {"manager": "gradual.canary", "operation": "Apply", "fieldsV1": fields},
        {"manager": "gradual.canary", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {**scaler, "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    return {"metadata": {"name": "web-v2", "managedFields": entries}, "spec": {"replicas": replicas}}


def autoscaler(least: int | None = 2) -> Object:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web-v2"}, "maxReplicas": 9}
    if least is not None:
        spec["minReplicas"] = least
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec}


def test_an_autoscaler_is_known_by_kind_and_name_of_what_it_scales() -> None:
    stateful = autoscaler()
    stateful["spec"]["scaleTargetRef"] = {"kind": "StatefulSet", "name": "web-v2"}
    assert autoscaler_of("web-v2", [stateful, autoscaler()]) == autoscaler()
    assert autoscaler_of("web-v1", [autoscaler()]) is None


@pytest.mark.parametrize(
    ("scaler", "asked", "number"),
    [(None, None, 1), (None, 3, 3), (None, 0, 0), (autoscaler(), None, 2), (autoscaler(), 3, 3), (autoscaler(4), 3, 4)],
)
def test_a_new_version_starts_with_what_is_asked_and_not_below_the_autoscalers_least(
    scaler: Object | None, asked: int | None, number: int
) -> None:
    assert first_number(scaler, asked) == number


def test_applying_sends_the_live_number_so_that_it_changes_nothing() -> None:
    assert applied_number(live(3, applied_by_us=True), None) == 3
    assert applied_number(live(3, applied_by_us=False), None) == 3


def test_an_autoscalers_number_is_left_out_once_we_do_not_own_it() -> None:
    assert applied_number(live(3, applied_by_us=False), autoscaler()) is None


def test_a_number_that_we_alone_own_is_sent_on_because_leaving_it_out_would_make_it_one() -> None:
    assert applied_number(live(3, applied_by_us=True), autoscaler()) == 3


@pytest.mark.parametrize(
    ("number", "scaler", "asked", "wanted"),
    [
        (3, None, 5, 5),
        (3, None, 0, 0),
        (3, None, None, 3),
        (0, None, None, 1),
        (3, autoscaler(), 5, 3),
        (0, autoscaler(), None, 2),
        (0, autoscaler(), 4, 4),
        (0, autoscaler(None), None, 1),
    ],
)
def test_an_existing_version_gets_what_is_asked_unless_an_autoscaler_works(
    number: int, scaler: Object | None, asked: int | None, wanted: int
) -> None:
    assert wanted_number(live(number, applied_by_us=False), scaler, asked) == wanted


def test_a_number_that_has_no_effect_is_warned_of() -> None:
    assert "stay at 3 and not 5 as asked" in str(dispute(live(3, applied_by_us=False), autoscaler(), 5))
    assert "stay at 3." in str(dispute(live(3, applied_by_us=True), autoscaler(), None))
    assert dispute(live(3, applied_by_us=False), autoscaler(), None) is None
    assert dispute(live(3, applied_by_us=False), autoscaler(), 3) is None
