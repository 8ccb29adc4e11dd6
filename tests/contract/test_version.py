"""The verbs version and version_info on a real cluster: real pods, real endpoints, real refusals."""

from __future__ import annotations

import contextlib
import copy
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._task import Task
from ansible_collections.gradual.canary.plugins.module_utils._terminal import Terminal
from ansible_collections.gradual.canary.plugins.modules import version, version_info
from tests.contract.cluster_access import Access, Object, Operator
from tests.contract.systems.gateway_api import GatewayApiSystem
from tests.contract.workloads import APP, IMAGE, PULL
from tests.shop.verbs import validated

Result = dict[str, Any]
SECONDS = 60.0
NO_ROUTE = {"type": "gateway_api", "route": "web"}


class Lines(Terminal):
    """A terminal that keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self.shown.append(text)


class Shop:
    """One namespace with nothing in it but what a test deploys, by the verb as users call it."""

    def __init__(self, access: Access, namespace: str) -> None:
        self.access = access
        self.operator: Operator = access.operator()
        self.namespace = namespace

    def call(self, verb: Any, *, check_mode: bool = False, terminal: Terminal | None = None, **options: Any) -> Result:
        """Run a verb as a playbook does, with its defaults and checks; the result has its warnings."""
        given = {"kubeconfig": self.access.kubeconfig, "namespace": self.namespace, "app": APP, **options}
        task = Task(validated(verb.ARGUMENTS, given), check_mode=check_mode, terminal=terminal)
        result = task.perform(verb.run)
        return {**result, "warnings": task.warnings}

    def deploy(self, name: str, **options: Any) -> Result:
        """Bring a version into the wanted state, from short options unless manifests are given."""
        if "manifests" not in options and "manifests_file" not in options and "state" not in options:
            options = {"image": IMAGE.format(version=name), "image_pull_policy": PULL, **options}
        return self.call(version, version=name, **options)

    def get(self, kind: str, name: str) -> Object:
        found = self.operator.get(kind, name, self.namespace)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def create(self, item: Object) -> Object:
        item["metadata"]["namespace"] = self.namespace
        return self.operator.create(item)

    def endpoints(self, service: str) -> set[str]:
        """Return the pods that are ready behind a Service."""
        return {
            endpoint["targetRef"]["name"]
            for item in self.operator.list("EndpointSlice", self.namespace)
            if item["metadata"]["labels"].get("kubernetes.io/service-name") == service
            for endpoint in item.get("endpoints") or ()
            if endpoint["conditions"].get("ready")
        }

    def until(self, fact: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not fact():
            assert time.monotonic() < deadline, f"not within {SECONDS:g} s: {what}"
            time.sleep(0.1)


@pytest.fixture
def shop(access: Access) -> Iterator[Shop]:
    operator, namespace = access.operator(), f"version-{secrets.token_hex(3)}"
    operator.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        yield Shop(access, namespace)
    finally:
        operator.delete("Namespace", namespace)


def failure(result: Result, code: str) -> Object:
    assert result.get("failed"), f"it did not fail: {result['msg']}"
    assert result["failure"]["code"] == code, result["failure"]
    details: Object = result["failure"]["details"]
    return details


def writes(result: Result) -> list[tuple[str, str, Any]]:
    return [(write["verb"], write["path"], write["body"]) for write in result["writes"]]


def autoscaler(deployment: str, least: int = 1) -> Object:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": deployment},
        "spec": {
            "minReplicas": least,
            "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
        },
    }


def manifests() -> list[Object]:
    """Return what a team keeps in its own repository: its names, its labels, a ConfigMap beside it."""
    container = {
        "name": "server",
        "image": IMAGE.format(version="v1"),
        "imagePullPolicy": PULL,
        "ports": [{"containerPort": 8080, "name": "web"}],
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "web"}, "periodSeconds": 1},
    }
    pods = {"metadata": {"labels": {"team": "checkout"}}, "spec": {"containers": [container]}}
    selector = {"matchLabels": {"team": "checkout"}}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"VERSION": "v1"}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "server"},
            "spec": {"replicas": 1, "selector": selector, "template": pods},
        },
    ]


def test_a_deployed_version_has_ready_pods_behind_a_service_of_its_own(shop: Shop) -> None:
    result = shop.deploy("v1", replicas=2, replaces="v0")
    assert not result.get("failed"), result["msg"]
    assert result["version"]["ready"] == result["version"]["replicas"] == 2
    assert result["version"]["replaces"] == "v0"
    assert shop.get("Deployment", "web-v1")["metadata"]["annotations"]["gradual.canary/replaces"] == "v0"
    assert len(shop.endpoints("web-v1")) == 2


def test_two_versions_side_by_side_share_no_pod(shop: Shop) -> None:
    for name in ("v1", "v2"):
        assert not shop.deploy(name, replicas=2).get("failed")
    stable, canary = shop.endpoints("web-v1"), shop.endpoints("web-v2")
    assert len(stable) == len(canary) == 2
    assert stable.isdisjoint(canary)
    listed = shop.call(version_info)
    assert [(one["name"], one["ready"], one["complete"]) for one in listed["versions"]] == [
        ("v1", 2, True),
        ("v2", 2, True),
    ]


def test_a_second_run_writes_nothing(shop: Shop) -> None:
    options = {
        "replicas": 1,
        "env": {"LATENCY": 0, "READY": True},
        "probes": {"readiness": {"path": "/readyz", "period": 1}, "liveness": {"path": "/healthz"}},
        "resources": {"requests": {"cpu": "0.01", "memory": "16Mi"}},
        "pre_stop_sleep": 1,
        "labels": {"team": "checkout"},
        "annotations": {"owner": "checkout"},
    }
    assert shop.deploy("v1", **options)["changed"]
    again = shop.deploy("v1", **options)
    assert (again["changed"], again["writes"]) == (False, [])


def test_check_mode_predicts_each_write_and_makes_none(shop: Shop) -> None:
    for options in ({"replicas": 1}, {"replicas": 2, "env": {"LATENCY": "1ms"}}):
        predicted = shop.deploy("v1", check_mode=True, **options)
        before = shop.operator.get("Deployment", "web-v1", shop.namespace)
        assert before is None or before["spec"]["replicas"] == 1
        done = shop.deploy("v1", **options)
        assert predicted["changed"]
        assert writes(predicted) == writes(done)
    for state in ("scaled_down", "absent"):
        predicted = shop.deploy("v1", state=state, backend=NO_ROUTE, check_mode=True)
        assert shop.operator.get("Deployment", "web-v1", shop.namespace)
        done = shop.deploy("v1", state=state, backend=NO_ROUTE)
        assert writes(predicted) == writes(done) != []


def test_a_crashing_version_fails_with_its_exit_and_the_end_of_its_log(shop: Shop) -> None:
    details = failure(shop.deploy("broken", timeout=60), "not_ready")
    assert details["reason"] == "CrashLoopBackOff"
    assert details["pod"].startswith("web-broken-")
    assert "crashing at start" in details["log"][-1]
    assert any(event.startswith("BackOff") for event in details["events"])


def test_a_version_that_crashes_after_it_counted_as_ready_is_not_ready(shop: Shop) -> None:
    result = shop.deploy("broken", probes={"readiness": {}}, timeout=60)
    assert failure(result, "not_ready")["reason"] == "CrashLoopBackOff"
    assert "readiness probe" in result["warnings"][0]


def test_a_missing_image_fails_and_the_corrected_one_repairs_it(shop: Shop) -> None:
    missing = IMAGE.format(version="not-there")
    details = failure(shop.deploy("v2", image=missing, timeout=60), "not_ready")
    assert details["reason"] in {"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff"}
    assert not shop.deploy("v2", timeout=60).get("failed")


def test_a_pod_that_fits_on_no_node_fails_long_before_the_timeout(shop: Shop) -> None:
    requests = {"requests": {"memory": "100Ti"}}
    result = shop.deploy("v1", resources=requests, unschedulable_after=2, timeout=600)
    details = failure(result, "not_ready")
    assert details["reason"] == "Unschedulable"
    assert details["seconds"] < 60


def test_an_exceeded_quota_is_named(shop: Shop) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    path = f"/api/v1/namespaces/{shop.namespace}/resourcequotas"
    shop.operator._done("POST", path, {**quota}, "application/json")
    shop.until(
        lambda: "hard" in (shop.operator._answer(shop.operator._send("GET", f"{path}/few")).get("status") or {}),
        "the quota is in force",
    )
    result = shop.deploy("v1", replicas=2, timeout=120)
    assert failure(result, "not_ready")["reason"] == "QuotaExceeded"
    assert "few" in result["msg"]


def test_a_version_that_is_never_ready_times_out_with_the_reason(shop: Shop) -> None:
    options = {"env": {"READY": False}, "probes": {"readiness": {"path": "/readyz", "period": 1}}}
    lines = Lines()
    result = shop.deploy("v1", timeout=12, terminal=lines, **options)
    details = failure(result, "not_ready")
    assert details["reason"] == "Timeout"
    assert "readiness probe fails" in result["msg"]
    assert any("Unhealthy" in event for event in details["events"])
    assert len(lines.shown) == 1
    assert "0 of 1 pods available" in lines.shown[0]


def test_a_service_that_points_at_no_port_is_not_taken_for_ready(shop: Shop) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "server"},
        "spec": {"ports": [{"name": "web", "port": 80, "targetPort": "mistyped"}]},
    }
    details = failure(shop.deploy("v1", manifests=[*manifests(), service], timeout=15), "not_ready")
    assert details["reason"] == "TooFewEndpoints"


def test_pods_of_an_older_template_are_not_held_against_the_new_one(shop: Shop) -> None:
    failure(shop.deploy("v2", image=IMAGE.format(version="broken"), replicas=2, timeout=60), "not_ready")
    result = shop.deploy("v2", replicas=2, timeout=60)
    assert not result.get("failed"), result["msg"]


def test_an_autoscalers_number_is_left_alone(shop: Shop) -> None:
    assert not shop.deploy("v1", replicas=2).get("failed")
    shop.create(autoscaler("web-v1"))
    owned = shop.deploy("v1", replicas=3, env={"LATENCY": "1ms"})
    assert shop.get("Deployment", "web-v1")["spec"]["replicas"] == 2
    assert "not 3 as asked" in owned["warnings"][0]
    shop.operator.edit("Deployment", "web-v1", shop.namespace, {"spec": {"replicas": 1}})
    result = shop.deploy("v1", env={"LATENCY": "2ms"})
    assert not result.get("failed"), result["msg"]
    assert result["warnings"] == []
    applied = [body for verb, _path, body in writes(result) if verb == "apply"]
    assert "replicas" not in applied[0]["spec"]
    assert shop.get("Deployment", "web-v1")["spec"]["replicas"] == 1


def test_an_autoscaled_version_that_was_scaled_down_wakes_with_its_least_number(shop: Shop) -> None:
    shop.deploy("v1")
    shop.create(autoscaler("web-v1", least=2))
    shop.deploy("v1", state="scaled_down", backend=NO_ROUTE)
    assert shop.get("Deployment", "web-v1")["spec"]["replicas"] == 0
    result = shop.call(version, version="v1")
    assert result["version"]["ready"] == 2, result["msg"]


def test_a_number_that_a_person_changed_is_put_back(shop: Shop) -> None:
    shop.deploy("v1", replicas=1)
    shop.operator.edit("Deployment", "web-v1", shop.namespace, {"spec": {"replicas": 2}})
    assert shop.deploy("v1", replicas=1)["version"]["replicas"] == 1


def test_a_version_keeps_its_number_when_none_is_given(shop: Shop) -> None:
    shop.deploy("v1", replicas=2)
    assert shop.deploy("v1", env={"LATENCY": "1ms"})["version"]["ready"] == 2


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_somebody_elses_object_is_refused_before_anything_is_written(shop: Shop, kind: str) -> None:
    foreign = {
        "Deployment": {**manifests()[1], "metadata": {"name": "web-v1"}},
        "Service": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web-v1"},
            "spec": {"selector": {"team": "checkout"}, "ports": [{"port": 80}]},
        },
    }[kind]
    shop.create(copy.deepcopy(foreign))
    result = shop.deploy("v1")
    failure(result, "foreign_owner")
    assert "adopt: true" in result["msg"]
    assert result["writes"] == []
    for state in ("scaled_down", "absent"):
        failure(shop.deploy("v1", state=state, backend=NO_ROUTE), "foreign_owner")


def test_a_version_of_another_application_is_not_even_adopted(shop: Shop) -> None:
    shop.deploy("v1-a")
    result = shop.call(version, app="web-v1", version="a", image=IMAGE.format(version="v2"), adopt=True)
    failure(result, "foreign_owner")
    assert "version v1-a of web" in result["msg"]


READYZ = {"readiness": {"path": "/readyz", "port": "web", "period": 1}}  # as in the manifests


def foreign_version() -> tuple[Object, Object]:
    """Return a Deployment and a Service that somebody made by hand, under the name of our v1."""
    deployment, service = manifests()[1], {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web-v1"}}
    deployment["metadata"]["name"] = "web-v1"
    del deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    service["spec"] = {"selector": {"team": "checkout"}, "ports": [{"name": "web", "port": 80, "targetPort": 8080}]}
    return deployment, service


def test_an_adopted_version_is_ours_afterwards_with_the_one_container_it_had(shop: Shop) -> None:
    for item in foreign_version():
        shop.create(item)
    shop.until(lambda: bool(shop.endpoints("web-v1")), "the foreign version is ready")
    given = {"port_name": "web", "service_port": 80, "probes": READYZ}
    predicted = shop.deploy("v1", adopt=True, check_mode=True, **given)
    result = shop.deploy("v1", adopt=True, **given)
    assert not result.get("failed"), result["msg"]
    assert writes(predicted) == writes(result)
    containers = shop.get("Deployment", "web-v1")["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["server"]
    assert shop.get("Service", "web-v1")["spec"]["selector"]["app.kubernetes.io/version"] == "v1"
    assert len(shop.endpoints("web-v1")) == 1
    again = shop.deploy("v1", **given)
    assert not again.get("failed"), again["msg"]
    assert again["writes"] == []


def test_an_adopted_version_that_cannot_get_ready_leaves_the_service_to_the_old_pods(shop: Shop) -> None:
    for item in foreign_version():
        shop.create(item)
    shop.until(lambda: bool(shop.endpoints("web-v1")), "the foreign version is ready")
    serving = shop.endpoints("web-v1")
    broken = {"image": IMAGE.format(version="broken"), "port_name": "web", "probes": READYZ}
    failure(shop.deploy("v1", adopt=True, timeout=60, **broken), "not_ready")
    assert shop.endpoints("web-v1") == serving
    assert shop.get("Service", "web-v1")["spec"]["selector"] == {"team": "checkout"}


def test_containers_that_adopting_would_leave_beside_ours_are_refused(shop: Shop) -> None:
    deployment, _service = foreign_version()
    deployment["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": IMAGE.format(version="v1")})
    shop.create(deployment)
    result = shop.deploy("v1", adopt=True)
    failure(result, "invalid_input")
    assert "server, side" in result["msg"]
    assert result["writes"] == []


def test_manifests_keep_what_is_theirs_and_get_our_names(shop: Shop) -> None:
    result = shop.deploy("v1", manifests=manifests())
    assert not result.get("failed"), result["msg"]
    assert [path.rpartition("/")[2] for _verb, path, _body in writes(result)] == ["settings", "web-v1", "web-v1"]
    pods = shop.get("Deployment", "web-v1")["spec"]["template"]["metadata"]["labels"]
    assert (pods["team"], pods["app.kubernetes.io/version"]) == ("checkout", "v1")
    assert shop.get("Service", "web-v1")["spec"]["ports"][0]["targetPort"] == "web"
    assert shop.deploy("v1", manifests=manifests())["writes"] == []


def test_an_unknown_field_is_refused_and_named(shop: Shop) -> None:
    mistyped = manifests()
    mistyped[1]["spec"]["replicaz"] = 2
    result = shop.deploy("v1", manifests=mistyped)
    failure(result, "rejected")
    assert "replicaz" in result["msg"]


def test_absent_removes_what_carries_the_versions_labels_and_nothing_shared(shop: Shop) -> None:
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web-v1-own"}, "data": {"a": "b"}}
    own["metadata"]["labels"] = {
        "app.kubernetes.io/name": APP,
        "app.kubernetes.io/version": "v1",
        "app.kubernetes.io/managed-by": "gradual.canary",
    }
    shop.deploy("v1", manifests=[*manifests(), own])
    result = shop.deploy("v1", state="absent", backend=NO_ROUTE)
    assert not result.get("failed"), result["msg"]
    shop.until(lambda: shop.operator.get("ConfigMap", "web-v1-own", shop.namespace) is None, "its own object is gone")
    assert shop.operator.get("Service", "web-v1", shop.namespace) is None
    assert shop.get("ConfigMap", "settings")["data"]
    shop.until(lambda: shop.operator.get("Deployment", "web-v1", shop.namespace) is None, "the Deployment is gone")
    again = shop.deploy("v1", state="absent", backend=NO_ROUTE)
    assert (again["changed"], again["writes"]) == (False, [])


def test_a_removal_that_was_interrupted_is_finished_by_the_next(shop: Shop) -> None:
    shop.deploy("v1", manifests=manifests())
    shop.operator.edit("Deployment", "web-v1", shop.namespace, {"spec": {"replicas": 0}})
    shop.operator.delete("Service", "web-v1", shop.namespace)
    result = shop.deploy("v1", state="absent", backend=NO_ROUTE)
    assert [verb for verb, _path, _body in writes(result)] == ["delete"]
    shop.until(lambda: shop.operator.get("Deployment", "web-v1", shop.namespace) is None, "the Deployment is gone")


def test_a_version_that_serves_is_neither_scaled_down_nor_removed(shop: Shop) -> None:
    shop.deploy("v1", service_port=80)
    system = GatewayApiSystem(shop.access, shop.namespace)
    system.create()
    with contextlib.closing(_Removal(system)):
        system.wait_until_served()
        for state in ("scaled_down", "absent"):
            result = shop.deploy("v1", state=state, backend=system.options)
            failure(result, "still_serving")
            assert result["writes"] == []
        assert shop.get("Deployment", "web-v1")["status"]["readyReplicas"] == 1


class _Removal:
    """Removes a traffic system's route at the end."""

    def __init__(self, system: GatewayApiSystem) -> None:
        self._system = system

    def close(self) -> None:
        self._system.remove()


def test_scaled_down_waits_until_the_pods_are_gone_and_present_brings_them_back(shop: Shop) -> None:
    shop.deploy("v1", replicas=2)
    lines = Lines()
    result = shop.deploy("v1", state="scaled_down", backend=NO_ROUTE, drain=1, terminal=lines)
    assert not result.get("failed"), result["msg"]
    assert "draining" in lines.shown[0]
    assert shop.operator.list("Pod", shop.namespace) == []
    back = shop.call(version, version="v1", replicas=2)
    assert back["version"]["ready"] == 2, back["msg"]


def test_a_service_over_all_versions_is_warned_of(shop: Shop) -> None:
    selector = {"app.kubernetes.io/name": APP}
    everything = {"selector": selector, "ports": [{"port": 80}]}
    shop.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": everything})
    result = shop.deploy("v1", check_mode=True)
    assert "selects pods of every version" in result["warnings"][0]


def test_an_unknown_version_is_not_scaled_and_the_known_ones_are_named(shop: Shop) -> None:
    shop.deploy("v1")
    result = shop.call(version, version="v3", replicas=2)
    failure(result, "not_found")
    assert "versions of web there: v1" in result["msg"]


KEEP_UNTIL = "gradual.canary/keep-until"


def test_what_is_kept_has_its_end_in_the_cluster_and_all_its_pods_until_then(shop: Shop) -> None:
    shop.deploy("v1", replicas=2)
    kept: dict[str, Any] = {"state": "scaled_down", "keep": "30m", "backend": NO_ROUTE}
    predicted = shop.deploy("v1", check_mode=True, **kept)
    assert [verb for verb, _path, _body in writes(predicted)] == ["patch"]
    assert KEEP_UNTIL not in shop.get("Deployment", "web-v1")["metadata"]["annotations"]

    first = shop.deploy("v1", **kept)
    until = first["version"]["keep_until"]
    assert shop.get("Deployment", "web-v1")["metadata"]["annotations"][KEEP_UNTIL] == until
    assert first["msg"] == f"version v1 of web stays at full size until {until}: 2 of 2 pods available"
    for state in ("scaled_down", "absent"):
        again = shop.deploy("v1", **{**kept, "state": state, "keep": "5m"})
        assert (again["changed"], again["writes"], again["version"]["keep_until"]) == (False, [], until)
    listed = shop.call(version_info)["versions"][0]
    assert (listed["kept"], listed["keep_until"], listed["ready"]) == (True, until, 2)


def test_a_kept_version_ends_when_its_time_is_over_and_has_no_end_when_it_is_wanted_again(shop: Shop) -> None:
    shop.deploy("v1")
    kept: dict[str, Any] = {"state": "scaled_down", "keep": "30m", "backend": NO_ROUTE}
    shop.deploy("v1", **kept)
    back = shop.call(version, version="v1")
    assert (back["changed"], back["version"]["keep_until"]) == (True, None)
    assert not shop.call(version, version="v1")["changed"]

    shop.deploy("v1", **kept)
    past = {"metadata": {"annotations": {KEEP_UNTIL: "2026-01-01T00:00:00Z"}}}
    shop.operator.edit("Deployment", "web-v1", shop.namespace, past)
    ended = shop.deploy("v1", **kept)
    assert (ended["version"]["replicas"], ended["version"]["keep_until"]) == (0, None)
    assert not shop.deploy("v1", **kept)["changed"], "without pods nothing is kept"


def test_keeping_needs_a_duration_and_a_state_that_ends_a_version(shop: Shop) -> None:
    shop.deploy("v1")
    for options, message in (
        ({"state": "scaled_down", "keep": "soon"}, "keep 'soon' is not a duration"),
        ({"state": "scaled_down", "keep": "9999d"}, "a version is kept for 366 days at most"),
        ({"state": "present", "keep": "30m"}, "keep is for the states scaled_down and absent"),
    ):
        result = shop.deploy("v1", backend=NO_ROUTE, **options)
        failure(result, "invalid_input")
        assert message in result["msg"]
        assert result.get("writes", []) == []
