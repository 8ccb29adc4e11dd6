"""Releases whose versions run in two clusters, behind a gateway whose Ingresses are in one of them.

    tests/lab/lab up traefik && tests/lab/lab --name b up core --beside lab
    tests/lab/lab exec -- .venv/bin/pytest tests/e2e/test_across_clusters.py

Three contexts, each with the permissions of docs/rbac and no others: `route` with the Ingresses, `stable` and `canary`
with the versions. The first two are the lab's cluster, as two users. Traefik does not find Services of another cluster;
`tests/shop/discovery.py` stands for the gateway that does.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.cluster_access import Access, Operator
from tests.contract.systems.ingress_nginx import PREFIX, path
from tests.contract.workloads import IMAGE
from tests.e2e.conftest import WORKLOAD, OpenShop
from tests.e2e.steps import all_on, nothing_changes, release, said, traffic
from tests.e2e.test_repointing import leads_to, led_to_v1
from tests.shop.discovery import Discovery
from tests.shop.load import Load
from tests.shop.operators import ROOT
from tests.shop.operators import Operator as Playbooks
from tests.shop.permissions import Permissions
from tests.shop.shop import Shop

BACKEND = {"type": "ingress_nginx", "ingress": "web", "controller": "apig", "promotion": "repoint", "propagation": 3}
STAGES = [{"weight": 30, "verify": "quick"}, {"weight": 100, "verify": "quick"}]
ASKING = [{"weight": 30, "verify": "quick", "approve": {"prompt": "Go on?"}}, {"weight": 100, "verify": "quick"}]


def kubeconfig_of_the_other() -> str | None:
    """Return the second cluster's kubeconfig: CANARY_TEST_KUBECONFIG_BESIDE, or that of the lab named b."""
    if given := os.environ.get("CANARY_TEST_KUBECONFIG_BESIDE"):
        return given
    lab = [str(ROOT / "tests" / "lab" / "lab"), "--name", "b"]
    found = subprocess.run([*lab, "kubeconfig"], capture_output=True, text=True, check=False).stdout.strip()
    return found if found and Path(found).exists() else None


@pytest.fixture(scope="module")
def beside() -> Access:
    """The second cluster."""
    kubeconfig = kubeconfig_of_the_other()
    if kubeconfig is None:
        pytest.skip("there is no second cluster; start it with: tests/lab/lab --name b up core --beside lab")
    found = Access(kubeconfig)
    found.require()
    return found


class TwoClusters:
    """A shop in two clusters."""

    def __init__(self, shop: Shop, beside: Access) -> None:
        self.shop = shop
        self.here = shop.access.operator()
        self.there = beside.operator()

    def homes(self) -> dict[str, tuple[str, int]]:
        """Return where each version's Deployment is, and how many pods it shall have."""
        return {
            item["metadata"]["name"]: (name, item["spec"]["replicas"])
            for name, operator in (("here", self.here), ("there", self.there))
            for item in operator.list("Deployment", self.shop.namespace)
        }

    def ingresses(self, operator: Operator) -> set[str]:
        return {item["metadata"]["name"] for item in operator.list("Ingress", self.shop.namespace)}


@pytest.fixture
def clusters(open_shop: OpenShop, beside: Access) -> Iterator[TwoClusters]:
    """v1 serves in the first of the versions' clusters; the main Ingress leads to it, and there is no canary."""
    # The drain is longer than the longest requests of the load. A pod that a busy machine lets wait stays ready.
    patient = {"readiness": {"path": "/readyz", "period": 1, "timeout": 10, "failures": 10}}
    workload = {**WORKLOAD, "replicas": 2, "probes": patient}
    shop = open_shop("apig", canary_backend=BACKEND, canary_stages=STAGES, canary_drain=6, canary_workload=workload)
    both = TwoClusters(shop, beside)
    led_to_v1(shop)
    both.there.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shop.namespace}})
    try:
        with contextlib.ExitStack() as stack:
            users = {
                context: stack.enter_context(Permissions(access, role, shop.namespace)).options()
                for context, access, role in (
                    ("route", shop.access, "across_clusters_traffic"),
                    ("stable", shop.access, "across_clusters_versions"),
                    ("canary", beside, "across_clusters_versions"),
                )
            }
            kubeconfig = shop.operator.home / "kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(kubeconfig_with(users)))
            named = [{"context": "stable"}, {"context": "canary"}]
            shop.inventory["canary_cluster"] = {
                "kubeconfig": str(kubeconfig),
                "context": "route",
                "version_clusters": named,
            }
            shop.operator = Playbooks(shop.operator.home, shop.inventory)
            stack.enter_context(Discovery(both.here, both.there, shop.namespace))
            yield both
    finally:
        both.there.delete("Namespace", shop.namespace)


def kubeconfig_with(users: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a kubeconfig with a context for each of these users."""
    entries: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": next(iter(users))}
    entries["clusters"] = [
        {"name": name, "cluster": {"server": user["host"], "certificate-authority": user["ca_cert"]}}
        for name, user in users.items()
    ]
    entries["users"] = [{"name": name, "user": {"token": user["api_key"]}} for name, user in users.items()]
    entries["contexts"] = [{"name": name, "context": {"cluster": name, "user": name}} for name in users]
    return entries


def test_a_version_goes_to_the_other_cluster_and_back_and_no_request_is_lost(
    clusters: TwoClusters, tmp_path: Path
) -> None:
    shop = clusters.shop
    with Load(shop.system.address, shop.hostname, tmp_path / "load.json", rate=30, long=3) as load:
        predicted = release(shop, "v2", "--check").require()
        assert clusters.homes() == {"web-v1": ("here", 2)}
        run = release(shop, "v2").require()
        assert clusters.homes() == {"web-v1": ("here", 0), "web-v2": ("there", 2)}
        servers = [(write["server"], write["verb"], write["path"]) for write in run.writes]
        assert [(write["server"], write["verb"], write["path"]) for write in predicted.writes] == servers
        assert leads_to(shop) == {"web": "web-v2"}
        all_on(shop, "v2")
        nothing_changes(release(shop, "v2"))
        # The next release takes the first cluster again, without anything being turned round.
        release(shop, "v4").require()
        assert clusters.homes() == {"web-v2": ("there", 0), "web-v4": ("here", 2)}
        all_on(shop, "v4")
        # And back to where the version before is.
        shop.run("rollback").require()
        assert clusters.homes() == {"web-v2": ("there", 2), "web-v4": ("here", 0)}
        all_on(shop, "v2")
        shop.run("cleanup").require()
        assert clusters.homes() == {"web-v2": ("there", 2)}
        assert clusters.ingresses(clusters.here) == {"web"}
        assert clusters.ingresses(clusters.there) == set()
        nothing_changes(shop.run("cleanup"))
        counts = load.stop()
    print(f"steady load: {counts['requests']} requests, lost: {counts['failed']}")
    assert counts["failed"] == 0, counts
    assert counts["requests"] > 1000


def test_the_commands_in_the_shipped_inventory_work_with_it(clusters: TwoClusters) -> None:
    if not IMAGE.startswith("canary.lab/"):
        pytest.skip("the shipped inventories name the lab's images")
    shop = clusters.shop
    shipped = ROOT / "inventories" / "apig_across_clusters" / "hosts.yml"
    host = yaml.safe_load(shipped.read_text())["all"]["hosts"]["shop"]
    mine = shop.inventory["canary_cluster"]
    assert {**host["canary_cluster"], "kubeconfig": mine["kubeconfig"]} == mine
    own, shop.operator.inventory = shop.operator.inventory, shipped
    here = {
        "canary_cluster": mine,
        "canary_namespace": shop.namespace,
        "canary_client": {**host["canary_client"], "url": f"http://{shop.hostname}/", "rate": 1000},
    }
    here["canary_client"]["address"] = shop.system.address
    commands = re.findall(r"^#   ansible-playbook (\S+) +-i inventories/\w+ *(.*)$", shipped.read_text(), re.MULTILINE)
    assert [playbook for playbook, _arguments in commands] == [
        "gradual.canary.status",
        "gradual.canary.release",
        "gradual.canary.rollback",
    ]
    for playbook, arguments in commands:
        shop.operator.run(playbook, *shlex.split(arguments), **here).require()
    shop.operator.inventory = own
    all_on(shop, "v1")


def test_a_release_that_holds_is_taken_back_and_the_status_tells_where_versions_are(clusters: TwoClusters) -> None:
    shop = clusters.shop
    held = release(shop, "v2", canary_stages=ASKING)
    assert held.code != 0
    assert "web v2 holds" in held.output
    assert leads_to(shop) == {"web": "web-v1", "web-canary": "web-v2"}
    annotations = shop.objects()["Ingress/web-canary"]["metadata"]["annotations"]
    assert {key.removeprefix(f"{PREFIX}/") for key in annotations if key.startswith(PREFIX)} == {
        "canary",
        "canary-weight",
    }
    told = said(shop.run("status"))
    assert "v1 (2 of 2 pods available, in stable), v2 (2 of 2 pods available, in canary)" in told, told
    shop.run("rollback").require()
    assert clusters.homes() == {"web-v1": ("here", 2), "web-v2": ("there", 0)}
    all_on(shop, "v1")


def test_the_traffic_is_taken_back_from_a_cluster_that_does_not_answer_any_more(clusters: TwoClusters) -> None:
    shop = clusters.shop
    assert release(shop, "v2", canary_stages=ASKING).code != 0
    named = shop.inventory["canary_cluster"]["version_clusters"]
    gone = {"host": "https://127.0.0.1:1", "api_key": "any", "api_timeout": 2}
    cluster = {**shop.inventory["canary_cluster"], "version_clusters": [named[0], gone]}
    run = shop.run("rollback", canary_cluster=cluster)
    # Only the pods are left, which nobody can reach to take away.
    assert run.code != 0
    assert "cannot reach the Kubernetes API at https://127.0.0.1:1" in run.output
    assert leads_to(shop) == {"web": "web-v1"}
    all_on(shop, "v1")


def test_a_selector_is_not_moved_across_clusters(clusters: TwoClusters) -> None:
    shop = clusters.shop
    before = shop.settled_objects()
    run = release(shop, "v2", canary_backend={**BACKEND, "promotion": "selector"})
    assert run.code != 0
    assert "a Service selects pods of its own cluster only" in run.output
    assert "backend.promotion: repoint" in run.output
    assert run.writes == []
    assert shop.settled_objects() == before


def test_an_ingress_that_was_left_in_the_other_cluster_is_named_and_its_version_kept(clusters: TwoClusters) -> None:
    """What the published way forgets: the route of an earlier release, in the cluster that it was made in."""
    shop = clusters.shop
    leading = path("/", "web-v2")
    leading["backend"]["service"]["port"] = {"number": 8080}
    left = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "route2", "namespace": shop.namespace},
        "spec": {"ingressClassName": "apig", "rules": [{"host": shop.hostname, "http": {"paths": [leading]}}]},
    }
    clusters.there.create(left)
    run = release(shop, "v2")
    assert run.code != 0
    assert f"Ingress {shop.namespace}/route2 in canary is there for" in run.output
    assert clusters.homes()["web-v2"] == ("there", 2), "nothing is taken from a version that an Ingress leads to"
    clusters.there.delete("Ingress", "route2", shop.namespace)
    release(shop, "v2").require()
    assert traffic(shop)["stable"]["version"] == "v2"
