"""What the preflight says of a Rollout: how its pods end, and what stands before or falsifies its split."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_endings import findings_of_endings
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_ingress import ingress_findings
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_preflight import Preflight, router_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_virtual_service import istio_findings
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import ROLLOUT, Workload
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding
from tests.unit.argo_objects import Object, item, replica_set, rollout
from tests.unit.known_cluster import known

TARGET = Target("shop", "web", "v2")
NO_ROUTER: Object = {"strategy": {"trafficRouting": None}}
ISTIO: Object = {"istio": {"virtualService": {"name": "web"}}}


def codes(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in findings]


def only(findings: Iterable[Finding], code: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.code == code]
    return finding


# how pods end


def sleeping(seconds: int, **changes: Any) -> ArgoRollout:
    """Return a Rollout whose pods, of both versions, sleep before they are told to end."""
    made, sets = item(**changes), [replica_set("v1", 1), replica_set("v2", 2)]
    for holder in (made, *sets):
        (container,) = holder["spec"]["template"]["spec"]["containers"]
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": seconds}}}
    return ArgoRollout.of(Workload.of(ROLLOUT, made, sets))


def ended(made: ArgoRollout) -> list[Finding]:
    return list(findings_of_endings(made, router_of(made.routing).propagation_seconds))


def test_without_a_router_each_step_ends_pods_of_either_version_under_traffic() -> None:
    found = ended(rollout(**NO_ROUTER))
    assert codes(found) == [("warning", "no_pre_stop")] * 2
    for version, finding in zip(("v1", "v2"), found, strict=True):
        assert f"the pods of {version} of Rollout shop/web" in finding.message


def test_without_a_router_pods_wait_for_as_long_as_kube_proxy_takes() -> None:
    assert codes(ended(sleeping(1, **NO_ROUTER))) == [("warning", "short_pre_stop")] * 2
    assert ended(sleeping(2, **NO_ROUTER)) == []


def test_without_a_release_there_is_one_version_to_warn_of() -> None:
    healthy = rollout("v1", status={"currentStepIndex": 10}, **NO_ROUTER)
    assert codes(ended(healthy)) == [("warning", "no_pre_stop")]


def test_a_version_whose_replica_set_is_gone_is_not_spoken_for() -> None:
    alone = ArgoRollout.of(Workload.of(ROLLOUT, item(**NO_ROUTER), [replica_set("v2", 2)]))
    assert "the pods of v2 of" in only(ended(alone), "no_pre_stop").message


def test_without_a_router_the_delays_have_no_say() -> None:
    delays = {"trafficRouting": None, "scaleDownDelaySeconds": 1, "abortScaleDownDelaySeconds": 1}
    assert ended(sleeping(5, strategy=delays)) == []


def test_behind_a_router_pods_end_when_nobody_sends_to_them_any_more() -> None:
    assert ended(rollout()) == []


def test_behind_a_router_too_a_stable_version_that_shrinks_by_steps_ends_pods_under_traffic() -> None:
    dynamic = {"dynamicStableScale": True}
    assert codes(ended(rollout(strategy=dynamic))) == [("warning", "no_pre_stop")] * 2
    assert codes(ended(sleeping(4, strategy=dynamic))) == [("warning", "short_pre_stop")] * 2
    assert ended(sleeping(5, strategy=dynamic)) == []


@pytest.mark.parametrize(
    ("strategy", "least"),
    [
        ({"scaleDownDelaySeconds": 1}, 6),
        ({"scaleDownDelaySeconds": 5}, 6),  # may be 4.1: its end is noted in whole seconds
        ({"abortScaleDownDelaySeconds": 1}, 6),
        ({"abortScaleDownDelaySeconds": 2, "trafficRouting": ISTIO}, 3),
    ],
)
def test_a_delay_that_is_shorter_than_the_router_takes_is_told_with_what_to_set(strategy: Object, least: int) -> None:
    (field, delay), *_rest = strategy.items()
    finding = only(ended(rollout(strategy=strategy)), "short_delay")
    assert finding.level == "warning"
    assert f"{delay} s after" in finding.message
    assert f"({field})" in finding.message
    assert f"at least {least}" in finding.remedy
    assert ended(rollout(strategy={**strategy, field: least})) == []


def test_both_delays_are_told() -> None:
    strategy = {"scaleDownDelaySeconds": 1, "abortScaleDownDelaySeconds": 1}
    assert codes(ended(rollout(strategy=strategy))) == [("warning", "short_delay")] * 2


def test_a_short_delay_does_no_harm_to_pods_that_wait_by_themselves() -> None:
    assert ended(sleeping(5, strategy={"scaleDownDelaySeconds": 1, "abortScaleDownDelaySeconds": 1})) == []
    assert codes(ended(sleeping(2, strategy={"scaleDownDelaySeconds": 2}))) == [("warning", "short_delay")]


def test_zero_means_never_and_is_a_mistake_after_a_promotion_alone() -> None:
    assert ended(rollout(strategy={"abortScaleDownDelaySeconds": 0})) == []
    assert codes(ended(rollout(strategy={"scaleDownDelaySeconds": 0}))) == [("warning", "endless_pods")]


def test_the_preflight_tells_how_pods_end() -> None:
    service: Object = {"kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {}}
    found = list(Preflight(known(service), TARGET, rollout(**NO_ROUTER)).findings())
    assert "no_pre_stop" in [finding.code for finding in found]


# Ingresses


def ingress(name: str = "web", namespace: str = "shop", *, served: bool = True, path: str = "/") -> Object:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend}]
    return {
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": "web.example", "http": {"paths": paths}}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}] if served else []}},
    }


CLASS: Object = {"kind": "IngressClass", "metadata": {"name": "nginx"}, "spec": {"controller": "k8s.io/ingress-nginx"}}


def behind_ingress(cluster: Cluster, **nginx: Any) -> list[Finding]:
    routing = {"nginx": {"stableIngress": "web", **nginx}}
    return list(ingress_findings(cluster, rollout(strategy={"trafficRouting": routing})))


def test_an_ingress_that_is_served_and_leads_to_the_stable_service_has_nothing_in_the_way() -> None:
    assert behind_ingress(known(ingress(), CLASS)) == []


def test_a_class_that_may_not_be_looked_at_is_a_warning_and_not_the_end_of_the_preflight() -> None:
    cluster = known(ingress(), ingress("other", "elsewhere"), forbidden={"IngressClass"})
    found = behind_ingress(cluster)
    assert codes(found) == [("warning", "forbidden"), ("error", "duplicate_host")]
    assert "IngressClass 'nginx' of Ingress shop/web" in found[0].message


def test_an_ingress_that_nobody_serves_is_found_whether_its_class_may_be_looked_at_or_not() -> None:
    unserved = ingress(served=False)
    assert codes(behind_ingress(known(unserved, CLASS))) == [("error", "not_served")]
    found = behind_ingress(known(unserved, forbidden={"IngressClass"}))
    assert codes(found) == [("warning", "forbidden"), ("error", "not_served")]


def test_a_class_that_does_not_exist_or_reads_no_canary_annotations_is_an_error() -> None:
    assert codes(behind_ingress(known(ingress(served=False)))) == [("error", "class_missing")]
    foreign = {**CLASS, "spec": {"controller": "haproxy.org/ingress-controller"}}
    assert codes(behind_ingress(known(ingress(), foreign))) == [("error", "unsupported_controller")]


def test_other_namespaces_that_may_not_be_listed_are_told_once_and_its_own_is_looked_at() -> None:
    second, near = ingress("web-admin", path="/admin"), ingress("near")
    cluster = known(ingress(), second, near, CLASS, namespaced={"Ingress"})
    found = behind_ingress(cluster, stableIngresses=["web-admin"])
    assert codes(found) == [("warning", "forbidden"), ("error", "duplicate_host")]
    assert "only the Ingresses of namespace shop" in found[0].message
    assert "ingresses.networking.k8s.io" in found[0].remedy
    assert "Ingress shop/near" in found[1].message


# VirtualServices


def virtual_service(*hosts: str, subsets: bool = False, **entry: Any) -> Object:
    """Return one for the stable and the canary Service (or for two subsets of one Service)."""
    places: list[Object] = [{"host": "web"}, {"host": "web-canary"}]
    if subsets:
        places = [{"host": "web", "subset": "stable"}, {"host": "web", "subset": "canary"}]
    route = [{"destination": place, "weight": weight} for place, weight in zip(places, (100, 0), strict=True)]
    return {
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"hosts": hosts or ["shop.example"], "http": [{"name": "primary", "route": route, **entry}]},
    }


def destination_rule(host: str, **policy: Any) -> Object:
    return {
        "kind": "DestinationRule",
        "metadata": {"name": host, "namespace": "shop"},
        "spec": {"host": host, "trafficPolicy": policy},
    }


def behind_istio(*items: Object, istio: Object | None = None, **limits: Any) -> list[Finding]:
    routing = {"istio": {**ISTIO["istio"], **(istio or {})}}
    return list(istio_findings(known(*items, **limits), TARGET, rollout(strategy={"trafficRouting": routing})))


def test_a_plain_virtual_service_falsifies_nothing() -> None:
    assert behind_istio(virtual_service()) == []


def test_retries_that_hide_errors_of_the_canary_and_faults_are_told() -> None:
    found = behind_istio(virtual_service(retries={"attempts": 3, "retryOn": "5xx"}, fault={"delay": {}}))
    assert codes(found) == [("warning", "retries"), ("warning", "fault")]
    assert "VirtualService shop/web http entry 0 'primary' tries up to 3 times more on 5xx" in found[0].message


def test_only_the_entry_that_the_rollout_weighs_is_told_of() -> None:
    made = virtual_service()
    made["spec"]["http"].insert(0, {"name": "other", "retries": {"attempts": 3}, "route": [{"destination": {}}]})
    made["spec"]["http"][0]["route"][0]["destination"]["host"] = "other"
    made["spec"]["http"][0]["match"] = [{"uri": {"prefix": "/other"}}]
    assert behind_istio(made, istio={"virtualService": {"name": "web", "routes": ["primary"]}}) == []


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ({"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}}, "sticky"),
        ({"outlierDetection": {"consecutive5xxErrors": 5}}, "ejection"),
    ],
)
def test_a_destination_rule_of_either_service_that_falsifies_the_split_is_told(policy: Object, code: str) -> None:
    for falsifying, plain in (("web", "web-canary"), ("web-canary", "web")):
        rules = (destination_rule(falsifying, **policy), destination_rule(plain))
        found = behind_istio(virtual_service(), *rules)
        assert codes(found) == [("warning", code)]
        assert f"DestinationRule shop/{falsifying} " in found[0].message


def test_a_destination_rule_of_one_service_alone_is_told() -> None:
    found = behind_istio(
        virtual_service(), destination_rule("web"), destination_rule("other", outlierDetection={"a": 1})
    )
    assert codes(found) == [("warning", "unlike")]
    assert "no counterpart for web-canary" in found[0].message


def test_subsets_are_looked_at_in_the_rule_of_their_service() -> None:
    names = {"destinationRule": {"name": "web", "stableSubsetName": "stable", "canarySubsetName": "canary"}}
    rule = destination_rule("web", outlierDetection={"consecutive5xxErrors": 5})
    found = behind_istio(virtual_service(subsets=True), rule, istio=names)
    assert codes(found) == [("warning", "ejection")]


def test_rules_of_a_service_in_two_virtual_services_are_told_once() -> None:
    second = virtual_service("admin.example")
    second["metadata"]["name"] = "admin"
    rules = [destination_rule(host, outlierDetection={"consecutive5xxErrors": 5}) for host in ("web", "web-canary")]
    found = behind_istio(
        virtual_service(),
        second,
        *rules,
        istio={"virtualService": None, "virtualServices": [{"name": "web"}, {"name": "admin"}]},
    )
    assert codes(found) == [("warning", "ejection")] * 2


def test_rules_that_may_not_be_listed_are_a_warning() -> None:
    found = behind_istio(virtual_service(), forbidden={"DestinationRule"})
    assert codes(found) == [("warning", "forbidden")]
    assert "DestinationRules of namespace shop" in found[0].message


def test_an_entry_without_the_canary_service_is_an_error() -> None:
    made = virtual_service()
    del made["spec"]["http"][0]["route"][1]
    assert codes(behind_istio(made, destination_rule("web", outlierDetection={"a": 1}))) == [
        ("error", "target_not_found")
    ]
