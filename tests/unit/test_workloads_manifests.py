"""What one version consists of: names, labels and selectors of its objects, from manifests and from short options."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gradual.canary.plugins.doc_fragments.container import ModuleDocFragment
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._manifests import Identity, from_objects, read_file
from ansible_collections.gradual.canary.plugins.module_utils._short_form import OPTIONS, ShortForm

Object = dict[str, Any]
V2 = Identity("shop", "web", "v2")
SELECTOR = {"app.kubernetes.io/name": "web", "app.kubernetes.io/version": "v2"}
LABELS = {**SELECTOR, "app.kubernetes.io/managed-by": "gradual.canary"}


def deployment(**metadata: Any) -> Object:
    container = {"name": "server", "image": "web:v2", "ports": [{"containerPort": 9000, "name": "web"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "server", **metadata},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "server"}},
            "template": {"metadata": {"labels": {"app": "server"}}, "spec": {"containers": [container]}},
        },
    }


def service(**spec: Any) -> Object:
    ports = [{"port": 80, "targetPort": "web"}]
    metadata = {"name": "server"}
    spec = {"selector": {"app": "server"}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def settings(**metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", **metadata}, "data": {"a": "b"}}


def container(**options: Any) -> Object:
    made = ShortForm(image="web:v2", **options).manifests(V2, replicas=None, replaces=None)
    found: Object = made.deployment["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize("version", ["v2", "1-4-2", "2", "a" * 59])
def test_a_version_that_can_be_part_of_a_services_name_is_accepted(version: str) -> None:
    assert Identity("shop", "web", version).name == f"web-{version}"


@pytest.mark.parametrize("version", ["1.4.2", "V2", "-v2", "v2-", "v_2", "", "a" * 60])
def test_another_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidInput, match=r"allowed|at most 63"):
        Identity("shop", "web", version)


def test_a_refused_version_is_answered_with_one_that_works() -> None:
    with pytest.raises(InvalidInput, match="for example '1-4-2'"):
        Identity("shop", "web", "1.4.2")


@pytest.mark.parametrize("app", ["Web", "1web", "web.shop", ""])
def test_an_application_that_cannot_name_a_service_is_refused(app: str) -> None:
    with pytest.raises(InvalidInput, match="cannot name a Service"):
        Identity("shop", app, "v2")


def test_manifests_get_the_versions_name_labels_and_selectors_and_keep_their_own() -> None:
    made = from_objects(V2, [settings(), deployment(labels={"team": "a"}), service()], replaces="v1")
    assert made.deployment["metadata"]["name"] == made.service["metadata"]["name"] == "web-v2"
    assert made.deployment["metadata"]["namespace"] == made.service["metadata"]["namespace"] == "shop"
    assert made.deployment["metadata"]["labels"] == {"team": "a", **LABELS}
    assert made.deployment["metadata"]["annotations"]["gradual.canary/replaces"] == "v1"
    assert made.deployment["spec"]["selector"] == {"matchLabels": SELECTOR}
    assert made.deployment["spec"]["template"]["metadata"]["labels"] == {"app": "server", **LABELS}
    assert made.service["spec"]["selector"] == SELECTOR
    assert made.service["metadata"]["labels"] == LABELS
    assert made.others == (settings(namespace="shop"),)
    assert made.replicas == 4


def test_what_is_given_stays_as_it_was() -> None:
    given = [deployment(), service()]
    before = copy.deepcopy(given)
    from_objects(V2, given, replaces="v1")
    assert given == before


def test_two_versions_from_the_same_manifests_select_different_pods() -> None:
    first, second = (from_objects(Identity("shop", "web", name), [deployment()]) for name in ("v1", "v2"))
    pods = second.deployment["spec"]["template"]["metadata"]["labels"]
    assert not first.service["spec"]["selector"].items() <= pods.items()
    assert second.service["spec"]["selector"].items() <= pods.items()


def test_without_a_service_one_is_made_for_the_first_port() -> None:
    made = from_objects(V2, [deployment()])
    assert made.service["spec"]["ports"] == [{"name": "web", "port": 9000, "targetPort": "web"}]


def test_a_number_given_beside_the_manifests_wins() -> None:
    assert from_objects(V2, [deployment()], replicas=1).replicas == 1


def test_an_autoscaler_among_the_manifests_is_found_by_what_it_scales() -> None:
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "any"}}
    scaler["spec"] = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-v2"}}
    found = from_objects(V2, [deployment(), scaler]).autoscaler
    assert found is not None
    assert found["metadata"]["name"] == "any"
    scaler["spec"]["scaleTargetRef"]["name"] = "web-v1"
    assert from_objects(V2, [deployment(), scaler]).autoscaler is None


def portless() -> Object:
    item = deployment()
    del item["spec"]["template"]["spec"]["containers"][0]["ports"]
    return item


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([], "exactly one Deployment; found: none"),
        ([service()], "exactly one Deployment; found: none"),
        ([deployment(), {**deployment(), "metadata": {"name": "other"}}], "found: Deployment shop/server, Deployment"),
        ([deployment(), deployment()], "Deployment shop/server is in the manifests twice"),
        ([deployment(), service(), {**service(), "metadata": {"name": "b"}}], "may have one Service"),
        ([deployment(), settings(), settings()], "ConfigMap shop/settings is in the manifests twice"),
        ([deployment(namespace="other")], "names namespace other but the version is deployed to shop"),
        ([deployment(), {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}], "cannot come with a version"),
        ([deployment(), {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}}], "cannot be applied"),
        ([{**deployment(), "apiVersion": "apps/v1beta1"}], "must have apiVersion apps/v1"),
        ([{"kind": "Deployment"}], "object 1 of the manifests must have"),
        (["text"], "object 1 of the manifests must have"),
        ([{**deployment(), "spec": {}}], "has no containers"),
        ([portless()], "no container port to make a Service from"),
        ([deployment(), service(type="ExternalName")], "cannot select the pods"),
        ([deployment(), service(ports=[])], "has no ports"),
    ],
)
def test_manifests_that_cannot_be_a_version_are_refused_with_the_reason(objects: list[Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        from_objects(V2, objects)


def test_a_file_may_hold_several_documents(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text("---\nkind: A\n---\n---\nkind: B\n", encoding="utf-8")
    assert read_file(str(file)) == [{"kind": "A"}, {"kind": "B"}]


@pytest.mark.parametrize(
    ("text", "words"), [("a: [", "is not YAML"), ("---\n", "has no objects"), (None, "cannot be read: No such file")]
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "web.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=words):
        read_file(str(file))


def test_each_short_option_is_documented_where_the_verb_says() -> None:
    assert set(yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]) == set(OPTIONS)


def test_each_short_option_reaches_the_objects() -> None:
    toleration = {"key": "dedicated", "operator": "Exists"}
    given = {
        "port": 9000,
        "service_port": 80,
        "port_name": "web",
        "env": {"A": "b"},
        "env_from": [{"configMapRef": {"name": "settings"}}],
        "probes": {"startup": {"path": "/started"}},
        "resources": {"limits": {"memory": "64Mi"}},
        "image_pull_policy": "Always",
        "image_pull_secrets": ["registry"],
        "service_account": "runner",
        "pre_stop_sleep": 5,
        "termination_grace_period": 40,
        "command": ["/web"],
        "args": ["-v"],
        "labels": {"team": "checkout"},
        "annotations": {"owner": "checkout"},
        "pod_annotations": {"scrape": True},
        "node_selector": {"disk": "ssd"},
        "tolerations": [toleration],
    }
    assert set(given) == set(OPTIONS)
    made = ShortForm(image="web:v2", **given).manifests(V2, replicas=3, replaces=None)
    template = made.deployment["spec"]["template"]
    pod = template["spec"]
    one = pod["containers"][0]
    assert one["ports"] == [{"name": "web", "containerPort": 9000}]
    assert made.service["spec"]["ports"] == [{"name": "web", "port": 80, "targetPort": "web"}]
    assert (one["env"], one["envFrom"]) == ([{"name": "A", "value": "b"}], given["env_from"])
    assert one["startupProbe"] == {"httpGet": {"path": "/started", "port": "web"}}
    assert (one["resources"], one["imagePullPolicy"]) == (given["resources"], "Always")
    assert (one["command"], one["args"]) == (["/web"], ["-v"])
    assert one["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert (pod["imagePullSecrets"], pod["serviceAccountName"]) == ([{"name": "registry"}], "runner")
    assert (pod["terminationGracePeriodSeconds"], pod["nodeSelector"]) == (40, {"disk": "ssd"})
    assert pod["tolerations"] == [toleration]
    assert template["metadata"] == {"labels": {"team": "checkout", **LABELS}, "annotations": {"scrape": "true"}}
    for item in (made.deployment, made.service):
        assert item["metadata"]["labels"]["team"] == item["metadata"]["annotations"]["owner"] == "checkout"
    assert made.replicas == 3


def test_environment_values_are_texts_as_yaml_writes_them() -> None:
    given = {"NUMBER": 8, "YES": True, "TEXT": "a", "KEY": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}}
    assert container(env=given)["env"] == [
        {"name": "NUMBER", "value": "8"},
        {"name": "YES", "value": "true"},
        {"name": "TEXT", "value": "a"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]


def test_a_container_without_probes_must_open_its_port() -> None:
    assert container()["readinessProbe"]["tcpSocket"] == {"port": "http"}
    assert "readinessProbe" not in container(probes={"readiness": {}})


def test_a_short_probe_is_one_by_http() -> None:
    short = {"path": "/readyz", "port": "9001", "period": 2, "timeout": "3", "failures": 4}
    assert container(probes={"readiness": short})["readinessProbe"] == {
        "httpGet": {"path": "/readyz", "port": 9001},
        "periodSeconds": 2,
        "timeoutSeconds": 3,
        "failureThreshold": 4,
    }


def test_a_whole_probe_is_taken_as_it_is() -> None:
    whole = {"exec": {"command": ["true"]}, "periodSeconds": 3}
    assert container(probes={"liveness": whole})["livenessProbe"] == whole


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"probes": {"ready": {"path": "/"}}}, "unknown keys ready; allowed: readiness, liveness, startup"),
        ({"probes": {"readiness": {"url": "/"}}}, "unknown keys url"),
        ({"probes": {"readiness": "/readyz"}}, "must be a dictionary"),
        ({"probes": {"readiness": {"path": "/", "period": "soon"}}}, "must be a whole number, not 'soon'"),
        ({"env": {"A": ["b"]}}, "env A must be a text or a number"),
        ({"env": {"A": {"value": "b"}}}, "the one key valueFrom"),
        ({"labels": {"a": None}}, "labels a must be a text"),
        ({"pre_stop_sleep": 30}, "leaves nothing of the termination_grace_period of 30"),
        ({"pre_stop_sleep": 5, "termination_grace_period": 5}, "more than 5"),
    ],
)
def test_short_options_that_cannot_mean_what_they_say_are_refused(options: Object, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        container(**options)
