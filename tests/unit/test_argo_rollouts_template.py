"""Which templates a Rollout may be given, and which ask for the same pods."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_template import (
    differing,
    is_same_template,
    require_stageable,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends.argo_rollouts import ArgoRollouts
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Split
from tests.unit.argo_objects import Object, item, replica_set, rollout, template
from tests.unit.known_cluster import known

SPLIT = Split("web", None, NOTHING)
HELD: Object = {
    "currentStepIndex": 0,
    "pauseConditions": None,
    "controllerPause": False,
    "canary": {"weights": {"canary": {"weight": 0}}},
}
HEALTHY: Object = {"currentStepIndex": 10, "phase": "Healthy", "controllerPause": False, "pauseConditions": None}


def healthy(**spec: Any) -> ArgoRollout:
    """Return a Rollout whose one version is v1."""
    return rollout("v1", status=HEALTHY, **spec)


def staged() -> ArgoRollout:
    """Return a Rollout of v1 whose template is that of v2, held."""
    return rollout("v2", paused=True, status=HELD)


def changed(version: str, **container: Any) -> Object:
    result = template(version)
    result["spec"]["containers"][0].update(container)
    return result


# the same pods


def test_a_template_is_the_same_with_what_api_server_and_controller_fill_in() -> None:
    def one(**changes: Any) -> Object:
        return {"spec": {"containers": [{"name": "web", "ports": [{"containerPort": 8080}], **changes}]}}

    filled_in = one(ports=[{"containerPort": 8080, "protocol": "TCP"}], resources={})
    assert is_same_template(one(), filled_in)
    assert not is_same_template(one(), one(ports=[{"containerPort": 8080, "protocol": "UDP"}]))
    assert not is_same_template(one(), one(resources={"limits": {"cpu": "1"}}))


def test_a_template_from_a_replica_set_is_the_same_with_all_its_defaults() -> None:
    sent = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "serviceAccountName": "web",
            "containers": [
                {"name": "web", "image": "web:v1", "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}}}
            ],
            "volumes": [{"name": "settings", "configMap": {"name": "settings"}}],
        },
    }
    kept: Any = copy.deepcopy(sent)
    kept["metadata"]["creationTimestamp"] = None
    kept["spec"].update(
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        securityContext={},
        serviceAccount="web",
        terminationGracePeriodSeconds=30,
    )
    (container,) = kept["spec"]["containers"]
    container.update(
        imagePullPolicy="IfNotPresent",
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
    )
    container["readinessProbe"].update(timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    container["readinessProbe"]["httpGet"]["scheme"] = "HTTP"
    kept["spec"]["volumes"][0]["configMap"]["defaultMode"] = 420
    assert differing(sent, kept) == []
    container["readinessProbe"]["failureThreshold"] = 5
    kept["spec"]["terminationGracePeriodSeconds"] = 60
    assert differing(sent, kept) == [
        "spec.containers[0].readinessProbe.failureThreshold",
        "spec.terminationGracePeriodSeconds",
    ]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web:v1", "IfNotPresent"),
        ("web:latest", "Always"),
        ("web", "Always"),
        ("registry.lab:5000/web", "Always"),
        ("registry.lab:5000/web:v1", "IfNotPresent"),
        ("web@sha256:0", "IfNotPresent"),
    ],
)
def test_the_pull_policy_that_is_filled_in_depends_on_the_image(image: str, policy: str) -> None:
    other = {"Always": "IfNotPresent", "IfNotPresent": "Always"}[policy]
    assert is_same_template(changed("v1", image=image), changed("v1", image=image, imagePullPolicy=policy))
    assert not is_same_template(changed("v1", image=image), changed("v1", image=image, imagePullPolicy=other))


# what may be staged


def test_another_template_of_the_stable_version_is_refused_with_where_it_differs_and_what_to_do() -> None:
    with pytest.raises(Conflict, match="serves v1 already") as refused:
        require_stageable(healthy(), changed("v1", env=[{"name": "A", "value": "1"}]), SPLIT)
    assert "differs in spec.containers[0].env." in refused.value.message
    assert "version name of its own" in refused.value.message
    assert refused.value.details["places"] == ["spec.containers[0].env"]


def test_the_stable_template_may_be_given_whatever_else_of_the_rollout_has_changed() -> None:
    filled_in = changed("v1", ports=[], resources={})
    require_stageable(healthy(replicas=17, revisionHistoryLimit=3), filled_in, SPLIT)


def test_with_another_version_staged_the_stable_one_is_that_of_its_replica_set() -> None:
    require_stageable(staged(), template("v1"), SPLIT)
    with pytest.raises(Conflict, match=r"serves v1 already.*spec\.containers\[0\]\.image"):
        require_stageable(staged(), changed("v1", image="web:v1-mended"), SPLIT)


def test_a_staged_version_may_get_another_template() -> None:
    require_stageable(staged(), changed("v2", image="web:v2-mended"), SPLIT)


def test_a_new_version_may_be_staged() -> None:
    require_stageable(healthy(), template("v3"), SPLIT)


def test_in_the_middle_of_a_release_nothing_may_be_staged() -> None:
    for version in ("v1", "v3"):
        with pytest.raises(Conflict, match="in the middle of a release"):
            require_stageable(rollout(), changed(version, image="web:other"), SPLIT)


def test_a_rollout_without_a_stable_version_gets_no_other_template() -> None:
    first = rollout("v1", status={**HEALTHY, "phase": "Progressing", "stableRS": ""})
    with pytest.raises(Conflict, match="has no stable version yet: Progressing"):
        require_stageable(first, template("v2"), SPLIT)


def test_deploying_the_stable_version_again_writes_nothing_and_a_changed_one_is_refused() -> None:
    cluster = known(item("v1", status=HEALTHY), replica_set("v1", 1))  # which knows of no writes
    backend = ArgoRollouts(cluster, Target("shop", "web", "v1"), {})
    assert not backend.stage(changed("v1", resources={}), replicas=17, annotations={"note": "other"}).changed
    with pytest.raises(Conflict, match="serves v1 already"):
        backend.stage(changed("v1", image="web:v1-mended"), replicas=17)
