"""Facts of Istio alone, on a real control plane and gateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._destination_rule import OURS
from ansible_collections.gradual.canary.plugins.module_utils._backends.istio import Istio
from ansible_collections.gradual.canary.plugins.module_utils._errors import TargetNotFound, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Finding, Match, Weight
from tests.contract.cluster_access import Access, Object, interposed
from tests.contract.conftest import Enter
from tests.contract.systems.base import outcome
from tests.contract.systems.istio import GATEWAY, VERSION, IstioSystem, IstioWithSubsets, entry
from tests.contract.workloads import APP, selector

TEN, FIFTY = Weight.percent(10), Weight.percent(50)


@pytest.fixture
def system(access: Access, enter: Enter) -> Iterator[IstioSystem]:
    _class, namespace = enter("istio")
    yield from _served(IstioSystem(access, namespace))


@pytest.fixture
def subsets(access: Access, enter: Enter) -> Iterator[IstioWithSubsets]:
    _class, namespace = enter("istio_with_subsets")
    yield from _served(IstioWithSubsets(access, namespace))


class Delegated(IstioSystem):
    """The same in a VirtualService without hosts: another has the host and the Gateway, and delegates to it."""

    def create(self) -> None:
        self._create(self.name, {"http": [entry(self.stable())]})
        self._create(self.root_name, {"hosts": [self.hostname], "gateways": [GATEWAY], "http": [self.leading()]})

    def remove(self) -> None:
        self.operator.delete("VirtualService", self.root_name, self.namespace)
        super().remove()

    @property
    def root_name(self) -> str:
        return f"{self.name}-root"

    def leading(self, name: str | None = None, **conditions: Any) -> Object:
        """Return an entry of the root that delegates everything, under these conditions, or to another."""
        delegate = {"name": name or self.name, "namespace": self.namespace}
        return {"match": [{"uri": {"prefix": "/"}, **conditions}], "delegate": delegate}

    def root(self) -> Object:
        item = self.operator.get("VirtualService", self.root_name, self.namespace)
        assert item is not None
        return item

    def edit_root(self, *entries: Object) -> None:
        self.operator.edit("VirtualService", self.root_name, self.namespace, {"spec": {"http": list(entries)}})

    def _create(self, name: str, spec: Object) -> None:
        metadata = {"name": name, "namespace": self.namespace}
        self.operator.create({"apiVersion": VERSION, "kind": "VirtualService", "metadata": metadata, "spec": spec})


@pytest.fixture
def delegated(access: Access, enter: Enter) -> Iterator[Delegated]:
    _class, namespace = enter("istio")
    yield from _served(Delegated(access, namespace))


def _served(made: Any) -> Iterator[Any]:
    try:
        made.create()
        made.wait_until_served()
        yield made
    finally:
        made.remove()


def found(system: IstioSystem, code: str) -> list[Finding]:
    return [finding for finding in system.use().preflight() if finding.code == code]


def names(system: IstioWithSubsets) -> list[str]:
    return [subset["name"] for subset in system.destination_rule()["spec"]["subsets"]]


# requests and numbers


def test_between_services_looking_is_one_request_and_a_change_is_two(system: IstioSystem) -> None:
    backend = system.use()
    backend.observe()
    assert backend.cluster.requests == 1
    for change in (
        lambda backend: backend.set(weight=TEN, matches=[system.routed[2].match]),
        lambda backend: backend.set(weight=EVERYTHING, expect=TEN),
        lambda backend: backend.promote(),
    ):
        backend = system.use()
        assert change(backend).changed
        assert backend.cluster.requests == 2


def test_a_weight_finer_than_a_percent_reaches_clients(system: IstioSystem) -> None:
    system.use().set(weight=Weight.percent("2.5"))
    assert [item["weight"] for item in system.virtual_service()["spec"]["http"][0]["route"]] == [9750, 250]
    answers = system.ask_until(lambda answers: answers["v2"] > 0, count=400)
    assert answers["v2"] < 100


def test_a_write_whose_answer_was_lost_counts_as_done(system: IstioSystem) -> None:
    system.use().set(weight=TEN)
    backend, twin = system.use(), system.use()
    with interposed(backend.cluster, lambda: twin.set(weight=FIFTY)):
        change = backend.set(weight=FIFTY)
    assert change.changed
    assert change.after.weight == FIFTY


def test_a_virtual_service_in_another_namespace_is_split_the_same_way(access: Access, enter: Enter) -> None:
    _class, namespace = enter("istio")
    made = IstioSystem(access, namespace)
    made.elsewhere = f"{namespace}-routes"
    made.operator.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.elsewhere}})
    try:
        made.create()
        made.wait_until_served()
        made.use().set(weight=FIFTY)
        made.ask_until(lambda answers: set(answers) == {"v1", "v2"}, count=60)
        assert made.use().serves("web-v2")
        assert [str(finding) for finding in made.use().preflight() if finding.level == "error"] == []
    finally:
        made.operator.delete("Namespace", made.elsewhere)


# delegates


def test_a_delegate_is_split_for_the_clients_of_its_root(delegated: Delegated) -> None:
    root, tried = delegated.root(), delegated.routed[0]
    assert [str(finding) for finding in delegated.use().preflight() if finding.level == "error"] == []
    delegated.use().set(weight=FIFTY, matches=[tried.match])
    delegated.ask_until(lambda answers: set(answers) == {"v1", "v2"}, count=60)
    assert 140 < delegated.ask(400)["v2"] < 260
    assert set(delegated.ask(60, tried.fits)) == {"v2"}
    assert set(delegated.ask(60, tried.misses)) == {"v1", "v2"}
    assert delegated.root()["spec"] == root["spec"]


def test_a_delegate_is_promoted_and_left_by_the_canary_as_any_other(delegated: Delegated) -> None:
    before = delegated.virtual_service()["spec"]
    delegated.use().set(weight=FIFTY)
    delegated.ask_until(lambda answers: answers["v2"] > 0)
    delegated.use().set(weight=NOTHING)
    delegated.ask_until(lambda answers: set(answers) == {"v1"}, count=60)
    delegated.use().detach()
    assert delegated.virtual_service()["spec"] == before
    delegated.use().set(weight=EVERYTHING)
    delegated.ask_until(lambda answers: set(answers) == {"v2"}, count=60)
    delegated.use().promote()
    delegated.use().detach()
    assert delegated.use().observe().stable_version == "v2"
    assert set(delegated.ask(60)) == {"v2"}
    assert not delegated.use().serves("web-v1")


def test_a_virtual_service_without_hosts_that_nobody_delegates_to_is_an_error(delegated: Delegated) -> None:
    for other in (entry(delegated.stable()), delegated.leading("another")):
        delegated.edit_root(other)
        (finding,) = found(delegated, "not_delegated")
        assert finding.level == "error"
        assert delegated.name in finding.message


def test_a_match_that_istio_cannot_join_with_the_roots_is_left_out_by_it_and_refused_by_us(
    delegated: Delegated,
) -> None:
    tenant, tried = {"X-Tenant": "one"}, delegated.routed[0]
    delegated.edit_root(delegated.leading(headers={"x-tenant": {"regex": ".+"}}))
    delegated.ask_until(lambda answers: set(answers) == {"404"})
    with pytest.raises(Unsupported, match=r"headers\.x-tenant.*match by another header"):
        delegated.use().set(weight=NOTHING, matches=[Match("header", "x-tenant", "exact", "one")])
    # Another header can be joined.
    delegated.use().set(weight=NOTHING, matches=[tried.match])
    delegated.ask_until(lambda answers: set(answers) == {"v2"}, {**tenant, **tried.fits}, count=60)
    assert set(delegated.ask(60, tenant)) == {"v1"}
    # And it is true: an entry that takes all of the tenant's requests to v2 takes none. The weight tells it is there.
    split = delegated.virtual_service()["spec"]["http"][-1]
    for item in split["route"]:
        item["weight"] = 50
    match = {**split["match"][0], "headers": {"x-tenant": {"exact": "one"}}}
    delegated.send(
        {"name": "tenant", "match": [match], "route": [{"destination": split["route"][1]["destination"]}]}, split
    )
    delegated.ask_until(lambda answers: set(answers) == {"v1", "v2"}, tenant, count=60)


def test_an_entry_that_its_root_does_not_delegate_is_an_error(delegated: Delegated) -> None:
    delegated.edit_root({**delegated.leading(), "match": [{"uri": {"prefix": "/shop"}}]})
    (finding,) = found(delegated, "not_joined")
    assert delegated.root_name in finding.message
    delegated.ask_until(lambda answers: set(answers) == {"404"})


def test_a_gateway_that_the_root_lacks_is_an_error(delegated: Delegated) -> None:
    edit = {"spec": {"gateways": ["istio-system/nowhere"]}}
    delegated.operator.edit("VirtualService", delegated.root_name, delegated.namespace, edit)
    (finding,) = found(delegated, "gateway_missing")
    assert delegated.root_name in finding.message


# what stands in the way


def test_another_virtual_service_for_the_host_is_an_error(system: IstioSystem) -> None:
    assert found(system, "duplicate_host") == []
    item = system.virtual_service()
    metadata = {"name": f"{system.name}-twin", "namespace": system.namespace}
    system.operator.create(
        {"apiVersion": VERSION, "kind": "VirtualService", "metadata": metadata, "spec": item["spec"]}
    )
    try:
        (finding,) = found(system, "duplicate_host")
        assert finding.level == "error"
        assert f"{system.name}-twin" in finding.message
    finally:
        system.operator.delete("VirtualService", f"{system.name}-twin", system.namespace)


def test_an_entry_that_leaves_nothing_for_the_split_is_an_error(system: IstioSystem) -> None:
    other = entry({"host": "static", "port": {"number": 80}})
    system.send(other, entry(system.stable(), "/shop"))
    (finding,) = found(system, "shadowed")
    assert finding.level == "error"


def test_a_gateway_that_is_not_there_is_an_error(system: IstioSystem) -> None:
    edit = {"spec": {"gateways": ["istio-system/nowhere"]}}
    system.operator.edit("VirtualService", system.name, system.namespace, edit)
    (finding,) = found(system, "gateway_missing")
    assert "istio-system/nowhere" in finding.message


def test_retries_are_told_of_because_they_hide_errors(system: IstioSystem) -> None:
    system.send({**entry(system.stable()), "retries": {"attempts": 3, "retryOn": "5xx"}})
    (finding,) = found(system, "retries")
    assert finding.level == "warning"
    assert "3" in finding.message
    system.send({**entry(system.stable()), "retries": {"attempts": 0}})
    assert found(system, "retries") == []


def test_a_policy_for_one_version_alone_is_told_of(system: IstioSystem) -> None:
    policy = {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}}
    place = {"name": system.name, "namespace": system.namespace}
    spec = {"host": "web-v1", "trafficPolicy": policy}
    system.operator.create({"apiVersion": VERSION, "kind": "DestinationRule", "metadata": place, "spec": spec})
    try:
        assert [finding.level for finding in found(system, "unlike")] == ["warning"]
        assert [finding.level for finding in found(system, "sticky")] == ["warning"]
    finally:
        system.operator.delete("DestinationRule", system.name, system.namespace)


def test_a_consistent_hash_does_not_keep_a_client_with_a_version(system: IstioSystem) -> None:
    place = {"name": system.name, "namespace": system.namespace}
    policy = {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}}
    for service in ("web-v1", "web-v2"):
        spec = {"host": service, "trafficPolicy": policy}
        metadata = {**place, "name": f"{system.name}-{service}"}
        system.operator.create({"apiVersion": VERSION, "kind": "DestinationRule", "metadata": metadata, "spec": spec})
    try:
        system.use().set(weight=FIFTY)
        system.ask_until(lambda answers: set(answers) == {"v1", "v2"}, {"X-User": "ann"}, count=40)
        answers = system.ask(200, {"X-User": "ann"})
        assert min(answers["v1"], answers["v2"]) > 50
    finally:
        for service in ("web-v1", "web-v2"):
            system.operator.delete("DestinationRule", f"{system.name}-{service}", system.namespace)


def test_weight_for_nobody_is_found_and_mended(system: IstioSystem) -> None:
    system.use().set(weight=NOTHING)
    nobody = system.virtual_service()["spec"]["http"]
    for item in nobody[-1]["route"]:
        item["weight"] = 0
    system.send(*nobody)
    (finding,) = found(system, "no_weight")
    assert finding.level == "error"
    system.use().set(weight=NOTHING)
    assert found(system, "no_weight") == []


# subsets


def test_a_subset_is_added_for_the_canary_and_taken_away_with_it(subsets: IstioWithSubsets) -> None:
    before = subsets.objects()
    subsets.use().set(weight=TEN)
    rule = subsets.destination_rule()
    assert rule["spec"]["subsets"][-1] == {"name": "v2", "labels": selector("v2")}
    assert rule["metadata"]["annotations"][OURS] == "v2"
    subsets.use().set(weight=NOTHING)
    change = subsets.use().detach()
    assert [difference.changed for difference in change.differences] == [True, True]
    assert names(subsets) == ["v1"]
    assert subsets.objects()[1]["spec"] == before[1]["spec"]


def test_the_old_versions_subset_goes_only_if_a_release_added_it(subsets: IstioWithSubsets) -> None:
    def release(version: str) -> None:
        subsets.use(version).set(weight=EVERYTHING)
        subsets.use(version).promote()
        subsets.use(version).detach()

    release("v2")
    assert names(subsets) == ["v1", "v2"]
    release("v1")
    assert names(subsets) == ["v1"]


def test_a_subset_of_somebody_else_stays(subsets: IstioWithSubsets) -> None:
    more = [*subsets.destination_rule()["spec"]["subsets"], {"name": "v2", "labels": selector("v2")}]
    edit = {"spec": {"subsets": more}}
    subsets.operator.edit("DestinationRule", subsets.name, subsets.namespace, edit)
    subsets.use().set(weight=NOTHING)
    subsets.use().detach()
    assert names(subsets) == ["v1", "v2"]


def test_what_somebody_adds_to_the_rule_meanwhile_is_kept(subsets: IstioWithSubsets) -> None:
    more = [*subsets.destination_rule()["spec"]["subsets"], {"name": "v7", "labels": selector("v7")}]
    backend = subsets.use()
    edit = {"spec": {"subsets": more}}
    with interposed(
        backend.cluster, lambda: subsets.operator.edit("DestinationRule", subsets.name, subsets.namespace, edit)
    ):
        backend.set(weight=NOTHING)
    assert names(subsets) == ["v1", "v7", "v2"]


def test_a_snapshot_brings_back_the_subset_it_needs(subsets: IstioWithSubsets) -> None:
    subsets.use().set(weight=FIFTY)
    saved = json.loads(json.dumps(subsets.use().snapshot().as_result()))
    subsets.use().set(weight=NOTHING)
    subsets.use().detach()
    change = subsets.use().restore(subsets.parsed(saved))
    assert change.after.weight == FIFTY
    assert names(subsets) == ["v1", "v2"]
    answers = subsets.ask_until(lambda answers: set(answers) == {"v1", "v2"}, count=60)
    assert set(answers) == {"v1", "v2"}


def test_no_request_is_lost_while_subsets_come_and_go(subsets: IstioWithSubsets) -> None:
    def release() -> None:
        try:
            subsets.use().set(weight=FIFTY)
            subsets.use().set(weight=NOTHING)
            subsets.use().detach()
            subsets.use().set(weight=EVERYTHING)
            subsets.use().promote()
            subsets.use().detach()
        finally:
            done.set()

    done = threading.Event()
    work = threading.Thread(target=release)
    work.start()
    answers: set[str] = set()
    for sample in subsets.sampler():
        answers.add(outcome(sample))
        if done.is_set():
            break
    work.join()
    assert answers == {"v1", "v2"}
    assert subsets.use().observe().stable_version == "v2"


def test_clients_that_pass_the_virtual_service_by_are_told_of(subsets: IstioWithSubsets) -> None:
    (finding,) = found(subsets, "bypass")
    assert finding.level == "warning"


def test_a_service_for_one_version_cannot_be_split_by_subsets(subsets: IstioWithSubsets) -> None:
    edit: Object = {"spec": {"selector": {"app.kubernetes.io/name": APP, "app.kubernetes.io/version": "v1"}}}
    subsets.operator.edit("Service", subsets.service, subsets.namespace, edit)
    (finding,) = found(subsets, "selector")
    assert finding.level == "error"
    assert "web-v2" in finding.message


def test_a_destination_rule_that_is_not_there_is_named(subsets: IstioWithSubsets) -> None:
    options = {**subsets.options, "destination_rule": "gone"}
    target = Target(subsets.namespace, APP, "v2")
    with pytest.raises(TargetNotFound, match=r"'gone'.*backend\.destination_rule"):
        Istio(subsets.access.connect(), target, options).observe()
