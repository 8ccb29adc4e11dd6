"""Facts of Argo Rollouts alone, on its real controller: promotes, aborts, and weights that it only reports."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends import _rollout_writes as writes
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_driver import RolloutDriver
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_status import is_unpausing
from ansible_collections.gradual.canary.plugins.module_utils._backends.argo_rollouts import ArgoRollouts
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Match, Weight
from ansible_collections.gradual.canary.plugins.modules import rollout
from tests.contract.cluster_access import Access, Object
from tests.contract.conftest import Enter
from tests.contract.systems.argo_rollouts import SECONDS, ArgoRolloutsSystem, template
from tests.contract.workloads import APP
from tests.shop.systems import chosen
from tests.shop.verbs import perform

TEN, FORTY, FIFTY = Weight.percent(10), Weight.percent(40), Weight.percent(50)
SYSTEMS = chosen(["argo_rollouts", "argo_rollouts_on_istio"])


@contextlib.contextmanager
def entered(access: Access, enter: Enter, name: str) -> Iterator[ArgoRolloutsSystem]:
    system, namespace = enter(name)
    made = system(access, namespace)
    assert isinstance(made, ArgoRolloutsSystem)
    try:
        made.create()
        made.wait_until_served()
        yield made
    finally:
        made.remove()


@pytest.fixture(params=SYSTEMS[:1])
def argo(request: pytest.FixtureRequest, access: Access, enter: Enter) -> Iterator[ArgoRolloutsSystem]:
    """A Rollout whose controller does not depend on the router."""
    with entered(access, enter, request.param) as made:
        yield made


@pytest.fixture(params=SYSTEMS)
def routed(request: pytest.FixtureRequest, access: Access, enter: Enter) -> Iterator[ArgoRolloutsSystem]:
    """A Rollout behind each router."""
    with entered(access, enter, request.param) as made:
        yield made


def backend_of(system: ArgoRolloutsSystem) -> ArgoRollouts:
    backend = system.use()
    assert isinstance(backend, ArgoRollouts)
    return backend


def driver_of(system: ArgoRolloutsSystem) -> RolloutDriver:
    return RolloutDriver(system.access.connect(), system.namespace, system.name, 60)


# steps


def test_a_release_goes_through_every_stop_and_ends_healthy(routed: ArgoRolloutsSystem) -> None:
    seen = []
    for weight in (NOTHING, TEN, FORTY, EVERYTHING):
        backend_of(routed).set(weight=weight)
        seen.append(routed.weight())
    backend_of(routed).promote()
    backend_of(routed).detach()
    item = routed.rollout()
    assert seen == [0, 10, 40, 100]
    assert (item["status"]["phase"], item["status"]["stableRS"]) == ("Healthy", item["status"]["currentPodHash"])
    assert "gradual.canary/canary-version" not in item["metadata"].get("labels", {})
    routed.ask_until(lambda answers: set(answers) == {"v2"})


def test_staging_makes_no_pod_of_the_new_version(argo: ArgoRolloutsSystem) -> None:
    backend = backend_of(argo)
    assert (argo.rollout()["spec"]["paused"], backend.observe().canary) == (True, None)
    assert {one.version: one.replicas for one in backend.workload().revisions if one.replicas} == {"v1": 2}


def test_a_promote_that_is_sent_again_before_the_controller_reacts_skips_no_step(argo: ArgoRolloutsSystem) -> None:
    backend_of(argo).set(weight=TEN)
    driver = driver_of(argo)
    there = driver.rested(driver.look(), 30)
    driver.write(there, writes.going_on(there))
    index = there.index
    refused = 0
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and argo.weight() != 25:
        with contextlib.suppress(Conflict):
            driver.write(there, writes.going_on(there))
            refused -= 1
        refused += 1
    assert refused > 0
    argo.wait_for(lambda item: item["status"]["currentStepIndex"] == index + 2, "does not come to the next stop")
    rested = driver.rested(driver.look(), 30)
    assert (rested.index, str(rested.weight)) == (index + 2, "25 %")


def test_each_promote_goes_one_stop_however_many_run_at_the_same_time(argo: ArgoRolloutsSystem) -> None:
    backend_of(argo).set(weight=TEN)
    outcomes: list[str] = []

    def promote() -> None:
        try:
            outcomes.append("done" if backend_of(argo).control().promote(full=False) else "nothing")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=promote) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    driver = driver_of(argo)
    # One that begins after another has ended is a promote of its own; each that was done went one stop, no other did.
    assert set(outcomes) <= {"done", "refused"}
    assert outcomes.count("done") >= 1
    went = ("25 %", "40 %", "50 %", "100 %")[outcomes.count("done") - 1]
    assert str(driver.rested(driver.look(), 30).weight) == went, outcomes


ATTEMPTS = 6
"""At leaving a Rollout stuck, which four of five promotes within milliseconds of the pause did."""


def test_a_rollout_that_an_early_promote_left_stuck_is_freed(argo: ArgoRolloutsSystem) -> None:
    for _attempt in range(ATTEMPTS):
        backend_of(argo).set(weight=TEN)
        promote_too_early(argo)
        if is_stuck(argo):
            break
        backend_of(argo).set(weight=NOTHING)  # the next weight begins again with the first step
    else:
        pytest.skip(f"none of {ATTEMPTS} promotes at the moment of a pause was lost, so there was nothing to free")
    left = argo.rollout()["status"]["currentStepIndex"]
    backend_of(argo).set(weight=EVERYTHING)
    status = argo.rollout()["status"]
    assert (argo.weight(), status["currentStepIndex"] > left, bool(status["pauseConditions"])) == (100, True, True)
    argo.ask_until(lambda answers: set(answers) == {"v2"})


def promote_too_early(system: ArgoRolloutsSystem) -> None:
    """Promote as the plugin does, once at rest, and once more at the very moment of the next pause."""
    driver = driver_of(system)
    left = driver.rested(driver.look(), SECONDS).index
    end_pause(system)
    deadline = time.monotonic() + SECONDS
    while (status := system.rollout()["status"])["currentStepIndex"] == left or not status.get("pauseConditions"):
        assert time.monotonic() < deadline, f"it does not come to the pause after step {left}: {status}"
    end_pause(system)


def end_pause(system: ArgoRolloutsSystem) -> None:
    system.operator.edit_status("Rollout", system.name, {"status": {"pauseConditions": None}}, system.namespace)


def is_stuck(system: ArgoRolloutsSystem) -> bool:
    """Say whether the pause that was ended is one that the controller goes on believing in."""
    driver = driver_of(system)
    return driver.wait(driver.look(), lambda one: not is_unpausing(one.item), 2.5) is None


def test_weights_that_no_step_holds_are_refused_before_anything_is_touched(argo: ArgoRolloutsSystem) -> None:
    backend = backend_of(argo)
    with pytest.raises(InvalidSplit, match=r"30 %; the nearest it can hold is 25 %"):
        backend.require_reachable([TEN, Weight.percent(30), EVERYTHING])
    with pytest.raises(InvalidSplit, match="30 %"):
        backend.set(weight=Weight.percent(30))
    backend.set(weight=FIFTY)
    with pytest.raises(InvalidSplit, match="has left 10 % behind"):
        backend.set(weight=TEN)
    assert argo.weight() == 50


def test_a_match_route_is_refused_with_what_to_write_into_the_rollout(routed: ArgoRolloutsSystem) -> None:
    with pytest.raises(InvalidSplit, match=r"canary-by-header: X-Test|headerName: X-Test"):
        backend_of(routed).set(weight=TEN, matches=[Match("header", "X-Test", "exact", "yes")])


# the way back


def test_zero_aborts_and_the_template_given_back_ends_healthy(routed: ArgoRolloutsSystem) -> None:
    backend_of(routed).set(weight=FIFTY)
    backend_of(routed).set(weight=NOTHING)
    assert (routed.rollout()["status"]["abort"], routed.weight()) == (True, 0)
    # The gateway sees the controller write to the canary Service all the time, and takes what it is told in turns.
    routed.ask_until(lambda answers: set(answers) == {"v1"}, seconds=60)
    backend_of(routed).detach()
    item = routed.rollout()
    assert item["status"]["phase"] == "Healthy"
    assert item["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] == "v1"
    assert not backend_of(routed).detach().changed
    assert set(routed.ask(40)) == {"v1"}


def test_testers_come_by_the_header_of_the_rollout_and_are_gone_with_the_canary(argo: ArgoRolloutsSystem) -> None:
    given = {"canary-by-header": "X-Test", "canary-by-header-value": "yes"}
    routing = {"trafficRouting": {"nginx": {"additionalIngressAnnotations": given}}}
    argo.operator.edit("Rollout", argo.name, argo.namespace, {"spec": {"strategy": {"canary": routing}}})
    testers = (Match("header", "X-Test", "exact", "yes"),)
    assert backend_of(argo).capabilities.own_matches == testers
    after = backend_of(argo).set(weight=NOTHING).after
    assert (after.weight, after.matches) == (NOTHING, testers)
    argo.ask_until(lambda answers: set(answers) == {"v2"}, headers={"X-Test": "yes"})
    assert set(argo.ask(40)) == {"v1"}
    backend_of(argo).detach()
    assert argo.rollout()["status"]["phase"] == "Healthy"
    argo.ask_until(lambda answers: set(answers) == {"v1"}, headers={"X-Test": "yes"})


def test_a_snapshot_from_before_the_release_restores_the_stable_template(argo: ArgoRolloutsSystem) -> None:
    saved = backend_of(argo).snapshot()
    backend_of(argo).set(weight=FIFTY)
    change = backend_of(argo).restore(saved)
    assert (change.changed, change.after.canary, argo.rollout()["status"]["phase"]) == (True, None, "Healthy")
    assert not backend_of(argo).restore(saved).changed


def test_a_snapshot_of_a_weight_that_is_left_behind_is_refused(argo: ArgoRolloutsSystem) -> None:
    backend_of(argo).set(weight=TEN)
    saved = backend_of(argo).snapshot()
    backend_of(argo).set(weight=FIFTY)
    with pytest.raises(InvalidSplit, match="has left 10 % behind"):
        backend_of(argo).restore(saved)


def test_what_was_aborted_is_tried_again_by_the_next_weight(argo: ArgoRolloutsSystem) -> None:
    backend_of(argo).set(weight=FIFTY)
    backend_of(argo).set(weight=NOTHING)
    backend_of(argo).set(weight=TEN)
    assert (argo.weight(), argo.rollout()["status"].get("abort", False)) == (10, False)


def test_after_a_promotion_the_version_before_is_staged_from_its_replica_set(argo: ArgoRolloutsSystem) -> None:
    backend_of(argo).set(weight=EVERYTHING)
    backend_of(argo).promote()
    backend_of(argo).detach()
    back = argo.use("v1")
    revision = back.workload().of_version("v1")
    assert revision is not None
    back.stage(revision.template)
    back.set(weight=EVERYTHING)
    back.promote()
    back.detach()
    argo.ask_until(lambda answers: set(answers) == {"v1"})
    assert argo.rollout()["status"]["phase"] == "Healthy"


# the verb rollout


def perform_on(system: ArgoRolloutsSystem, action: str, **options: Any) -> dict[str, Any]:
    """Perform the verb rollout as a task does, and wait as it does; return what the task would."""
    where = {"kubeconfig": system.access.kubeconfig, "namespace": system.namespace, "app": APP}
    result = perform(rollout, {**where, "backend": system.options, "action": action, **options})
    assert not result.get("failed"), f"{action}: {result['msg']}"
    return result


def told(result: dict[str, Any]) -> tuple[bool, str, str | None, str | None]:
    """Return whether a task changed anything, and the phase, the step and the version that it tells."""
    status = result["status"]
    return result["changed"], status["phase"], status["step"], status["version"]


def test_the_verb_takes_a_rollout_through_all_its_actions(argo: ArgoRolloutsSystem) -> None:
    backend_of(argo).set(weight=TEN)
    assert told(perform_on(argo, "status")) == (False, "paused", "4/13", "v2")

    assert told(perform_on(argo, "pause")) == (True, "paused", "4/13", "v2")
    assert argo.rollout()["spec"]["paused"] is True
    assert told(perform_on(argo, "pause")) == (False, "paused", "4/13", "v2")

    assert told(perform_on(argo, "resume")) == (True, "paused", "4/13", "v2"), "it waits at its step again"
    assert argo.rollout()["spec"]["paused"] is False
    assert told(perform_on(argo, "resume")) == (False, "paused", "4/13", "v2")

    assert told(perform_on(argo, "promote")) == (True, "paused", "6/13", "v2")
    assert argo.weight() == 25

    assert told(perform_on(argo, "abort")) == (True, "degraded", "0/13", "v2")
    assert told(perform_on(argo, "abort")) == (False, "degraded", "0/13", "v2")
    argo.ask_until(lambda answers: set(answers) == {"v1"}, seconds=60)

    assert told(perform_on(argo, "retry")) == (True, "paused", "1/13", "v2"), "it begins with the first step"
    assert told(perform_on(argo, "retry")) == (False, "paused", "1/13", "v2")

    undone = perform_on(argo, "undo")
    assert told(undone) == (True, "healthy", "13/13", "v1"), "the stable template skips all steps"
    (there,) = [one["revision"] for one in undone["history"] if one["version"] == "v1"]
    assert told(perform_on(argo, "undo", revision=there)) == (False, "healthy", "13/13", "v1")

    before = pods_of(argo)
    assert told(perform_on(argo, "restart")) == (True, "healthy", "13/13", "v1")
    assert not before & pods_of(argo), "each pod is another one"

    history = perform_on(argo, "history")
    assert told(history) == (False, "healthy", "13/13", "v1")
    assert [one["version"] for one in history["history"]] == ["v1", "v2"], "the newest first"
    assert history["history"][0]["revision"] == history["status"]["revision"]


def test_the_verb_promotes_past_all_steps_and_tells_of_the_end(argo: ArgoRolloutsSystem) -> None:
    backend_of(argo).set(weight=TEN)
    assert told(perform_on(argo, "promote", full=True)) == (True, "healthy", "13/13", "v2")
    assert told(perform_on(argo, "promote", full=True)) == (False, "healthy", "13/13", "v2")
    argo.ask_until(lambda answers: set(answers) == {"v2"})


def pods_of(system: ArgoRolloutsSystem) -> set[str]:
    """Return the uids of the stable version's pods that are not on their way out."""
    stable = system.rollout()["status"]["stableRS"]
    return {
        item["metadata"]["uid"]
        for item in system.operator.list("Pod", system.namespace)
        if item["metadata"]["labels"].get("rollouts-pod-template-hash") == stable
        and "deletionTimestamp" not in item["metadata"]
    }


# what it only reports


def errors_of(system: ArgoRolloutsSystem) -> dict[str, str]:
    return {one.code: one.message for one in backend_of(system).preflight() if one.level == "error"}


def test_an_ingress_of_a_class_that_nobody_serves_is_refused(argo: ArgoRolloutsSystem) -> None:
    argo.operator.create(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": argo.name},
            "spec": {"controller": "k8s.io/ingress-nginx-that-nobody-runs"},
        }
    )
    try:
        argo.remove_route()
        argo.create_route()
        argo.operator.edit("Ingress", argo.name, argo.namespace, {"spec": {"ingressClassName": argo.name}})
        argo.operator.edit_status("Ingress", argo.name, {"status": {"loadBalancer": None}}, argo.namespace)
        errors = errors_of(argo)
        assert "not_served" in errors
        assert argo.name in errors["not_served"]
    finally:
        argo.operator.delete("IngressClass", argo.name)


def test_an_ingress_of_a_class_that_does_not_exist_is_refused(argo: ArgoRolloutsSystem) -> None:
    argo.operator.edit("Ingress", argo.name, argo.namespace, {"spec": {"ingressClassName": "nobodys"}})
    assert "class_missing" in errors_of(argo)


def test_sticky_sessions_are_refused(argo: ArgoRolloutsSystem) -> None:
    sticky = {"metadata": {"annotations": {"nginx.ingress.kubernetes.io/affinity": "cookie"}}}
    argo.operator.edit("Ingress", argo.name, argo.namespace, sticky)
    assert "affinity: cookie" in errors_of(argo)["sticky"]


def istio_only(system: ArgoRolloutsSystem) -> None:
    if "istio" not in (system.routing or {}):
        pytest.skip("this is about VirtualServices")


def test_a_virtual_service_that_an_older_one_shadows_is_refused(routed: ArgoRolloutsSystem) -> None:
    istio_only(routed)
    item: Any = routed.operator.get("VirtualService", routed.name, routed.namespace)
    older: Object = {
        "apiVersion": item["apiVersion"],
        "kind": "VirtualService",
        "metadata": {"name": f"{routed.name}-other", "namespace": routed.namespace},
        "spec": {**item["spec"], "http": [{"route": [{"destination": {"host": routed.name}}]}]},
    }
    routed.operator.create(older)
    try:
        assert f"{routed.name}-other" in errors_of(routed)["duplicate_host"]
    finally:
        routed.operator.delete("VirtualService", f"{routed.name}-other", routed.namespace)


def test_a_gateway_that_does_not_exist_is_refused(routed: ArgoRolloutsSystem) -> None:
    istio_only(routed)
    routed.operator.edit("VirtualService", routed.name, routed.namespace, {"spec": {"gateways": ["nowhere/none"]}})
    assert any("nowhere/none" in message for message in errors_of(routed).values())


def test_a_spec_that_the_controller_refuses_is_told_in_its_words(argo: ArgoRolloutsSystem) -> None:
    wrong = {"spec": {"strategy": {"canary": {"canaryService": argo.name}}}}  # the stable one's
    argo.operator.edit("Rollout", argo.name, argo.namespace, wrong)
    argo.wait_for(lambda item: item["status"].get("phase") == "Degraded", "accepts two equal Services")
    assert argo.name in errors_of(argo)["invalid_spec"]


def test_without_a_router_weights_that_pods_cannot_make_are_refused(argo: ArgoRolloutsSystem) -> None:
    argo.operator.edit(
        "Rollout", argo.name, argo.namespace, {"spec": {"strategy": {"canary": {"trafficRouting": None}}}}
    )
    errors = errors_of(argo)
    assert "cannot make 10 %" in errors["ratio"]


def test_the_template_that_is_staged_is_the_one_that_is_there(argo: ArgoRolloutsSystem) -> None:
    backend = backend_of(argo)
    assert not backend.stage(template("v2", argo.name)).changed
    assert backend.cluster.writes == []


def test_another_template_of_the_stable_version_is_refused_and_the_same_one_is_there(argo: ArgoRolloutsSystem) -> None:
    """The template that a rollback gave back comes from a ReplicaSet, with everything the API server fills in."""
    backend_of(argo).set(weight=NOTHING)
    backend_of(argo).detach()
    same, other = template("v1", argo.name), template("v1", argo.name)
    other["spec"]["terminationGracePeriodSeconds"] = 3
    backend = argo.use("v1")
    assert not backend.stage(same, replicas=5).changed
    with pytest.raises(Conflict, match=r"serves v1 already.*spec\.terminationGracePeriodSeconds"):
        backend.stage(other)
    assert backend.cluster.writes == []


def test_another_template_of_the_stable_version_is_refused_while_the_next_one_is_staged(
    argo: ArgoRolloutsSystem,
) -> None:
    other = template("v1", argo.name)
    other["spec"]["terminationGracePeriodSeconds"] = 3
    backend = argo.use("v1")
    with pytest.raises(Conflict, match="serves v1 already"):
        backend.stage(other)
    assert backend.cluster.writes == []
    assert backend.stage(template("v1", argo.name)).changed
    item = argo.wait_for(lambda item: item["status"]["phase"] == "Healthy", "is not Healthy with its stable template")
    assert item["spec"]["paused"] is False


# how pods end


def warnings_of(system: ArgoRolloutsSystem) -> dict[str, str]:
    return {one.code: one.message for one in backend_of(system).preflight() if one.level == "warning"}


def edit_strategy(system: ArgoRolloutsSystem, **canary: Any) -> None:
    system.operator.edit("Rollout", system.name, system.namespace, {"spec": {"strategy": {"canary": canary}}})


def test_pods_that_end_under_traffic_are_warned_of_without_a_router_alone(argo: ArgoRolloutsSystem) -> None:
    assert "no_pre_stop" not in warnings_of(argo)
    edit_strategy(argo, trafficRouting=None)
    assert "have no preStop hook" in warnings_of(argo)["no_pre_stop"]


def test_a_delay_that_is_shorter_than_the_router_takes_is_warned_of(argo: ArgoRolloutsSystem) -> None:
    assert "short_delay" not in warnings_of(argo)
    edit_strategy(argo, scaleDownDelaySeconds=1)
    assert "1 s after a promotion (scaleDownDelaySeconds)" in warnings_of(argo)["short_delay"]


def test_after_a_delay_of_zero_the_pods_of_the_version_before_never_end(argo: ArgoRolloutsSystem) -> None:
    edit_strategy(argo, scaleDownDelaySeconds=0)
    assert "never ends the pods" in warnings_of(argo)["endless_pods"]
    backend_of(argo).set(weight=EVERYTHING)
    backend_of(argo).promote()
    time.sleep(5)
    before = backend_of(argo).workload().of_version("v1")
    assert before is not None
    assert before.replicas > 0
    assert "argo-rollouts.argoproj.io/scale-down-deadline" not in before.annotations


# what may not be looked at


def test_with_a_role_of_its_namespace_alone_the_preflight_tells_what_it_could_not_look_at(
    argo: ArgoRolloutsSystem,
) -> None:
    rules = [
        *argo.write_rules,
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "list", "watch"]},
    ]
    group, place = "rbac.authorization.k8s.io", {"name": argo.name, "namespace": argo.namespace}
    argo.operator.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})
    argo.operator.create({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": place, "rules": rules})
    argo.operator.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": place,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": argo.name},
            "subjects": [{"kind": "ServiceAccount", **place}],
        }
    )
    reader = argo.access.connect(token=argo.operator.token(argo.name, argo.namespace))
    findings = argo.use(cluster=reader).preflight()
    assert [str(one) for one in findings if one.level == "error"] == []
    unseen = [one.message for one in findings if one.code == "forbidden"]
    assert len(unseen) == 2
    assert any("IngressClass" in message for message in unseen)
    assert any(f"only the Ingresses of namespace {argo.namespace}" in message for message in unseen)


# what hides errors


def test_retries_and_destination_rules_that_falsify_the_proof_are_warned_of(routed: ArgoRolloutsSystem) -> None:
    istio_only(routed)
    assert not {"retries", "ejection", "unlike"} & set(warnings_of(routed))
    item: Any = routed.operator.get("VirtualService", routed.name, routed.namespace)
    http = [{**entry, "retries": {"attempts": 3, "retryOn": "5xx"}} for entry in item["spec"]["http"]]
    routed.operator.edit("VirtualService", routed.name, routed.namespace, {"spec": {"http": http}})
    routed.operator.create(
        {
            "apiVersion": item["apiVersion"],
            "kind": "DestinationRule",
            "metadata": {"name": routed.name, "namespace": routed.namespace},
            "spec": {"host": routed.name, "trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 5}}},
        }
    )
    try:
        warnings = warnings_of(routed)
        assert "3 times more on 5xx" in warnings["retries"]
        assert f"DestinationRule {routed.namespace}/{routed.name}" in warnings["ejection"]
        assert f"no counterpart for {routed.name}-preview" in warnings["unlike"]
    finally:
        routed.operator.delete("DestinationRule", routed.name, routed.namespace)
