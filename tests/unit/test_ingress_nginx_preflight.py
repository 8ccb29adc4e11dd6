"""What the preflight of ingress_nginx says of a scene, and what it takes a controller and a pod for."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import Route, routes_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import (
    identify,
    named,
    seconds_to_wait,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_preflight import findings_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_scene import Classes, Scene, Setting
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import ready_endpoints, ready_pods

Object = dict[str, Any]
PREFIX = "nginx.ingress.kubernetes.io"


def ingress(name: str, host: str, service: str, annotations: Object | None = None, namespace: str = "shop") -> Object:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations or {}},
        "spec": {"ingressClassName": "nginx", "rules": [rule]},
        "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}},
    }


def service(name: str, version: str, target: int | str = 8080, **spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": target}]
    selector = {"app.kubernetes.io/name": "web", "app.kubernetes.io/version": version}
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": selector, "ports": ports, **spec},
    }


def ingress_class(controller: str = "k8s.io/ingress-nginx") -> Object:
    return {"kind": "IngressClass", "metadata": {"name": "nginx"}, "spec": {"controller": controller}}


def classes(**controllers: str) -> Classes:
    """Return IngressClasses by their controllers; without any, the one of the main Ingress."""
    given = controllers or {"nginx": "k8s.io/ingress-nginx"}
    return Classes({name: ingress_class(controller) for name, controller in given.items()})


MAIN = ingress("web", "web.example", "web")
SETTING = Setting(Target("shop", "web", "v2"), MAIN, routes_of(MAIN), "web-canary", PREFIX, named("traefik"), False)
GOOD = Scene(
    setting=SETTING,
    classes=classes(),
    canary=None,
    others=(),
    everywhere=True,
    stable_service=service("web", "v1"),
    canary_service=service("web-v2", "v2"),
    stable_pods=frozenset({"web-v1-a"}),
    canary_pods=frozenset({"web-v2-a"}),
)


def seen(**changes: Any) -> list[tuple[str, str]]:
    """Return level and code of what is found when these parts of the good scene are otherwise."""
    return [(finding.level, finding.code) for finding in findings_of(dataclasses.replace(GOOD, **changes))]


def with_main(main: Object) -> Setting:
    return dataclasses.replace(SETTING, main=main, routes=routes_of(main))


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert seen() == []


def test_a_hash_leaves_the_choice_of_the_version_to_the_weight() -> None:
    """It chooses among the pods of a version, after the weight has chosen the version (balancer.lua)."""
    given = {f"{PREFIX}/upstream-hash-by": "$remote_addr"}
    assert seen(setting=with_main(ingress("web", "web.example", "web", given))) == []


def test_the_legacy_behaviour_does_not_bring_those_to_the_canary_who_are_at_the_stable_version() -> None:
    given = {f"{PREFIX}/affinity": "cookie", f"{PREFIX}/affinity-canary-behavior": "legacy"}
    assert seen(setting=with_main(ingress("web", "web.example", "web", given))) == [("error", "sticky")]


def test_who_accepts_session_affinity_is_only_warned() -> None:
    sticky = with_main(ingress("web", "web.example", "web", {f"{PREFIX}/affinity": "cookie"}))
    assert seen(setting=dataclasses.replace(sticky, accepts_affinity=True)) == [("warning", "sticky")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"classes": Classes({"nginx": None})}, ("error", "class_missing")),
        ({"classes": Classes({}, frozenset({"nginx"}))}, ("warning", "forbidden")),
        ({"classes": classes(nginx="haproxy.org/ingress-controller")}, ("error", "unsupported_controller")),
        ({"setting": dataclasses.replace(SETTING, controller=identify(MAIN))}, ("warning", "controller_unknown")),
        (
            {"setting": with_main(ingress("web", "web.example", "web", {f"{PREFIX}/canary": "true"}))},
            ("error", "main_is_canary"),
        ),
        (
            {"setting": with_main(ingress("web", "web.example", "web", {f"{PREFIX}/affinity": "cookie"}))},
            ("error", "sticky"),
        ),
        ({"canary": ingress("web-canary", "web.example", "web-v2")}, ("error", "foreign_owner")),
        ({"everywhere": False}, ("warning", "forbidden")),
        ({"stable_service": None}, ("error", "not_found")),
        ({"canary_service": None}, ("error", "not_found")),
        ({"canary_service": service("web-v2", "v2", selector=None)}, ("error", "no_selector")),
        ({"canary_service": service("web-v2", "v1")}, ("error", "conflict")),
        ({"stable_service": service("web", "v1", selector={"app.kubernetes.io/name": "web"})}, ("error", "overlap")),
        ({"canary_pods": frozenset({"web-v1-a"})}, ("error", "overlap")),
        ({"canary_service": service("web-v2", "v2", ports=[{"port": 8080}])}, ("error", "port")),
        ({"canary_service": service("web-v2", "v2", target=9090)}, ("error", "port")),
        ({"stable_pods": frozenset()}, ("error", "not_ready")),
        ({"canary_pods": frozenset()}, ("error", "not_ready")),
        ({"canary_pods": frozenset(), "rehearsed": True}, ("warning", "not_ready")),
    ],
)
def test_what_would_break_a_split_is_found(changes: Object, expected: tuple[str, str]) -> None:
    assert seen(**changes) == [expected]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (ingress("old", "web.example", "web-v0", {f"{PREFIX}/canary": "true"}), [("error", "other_canary")]),
        (ingress("old", "web.example", "web-v0", {f"{PREFIX}/canary": "true"}, "else"), [("error", "other_canary")]),
        (ingress("old", "old.example", "web-v0", {f"{PREFIX}/canary": "true"}), []),
        (ingress("preview", "preview.example", "web-v2"), [("error", "primary_backend")]),
        (ingress("preview", "preview.example", "web-v2", namespace="else"), []),
        (ingress("second", "www.example", "web"), [("warning", "leak")]),
        (ingress("second", "www.example", "backoffice"), []),
    ],
)
def test_other_ingresses_matter_when_they_share_the_place_or_a_service(other: Object, expected: list[Any]) -> None:
    assert seen(others=(other,)) == expected


def with_default(item: Object, service_name: str) -> Object:
    backend = {"service": {"name": service_name, "port": {"number": 80}}}
    return {**item, "spec": {**item["spec"], "defaultBackend": backend}}


@pytest.mark.parametrize(
    ("service_name", "expected"),
    [("web-v2", [("error", "primary_backend")]), ("web", [("warning", "leak")]), ("backoffice", [])],
)
def test_a_default_backend_leads_to_a_service_as_a_path_does(service_name: str, expected: list[Any]) -> None:
    other = with_default(ingress("second", "www.example", "backoffice"), service_name)
    assert seen(others=(other,)) == expected
    alone = {**other, "spec": {"ingressClassName": "nginx", "defaultBackend": other["spec"]["defaultBackend"]}}
    assert seen(others=(alone,)) == expected
    findings = findings_of(dataclasses.replace(GOOD, others=(alone,)))
    assert all("the default backend" in finding.message for finding in findings)


@pytest.mark.parametrize("service_name", ["web", "backoffice"])
def test_a_default_backend_of_the_main_ingress_is_in_nobodys_way(service_name: str) -> None:
    assert seen(setting=with_main(with_default(MAIN, service_name))) == []


def of_class(name: str | None, item: Object) -> Object:
    spec = {key: value for key, value in item["spec"].items() if key != "ingressClassName"}
    return {**item, "spec": {**spec, "ingressClassName": name} if name else spec}


PREVIEW = ingress("preview", "preview.example", "web-v2")
OTHER_CANARY = ingress("old", "web.example", "web-v0", {f"{PREFIX}/canary": "true"}, "else")


@pytest.mark.parametrize(("other", "code"), [(PREVIEW, "primary_backend"), (OTHER_CANARY, "other_canary")])
@pytest.mark.parametrize(
    ("controllers", "found"),
    [
        ({"internal": "k8s.io/ingress-nginx"}, True),
        ({"internal": "example.com/ingress-nginx"}, False),
        # A class that does not exist: nothing says that anybody serves it.
        ({}, False),
    ],
)
def test_ingresses_of_another_class_matter_when_its_controller_is_the_same(
    other: Object, code: str, controllers: dict[str, str], found: bool
) -> None:
    known = classes(nginx="k8s.io/ingress-nginx", **controllers)
    assert seen(others=(of_class("internal", other),), classes=known) == ([("error", code)] if found else [])


def test_an_ingress_without_a_class_is_not_taken_for_one_of_the_main_ingresss() -> None:
    assert seen(others=(of_class(None, PREVIEW),)) == []


@pytest.mark.parametrize("unread", ["nginx", "internal"])
def test_what_names_alone_tell_apart_is_warned_of(unread: str) -> None:
    known = {name: item for name, item in classes(nginx="a/b", internal="a/b").found.items() if name != unread}
    scene = dataclasses.replace(
        GOOD,
        setting=dataclasses.replace(SETTING, controller_given=True),
        others=(of_class("internal", PREVIEW), of_class(None, PREVIEW)),
        classes=Classes(known, frozenset({unread})),
    )
    found = findings_of(scene)
    assert {(finding.level, finding.code) for finding in found} == {("warning", "forbidden")}
    last = found[-1]
    assert "Ingress shop/preview of class internal" in last.message
    assert "ingressclasses.networking.k8s.io" in last.remedy


def test_ingresses_of_the_same_class_are_found_though_the_class_could_not_be_read() -> None:
    found = seen(others=(PREVIEW,), classes=Classes({}, frozenset({"nginx"})))
    assert found == [("warning", "forbidden"), ("error", "primary_backend")]


def test_a_canary_of_ours_for_another_version_is_in_the_way() -> None:
    canary = ingress("web-canary", "web.example", "web-v3")
    canary["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "gradual.canary"}
    (finding,) = findings_of(dataclasses.replace(GOOD, canary=canary))
    assert (finding.level, finding.code) == ("error", "conflict")
    assert "web-v3" in finding.message


def test_target_ports_by_name_are_each_containers_own() -> None:
    assert seen(canary_service=service("web-v2", "v2", target="http")) == []


def test_a_controller_that_the_user_names_is_believed() -> None:
    setting = dataclasses.replace(SETTING, controller_given=True)
    assert seen(setting=setting, classes=classes(nginx="higress.io/higress-controller")) == []


def test_every_finding_says_what_to_do() -> None:
    scene = dataclasses.replace(GOOD, stable_service=None, classes=Classes({"nginx": None}), canary_pods=frozenset())
    assert all(finding.remedy.endswith(".") and not finding.message.endswith(".") for finding in findings_of(scene))


# who serves it


def written_by(*writers: tuple[str, str, str]) -> Object:
    fields = [{"manager": manager, "subresource": part, "time": time} for manager, part, time in writers]
    return {"metadata": {"name": "web", "managedFields": fields}, "spec": {}}


@pytest.mark.parametrize(
    ("item", "name", "identified"),
    [
        (written_by(("traefik", "status", "2026-01-01T00:00:00Z")), "traefik", True),
        (written_by(("nginx-ingress-controller", "status", "2026-01-01T00:00:00Z")), "ingress-nginx", True),
        (
            written_by(
                ("nginx-ingress-controller", "status", "2026-01-01T00:00:00Z"),
                ("traefik", "status", "2026-02-01T00:00:00Z"),
            ),
            "traefik",
            True,
        ),
        (written_by(("traefik", "", "2026-01-01T00:00:00Z")), "ingress-nginx", False),
        (written_by(("kubectl", "status", "2026-01-01T00:00:00Z")), "ingress-nginx", False),
        (written_by(), "ingress-nginx", False),
    ],
)
def test_the_controller_is_the_last_that_wrote_the_status(item: Object, name: str, identified: bool) -> None:
    controller = identify(item)
    assert (controller.name, controller.identified) == (name, identified)


NEVER_SERVED: Object = {"loadBalancer": {}}


@pytest.mark.parametrize("status", [None, {}, NEVER_SERVED, {"loadBalancer": {"ingress": []}}])
@pytest.mark.parametrize("given", [True, False])
def test_an_ingress_that_nobody_serves_as_far_as_its_status_tells_is_warned_of(status: Object, given: bool) -> None:
    main = {**MAIN, "status": status}
    setting = dataclasses.replace(with_main(main), controller_given=given)
    (finding,) = findings_of(dataclasses.replace(GOOD, setting=setting))
    assert (finding.level, finding.code) == ("warning", "not_served")
    assert "Ingress shop/web of class nginx" in finding.message
    unknown = dataclasses.replace(setting, controller=identify(main))
    (finding,) = findings_of(dataclasses.replace(GOOD, setting=unknown))
    assert (finding.level, finding.code) == ("warning", "controller_unknown")
    assert "Ingress shop/web of class nginx, or whether any does" in finding.message


def test_a_class_that_an_annotation_names_is_named_too() -> None:
    """Such a class need not exist as an object, so that only the status can tell whether anybody serves it."""
    main = of_class(None, ingress("web", "web.example", "web", {"kubernetes.io/ingress.class": "old"}))
    setting = dataclasses.replace(with_main({**main, "status": NEVER_SERVED}), controller=identify(main))
    (finding,) = findings_of(dataclasses.replace(GOOD, setting=setting, classes=Classes({"old": None})))
    assert (finding.level, finding.code) == ("warning", "controller_unknown")
    assert "of class old" in finding.message


def test_an_api_gateway_outside_of_the_cluster_need_not_publish_an_address() -> None:
    setting = on_gateway()
    main = {**setting.main, "status": NEVER_SERVED}
    assert seen(setting=dataclasses.replace(setting, main=main)) == []


BOUND = {"ingress.vke.volcengine.com/apig-instance-name": "shop"}


@pytest.mark.parametrize(
    ("controller", "name", "identified"),
    [
        ("ingress.vke.volcengine.com/apig", "apig", True),
        ("k8s.io/ingress-nginx", "ingress-nginx", False),
        ("apig.alibabacloud.com/apig-controller", "ingress-nginx", False),
        (None, "ingress-nginx", False),
    ],
)
def test_the_class_is_asked_when_the_ingress_tells_nothing(controller: str | None, name: str, identified: bool) -> None:
    found = identify(written_by(), lambda: ingress_class(controller) if controller else None)
    assert (found.name, found.identified) == (name, identified)


def test_the_class_is_not_asked_when_the_ingress_tells_enough() -> None:
    def ask() -> Object:
        raise AssertionError("the class was asked for")

    assert identify(written_by(("traefik", "status", "2026-01-01T00:00:00Z")), ask).name == "traefik"
    assert identify(ingress("web", "web.example", "web", BOUND), ask).name == "apig"


def test_an_ingress_bound_to_a_gateway_is_that_gateways_whoever_wrote_its_status() -> None:
    item = written_by(("traefik", "status", "2026-01-01T00:00:00Z"))
    item["metadata"]["annotations"] = BOUND
    assert identify(item).name == "apig"


# Volcengine's API gateway


def on_gateway(annotations: Object | None = None, **changes: Any) -> Setting:
    setting = with_main(ingress("web", "web.example", "web", BOUND if annotations is None else annotations))
    return dataclasses.replace(setting, **{"controller": named("apig"), **changes})


def test_a_gateway_serves_classes_by_name_so_that_none_need_exist() -> None:
    assert seen(setting=on_gateway(), classes=Classes({"nginx": None})) == []


def test_an_ingress_bound_to_a_gateway_is_not_judged_by_its_class() -> None:
    assert seen(setting=on_gateway(), classes=classes(nginx="example.com/anything")) == []
    assert seen(setting=on_gateway({}), classes=classes(nginx="example.com/anything")) == [
        ("error", "unsupported_controller")
    ]


def test_a_port_by_name_is_warned_of_on_a_gateway_only() -> None:
    setting = on_gateway()
    routes = tuple(dataclasses.replace(route, port="http") for route in setting.routes)
    assert seen(setting=dataclasses.replace(setting, routes=routes)) == [("warning", "port_name")]
    assert seen(setting=dataclasses.replace(SETTING, routes=routes)) == []


def test_header_and_weight_together_are_warned_of_where_the_user_allows_them() -> None:
    controller = dataclasses.replace(named("apig"), match_with_weight=True)
    assert seen(setting=on_gateway(controller=controller)) == [("warning", "unproven")]


@pytest.mark.parametrize("annotations", [{}, {"ingress.vke.volcengine.com/apig-instance-name": "other"}])
def test_a_canary_on_another_gateway_than_the_main_ingress_is_found(annotations: Object) -> None:
    canary = ingress("web-canary", "web.example", "web-v2", annotations)
    canary["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "gradual.canary"}
    assert seen(setting=on_gateway(), canary=canary) == [("error", "other_gateway")]


# a main Ingress that is to be re-pointed


def test_what_only_a_moved_selector_needs_is_not_asked_of_services_that_are_left_alone() -> None:
    setting = dataclasses.replace(SETTING, repoints=True)
    assert seen(setting=setting, canary_service=service("web-v2", "v2", selector=None)) == []
    assert seen(setting=setting, canary_service=service("web-v2", "v2", target=9090)) == []


def test_the_owner_of_what_the_promotion_writes_is_looked_at() -> None:
    owned = service("web", "v1")
    owned["metadata"]["ownerReferences"] = [{"kind": "Shop", "name": "web", "controller": True}]
    assert seen(stable_service=owned) == [("error", "foreign_owner")]
    assert seen(stable_service=owned, setting=dataclasses.replace(SETTING, repoints=True)) == []
    main = ingress("web", "web.example", "web")
    main["metadata"]["ownerReferences"] = [{"kind": "Shop", "name": "web", "controller": True}]
    assert seen(setting=with_main(main)) == []
    assert seen(setting=dataclasses.replace(with_main(main), repoints=True)) == [("error", "foreign_owner")]


# two writes within a second

STAMP = datetime.datetime(2026, 11, 21, 1, 2, 3, tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize(
    ("manager", "after", "wait"),
    [
        ("gradual.canary", 0.0, 2.0),
        ("gradual.canary", 1.5, 0.5),
        ("gradual.canary", 2.0, 0.0),
        ("gradual.canary", 3600.0, 0.0),
        ("gradual.canary", -30.0, 0.0),
        ("kubectl-edit", 0.5, 0.0),
    ],
)
def test_a_write_waits_until_our_last_one_is_surely_a_second_old(manager: str, after: float, wait: float) -> None:
    item = written_by((manager, "", "2026-11-21T01:02:03Z"))
    assert seconds_to_wait(item, STAMP + after) == pytest.approx(wait)


def test_an_ingress_that_nobody_wrote_yet_needs_no_wait() -> None:
    assert seconds_to_wait({"metadata": {}}, STAMP) == 0


# pods


def test_an_endpoint_without_a_condition_is_ready_and_one_that_says_no_is_not() -> None:
    slices = [
        {"endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"name": "a"}, "conditions": {"ready": True}}]},
        {"endpoints": [{"addresses": ["10.0.0.2"], "targetRef": {"name": "b"}, "conditions": {"ready": False}}]},
        {"endpoints": [{"addresses": ["10.0.0.3"]}]},
        {"endpoints": None},
    ]
    assert ready_endpoints(slices) == {"a", "10.0.0.3"}


def test_a_pod_on_its_way_out_is_not_ready() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    pods = [
        {"metadata": {"name": "a"}, "status": ready},
        {"metadata": {"name": "b", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": ready},
        {"metadata": {"name": "c"}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}},
        {"metadata": {"name": "d"}, "status": {}},
    ]
    assert ready_pods(pods) == {"a"}


def test_routes_are_told_by_host_path_and_type() -> None:
    assert Route("a", "/", "Prefix", "web", 80).place != Route("a", "/", "Exact", "web", 80).place
