"""The templates that a workload has had, and which of them it would return to."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import (
    DEPLOYMENT,
    ROLLOUT,
    Workload,
    WorkloadKind,
    version_of_template,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import NotFound

Object = dict[str, Any]
VERSION = "app.kubernetes.io/version"


def template(version: str | None, image: str = "web:v0", **annotations: str) -> Object:
    labels = {"app": "web", **({VERSION: version} if version else {})}
    metadata: Object = {"labels": labels, **({"annotations": annotations} if annotations else {})}
    return {"metadata": metadata, "spec": {"containers": [{"name": "web", "image": image}]}}


def replica_set(
    number: int, version: str, replicas: int = 0, kind: WorkloadKind = DEPLOYMENT, owner: str = "u1", **notes: str
) -> Object:
    made = template(version)
    made["metadata"]["labels"][kind.template_hash] = f"hash{number}"
    reference = {"kind": kind.kind, "name": "web", "uid": owner, "controller": True}
    return {
        "metadata": {
            "name": f"web-hash{number}",
            "uid": f"set{number}",
            "labels": {kind.template_hash: f"hash{number}"},
            "annotations": {kind.revision: str(number), **notes},
            "ownerReferences": [reference],
        },
        "spec": {"replicas": replicas, "template": made},
        "status": {"replicas": replicas, "readyReplicas": replicas},
    }


def item(version: str, uid: str | None = "u1", **spec: Any) -> Object:
    metadata: Object = {"name": "web", "namespace": "shop", **({"uid": uid} if uid else {})}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": 9, "template": template(version), **spec}}


def workload(now: str, *sets: Object, kind: WorkloadKind = DEPLOYMENT, **spec: Any) -> Workload:
    return Workload.of(kind, item(now, **spec), sets)


@pytest.mark.parametrize(
    ("made", "version"),
    [
        (template("v2", "web:v1"), "v2"),
        (template(None, "registry:5000/shop/web:1.4.2"), "1.4.2"),
        (template(None, "web:v2@sha256:0123"), "v2"),
        (template(None, "registry:5000/web"), None),
        (template(None, "web"), None),
        ({"spec": {"containers": [{"image": "web:v3"}]}}, "v3"),
    ],
)
def test_a_version_is_the_label_of_the_template_and_else_the_tag_of_its_image(made: Object, version: str) -> None:
    assert version_of_template(made) == version


def test_the_history_is_that_of_the_replica_sets_which_the_workload_controls_newest_first() -> None:
    found = workload("v3", replica_set(2, "v2"), replica_set(10, "v3", 9), replica_set(11, "v9", owner="other"))
    assert [(one.number, one.version) for one in found.revisions] == [(10, "v3"), (2, "v2")]


@pytest.mark.parametrize(
    ("of_the_set", "of_the_template", "cause"),
    [
        (None, None, None),
        ("new logo", None, "new logo"),
        (None, "new font", "new font"),
        ("", "new font", "new font"),
        ("new logo", "new font", "new logo"),
        ("", "", None),
    ],
)
def test_the_cause_of_a_revision_is_what_kubectl_tells(
    of_the_set: str | None, of_the_template: str | None, cause: str | None
) -> None:
    made = replica_set(1, "v1", 9)
    for metadata, text in ((made["metadata"], of_the_set), (made["spec"]["template"]["metadata"], of_the_template)):
        if text is not None:
            metadata.setdefault("annotations", {})["kubernetes.io/change-cause"] = text
    assert workload("v1", made).revisions[0].as_result()["cause"] == cause


def test_one_that_check_mode_made_has_no_uid_and_still_its_replica_sets() -> None:
    found = Workload.of(DEPLOYMENT, item("v1", uid=None), [replica_set(1, "v1", 9)])
    assert [one.number for one in found.revisions] == [1]


@pytest.mark.parametrize("kind", [DEPLOYMENT, ROLLOUT])
def test_the_template_of_a_replica_set_is_that_of_the_workload_without_the_hash(kind: WorkloadKind) -> None:
    found = workload("v1", replica_set(1, "v1", 9, kind), kind=kind)
    assert found.current is not None
    assert (found.current.number, found.current.template_hash) == (1, "hash1")
    assert found.current.template == template("v1")


def test_a_template_that_is_only_staged_has_no_revision() -> None:
    found = workload("v2", replica_set(1, "v1", 9), paused=True)
    assert (found.version, found.current, found.paused) == ("v2", None, True)


def test_of_several_templates_of_a_version_the_one_with_pods_is_meant() -> None:
    again = replica_set(3, "v1")
    again["spec"]["template"]["spec"]["containers"][0]["image"] = "web:other"
    found = workload("v2", replica_set(1, "v1", 9), again)
    one = found.of_version("v1")
    assert one is not None
    assert one.number == 1


def test_undo_goes_to_the_second_highest_revision_or_to_the_exact_one() -> None:
    found = workload("v5", replica_set(7, "v5", 9), replica_set(2, "v2"), replica_set(4, "v4"))
    assert found.to_undo(None).number == 4, "not the one before: earlier undos leave gaps"
    assert found.to_undo(2).version == "v2"


def test_a_revision_that_is_not_there_is_refused_with_those_that_are() -> None:
    found = workload("v5", replica_set(7, "v5", 9), replica_set(2, "v2"))
    with pytest.raises(NotFound, match="has no revision 3; it has 2, 7") as refused:
        found.to_undo(3)
    assert refused.value.details == {"revision": 3}


def test_without_history_there_is_nothing_to_undo() -> None:
    with pytest.raises(NotFound, match="revisionHistoryLimit is 0"):
        workload("v1", replica_set(1, "v1", 9), revisionHistoryLimit=0).to_undo(None)


def test_the_generation_may_be_a_text() -> None:
    made = item("v1")
    made["metadata"]["generation"] = 3
    seen = copy.deepcopy(made)
    seen["status"] = {"observedGeneration": "3"}
    assert not Workload(ROLLOUT, made, ()).observed
    assert Workload(ROLLOUT, seen, ()).observed
