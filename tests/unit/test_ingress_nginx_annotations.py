"""The canary Ingress and its annotations, without a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    Annotated,
    Route,
    canary_ingress,
    class_of,
    is_ours,
    routes_of,
    services_of,
    stable_routes,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    InvalidSplit,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import patched
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match, Weight

PREFIX = "nginx.ingress.kubernetes.io"
HEADER = Match("header", "X-Canary", "exact", "yes")
COOKIE = Match("cookie", "tester", "always")


def path(where: str, service: str, port: int | str = 80, path_type: str = "Prefix") -> dict[str, Any]:
    number_or_name = {"number": port} if isinstance(port, int) else {"name": port}
    backend = {"service": {"name": service, "port": number_or_name}}
    return {"path": where, "pathType": path_type, "backend": backend}


def ingress(rules: list[dict[str, Any]], annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations or {}},
        "spec": {"rules": rules, **spec},
    }


def rule(host: str, *paths: dict[str, Any]) -> dict[str, Any]:
    return {"host": host, "http": {"paths": list(paths)}}


def annotated(**values: str) -> Annotated:
    """Return annotations; underscores stand for hyphens."""
    return Annotated(PREFIX, {key.replace("_", "-"): value for key, value in values.items()})


def is_web(route: Route) -> bool:
    return route.service == "web" or route.service.startswith("web-")


# which paths


def test_only_the_paths_to_the_applications_service_are_split() -> None:
    main = ingress(
        [rule("a.example", path("/", "web"), path("/admin", "backoffice")), rule("b.example", path("/", "web"))]
    )
    assert [str(route) for route in stable_routes(main, is_web)] == ["a.example/", "b.example/"]


def test_an_ingress_without_the_application_says_which_services_it_has() -> None:
    main = ingress([rule("a.example", path("/", "shop"), path("/admin", "backoffice"))])
    with pytest.raises(TargetNotFound, match=r"backoffice, shop.*backend\.service"):
        stable_routes(main, is_web)


def test_two_services_of_the_application_have_to_be_told_apart() -> None:
    main = ingress([rule("a.example", path("/", "web"), path("/api", "web-api"))])
    with pytest.raises(AmbiguousTarget, match=r"web, web-api.*backend\.service") as refused:
        stable_routes(main, is_web)
    assert refused.value.details == {"services": ["web", "web-api"]}


def test_paths_to_other_things_than_services_are_passed_over() -> None:
    bucket = {"path": "/static", "pathType": "Prefix", "backend": {"resource": {"kind": "Bucket", "name": "static"}}}
    assert routes_of(ingress([rule("a.example", bucket, path("/", "web")), {"host": "empty.example"}])) == (
        Route("a.example", "/", "Prefix", "web", 80),
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (ingress([], ingressClassName="nginx"), "nginx"),
        (ingress([], {"kubernetes.io/ingress.class": "old"}), "old"),
        (ingress([]), None),
    ],
)
def test_the_class_is_that_of_the_spec_or_of_the_old_annotation(item: dict[str, Any], expected: str | None) -> None:
    assert class_of(item) == expected


# the default backend


def default(service: str | None, port: int | str = 80) -> dict[str, Any]:
    number_or_name = {"number": port} if isinstance(port, int) else {"name": port}
    to = {"service": {"name": service, "port": number_or_name}} if service else {"resource": {"kind": "Bucket"}}
    return {"defaultBackend": to}


def test_an_ingress_leads_to_its_default_backend_too_whether_it_has_paths_or_not() -> None:
    rules = [rule("a.example", path("/", "web"))]
    assert services_of(ingress(rules, **default("web-v1"))) == ["web", "web-v1"]
    assert services_of({"spec": default("web-v1")}) == ["web-v1"]
    assert services_of(ingress(rules, **default(None))) == ["web"]


def test_a_default_backend_is_no_path_and_tells_nothing_of_the_application() -> None:
    main = ingress([rule("a.example", path("/", "web"))], **default("web-errors"))
    assert [str(route) for route in routes_of(main)] == ["a.example/"]
    assert [str(route) for route in stable_routes(main, is_web)] == ["a.example/"]


def test_a_default_backend_alone_cannot_be_split_and_the_refusal_says_so() -> None:
    with pytest.raises(TargetNotFound, match=r"its Services: none \(and web as its default"):
        stable_routes(ingress([], **default("web")), is_web)


@pytest.mark.parametrize("service", ["web", "backoffice"])
def test_the_canary_ingress_has_no_default_backend_whatever_the_main_ones_is(service: str) -> None:
    """ingress-nginx would split all paths without a host by it, those of other applications too."""
    main = ingress([rule("a.example", path("/", "web"))], **default(service))
    made = canary_ingress("web-canary", main, stable_routes(main, is_web), "web-v2", annotated(canary="true"))
    assert services_of(made) == ["web-v2"]
    assert set(made["spec"]) == {"rules"}


# the canary Ingress


def test_the_canary_ingress_has_the_main_ones_places_and_the_canarys_service() -> None:
    main = ingress(
        [rule("a.example", path("/", "web", "http"), path("/admin", "backoffice")), rule("", path("", "web", 81))],
        ingressClassName="nginx",
        tls=[{"hosts": ["a.example"], "secretName": "a"}, {"hosts": ["c.example"], "secretName": "c"}],
    )
    made = canary_ingress("web-canary", main, stable_routes(main, is_web), "web-v2", annotated(canary="true"))
    assert [(route.host, route.path, route.service, route.port) for route in routes_of(made)] == [
        ("a.example", "/", "web-v2", "http"),
        ("", "", "web-v2", 81),
    ]
    assert made["spec"]["ingressClassName"] == "nginx"
    assert made["spec"]["tls"] == [{"hosts": ["a.example"], "secretName": "a"}]
    assert made["metadata"]["annotations"] == {f"{PREFIX}/canary": "true", "gradual.canary/stable-service": "web"}
    assert is_ours(made)
    assert not is_ours(main)


def test_annotations_of_the_main_ingress_are_not_copied_but_for_its_class() -> None:
    given = {
        "kubernetes.io/ingress.class": "nginx",
        "cert-manager.io/cluster-issuer": "ca",
        f"{PREFIX}/affinity": "cookie",
    }
    main = ingress([rule("a.example", path("/", "web"))], given)
    made = canary_ingress("web-canary", main, stable_routes(main, is_web), "web-v2", annotated(canary="true"))
    assert made["metadata"]["annotations"]["kubernetes.io/ingress.class"] == "nginx"
    assert not {"cert-manager.io/cluster-issuer", f"{PREFIX}/affinity"} & set(made["metadata"]["annotations"])
    assert "ingressClassName" not in made["spec"]


# reading


@pytest.mark.parametrize(
    ("values", "percent"),
    [
        ({"canary_weight": "20"}, "20"),
        ({"canary_weight": "250", "canary_weight_total": "10000"}, "2.5"),
        ({"canary_weight": "5", "canary_weight_total": "10"}, "5"),
        ({"canary_weight": "101"}, "100"),
        ({"canary_weight": "1", "canary_weight_total": "1000000"}, "0.01"),
        ({"canary_weight": "-1"}, "0"),
        ({"canary_weight": "1.5"}, "0"),
        ({"canary_weight": "10%"}, "0"),
        ({"canary_weight": " 20"}, "0"),
        ({"canary_weight": ""}, "0"),
        ({}, "0"),
    ],
)
def test_weights_are_read_as_the_controllers_read_them(values: dict[str, str], percent: str) -> None:
    assert annotated(canary="true", **values).weight.as_percent() == percent


def test_an_ingress_that_is_no_canary_gives_nothing_whatever_else_it_says() -> None:
    off = annotated(canary="no", canary_weight="50", canary_by_header="X-Canary")
    assert (off.weight, off.matches, off.gives_traffic) == (Weight(0), (), False)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"canary_by_header": "X", "canary_by_header_value": "v", "canary_by_header_pattern": "p"}, "header X = v"),
        ({"canary_by_header": "X", "canary_by_header_pattern": "p"}, "header X ~ p"),
        ({"canary_by_header": "X"}, "header X: always"),
        ({"canary_by_cookie": "c"}, "cookie c: always"),
    ],
)
def test_match_routes_are_read_in_the_controllers_precedence(values: dict[str, str], match: str) -> None:
    read = annotated(canary="true", **values)
    assert [str(one) for one in read.matches] == [match]
    assert read.gives_traffic


def test_annotations_of_another_prefix_are_not_ours() -> None:
    item = ingress([], {"nginx.example.com/canary": "true", f"{PREFIX}/canary": "true", f"{PREFIX}/canary-weight": "7"})
    assert Annotated.read(PREFIX, item).weight == Weight.percent(7)
    assert Annotated.read("nginx.example.com", item).weight == Weight(0)


# writing


def test_a_weight_is_written_in_hundredths_of_a_percent() -> None:
    made = Annotated.none(PREFIX).with_split(Weight.percent("2.5"), ())
    assert made.prefixed() == {
        f"{PREFIX}/canary": "true",
        f"{PREFIX}/canary-weight": "250",
        f"{PREFIX}/canary-weight-total": "10000",
    }


def test_a_weight_that_means_the_same_stays_as_somebody_wrote_it() -> None:
    there = annotated(canary="true", canary_weight="10")
    assert there.operations_to(there.with_split(Weight.percent(10), None)) == []
    assert there.operations_to(there.with_split(None, ())) == []


def test_the_order_of_matches_means_nothing() -> None:
    there = Annotated.none(PREFIX).with_split(Weight(0), (HEADER, COOKIE))
    assert there.operations_to(there.with_split(None, (COOKIE, HEADER))) == []


def test_what_is_left_out_stays() -> None:
    there = Annotated.none(PREFIX).with_split(Weight.percent(10), (HEADER, COOKIE))
    assert there.with_split(Weight.percent(50), None).matches == (HEADER, COOKIE)
    assert there.with_split(None, ()).weight == Weight.percent(10)


def test_another_kind_of_header_match_leaves_nothing_of_the_old_one() -> None:
    there = Annotated.none(PREFIX).with_split(Weight(0), (HEADER,))
    after = there.with_split(None, (Match("header", "X-Canary", "regex", "^y"),))
    assert "canary-by-header-value" not in after.values
    assert after.matches == (Match("header", "X-Canary", "regex", "^y"),)


def test_an_ingress_that_lost_its_canary_mark_gets_it_back_with_what_is_asked_for_only() -> None:
    lost = annotated(canary="false", canary_weight="1000", canary_weight_total="10000", canary_by_cookie="tester")
    assert lost.with_split(Weight.percent(10), None).weight == Weight.percent(10)
    assert not lost.with_split(None, None).gives_traffic
    assert not lost.with_split(Weight.percent(10), None).matches


def test_the_patch_makes_what_was_wanted() -> None:
    before = Annotated.none(PREFIX).with_split(Weight.percent(10), (HEADER,))
    wanted = before.with_split(Weight.percent(50), (COOKIE,))
    item = ingress([], {**before.prefixed(), "example.com/note": "stays"})
    after = patched(item, before.operations_to(wanted))["metadata"]["annotations"]
    assert after == {**wanted.prefixed(), "example.com/note": "stays"}


@pytest.mark.parametrize(
    "edit",
    [{"canary-weight": "2500"}, {"canary": "false"}, {"canary-by-cookie": "somebody"}, {"canary-weight-total": "100"}],
)
def test_the_patch_does_not_apply_when_somebody_changed_anything_of_the_split(edit: dict[str, str]) -> None:
    before = Annotated.none(PREFIX).with_split(Weight.percent(10), (HEADER,))
    operations = before.operations_to(before.with_split(Weight.percent(50), None))
    edited = ingress([], {**before.prefixed(), **{f"{PREFIX}/{key}": value for key, value in edit.items()}})
    with pytest.raises(Conflict):
        patched(edited, operations)


# what would be ignored


@pytest.mark.parametrize(
    "match",
    [
        Match("header", "X-Canary", "exact", 'a"b'),
        Match("header", "X-Canary", "exact", "a;b"),
        Match("header", "X-Canary", "exact", "ä"),
        Match("header", "X-Canary", "exact", ""),
        Match("header", "X-Canary", "exact", " a"),
        Match("header", "X!Canary", "always"),
        Match("header", "X-Canary", "regex", "a b"),
        Match("header", "X-Canary", "regex", "a,b"),
        Match("header", "X-Canary", "regex", ""),
    ],
)
def test_values_that_controllers_would_read_as_empty_are_refused(match: Match) -> None:
    with pytest.raises(InvalidSplit, match="ignore"):
        Annotated.none(PREFIX).with_split(Weight(0), (match,))


@pytest.mark.parametrize("text", ["a b", "text/html:1.0", "~user_1"])
def test_values_that_controllers_read_are_written(text: str) -> None:
    match = Match("header", "X-Canary", "exact", text)
    assert Annotated.none(PREFIX).with_split(Weight(0), (match,)).matches == (match,)


def test_a_pattern_may_have_all_that_regular_expressions_need() -> None:
    match = Match("header", "X-Canary", "regex", r"^(a|b)[0-9]{2}\.c+d*e?$")
    assert Annotated.none(PREFIX).with_split(Weight(0), (match,)).matches == (match,)


def test_a_cookie_counts_by_the_word_always_only() -> None:
    with pytest.raises(InvalidSplit, match=r"always.*\{cookie: group\}"):
        Annotated.none(PREFIX).with_split(Weight(0), (Match("cookie", "group", "exact", "qa"),))


@pytest.mark.parametrize("kind", ["header", "cookie"])
def test_two_matches_of_a_kind_are_refused(kind: str) -> None:
    with pytest.raises(InvalidSplit, match=f"one {kind}"):
        Annotated.none(PREFIX).with_split(Weight(0), (Match(kind, "a", "always"), Match(kind, "b", "always")))
