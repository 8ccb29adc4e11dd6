"""The backend ingress_nginx on objects that a stand-in for the cluster holds: what it reads, writes and asks."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Snapshot, Target
from ansible_collections.gradual.canary.plugins.module_utils._backends.ingress_nginx import IngressNginx
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._connection import Connection
from ansible_collections.gradual.canary.plugins.module_utils._errors import Forbidden, InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Rehearsal
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS

Object = dict[str, Any]
PREFIX = "nginx.ingress.kubernetes.io"


class Shelf(Cluster):
    """A cluster in check mode that has these objects and asks nobody. forbidden: kinds that the user may not get.

    seen_whole: whether the user may list in all namespaces. asked: the kinds and names of all single reads.
    """

    def __init__(self, *objects: Object, forbidden: Iterable[str] = (), seen_whole: bool = True) -> None:
        connection = Connection.open({"host": "https://shelf.example", "api_key": "any"})
        super().__init__(connection, check_mode=True, rehearsal=Rehearsal())
        self.forbidden, self.seen_whole = frozenset(forbidden), seen_whole
        self.asked: list[tuple[str, str]] = []
        for item in objects:
            self.rehearsal.put(self._path(item), {"apiVersion": KINDS[item["kind"]].api_version, **item})

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        self.asked.append((kind, name))
        if kind in self.forbidden:
            raise Forbidden(f"{kind} {name} may not be read")
        path = KINDS[kind].path(namespace, name)
        return self.rehearsal.get(path) if self.rehearsal.knows(path) else None

    def search(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        labels: dict[str, str] | None = None,
        fields: str | None = None,
    ) -> list[Object]:
        if namespace is None and not self.seen_whole:
            raise Forbidden(f"{kind} may not be listed in all namespaces")
        items = [copy.deepcopy(item) for item in self.rehearsal.objects.values() if item and item["kind"] == kind]
        return [
            item
            for item in items
            if namespace in (None, item["metadata"].get("namespace"))
            and (labels or {}).items() <= item["metadata"].get("labels", {}).items()
        ]

    def _path(self, item: Object) -> str:
        return KINDS[item["kind"]].path(item["metadata"].get("namespace"), item["metadata"]["name"])


def to(service_name: str) -> Object:
    return {"service": {"name": service_name, "port": {"number": 80}}}


def ingress(name: str, *paths: tuple[str, str], default: str | None = None, class_name: str = "nginx") -> Object:
    """Return an Ingress with these paths (path, Service) at a host named after it, and this default backend."""
    given = [{"path": path, "pathType": "Prefix", "backend": to(service_name)} for path, service_name in paths]
    spec: Object = {"ingressClassName": class_name}
    if given:
        spec["rules"] = [{"host": f"{name}.example", "http": {"paths": given}}]
    if default:
        spec["defaultBackend"] = to(default)
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-of-{name}"}
    status = {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}
    return {"kind": "Ingress", "metadata": metadata, "spec": spec, "status": status}


def service(name: str, app: str, version: str) -> Object:
    selector = {"app.kubernetes.io/name": app, "app.kubernetes.io/version": version}
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-of-{name}"},
        "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def endpoints(name: str, pod: str) -> Object:
    metadata = {"name": f"{name}-a", "namespace": "shop", "labels": {"kubernetes.io/service-name": name}}
    return {"kind": "EndpointSlice", "metadata": metadata, "endpoints": [{"targetRef": {"name": pod}}]}


def ingress_class(name: str, controller: str = "k8s.io/ingress-nginx") -> Object:
    return {"kind": "IngressClass", "metadata": {"name": name}, "spec": {"controller": controller}}


def versions(app: str) -> tuple[Object, ...]:
    """Return the Services of an application of which v1 is stable and v2 is deployed, and their endpoints."""
    return (
        service(app, app, "v1"),
        *(service(f"{app}-{version}", app, version) for version in ("v1", "v2")),
        endpoints(app, f"{app}-v1-pod"),
        *(endpoints(f"{app}-{version}", f"{app}-{version}-pod") for version in ("v1", "v2")),
    )


def backend(cluster: Cluster, app: str = "web", version: str = "v2", **options: str) -> IngressNginx:
    given = {"ingress": app, "controller": "traefik", **options}
    return IngressNginx(cluster, Target("shop", app, version), given)


# who is served


@pytest.mark.parametrize("other", [ingress("other", default="web-v1"), ingress("other", ("/", "x"), default="web-v1")])
@pytest.mark.parametrize("promotion", ["selector", "repoint"])
def test_a_version_that_is_somebodys_default_backend_is_served(other: Object, promotion: str) -> None:
    """Else it would be scaled to nothing, and that Ingress answer 503."""
    leads_to = "web-v2" if promotion == "repoint" else "web"
    objects = (ingress("web", ("/", leads_to)), *versions("web"))
    released = service("web", "web", "v2")
    assert not backend(Shelf(*objects, released), promotion=promotion).serves("web-v1")
    assert backend(Shelf(*objects, released, other), promotion=promotion).serves("web-v1")


def test_a_promotion_leads_the_default_backend_to_the_new_version_and_a_snapshot_leads_it_back() -> None:
    canary = ingress("web-canary", ("/", "web-v2"))
    canary["metadata"].update(
        labels={"app.kubernetes.io/managed-by": "gradual.canary"},
        annotations={f"{PREFIX}/canary": "true", f"{PREFIX}/canary-weight": "100"},
    )
    shelf = Shelf(ingress("web", ("/", "web-v1"), default="web-v1"), canary, *versions("web"))
    before = backend(shelf, promotion="repoint").snapshot()
    backend(shelf, promotion="repoint").promote()
    assert not backend(shelf, promotion="repoint").serves("web-v1")
    assert not backend(shelf, promotion="repoint").promote().changed
    backend(shelf, promotion="repoint").restore(before)
    main = shelf.get("Ingress", "web", "shop")
    assert main["spec"] == ingress("web", ("/", "web-v1"), default="web-v1")["spec"]


def test_a_snapshot_that_says_what_is_so_by_now_writes_nothing_though_it_says_less() -> None:
    """One that was taken before somebody gave the Ingress a default backend knows nothing of it."""
    before = backend(Shelf(ingress("web", ("/", "web-v1")), *versions("web")), promotion="repoint").snapshot()
    shelf = Shelf(ingress("web", ("/", "web-v1"), default="web-v1"), *versions("web"))
    assert not backend(shelf, promotion="repoint").restore(before).changed
    assert shelf.writes == []


# whose snapshot


def test_a_snapshot_of_another_application_is_refused() -> None:
    objects = (ingress("web", ("/", "web")), ingress("api", ("/", "api")), *versions("web"), *versions("api"))
    of_web = backend(Shelf(*objects), "web").snapshot()
    moved = Shelf(*objects, service("web", "web", "v2"))
    with pytest.raises(InvalidInput, match=r"no Ingress shop/api-canary but shop/web-canary.*of another release"):
        backend(moved, "api").restore(of_web)
    assert moved.writes == []
    assert backend(moved, "web").restore(of_web).changed


def test_a_snapshot_of_another_namespace_is_refused() -> None:
    shelf = Shelf(ingress("web", ("/", "web")), *versions("web"))
    saved = backend(shelf).snapshot()
    elsewhere = Snapshot(saved.backend, tuple({**entry, "namespace": "test"} for entry in saved.objects))
    with pytest.raises(InvalidInput, match=r"no Ingress shop/web-canary but test/web-canary"):
        backend(shelf).restore(elsewhere)


@pytest.mark.parametrize("promotion", ["selector", "repoint"])
def test_of_two_applications_in_one_ingress_each_has_its_own_snapshot(promotion: str) -> None:
    """The names of both Ingresses are the same for both; the Services or the paths tell."""
    suffix = "-v1" if promotion == "repoint" else ""
    main = ingress("shop", ("/web", f"web{suffix}"), ("/api", f"api{suffix}"))
    shelf = Shelf(main, *versions("web"), *versions("api"))
    of_web = backend(shelf, "web", ingress="shop", promotion=promotion).snapshot()
    with pytest.raises(InvalidInput, match="of another release"):
        backend(shelf, "api", ingress="shop", promotion=promotion).restore(of_web)
    assert not backend(shelf, "web", ingress="shop", promotion=promotion).restore(of_web).changed


# what the preflight asks


def found(shelf: Shelf, **options: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in backend(shelf, **options).preflight()]


OBJECTS = (ingress("web", ("/", "web")), *versions("web"))


def test_a_user_of_one_namespace_gets_warnings_and_not_a_failure() -> None:
    shelf = Shelf(*OBJECTS, ingress_class("nginx"), forbidden=["IngressClass"], seen_whole=False)
    assert found(shelf) == [("warning", "forbidden")] * 2
    assert found(shelf, controller="auto") == [
        ("warning", "forbidden"),
        ("warning", "controller_unknown"),
        ("warning", "forbidden"),
    ]


def test_an_ingress_of_another_class_of_the_same_controller_is_found() -> None:
    preview = ingress("preview", ("/", "web-v2"), class_name="internal")
    both = (ingress_class("nginx"), ingress_class("internal"))
    assert found(Shelf(*OBJECTS, *both, preview)) == [("error", "primary_backend")]
    apart = (ingress_class("nginx"), ingress_class("internal", "example.com/ingress-nginx"))
    assert found(Shelf(*OBJECTS, *apart, preview)) == []


def test_only_classes_that_matter_are_asked_for_and_each_once() -> None:
    others = (
        ingress("preview", ("/", "web-v2"), class_name="internal"),
        ingress("mirror", default="web", class_name="internal"),
        ingress("backoffice", ("/", "backoffice"), class_name="office"),
    )
    shelf = Shelf(*OBJECTS, *others, ingress_class("nginx"))
    found(shelf)
    assert sorted(name for kind, name in shelf.asked if kind == "IngressClass") == ["internal", "nginx"]
