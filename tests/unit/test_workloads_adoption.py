"""Whose objects may be written, and what stays of those that are taken over."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._adoption import (
    keep_containers,
    keep_selector,
    require_ours,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import ForeignOwner, InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._manifests import Identity, Manifests
from ansible_collections.gradual.canary.plugins.module_utils._short_form import ShortForm

Object = dict[str, Any]
V2 = Identity("shop", "web", "v2")


def ours() -> Object:
    made: Manifests = ShortForm(image="web:v2").manifests(V2, replicas=None, replaces=None)
    return made.deployment


def live(*containers: str, labels: Object | None = None, **selector: Any) -> Object:
    """Return a Deployment that somebody made with kubectl."""
    fields = {f'k:{{"name":"{name}"}}': {".": {}, "f:image": {}} for name in containers}
    owned = {"f:spec": {"f:template": {"f:spec": {"f:containers": fields}}}}
    entry = {"manager": "kubectl-create", "operation": "Update", "fieldsV1": owned}
    metadata = {"name": "web-v2", "namespace": "shop", "labels": labels or {}, "managedFields": [entry]}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"selector": selector or {"matchLabels": {"app": "a"}}}}


def test_what_carries_all_our_labels_is_ours() -> None:
    require_ours(V2, live(labels=dict(V2.labels)))


@pytest.mark.parametrize("labels", [{}, {"app.kubernetes.io/managed-by": "Helm"}])
def test_somebody_elses_object_is_refused_unless_it_is_to_be_adopted(labels: Object) -> None:
    with pytest.raises(ForeignOwner, match="adopt: true"):
        require_ours(V2, live(labels=labels))
    require_ours(V2, live(labels=labels), adopt=True)


def test_another_version_of_ours_is_never_adopted() -> None:
    other = Identity("shop", "web-api", "v2")
    with pytest.raises(ForeignOwner, match="is version v2 of web-api and not version v2 of web"):
        require_ours(V2, live(labels=other.labels), adopt=True)


def test_a_selector_stays_and_the_new_pods_fit_it_too() -> None:
    deployment = ours()
    keep_selector(deployment, live(matchLabels={"app": "a"}))
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"] == {"matchLabels": {"app": "a"}}
    assert (labels["app"], labels["app.kubernetes.io/version"]) == ("a", "v2")


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "matchExpressions"),
        ({"matchLabels": {"app.kubernetes.io/version": "old"}}, "app.kubernetes.io/version with another value"),
    ],
)
def test_a_selector_that_our_pods_cannot_fit_is_refused(selector: Object, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        keep_selector(ours(), live(**selector))


def test_the_one_container_keeps_its_name() -> None:
    deployment = ours()
    keep_containers(deployment, live("server"))
    assert [container["name"] for container in deployment["spec"]["template"]["spec"]["containers"]] == ["server"]


def test_a_container_that_only_we_applied_is_replaced_and_not_kept() -> None:
    deployment, item = ours(), live("server")
    item["metadata"]["managedFields"][0].update(manager="gradual.canary", operation="Apply")
    keep_containers(deployment, item)
    assert deployment["spec"]["template"]["spec"]["containers"][0]["name"] == "app"


def test_a_container_edited_by_hand_is_still_ours() -> None:
    deployment = ours()
    keep_containers(deployment, live("app"))
    assert deployment["spec"]["template"]["spec"]["containers"][0]["name"] == "app"


def test_containers_that_would_run_beside_ours_are_refused() -> None:
    with pytest.raises(InvalidInput, match="containers server, side"):
        keep_containers(ours(), live("server", "side"))
