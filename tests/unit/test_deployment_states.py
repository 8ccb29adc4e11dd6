"""One Deployment in each state of a release: what is written to get there, and what it says of the split."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends import _deployment_patch as patches
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_control import serving, status_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_patch import Record
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_preflight import (
    Surroundings,
    findings_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_ratio import nearest_count
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_scene import Scene
from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_staging import staged
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import DEPLOYMENT, Workload
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import patched
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Weight
from tests.unit.test_workload_revisions import item, replica_set, template

Object = dict[str, Any]
RECORD = Record("v1", "v2")
STRATEGY = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}


def stable(**spec: Any) -> Object:
    made = item("v1", strategy=STRATEGY, progressDeadlineSeconds=600, **spec)
    made["metadata"]["annotations"] = {"team": "shop", DEPLOYMENT.revision: "1"}
    return made


def scene(made: Object, *sets: Object, version: str | None = "v2", rehearsed: bool = False) -> Scene:
    service = {
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"app": "web"}},
    }
    return Scene(Target("shop", "web", version), Workload.of(DEPLOYMENT, made, sets), service, rehearsed)


# what is written


def test_a_held_deployment_makes_so_many_pods_and_cannot_end_an_old_one() -> None:
    spec = patches.held(stable(paused=True), template("v2"), 3)["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 0}}
    assert spec["minReadySeconds"] > 86400, "no new pod is ever available, so none replaces an old one"
    assert spec["progressDeadlineSeconds"] > spec["minReadySeconds"], "the API server refuses anything else"
    assert "paused" not in spec


@pytest.mark.parametrize("own", [{}, {"minReadySeconds": 7}])
def test_what_was_held_gets_its_own_settings_back_to_the_letter(own: Object) -> None:
    before = stable(**own)
    held = patches.paused(patches.held(patches.staged(before, template("v2")), template("v2"), 2))
    again = patches.held(held, template("v2"), 5)
    assert patches.released(again, template("v1")) == before


def test_settings_whose_note_was_lost_become_those_of_kubernetes() -> None:
    held = patches.held(stable(), template("v2"), 2)
    del held["metadata"]["annotations"][patches.SETTINGS]
    spec = patches.released(held, template("v1"))["spec"]
    assert (spec["strategy"], spec["progressDeadlineSeconds"], "minReadySeconds" in spec) == (STRATEGY, 600, False)


@pytest.mark.parametrize("labels", [None, {}, {"a": "b"}])
@pytest.mark.parametrize("annotations", [None, {}, {"team": "shop"}])
def test_the_patch_makes_the_one_of_the_other(labels: Object | None, annotations: Object | None) -> None:
    before = stable()
    for name, value in (("labels", labels), ("annotations", annotations)):
        before["metadata"].pop(name, None)
        if value is not None:
            before["metadata"][name] = value
    after = patches.recorded(patches.held(before, template("v2"), 2), RECORD)
    made = patched(before, patches.patch_of(before, after))
    assert patches.is_made(made, after)
    assert made["metadata"].get("annotations") == after["metadata"].get("annotations")
    assert {**made["metadata"]["labels"]} == after["metadata"]["labels"]


def test_nothing_is_written_when_nothing_differs() -> None:
    before = patches.recorded(patches.held(stable(), template("v2"), 2), RECORD)
    assert patches.patch_of(before, copy.deepcopy(before)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 5},
        {"paused": True},
        {"template": template("v3")},
        {"strategy": {"type": "Recreate"}},
        {"minReadySeconds": 1},
    ],
)
def test_the_patch_fails_when_anything_it_relied_on_was_changed(change: Object) -> None:
    before = stable()
    operations = patches.patch_of(before, patches.held(before, template("v2"), 2))
    meanwhile = copy.deepcopy(before)
    meanwhile["spec"].update(change)
    with pytest.raises(Conflict):
        patched(meanwhile, operations)


def test_annotations_of_somebody_else_are_neither_tested_nor_written() -> None:
    before = stable()
    operations = patches.patch_of(before, patches.held(before, template("v2"), 2))
    meanwhile = copy.deepcopy(before)
    meanwhile["metadata"]["annotations"]["team"] = "other"
    assert patched(meanwhile, operations)["metadata"]["annotations"]["team"] == "other"


def test_what_belongs_to_a_template_comes_back_with_it_and_nothing_else_does() -> None:
    old = Workload.of(DEPLOYMENT, stable(), [replica_set(1, "v1", 9, **{"kubernetes.io/change-cause": "first"})])
    made = stable()
    made["metadata"]["annotations"]["gradual.canary/replaces"] = "v1"
    notes = patches.told(made, patches.annotations_of(old.revisions[0]))["metadata"]["annotations"]
    assert notes == {"team": "shop", DEPLOYMENT.revision: "1", "kubernetes.io/change-cause": "first"}


# what it says


def test_between_releases_the_version_is_that_of_the_template() -> None:
    found = scene(stable(), replica_set(1, "v1", 9))
    assert (found.stable, found.split.canary, found.weight) == ("v1", None, NOTHING)


def test_a_staged_version_is_no_canary_before_it_is_attached() -> None:
    made = patches.staged(stable(), template("v2"))
    found = scene(made, replica_set(1, "v1", 9))
    assert (found.stable, found.split.canary, found.is_staged) == ("v1", None, True)
    attached = scene(patches.recorded(made, RECORD), replica_set(1, "v1", 9))
    assert (attached.split.canary, attached.weight, attached.rests_at_nothing) == ("web-v2", NOTHING, True)


@pytest.mark.parametrize(("new", "weight"), [(1, 1000), (3, 2500), (9, 5000)])
def test_the_weight_is_the_share_of_the_pods(new: int, weight: int) -> None:
    made = patches.recorded(patches.paused(patches.held(stable(), template("v2"), new)), RECORD)
    sets = (replica_set(1, "v1", 9), replica_set(2, "v2", new))
    assert scene(made, *sets).weight == Weight(weight)
    assert scene(made, replica_set(1, "v1", 9), rehearsed=True).weight == Weight(weight), "before its pods are made"


def test_one_that_is_told_to_make_pods_does_not_rest_although_there_is_none_yet() -> None:
    made = patches.recorded(patches.held(stable(), template("v2"), 2), RECORD)
    assert not scene(made, replica_set(1, "v1", 9)).rests_at_nothing


def test_when_only_the_canary_has_pods_it_has_everything() -> None:
    made = patches.recorded(stable() | {"spec": {**stable()["spec"], "template": template("v2")}}, RECORD)
    found = scene(made, replica_set(1, "v1", 0), replica_set(2, "v2", 9))
    assert (found.weight, found.stable) == (EVERYTHING, "v1")
    promoted = scene(patches.recorded(made, Record("v2", "v2")), replica_set(2, "v2", 9))
    assert (promoted.split.stable_version, promoted.split.canary_version) == ("v2", "v2")


# weights


@pytest.mark.parametrize(("percent", "replicas", "count"), [(10, 9, 1), (40, 9, 6), (50, 9, 9), (50, 1, 1), (33, 4, 2)])
def test_the_nearest_number_of_new_pods_is_taken(percent: int, replicas: int, count: int) -> None:
    assert nearest_count(Weight.percent(percent), replicas, 500) == count


@pytest.mark.parametrize(("percent", "near"), [(10, "25 % .1 new"), (75, "50 % .3 new")])
def test_a_weight_that_no_number_comes_near_is_refused_with_those_that_can_be_had(percent: int, near: str) -> None:
    with pytest.raises(InvalidSplit, match=near):
        nearest_count(Weight.percent(percent), 3, 500)


# staging


def test_staging_pauses_with_the_new_template_in_one_state() -> None:
    found = scene(stable(), replica_set(1, "v1", 9))
    after = staged(found, template("v2"), replicas=None, annotations={"gradual.canary/replaces": "v1"})
    assert (after["spec"]["paused"], after["spec"]["template"]) == (True, template("v2"))
    assert after["metadata"]["annotations"]["gradual.canary/replaces"] == "v1"


def test_staging_what_is_there_changes_nothing() -> None:
    found = scene(stable(), replica_set(1, "v1", 9), version="v1")
    assert staged(found, template("v1"), replicas=None, annotations={}) == found.item


def test_another_template_of_the_version_that_serves_is_refused() -> None:
    found = scene(stable(), replica_set(1, "v1", 9), version="v1")
    with pytest.raises(Conflict, match="a version of its own"):
        staged(found, template("v1", "web:other"), replicas=None, annotations={})


@pytest.mark.parametrize(
    ("made", "sets", "why"),
    [
        (stable(paused=True), [replica_set(1, "v1", 9)], "was paused by somebody"),
        (item("v5"), [replica_set(1, "v1", 5), replica_set(2, "v5", 4)], "is being rolled to v5 by somebody"),
        (
            patches.recorded(patches.held(stable(), template("v5"), 1), Record("v1", "v5")),
            [replica_set(1, "v1", 9), replica_set(2, "v5", 1)],
            "in the middle of a release",
        ),
    ],
)
def test_nothing_is_staged_over_what_is_under_way(made: Object, sets: list[Object], why: str) -> None:
    with pytest.raises(Conflict, match=why):
        staged(scene(made, *sets), template("v2"), replicas=None, annotations={})


# status


def told(made: Object, **status: Any) -> Object:
    made["metadata"]["generation"] = 2
    numbers = {"replicas": 9, "updatedReplicas": 9, "readyReplicas": 9, "availableReplicas": 9}
    made["status"] = {"observedGeneration": 2, **numbers, **status}
    return made


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ({}, "healthy"),
        ({"observedGeneration": 1}, "progressing"),
        ({"updatedReplicas": 8}, "progressing"),
        ({"replicas": 10}, "progressing"),
        ({"availableReplicas": 8}, "progressing"),
        ({"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}, "degraded"),
    ],
)
def test_a_status_is_judged_as_kubectl_does(status: Object, phase: str) -> None:
    assert status_of(Workload.of(DEPLOYMENT, told(stable(), **status), [replica_set(1, "v1", 9)])).phase == phase


def test_a_paused_one_rests_although_kubectl_would_wait_for_ever() -> None:
    made = told(patches.paused(patches.held(stable(), template("v2"), 1)), replicas=10, updatedReplicas=1)
    status = status_of(Workload.of(DEPLOYMENT, made, [replica_set(1, "v1", 9), replica_set(2, "v2", 1)]))
    assert (status.phase, status.version, status.revision) == ("paused", "v2", 2)
    assert "1 of 10 pods of v2" in status.message


@pytest.mark.parametrize(
    ("conditions", "phase"),
    [([], "paused"), ([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}], "degraded")],
)
def test_one_that_is_done_is_paused_all_the_same_and_past_its_deadline_it_is_degraded(
    conditions: list[Object], phase: str
) -> None:
    made = told(stable(paused=True), conditions=conditions)
    assert status_of(Workload.of(DEPLOYMENT, made, [replica_set(1, "v1", 9)])).phase == phase


def test_an_abort_returns_to_what_served_and_not_to_the_revision_before() -> None:
    sets = [replica_set(5, "v4", 0), replica_set(4, "v1", 9), replica_set(6, "v2", 1)]
    found = serving(Workload.of(DEPLOYMENT, item("v2"), sets))
    assert found is not None
    assert found.version == "v1"


# preflight


def pod(owner: str) -> Object:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": f"web-{owner}-x", "ownerReferences": [{"uid": owner}]}, "status": ready}


def codes(found: Scene, *pods: Object, autoscalers: tuple[Object, ...] = ()) -> list[str]:
    around = Surroundings(found, autoscalers, pods or (pod("set1"),))
    return [finding.code for finding in findings_of(around) if finding.level == "error"]


def test_a_staged_version_is_clear_to_go() -> None:
    made = patches.staged(stable(), template("v2"))
    assert codes(scene(made, replica_set(1, "v1", 9))) == []


def test_a_version_that_is_neither_staged_nor_remembered_is_missing() -> None:
    assert codes(scene(stable(), replica_set(1, "v1", 9), version="v9")) == ["deployment_missing"]


def test_a_deployment_that_recreates_its_pods_is_refused() -> None:
    made = patches.staged({**stable(), "spec": {**stable()["spec"], "strategy": {"type": "Recreate"}}}, template("v2"))
    assert codes(scene(made, replica_set(1, "v1", 9))) == ["unsupported"]


def test_pods_of_somebody_else_behind_the_service_are_refused() -> None:
    made = patches.staged(stable(), template("v2"))
    assert codes(scene(made, replica_set(1, "v1", 9)), pod("set1"), pod("stranger")) == ["conflict"]


@pytest.mark.parametrize(("least", "found"), [(2, ["unsupported"]), (9, [])])
def test_an_autoscaler_is_refused_unless_it_is_pinned(least: int, found: list[str]) -> None:
    made = patches.staged(stable(), template("v2"))
    reference = {"kind": "Deployment", "name": "web"}
    autoscaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": reference, "minReplicas": least, "maxReplicas": 9},
    }
    assert codes(scene(made, replica_set(1, "v1", 9)), autoscalers=(autoscaler,)) == found


def test_a_service_without_a_ready_pod_is_refused() -> None:
    waiting = pod("set1")
    waiting["status"] = {}
    assert codes(scene(patches.staged(stable(), template("v2")), replica_set(1, "v1", 9)), waiting) == ["not_ready"]
