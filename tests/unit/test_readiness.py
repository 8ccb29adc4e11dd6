"""Whether a version is ready, told from objects as Kubernetes 1.36 returned them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._readiness import (
    Obstacle,
    Rollout,
    current_pods,
    deployment_obstacle,
    pod_obstacle,
    ready_endpoints,
    unprobed,
    unready_reason,
)

Object = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"

EXCEEDED = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": 'pods "late-6d7c99d986-kb9w7" is forbidden: exceeded quota: few, requested: pods=1, used: pods=8, '
    "limited: pods=1",
}
LATE = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": 'ReplicaSet "late-6d7c99d986" has timed out progressing.',
}
UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: 1 Insufficient memory.",
}
RUNNING = {
    "name": "app",
    "image": "web:v2",
    "ready": True,
    "restartCount": 0,
    "state": {"running": {"startedAt": "2026-11-20T09:30:00Z"}},
}


def deployment(
    replicas: int = 2, *, generation: int = 3, revision: str = "2", conditions: tuple[Object, ...] = (), **status: int
) -> Object:
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}
    return {
        "metadata": {"name": "web-v2", "uid": "d-1", "generation": generation, "annotations": {REVISION: revision}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "app"}]}}},
        "status": {**counts, **status, "conditions": list(conditions)},
    }


def pod(*containers: Object, conditions: tuple[Object, ...] = (), owner: str = "r-2", **metadata: str) -> Object:
    return {
        "metadata": {"name": "web-v2-abc", "ownerReferences": [{"uid": owner}], **metadata},
        "status": {"phase": "Pending", "conditions": list(conditions), "containerStatuses": list(containers)},
    }


def waiting(reason: str, message: str = "", **more: Any) -> Object:
    state = {"waiting": {"reason": reason, "message": message}}
    return {**RUNNING, "ready": False, "state": state, **more}


def obstacle(item: Object) -> Obstacle:
    found = pod_obstacle(item, unschedulable_after=15)
    assert found is not None, "nothing is seen in the way"
    return found


def test_all_pods_new_and_available_is_done() -> None:
    assert Rollout.of(deployment()).done


@pytest.mark.parametrize(
    "unfinished",
    [
        deployment(generation=4),
        deployment(updatedReplicas=1),
        deployment(availableReplicas=1),
        deployment(replicas=3),
        deployment(replicas=1),
        {**deployment(), "status": {}},
        deployment(replicas=2, updatedReplicas=0),
    ],
    ids=["not observed", "old pods", "not available", "too few", "too many", "no status yet", "only old pods"],
)
def test_a_rollout_under_way_is_not_done(unfinished: Object) -> None:
    assert not Rollout.of(unfinished).done


def test_old_pods_that_still_run_beside_the_new_ones_are_not_done() -> None:
    surplus = deployment()
    surplus["status"]["replicas"] = 3
    assert not Rollout.of(surplus).done
    assert "1 old" in str(Rollout.of(surplus))


def test_none_of_none_is_done() -> None:
    empty = deployment(replicas=0)
    empty["status"] = {"observedGeneration": 3}
    assert Rollout.of(empty).done


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ErrImageNeverPull", 'Container image "web:none" is not present with pull policy of Never'),
        ("ErrImagePull", 'failed to resolve reference "web:none": not found'),
        ("ImagePullBackOff", 'Back-off pulling image "web:none"'),
        ("InvalidImageName", "couldn't parse image name"),
        ("CreateContainerConfigError", 'configmap "missing" not found'),
    ],
)
def test_a_container_that_cannot_start_is_an_obstacle_at_once(reason: str, message: str) -> None:
    found = obstacle(pod(waiting(reason, message)))
    assert (found.reason, found.pod, found.container, found.patience) == (reason, "web-v2-abc", "app", 0)
    assert message in found.explanation


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_container_that_is_being_made_is_none(reason: str) -> None:
    assert pod_obstacle(pod(waiting(reason)), unschedulable_after=15) is None


def test_a_crash_tells_its_exit_code_and_what_it_said() -> None:
    ended = {"exitCode": 1, "reason": "Error", "message": "CRASH_AFTER=0: crashing at start"}
    found = obstacle(pod(waiting("CrashLoopBackOff", "back-off 10s", restartCount=2, lastState={"terminated": ended})))
    assert "exit code 1" in found.explanation
    assert found.crashed
    assert found.output == "CRASH_AFTER=0: crashing at start"


def test_memory_that_ran_out_is_named() -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled"}
    found = obstacle(pod(waiting("CrashLoopBackOff", restartCount=1, lastState={"terminated": ended})))
    assert "exit code 137, OOMKilled" in found.explanation


def test_repeated_restarts_are_a_crash_loop_also_between_two_back_offs() -> None:
    again = {**RUNNING, "ready": False, "restartCount": 3}
    assert obstacle(pod(again)).reason == "CrashLoopBackOff"


def test_few_restarts_and_restarts_of_a_ready_container_are_none() -> None:
    few, recovered = {**RUNNING, "ready": False, "restartCount": 2}, {**RUNNING, "restartCount": 9}
    assert pod_obstacle(pod(few), unschedulable_after=15) is None
    assert pod_obstacle(pod(recovered), unschedulable_after=15) is None


def test_an_init_container_holds_its_pod_back() -> None:
    blocked = pod(waiting("PodInitializing"))
    blocked["status"]["initContainerStatuses"] = [waiting("ErrImagePull", name="migrate")]
    assert obstacle(blocked).container == "migrate"


def test_a_pod_that_fits_on_no_node_counts_only_after_a_while() -> None:
    found = obstacle(pod(conditions=(UNSCHEDULABLE,)))
    assert (found.reason, found.patience) == ("Unschedulable", 15)
    assert "Insufficient memory" in found.explanation


def test_an_exceeded_quota_is_told_from_other_refusals() -> None:
    found = deployment_obstacle(deployment(conditions=(EXCEEDED,)))
    assert found is not None
    assert found.reason == "QuotaExceeded"
    other = deployment_obstacle(deployment(conditions=({**EXCEEDED, "message": "admission webhook denied"},)))
    assert other is not None
    assert (other.reason, "webhook denied" in other.explanation) == ("FailedCreate", True)


def test_a_missed_progress_deadline_is_an_obstacle() -> None:
    found = deployment_obstacle(deployment(conditions=(LATE,)))
    assert found is not None
    assert found.reason == "ProgressDeadlineExceeded"


def test_what_the_controller_said_of_an_earlier_generation_does_not_count() -> None:
    assert deployment_obstacle(deployment(generation=4, conditions=(LATE, EXCEEDED))) is None


def test_a_condition_may_be_left_over_so_it_must_last() -> None:
    found = deployment_obstacle(deployment(conditions=(LATE,)))
    assert found is not None
    assert found.patience > 0


def replica_set(uid: str, revision: str, owner: str = "d-1") -> Object:
    return {"metadata": {"uid": uid, "annotations": {REVISION: revision}, "ownerReferences": [{"uid": owner}]}}


def test_only_pods_of_the_newest_template_are_current() -> None:
    sets = [replica_set("r-1", "1"), replica_set("r-2", "2"), replica_set("r-9", "2", owner="other")]
    pods = [
        pod(name="old", owner="r-1"),
        pod(name="new", owner="r-2"),
        pod(name="foreign", owner="r-9"),
        pod(name="ending", owner="r-2", deletionTimestamp="2026-11-20T09:30:00Z"),
    ]
    assert [item["metadata"]["name"] for item in current_pods(deployment(), sets, pods)] == ["new"]


def test_before_the_controller_has_seen_the_object_no_pod_is_current() -> None:
    assert current_pods(deployment(generation=4), [replica_set("r-2", "2")], [pod(owner="r-2")]) == []


def test_why_a_pod_is_not_ready_is_said_in_few_words() -> None:
    ready = pod(RUNNING, conditions=({"type": "Ready", "status": "True"},))
    assert unready_reason(ready) is None
    assert unready_reason(pod(waiting("ContainerCreating"))) == "ContainerCreating"
    assert unready_reason(pod({**RUNNING, "ready": False, "started": True})) == "running, readiness probe fails"
    assert unready_reason(pod({**RUNNING, "ready": False, "started": False})) == (
        "running, startup probe has not succeeded"
    )
    assert unready_reason(pod()) == "Pending"


def test_containers_without_a_readiness_probe_are_named() -> None:
    two = deployment()
    two["spec"]["template"]["spec"]["containers"] = [{"name": "app"}, {"name": "side", "readinessProbe": {}}]
    two["spec"]["template"]["spec"]["containers"].append({"name": "log", "readinessProbe": {"tcpSocket": {"port": 1}}})
    assert unprobed(two) == ("app", "side")


def endpoint(uid: str, **conditions: bool) -> Object:
    return {"addresses": ["10.0.0.1"], "conditions": {"ready": True, **conditions}, "targetRef": {"uid": uid}}


def test_ready_endpoints_are_counted_for_the_port_that_is_asked_for() -> None:
    slices = [
        {"ports": [{"name": "http", "port": 8080}], "endpoints": [endpoint("a"), endpoint("b", ready=False)]},
        {"ports": [{"name": "metrics", "port": 9090}], "endpoints": [endpoint("a"), endpoint("b"), endpoint("c")]},
    ]
    assert ready_endpoints(slices, "http") == 1
    assert ready_endpoints(slices, "metrics") == 3
    assert ready_endpoints(slices, "mistyped") == 0


def test_a_pod_in_two_slices_is_one_endpoint_and_an_ending_one_is_none() -> None:
    ports = [{"name": "", "port": 8080}]
    slices = [
        {"ports": ports, "endpoints": [endpoint("a"), endpoint("b", terminating=True)]},
        {"ports": ports, "endpoints": [endpoint("a")]},
    ]
    assert ready_endpoints(slices, None) == 1


def test_a_slice_without_endpoints_or_ports_counts_nothing() -> None:
    assert ready_endpoints([{"ports": None, "endpoints": None}], "http") == 0
