"""Facts of splits by numbers of pods alone, with kube-proxy between clients and pods."""

from __future__ import annotations

import collections
import http.client
import secrets
from collections.abc import Iterator

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import endpoints_of
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    InvalidSplit,
    NotReady,
    Refused,
)
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Weight
from tests.contract import workloads
from tests.contract.cluster_access import Access, Object
from tests.contract.conftest import Enter
from tests.contract.systems.base import outcome
from tests.contract.systems.replicas import VERSION, ReplicasSystem

TEN, FIFTY = Weight.percent(10), Weight.percent(50)


@pytest.fixture
def system(access: Access, enter: Enter) -> Iterator[ReplicasSystem]:
    _class, namespace = enter("replicas")
    made = ReplicasSystem(access, namespace)
    try:
        made.create()
        made.wait_until_served()
        yield made
    finally:
        made.remove()


def replicas(system: ReplicasSystem) -> tuple[int, int]:
    items = [system.operator.get("Deployment", name, system.namespace) for name in ("web-v1", "web-v2")]
    first, second = (int(item["spec"]["replicas"]) for item in items if item)
    return first, second


def pods_of_versions(system: ReplicasSystem) -> dict[str, int]:
    """Count the endpoints of the Service by the version in their pods' names."""
    found = endpoints_of(system.access.connect(), system.namespace, system.name)
    return dict(collections.Counter(name.split("-")[1] for name in found))


def test_the_weight_is_the_ratio_of_the_endpoints_once_it_is_set(system: ReplicasSystem) -> None:
    system.use().set(weight=TEN)
    assert (replicas(system), pods_of_versions(system)) == ((9, 1), {"v1": 9, "v2": 1})
    system.use().set(weight=FIFTY)
    assert (replicas(system), pods_of_versions(system)) == ((1, 1), {"v1": 1, "v2": 1})


def test_a_canary_that_is_deployed_at_full_size_gets_no_more_than_its_share(system: ReplicasSystem) -> None:
    system.scale("v2", 5)
    backend = system.use()
    backend.set(weight=TEN)
    written = [write.path.rpartition("/")[2] for write in backend.cluster.writes]
    assert written == ["web-v2", "web-v1", system.name]
    assert pods_of_versions(system) == {"v1": 9, "v2": 1}


def test_stable_is_at_its_full_size_again_without_a_canary_and_the_canary_at_the_end(system: ReplicasSystem) -> None:
    system.scale("v1", 4)
    system.use().set(weight=NOTHING)
    system.use().set(weight=FIFTY)
    assert replicas(system) == (2, 2)
    system.use().set(weight=NOTHING)
    assert replicas(system) == (4, 2)
    assert pods_of_versions(system) == {"v1": 4}
    system.use().set(weight=EVERYTHING)
    assert pods_of_versions(system) == {"v2": 4}


def test_a_weight_that_no_ratio_comes_near_is_refused_with_the_nearest_ones(system: ReplicasSystem) -> None:
    before = system.objects()
    backend = system.use()
    with pytest.raises(InvalidSplit, match="the nearest weights are 10 %"):
        backend.set(weight=Weight.percent(1))
    assert system.objects() == before


def test_the_nearest_ratio_is_what_is_expected_of_a_weight(system: ReplicasSystem) -> None:
    third = Weight.percent(33)
    assert system.use().set(weight=third).after.weight == Weight(3333)
    assert not system.use().set(weight=third, expect=third).changed
    with pytest.raises(Conflict, match=r"33\.33 %"):
        system.use().set(weight=FIFTY, expect=TEN)


def test_an_autoscaler_is_refused_before_any_write(system: ReplicasSystem) -> None:
    name = f"auto-{secrets.token_hex(2)}"
    item: Object = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": system.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-v2"},
            "maxReplicas": 1,
        },
    }
    system.operator.create(item)
    try:
        assert [f.code for f in system.use().preflight() if f.level == "error"] == ["unsupported"]
        backend = system.use()
        with pytest.raises(Refused, match=name):
            backend.set(weight=TEN)
        assert backend.cluster.writes == []
    finally:
        system.operator.delete("HorizontalPodAutoscaler", name, system.namespace)


def test_a_service_that_selects_every_version_is_refused_with_the_command_that_mends_it(system: ReplicasSystem) -> None:
    system.make_ambiguous()
    with pytest.raises(AmbiguousTarget, match=f"kubectl -n {system.namespace} patch service {system.name} -p"):
        system.use().observe()


def test_pods_of_a_third_version_are_refused(system: ReplicasSystem) -> None:
    workloads.deploy(system.operator, system.access.connect(), system.namespace, ("v4",))
    try:
        with pytest.raises(Refused, match="web-v4"):
            system.use().set(weight=TEN)
    finally:
        system.operator.delete("Deployment", "web-v4", system.namespace)
        system.operator.delete("Service", "web-v4", system.namespace)
        gone = system.access.connect().wait(
            "Pod", system.namespace, lambda pods: not pods, seconds=60, labels=workloads.selector("v4")
        )
        assert gone is not None


def test_no_user_gets_a_canary_that_cannot_be_ready(system: ReplicasSystem) -> None:
    system.scale("v2", 0)
    system.wait_for_pods("v2", 0)
    broken = workloads.deployment(system.namespace, "v5")
    broken["spec"]["template"]["spec"]["containers"][0]["image"] = "canary.lab/web:there-is-none"
    system.operator.create(broken)
    system.operator.create(workloads.service(system.namespace, "v5"))
    try:
        with pytest.raises(NotReady, match="ErrImageNeverPull"):
            system.use("v5").set(weight=TEN)
        split = system.use().observe()
        assert (split.weight, split.canary) == (NOTHING, None)
        assert replicas(system) == (1, 0)
        assert set(system.ask(100)) == {"v1"}
    finally:
        system.operator.delete("Deployment", "web-v5", system.namespace)
        system.operator.delete("Service", "web-v5", system.namespace)
        gone = system.access.connect().wait(
            "Pod", system.namespace, lambda pods: not pods, seconds=60, labels=workloads.selector("v5")
        )
        assert gone is not None


def test_a_kept_connection_keeps_its_version_when_all_new_ones_get_the_other(system: ReplicasSystem) -> None:
    host, _colon, port = system.address.partition(":")
    client = http.client.HTTPConnection(host, int(port), timeout=10)

    def answer() -> str | None:
        client.request("GET", "/")
        response = client.getresponse()
        response.read()
        return response.headers["X-Version"]

    try:
        assert answer() == "v1"
        system.use().set(weight=EVERYTHING)
        system.ask_until(lambda answers: set(answers) == {"v2"})
        assert answer() == "v1"
    finally:
        client.close()


def test_no_connection_is_refused_while_the_share_only_grows(system: ReplicasSystem) -> None:
    """From nothing to half and to all of it, where stable has one pod: none ends on the way."""
    system.use().set()
    answers = []
    for index, sample in enumerate(system.sampler(limit=1200)):
        answers.append(outcome(sample))
        if index in (200, 700):
            system.use().set(weight=FIFTY if index == 200 else EVERYTHING)
    assert set(answers) == {"v1", "v2"}
    assert answers[-1] == "v2"


def test_scaling_by_hand_is_seen_as_a_split_and_its_author_named(system: ReplicasSystem) -> None:
    system.use().set(weight=FIFTY)
    system.operator.edit("Deployment", "web-v2", system.namespace, {"spec": {"replicas": 3}}, manager="kubectl-scale")
    assert system.use().observe().weight == Weight.percent(75)
    with pytest.raises(Conflict, match=r"75 %.*kubectl-scale"):
        system.use().set(weight=TEN, expect=FIFTY)


def test_the_selector_is_put_back_with_every_label_it_had(system: ReplicasSystem) -> None:
    item = system.operator.get("Service", system.name, system.namespace)
    assert item is not None
    before = item["spec"]["selector"]
    for weight in (TEN, NOTHING):
        system.use().set(weight=weight)
    system.use().detach()
    item = system.operator.get("Service", system.name, system.namespace)
    assert item is not None
    assert item["spec"]["selector"] == before
    assert before[VERSION] == "v1"
    assert not [key for key in item["metadata"].get("annotations") or () if key.startswith("gradual.canary/")]
