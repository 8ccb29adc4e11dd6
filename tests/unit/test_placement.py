"""Which cluster a version is in, and which one a new version goes to."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._arguments import version_clusters
from ansible_collections.gradual.canary.plugins.module_utils._backends import BACKENDS, get
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._versions import version_behind
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._connection import Connection
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    InvalidInput,
    Unsupported,
)
from ansible_collections.gradual.canary.plugins.module_utils._placement import Placement
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Rehearsal
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS
from ansible_collections.gradual.canary.plugins.module_utils._task import secrets_in

NAMES = ("web-v1", "web-v2", "web-v3")
KINDS_ASKED = ("Deployment", "Service")


def cluster(name: str, *objects: str) -> Cluster:
    """Return a cluster in check mode that knows of these objects (``Kind/name``) by its rehearsal, and asks nobody."""
    connection = Connection.open({"host": f"https://{name}.example", "api_key": "any"})
    made = Cluster(connection, check_mode=True, rehearsal=Rehearsal())
    for kind in KINDS_ASKED:
        for each in NAMES:
            selector = {} if f"StandIn/{each}" in objects else {"app.kubernetes.io/version": each[4:]}
            there = f"{kind}/{each}" in objects or (kind == "Service" and f"StandIn/{each}" in objects)
            item = {"kind": kind, "metadata": {"name": each, "namespace": "shop"}, "spec": {"selector": selector}}
            made.rehearsal.put(KINDS[kind].path("shop", each), item if there else None)
    return made


def test_without_other_clusters_everything_is_in_the_one_and_nobody_is_asked() -> None:
    only = Cluster(Connection.open({"host": "https://127.0.0.1:1", "api_key": "any"}), call_seconds=1)
    placement = Placement(only)
    assert placement.home("shop", "web-v1") is only
    assert placement.place("shop", "web-v2", "web-v1") is only
    assert (placement.elsewhere, placement.clusters, placement.foreign) == (False, (only,), ())


def test_a_version_is_where_its_deployment_is() -> None:
    one, two = cluster("one", "Deployment/web-v1"), cluster("two", "Deployment/web-v2")
    placement = Placement(cluster("traffic"), (one, two))
    assert placement.home("shop", "web-v1") is one
    assert placement.home("shop", "web-v2") is two
    assert placement.home("shop", "web-v3") is None


def test_a_new_version_goes_to_the_first_cluster_without_the_one_it_replaces() -> None:
    one, two = cluster("one", "Deployment/web-v1"), cluster("two", "Deployment/web-v2")
    placement = Placement(cluster("traffic"), (one, two))
    assert placement.place("shop", "web-v3", None) is one
    assert placement.place("shop", "web-v3", "web-v1") is two
    assert placement.place("shop", "web-v3", "web-v2") is one
    assert placement.place("shop", "web-v2", "web-v1") is two, "one that is there stays where it is"
    alone = Placement(cluster("traffic"), (one,))
    assert alone.place("shop", "web-v3", "web-v1") is one


def test_a_service_without_selector_stands_for_another_and_is_not_where_the_version_is() -> None:
    one, two = cluster("one", "StandIn/web-v2"), cluster("two", "Service/web-v2")
    assert Placement(one, (one, two)).home("shop", "web-v2") is two


def test_a_version_in_two_clusters_is_refused_and_both_are_named() -> None:
    one, two = cluster("one", "Deployment/web-v1"), cluster("two", "Deployment/web-v1")
    with pytest.raises(AmbiguousTarget, match=r"https://one\.example.*https://two\.example"):
        Placement(one, (one, two)).home("shop", "web-v1")


def test_two_identities_of_one_server_are_one_cluster() -> None:
    route, stable, canary = cluster("one"), cluster("one", "Deployment/web-v1"), cluster("two")
    placement = Placement(route, (stable, canary, cluster("one")))
    assert placement.versions == (stable, canary)
    assert placement.foreign == (canary,)
    assert placement.home("shop", "web-v1") is stable


def test_the_version_behind_a_service_of_another_cluster_is_told_by_its_name_and_nobody_is_asked() -> None:
    gone = Cluster(Connection.open({"host": "https://127.0.0.1:1", "api_key": "any"}), call_seconds=1)
    placement = Placement(cluster("traffic"), (gone, cluster("two")))
    assert version_behind(placement, Target("shop", "web"), "web-v2") == "v2"


def test_what_check_mode_would_write_is_kept_apart_by_server() -> None:
    first = Rehearsal()
    other = first.of("https://two.example")
    path = KINDS["Service"].path("shop", "web-v2")
    other.put(path, {"metadata": {"name": "web-v2"}})
    assert other.knows(path)
    assert not first.knows(path)
    collection = KINDS["Service"].path("shop")
    assert other.merge(collection, [], None) == [{"metadata": {"name": "web-v2"}}]
    assert first.merge(collection, [], None) == []
    again = Rehearsal(first.objects)
    assert again.of("https://two.example").get(path) == {"metadata": {"name": "web-v2"}}


# who can


@pytest.mark.parametrize("backend", sorted(set(BACKENDS) - {"ingress_nginx"}))
def test_backends_that_send_within_one_cluster_say_so(backend: str) -> None:
    placement = Placement(cluster("one"), (cluster("two"),))
    with pytest.raises(Unsupported, match="version_clusters"):
        get(placement.traffic, Target("shop", "web"), {"type": backend}, placement)


@pytest.mark.parametrize("promotion", [{}, {"promotion": "selector"}])
def test_a_selector_cannot_be_moved_across_clusters(promotion: dict[str, str]) -> None:
    placement = Placement(cluster("one"), (cluster("two"),))
    options = {"type": "ingress_nginx", "ingress": "web", **promotion}
    with pytest.raises(InvalidInput, match=r"pods of its own cluster only.*promotion: repoint"):
        get(placement.traffic, Target("shop", "web"), options, placement)
    get(placement.traffic, Target("shop", "web"), {**options, "promotion": "repoint"}, placement)


# the option


def clusters_of(*entries: dict[str, Any], **shared: Any) -> list[dict[str, Any]]:
    found = version_clusters({**shared, "version_clusters": list(entries)})
    return [{key: value for key, value in each.items() if value is not None} for each in found]


def test_a_cluster_that_names_no_server_is_a_context_of_the_same_kubeconfig() -> None:
    found = clusters_of({"context": "stable"}, {"host": "https://b", "api_key": "any"}, kubeconfig="/k", api_timeout=5)
    assert [(each.get("kubeconfig"), each.get("context"), each["api_timeout"]) for each in found] == [
        ("/k", "stable", 5),
        (None, None, 5),
    ]


def test_variables_of_the_environment_are_not_those_of_a_version_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_CONTEXT", "route")
    monkeypatch.setenv("K8S_AUTH_PROXY_HEADERS_USER_AGENT", "route")
    (found,) = clusters_of({"kubeconfig": "/k", "proxy_headers": {}})
    assert "context" not in found
    assert not any((found.get("proxy_headers") or {}).values())


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kubecfg": "/k"}, "kubecfg"),
        ({"client_cert": "/c"}, "client_key"),
        ({"api_timeout": "soon"}, "api_timeout"),
        ({"version_clusters": []}, "version_clusters"),
    ],
)
def test_a_wrong_entry_is_named_by_its_number(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=rf"version_clusters, entry 2: .*{words}"):
        clusters_of({"context": "stable"}, entry)


def test_the_secrets_of_version_clusters_are_masked() -> None:
    inline = {"users": [{"name": "a", "user": {"token": "t1"}}]}
    params = {"version_clusters": [{"api_key": "k1"}, {"password": "p1"}, {"kubeconfig": inline}]}
    assert secrets_in(params) == {"k1", "p1", "t1"}
