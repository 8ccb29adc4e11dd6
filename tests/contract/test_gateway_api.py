"""Facts of the Gateway API alone, on a real controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    Conflict,
    Degraded,
    InvalidSplit,
    NotLive,
    Unsupported,
)
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Finding, Match, Weight
from tests.contract import workloads
from tests.contract.cluster_access import Access, Object, interposed
from tests.contract.conftest import Enter
from tests.contract.systems.gateway_api import GatewayApiSystem, rule

TEN, FIFTY = Weight.percent(10), Weight.percent(50)


@pytest.fixture
def system(access: Access, enter: Enter) -> Iterator[GatewayApiSystem]:
    _class, namespace = enter("gateway_api")
    made = GatewayApiSystem(access, namespace)
    try:
        made.create()
        made.wait_until_served()
        yield made
    finally:
        made.remove()


def found(system: GatewayApiSystem, code: str, **options: Any) -> list[Finding]:
    return [finding for finding in system.use(**options).preflight() if finding.code == code]


# requests


def test_looking_is_one_request_and_a_change_is_two(system: GatewayApiSystem) -> None:
    backend = system.use()
    backend.observe()
    assert backend.cluster.requests == 1
    for change in (
        lambda backend: backend.set(weight=TEN, matches=[system.routed[2].match]),
        lambda backend: backend.set(weight=Weight.percent(100), expect=TEN),
        lambda backend: backend.promote(),
    ):
        backend = system.use()
        assert change(backend).changed
        assert backend.cluster.requests == 2


def test_a_write_whose_answer_was_lost_counts_as_done(system: GatewayApiSystem) -> None:
    system.use().set(weight=TEN)
    backend, twin = system.use(), system.use()
    with interposed(backend.cluster, lambda: twin.set(weight=FIFTY)):
        change = backend.set(weight=FIFTY)
    assert change.changed
    assert change.after.weight == FIFTY
    assert system.route()["metadata"]["generation"] == 3


def test_somebody_who_never_stops_editing_wins(system: GatewayApiSystem) -> None:
    system.use().set(weight=TEN)
    backend = system.use()
    original = backend.cluster.patch
    edits = []

    def patch(item: Object, operations: Any) -> Object:
        edits.append(len(edits))
        system.operator.edit("HTTPRoute", system.name, system.namespace, {"spec": {"hostnames": [_host(len(edits))]}})
        return original(item, operations)

    backend.cluster.patch = patch  # type: ignore[method-assign]
    with pytest.raises(Conflict, match=r"by .*kubectl-edit .*keep changing"):
        backend.set(weight=FIFTY)
    assert len(edits) == 4
    assert system.use().observe().weight == TEN


def _host(number: int) -> str:
    return f"host-{number}.example.com"


def test_the_writer_of_the_weight_is_named_whoever_wrote_elsewhere_after(system: GatewayApiSystem) -> None:
    system.use().set(weight=TEN)
    system.edit_weight(25)
    labels = {"metadata": {"labels": {"team": "a"}}}
    system.operator.edit("HTTPRoute", system.name, system.namespace, labels, manager="another-tool")
    with pytest.raises(Conflict) as refused:
        system.use().set(weight=FIFTY, expect=TEN)
    assert refused.value.details["writer"] == "kubectl-edit"


# what the controller says


def test_a_weight_does_not_rise_while_the_canary_leads_nowhere(system: GatewayApiSystem) -> None:
    backend = system.use("v9")
    backend.set()
    with pytest.raises(Degraded, match="web-v9"):
        backend.wait_accepted(3)
    with pytest.raises(Degraded, match="web-v9"):
        backend.set(weight=TEN)
    assert backend.observe().weight == NOTHING
    assert set(system.ask(40)) == {"v1"}
    assert backend.detach().changed


def test_an_expression_that_the_controller_refuses_is_told(system: GatewayApiSystem) -> None:
    backend = system.use()
    backend.set(weight=NOTHING, matches=[Match("header", "X-A", "regex", "(?=a)b")])  # RE2 has no lookahead
    with pytest.raises(Degraded, match="UnsupportedValue"):
        backend.wait_accepted(30)
    assert [finding.level for finding in found(system, "not_accepted")] == ["error"]
    backend.set(matches=[])
    assert backend.wait_accepted(30).level == "accepted"


def test_a_gateway_that_nobody_serves_does_not_accept(system: GatewayApiSystem) -> None:
    parents = [{"name": "nobodys", "namespace": system.namespace}]
    system.operator.edit("HTTPRoute", system.name, system.namespace, {"spec": {"parentRefs": parents}})
    with pytest.raises(NotLive, match=r"Gateway .*/nobodys"):
        system.use().wait_accepted(2)
    assert [finding.level for finding in found(system, "gateway_missing")] == ["error"]


# what a person wrote


def test_a_split_of_ninety_to_ten_is_read_and_kept_until_it_changes(system: GatewayApiSystem) -> None:
    split_rule = rule("/", "web-v1")
    split_rule["backendRefs"] = [
        {"name": "web-v1", "port": 80, "weight": 90},
        {"name": "web-v2", "port": 80, "weight": 10},
    ]
    system.send(split_rule)
    assert system.use().observe().raw == (("web-v1", 90), ("web-v2", 10))
    assert not system.use().set(weight=TEN).changed
    assert system.use().set(weight=FIFTY).after.raw == (("web-v1", 5000), ("web-v2", 5000))


def test_a_rule_is_named_or_numbered_and_the_others_stay_as_they_are(system: GatewayApiSystem) -> None:
    system.send({**rule("/api", "web-v1"), "name": "api"}, rule("/", "web-v1"))
    system.rule = "1"
    system.use().set(weight=TEN, matches=[system.routed[0].match])
    rules = system.route()["spec"]["rules"]
    assert [each.get("name") for each in rules] == ["api", "web-canary-match-1", None]
    assert len(rules[0]["backendRefs"]) == 1
    assert system.use().observe().weight == TEN
    system.rule = "api"
    assert system.use().observe().canary is None


def test_filters_and_timeouts_hold_for_match_routes_too(system: GatewayApiSystem) -> None:
    header = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "X-Edge", "value": "yes"}]}}
    system.send({**rule("/", "web-v1"), "filters": [header], "timeouts": {"request": "5s"}})
    routed = system.routed[0]
    system.use().set(matches=[routed.match])
    system.ask_until(lambda answers: set(answers) == {"v2"}, routed.fits)
    assert {sample.headers.get("x-edge") for sample in system.sampler(routed.fits, limit=5)} == {"yes"}
    assert system.route()["spec"]["rules"][0]["timeouts"] == {"request": "5s"}


def test_a_third_service_in_the_rule_is_another_canary(system: GatewayApiSystem) -> None:
    split_rule = rule("/", "web-v1")
    split_rule["backendRefs"] += [
        {"name": "web-v2", "port": 80, "weight": 0},
        {"name": "web-v3", "port": 80, "weight": 0},
    ]
    system.send(split_rule)
    with pytest.raises(Unsupported, match=r"web-v1, web-v2, web-v3"):
        system.use().set(weight=TEN)
    assert [finding.level for finding in found(system, "other_canary")] == ["error"]


def test_a_route_takes_no_more_match_routes_than_it_has_room_for(system: GatewayApiSystem) -> None:
    matches = [Match("header", f"X-{number}", "exact", "1") for number in range(16)]
    with pytest.raises(InvalidSplit, match="15 match routes"):
        system.use().set(matches=matches)
    assert system.use().set(matches=matches[:15]).after.matches == tuple(matches[:15])


# before the release


def test_a_canary_without_the_port_is_found(system: GatewayApiSystem) -> None:
    service = workloads.service(system.namespace, "v2", "web-v8")
    service["spec"]["ports"][0]["port"] = 81
    system.operator.create(service)
    try:
        (finding,) = found(system, "port", version="v8")
        assert "web-v8" in finding.message
        assert "81" in finding.message
    finally:
        system.operator.delete("Service", "web-v8", system.namespace)


def test_a_canary_that_only_check_mode_deployed_is_a_warning(system: GatewayApiSystem) -> None:
    backend = system.in_check_mode("v7")
    backend.cluster.apply(workloads.service(system.namespace, "v7"))
    (finding,) = [one for one in backend.preflight() if one.code == "not_ready"]
    assert finding.level == "warning"


def test_sticky_services_are_found(system: GatewayApiSystem) -> None:
    system.operator.create(workloads.service(system.namespace, "v2", "web-v8"))
    system.operator.edit("Service", "web-v8", system.namespace, {"spec": {"sessionAffinity": "ClientIP"}})
    try:
        assert [finding.level for finding in found(system, "sticky", version="v8")] == ["warning"]
    finally:
        system.operator.delete("Service", "web-v8", system.namespace)


def test_a_rule_with_sessions_is_found(system: GatewayApiSystem) -> None:
    item = system.operator.get("HTTPRoute", system.name, system.namespace)
    assert item is not None
    rules = [
        {**rule, "sessionPersistence": {"sessionName": "route", "type": "Cookie"}} for rule in item["spec"]["rules"]
    ]
    system.operator.edit("HTTPRoute", system.name, system.namespace, {"spec": {"rules": rules}})
    (finding,) = found(system, "sticky")
    assert (finding.level, "cookie route" in finding.message) == ("warning", True)


def test_a_delivery_tool_that_would_revert_the_weights_is_found(system: GatewayApiSystem) -> None:
    annotations = {"argocd.argoproj.io/tracking-id": "shop:web"}
    system.operator.edit("HTTPRoute", system.name, system.namespace, {"metadata": {"annotations": annotations}})
    (finding,) = found(system, "foreign_owner")
    assert "Argo CD" in finding.message


def test_a_longer_path_in_another_route_is_found_and_does_take_the_requests(system: GatewayApiSystem) -> None:
    other = GatewayApiSystem(system.access, system.namespace)
    other.hostname = system.hostname
    try:
        other.create()
        other.send(rule("/api", "web-v1"))
        (finding,) = found(system, "shadowed")
        assert other.name in finding.message
        assert "/api" in finding.message
    finally:
        other.remove()


def test_services_of_another_namespace_need_a_grant(system: GatewayApiSystem) -> None:
    operator, namespace = system.operator, f"{system.namespace}-routes"
    operator.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        away = GatewayApiSystem(system.access, system.namespace)
        away.route_namespace = namespace
        away.create()
        (finding, *_more) = found(away, "no_reference_grant")
        assert finding.level == "error"
        operator.create(
            {
                "apiVersion": "gateway.networking.k8s.io/v1beta1",
                "kind": "ReferenceGrant",
                "metadata": {"name": away.name, "namespace": system.namespace},
                "spec": {
                    "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": namespace}],
                    "to": [{"group": "", "kind": "Service"}],
                },
            }
        )
        assert found(away, "no_reference_grant") == []
        away.wait_until_served()
        away.use().set(weight=Weight.percent(100))
        away.ask_until(lambda answers: set(answers) == {"v2"})
        assert away.use().serves("web-v2")
        assert away.use().serves("web-v1")  # by the other route, beside the Services
        system.remove()
        assert not away.use().serves("web-v1")
    finally:
        operator.delete("ReferenceGrant", away.name, system.namespace)
        operator.delete("Namespace", namespace)
