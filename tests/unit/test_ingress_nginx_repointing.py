"""How a main Ingress is led to another Service, without a cluster."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    is_ours,
    routes_of,
    services_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import seconds_to_be_older
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_objects import split_routes
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_promotion import (
    comes_first,
    keeper,
    leaving,
    places,
    repointing,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    InvalidInput,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import patched

Object = dict[str, Any]


def path(where: str, service: str, port: int | str = 80) -> Object:
    number_or_name = {"number": port} if isinstance(port, int) else {"name": port}
    return {
        "path": where,
        "pathType": "Prefix",
        "backend": {"service": {"name": service, "port": number_or_name}},
    }


def ingress(*paths: Object, **metadata: Any) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "shop", **metadata},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": "empty.example"}, {"host": "web.example", "http": {"paths": list(paths)}}],
        },
    }


MAIN = ingress(path("/", "web-v1", "http"), path("/admin", "backoffice"), path("/shop", "web-v1"))
TO_V2 = places([["web.example", "/", "Prefix", "web-v2"], ["web.example", "/shop", "Prefix", "web-v2"]])


def test_only_the_wanted_places_lead_elsewhere_and_keep_their_ports() -> None:
    after = patched(MAIN, repointing(MAIN, TO_V2))
    assert [(route.path, route.service, route.port) for route in routes_of(after)] == [
        ("/", "web-v2", "http"),
        ("/admin", "backoffice", 80),
        ("/shop", "web-v2", 80),
    ]


def with_default(service: str, port: int | str = 81) -> Object:
    return {**MAIN, "spec": {**MAIN["spec"], "defaultBackend": path("", service, port)["backend"]}}


def test_a_default_backend_is_led_to_the_new_version_with_the_paths() -> None:
    main = with_default("web-v1")
    wanted = {**TO_V2, **places([["", "", "", "web-v2"]])}
    after = patched(main, repointing(main, wanted))
    assert services_of(after) == ["backoffice", "web-v2"]
    assert after["spec"]["defaultBackend"]["service"] == {"name": "web-v2", "port": {"number": 81}}
    assert leaving(after, wanted) == []


def test_a_default_backend_that_is_not_meant_stays() -> None:
    main = with_default("errors")
    assert services_of(patched(main, repointing(main, TO_V2))) == ["backoffice", "errors", "web-v2"]


def test_a_default_backend_that_somebody_changed_or_added_meanwhile_is_not_written_over() -> None:
    with pytest.raises(Conflict):
        patched(with_default("errors"), repointing(with_default("web-v1"), TO_V2))
    with pytest.raises(Conflict):
        patched(with_default("web-v1"), repointing(MAIN, TO_V2))


def test_the_keeper_names_the_port_of_a_default_backend_too() -> None:
    main = with_default("web-v1")
    made = keeper("keeper", main, leaving(main, {**TO_V2, **places([["", "", "", "web-v2"]])}))
    assert {(route.service, route.port) for route in routes_of(made)} == {
        ("web-v1", "http"),
        ("web-v1", 80),
        ("web-v1", 81),
    }


def test_rules_that_somebody_changed_meanwhile_are_not_written_over() -> None:
    changed = ingress(path("/", "web-v1", "http"), path("/shop", "web-v1"))
    with pytest.raises(Conflict):
        patched(changed, repointing(MAIN, TO_V2))


def test_what_leads_there_already_needs_no_write() -> None:
    assert leaving(MAIN, places([["web.example", "/", "Prefix", "web-v1"]])) == []
    assert repointing(MAIN, places([["web.example", "/", "Prefix", "web-v1"]])) == []


def test_the_keeper_names_the_service_that_is_left_where_nobody_can_ask_for_it() -> None:
    made = keeper("web-canary-keeper", MAIN, leaving(MAIN, TO_V2))
    host = "web-canary-keeper.shop.invalid"
    assert {(route.service, route.port, route.host) for route in routes_of(made)} == {
        ("web-v1", "http", host),
        ("web-v1", 80, host),
    }
    assert len({route.place for route in routes_of(made)}) == 2
    assert made["spec"]["ingressClassName"] == "nginx"
    assert is_ours(made)


def test_the_keeper_is_of_the_class_that_an_old_annotation_names() -> None:
    main = ingress(path("/", "web-v1"), annotations={"kubernetes.io/ingress.class": "old"})
    del main["spec"]["ingressClassName"]
    made = keeper("keeper", main, leaving(main, TO_V2))
    assert made["metadata"]["annotations"] == {"kubernetes.io/ingress.class": "old"}
    assert "ingressClassName" not in made["spec"]


# which of two Ingresses ingress-nginx takes first


EARLY, LATE = "2026-11-21T01:02:03Z", "2026-11-21T01:02:04Z"


@pytest.mark.parametrize(
    ("main", "canary", "first"),
    [
        ({"creationTimestamp": EARLY}, {"creationTimestamp": LATE}, True),
        ({"creationTimestamp": LATE}, {"creationTimestamp": EARLY}, False),
        ({"creationTimestamp": EARLY}, {"creationTimestamp": EARLY}, False),
        ({"creationTimestamp": EARLY}, {"creationTimestamp": EARLY, "name": "a-canary"}, True),
        ({"creationTimestamp": EARLY}, {}, True),
    ],
)
def test_the_older_ingress_comes_first_and_of_one_second_the_greater_name(
    main: Object, canary: Object, first: bool
) -> None:
    assert comes_first(ingress(**main), ingress(**{"name": "web-canary", **canary})) is first


@pytest.mark.parametrize(("age", "wait"), [(0.0, 2.0), (1.5, 0.5), (2.0, 0.0), (3600.0, 0.0), (-30.0, 0.0)])
def test_a_canary_is_made_in_a_later_second_than_the_main_ingress(age: float, wait: float) -> None:
    made = datetime.datetime.fromisoformat(EARLY).timestamp()
    assert seconds_to_be_older(ingress(creationTimestamp=EARLY), made + age) == pytest.approx(wait)
    assert seconds_to_be_older(ingress(), made) == 0


# which Service is stable


def stable(main: Object, **options: str) -> list[tuple[str, str]]:
    routes = split_routes(main, Target("shop", "web", "v2"), {"promotion": "repoint", **options})
    return [(route.path, route.service) for route in routes]


def test_the_stable_service_is_where_the_applications_paths_lead() -> None:
    assert stable(MAIN) == [("/", "web-v1"), ("/shop", "web-v1")]


def test_a_path_tells_which_of_several_services_is_meant_before_and_after_a_promotion() -> None:
    main = ingress(path("/api", "web-api"), path("/", "web-v1"))
    with pytest.raises(AmbiguousTarget, match=r"backend\.path"):
        stable(main)
    assert stable(main, path="/") == [("/", "web-v1")]
    assert stable(ingress(path("/api", "web-api"), path("/", "web-v2")), path="/") == [("/", "web-v2")]


def test_all_paths_to_the_service_that_a_path_tells_of_are_meant() -> None:
    assert stable(MAIN, path="/shop") == [("/", "web-v1"), ("/shop", "web-v1")]


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(TargetNotFound, match=r"backend\.path"):
        stable(MAIN, path="/gone")


def test_a_service_that_the_promotion_would_leave_cannot_be_named() -> None:
    with pytest.raises(InvalidInput, match=r"backend\.path"):
        stable(MAIN, service="web-v1")
