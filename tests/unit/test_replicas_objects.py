"""What the objects of a split by numbers of pods say, what is written to them, and what the preflight says of them."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Snapshot, Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_objects import Record, Scene
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_preflight import (
    Surroundings,
    findings_of,
    obstacles_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_ratio import Selected
from ansible_collections.gradual.canary.plugins.module_utils._backends.replicas import Replicas
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import patched
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Weight
from tests.unit.known_cluster import known

Object = dict[str, Any]
NAME, VERSION = "app.kubernetes.io/name", "app.kubernetes.io/version"
TARGET = Target("shop", "web", "v2")
RECORD = Record("v1", "v2", 9, 3)


def service(selector: dict[str, str], annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata: Object = {"name": "web", "namespace": "shop"}
    if annotations is not None:
        metadata["annotations"] = annotations
    return {"kind": "Service", "metadata": metadata, "spec": {"selector": selector, **spec}}


def labels(version: str) -> dict[str, str]:
    return {NAME: "web", VERSION: version}


def deployment(version: str, replicas: int = 1, **pod: Any) -> Object:
    container = {"name": "web", "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
    return {
        "kind": "Deployment",
        "metadata": {"name": f"web-{version}", "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels(version)},
            "template": {"metadata": {"labels": labels(version)}, "spec": {"containers": [container], **pod}},
        },
    }


def pod(version: str, name: str = "a") -> Object:
    conditions = [{"type": "Ready", "status": "True"}]
    metadata = {"name": f"web-{version}-{name}", "labels": labels(version)}
    return {"metadata": metadata, "status": {"conditions": conditions}}


def scene(selector: dict[str, str], record: Record | None = RECORD, **replicas: int) -> Scene:
    numbers = {"v1": 9, "v2": 1, **replicas}
    item = service(selector, record.annotations() if record else None)
    first, second = (deployment(version, number) for version, number in numbers.items())
    return Scene(item, record, "v1", "v2", first, second)


GOOD = Surroundings(scene(labels("v1"), None), TARGET, (), (pod("v1"), pod("v2")))


# reading


@pytest.mark.parametrize(
    ("selector", "weight"),
    [(labels("v1"), NOTHING), ({NAME: "web"}, Weight.percent(10)), (labels("v2"), EVERYTHING)],
)
def test_the_selector_and_the_numbers_of_pods_are_the_split(selector: dict[str, str], weight: Weight) -> None:
    split = scene(selector).split(TARGET)
    assert (split.stable, split.canary, split.weight) == ("web", "web-v2", weight)
    assert (split.stable_version, split.canary_version) == ("v1", "v2")


def test_a_service_without_a_record_has_no_canary_although_one_is_deployed() -> None:
    split = scene(labels("v1"), None).split(TARGET)
    assert (split.canary, split.weight, split.stable_version) == (None, NOTHING, "v1")


def test_a_selector_that_names_a_third_version_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="selects version v7"):
        assert scene(labels("v7")).selected


def test_a_record_is_read_as_it_was_written() -> None:
    assert Record.of(service(labels("v1"), {"other": "x", **RECORD.annotations()})) == RECORD
    assert Record.of(service(labels("v1"), {"other": "x"})) is None
    assert Record.of(service(labels("v1"))) is None


@pytest.mark.parametrize("lost", sorted(RECORD.annotations()))
def test_half_a_record_is_a_conflict_and_not_a_guess(lost: str) -> None:
    left = {key: value for key, value in RECORD.annotations().items() if key != lost}
    with pytest.raises(Conflict, match="changed by somebody"):
        Record.of(service(labels("v1"), left))


# writing


@pytest.mark.parametrize("annotations", [None, {}, {"theirs": "kept"}])
def test_attaching_writes_the_record_and_keeps_what_others_wrote(annotations: dict[str, str] | None) -> None:
    item = service(labels("v1"), annotations)
    before = dataclasses.replace(scene(labels("v1"), None), service=item)
    written = patched(item, before.operations({NAME: "web"}, RECORD))
    assert written["spec"]["selector"] == {NAME: "web"}
    assert written["metadata"]["annotations"] == {**(annotations or {}), **RECORD.annotations()}
    again = dataclasses.replace(before, service=written)
    assert again.operations({NAME: "web"}, RECORD) == []


def test_detaching_removes_the_record_and_nothing_else() -> None:
    item = service(labels("v2"), {"theirs": "kept", **RECORD.annotations()})
    before = dataclasses.replace(scene(labels("v2")), service=item)
    written = patched(item, before.operations(labels("v2"), None))
    assert written["metadata"]["annotations"] == {"theirs": "kept"}


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"spec": {"selector": labels("v9")}},
        {"metadata": {"annotations": {**RECORD.annotations(), "gradual.canary/canary-version": "v3"}}},
        {"metadata": {"annotations": {}}},
    ],
)
def test_a_service_that_somebody_changed_meanwhile_is_not_written(meanwhile: Object) -> None:
    before = scene({NAME: "web"})
    changed = copy.deepcopy(before.service)
    for part, values in meanwhile.items():
        changed[part].update(values)
    with pytest.raises(Conflict):
        patched(changed, before.operations(labels("v1"), RECORD))


def test_the_selector_of_a_version_keeps_every_other_label() -> None:
    before = scene({**labels("v1"), "tier": "front"})
    assert before.selector(Selected.BOTH) == {NAME: "web", "tier": "front"}
    assert before.selector(Selected.CANARY) == {**labels("v2"), "tier": "front"}


# looking for obstacles


def codes(around: Surroundings, level: str = "error") -> list[str]:
    return [finding.code for finding in findings_of(around) if finding.level == level]


def test_a_good_scene_has_no_findings() -> None:
    assert findings_of(GOOD) == ()


def with_scene(**changes: Any) -> Surroundings:
    return dataclasses.replace(GOOD, scene=dataclasses.replace(GOOD.scene, **changes))


def autoscaler(name: str) -> Object:
    reference = {"kind": "Deployment", "name": name}
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "auto", "namespace": "shop"},
        "spec": {"scaleTargetRef": reference},
    }


@pytest.mark.parametrize("name", ["web-v1", "web-v2"])
def test_an_autoscaler_on_either_version_is_an_obstacle(name: str) -> None:
    around = dataclasses.replace(GOOD, autoscalers=(autoscaler(name),))
    (finding,) = obstacles_of(around)
    assert finding.code == "unsupported"
    assert name in finding.message


def test_an_autoscaler_of_something_else_is_none() -> None:
    assert obstacles_of(dataclasses.replace(GOOD, autoscalers=(autoscaler("db"),))) == ()


def test_a_missing_canary_is_an_obstacle() -> None:
    (finding,) = obstacles_of(with_scene(canary_deployment=None))
    assert "web-v2" in finding.message
    assert "endpoint" in finding.message


def test_pods_of_a_third_version_are_an_obstacle_until_they_end() -> None:
    third = pod("v0")
    around = dataclasses.replace(GOOD, pods=(*GOOD.pods, third))
    assert codes(around) == ["conflict"]
    third["metadata"]["deletionTimestamp"] = "2026-11-20T00:00:00Z"
    assert codes(around) == []


def test_pods_without_the_labels_of_the_selector_are_an_obstacle() -> None:
    front = scene({**labels("v1"), "tier": "front"}, None)
    assert [finding.code for finding in obstacles_of(dataclasses.replace(GOOD, scene=front))] == ["labels_missing"] * 2


def test_deployments_that_count_each_others_pods_are_an_obstacle() -> None:
    wide = deployment("v1")
    wide["spec"]["selector"]["matchLabels"] = {NAME: "web"}
    (finding,) = obstacles_of(with_scene(stable_deployment=wide))
    assert finding.code == "selectors_overlap"


@pytest.mark.parametrize(
    ("spec", "level", "code"),
    [
        ({"sessionAffinity": "ClientIP"}, "error", "sticky"),
        ({"publishNotReadyAddresses": True}, "error", "not_ready_addresses"),
        ({"clusterIP": "None"}, "warning", "headless"),
        ({"trafficDistribution": "PreferClose"}, "warning", "uneven"),
        ({"internalTrafficPolicy": "Local"}, "warning", "uneven"),
    ],
)
def test_what_makes_the_service_share_out_otherwise_is_found(spec: Object, level: str, code: str) -> None:
    assert codes(with_scene(service=service(labels("v1"), **spec)), level) == [code]


def test_a_canary_without_a_ready_pod_is_found_but_not_in_a_rehearsal() -> None:
    around = dataclasses.replace(GOOD, pods=(pod("v1"),))
    assert codes(around) == ["not_ready"]
    assert codes(dataclasses.replace(around, rehearsed=True)) == []


def test_pods_that_end_at_once_are_warned_of() -> None:
    item = deployment("v1")
    del item["spec"]["template"]["spec"]["containers"][0]["lifecycle"]
    assert codes(with_scene(stable_deployment=item), "warning") == ["no_pre_stop"]


# going back


def test_a_snapshot_of_another_application_is_refused_by_name() -> None:
    entry = {"kind": "Service", "namespace": "shop", "name": "other", "uid": "1", "values": {}}
    with pytest.raises(InvalidInput, match="has no Service 'web'; it is of another release"):
        Replicas(known(), TARGET, {}).restore(Snapshot("replicas", (entry,)))
