"""One shop: its namespace, the route to it, and the inventory that describes it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from ansible_collections.gradual.canary.plugins.modules import verify
from ansible_collections.gradual.canary.plugins.modules import version as version_verb
from tests.contract.cluster_access import Access
from tests.contract.workloads import IMAGE, PULL
from tests.shop.operators import ROOT, Operator, Run
from tests.shop.systems import HOSTNAME, SYSTEMS, Object, System
from tests.shop.verbs import perform

# Not pods, ReplicaSets, Events and the like, which the cluster makes by itself.
KINDS_IN_USE = (
    *("ConfigMap", "Secret", "Service", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"),
    *("Ingress", "NetworkPolicy", "HTTPRoute", "ReferenceGrant"),
)
SETTLING_SECONDS = 30.0
OPENING_SECONDS = 120.0
"""Until a new route is served: a gateway with 200 others takes its time."""

_EVERYWHERE = ("kube-root-ca.crt",)


class Shop:
    """An application behind a traffic system; v1 serves once `open` returns."""

    def __init__(
        self,
        backend: str,
        home: Path,
        *,
        namespace: str = "shop",
        client: Mapping[str, Any] | None = None,
        by_service: bool = False,
        prepare: Callable[[Object], None] = lambda item: None,
        **changes: Any,
    ) -> None:
        """changes: variables that differ from the example inventory's; client: the same for canary_client.

        by_service: clients come by the cluster address of the system's Service, and not by a route that leads to it.
        prepare: changes an object of the system's before it is made.
        """
        self.system: System = SYSTEMS[backend]
        self.access = Access()
        self.access.require()
        self.namespace = namespace
        self.hostname = HOSTNAME if namespace == "shop" else f"{namespace}.example.com"
        self.inventory = {**inventory_of(backend, self.system, namespace, self.hostname), **changes}
        self.inventory["canary_client"] = {**self.inventory["canary_client"], **(client or {})}
        self.address = self.system.address
        self._service = self.system.service if by_service else ""
        self._prepare = prepare
        self.operator = Operator(home, self.inventory)

    def remove_leftover(self) -> None:
        """Remove what an interrupted run left behind, and wait until it is gone."""
        self.close()
        gone = self.access.connect().wait(
            "Namespace", "", lambda found: not found, seconds=120, fields=f"metadata.name={self.namespace}"
        )
        assert gone is not None, f"namespace {self.namespace} of an earlier run does not go away"

    def open(self) -> None:
        """Make the namespace and the route, deploy v1 and wait until clients get it."""
        cluster = self.access.operator()
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        for item in self.system.objects(self.namespace, self.hostname):
            self._prepare(item)
            cluster.create(item)
        if not self.system.has_first_version:
            self._deploy("v1")
        if self._service:
            self._come_by_service()
        self._wait_until_served("v1")

    def _deploy(self, version: str) -> None:
        workload = json.loads(json.dumps(self.inventory["canary_workload"]).replace("{{ canary_version }}", version))
        deployed = perform(version_verb, {**self.target(version), **workload})
        assert not deployed.get("failed"), deployed["msg"]

    def _wait_until_served(self, version: str) -> None:
        """Return once clients get it. Until a gateway has the route and the pods, it answers with errors."""
        claim = {"stable": version, "canary": version, "weight": "100", "settle_timeout": 60}
        deadline = time.monotonic() + OPENING_SECONDS
        while (proof := perform(verify, {**self.inventory["canary_client"], **claim})).get("failed"):
            assert time.monotonic() < deadline, proof["msg"]

    def target(self, version: str) -> dict[str, Any]:
        """Return the options that all verbs have which act on one version of the application."""
        inventory = self.inventory
        target = {"namespace": self.namespace, "app": inventory["canary_app"], "version": version}
        return {**inventory["canary_cluster"], **target, "backend": inventory["canary_backend"]}

    def run(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        """Run one of the collection's playbooks by its short name."""
        return self.operator.run(f"gradual.canary.{playbook}", *arguments, **variables)

    def objects(self) -> dict[str, Object]:
        """Return everything in the namespace that people or this collection make, by ``Kind/name``, as it is stored."""
        cluster = self.access.operator()
        return {
            f"{kind}/{item['metadata']['name']}": {"kind": kind, **item}
            for kind in (*KINDS_IN_USE, *self.system.kinds)
            for item in cluster.list(kind, self.namespace)
            if item["metadata"]["name"] not in _EVERYWHERE
        }

    def settled_objects(self) -> dict[str, Object]:
        """Return `objects` once the controllers have stopped writing to them: the same in three looks in a row."""
        deadline = time.monotonic() + SETTLING_SECONDS
        looks = [self.objects()]
        while len(looks) < 3:
            time.sleep(0.3)
            looks = [*looks, look] if (look := self.objects()) == looks[-1] else [look]
            assert time.monotonic() < deadline, "the controllers keep writing to the shop's objects"
        return looks[-1]

    def close(self) -> None:
        """Remove the namespace with everything in it."""
        self.access.operator().delete("Namespace", self.namespace)

    def _come_by_service(self) -> None:
        """Lead clients to the Service's own address, once kube-proxy leads from there to a pod.

        A connection begun before that is led nowhere, and its source port stays so for two minutes: whoever gets that
        port again times out. So the ports that this tries from are none that the system gives to anybody.
        """
        item = self.access.operator().get("Service", self._service, self.namespace)
        assert item is not None
        host, port = str(item["spec"]["clusterIP"]), int(item["spec"]["ports"][0]["port"])
        deadline = time.monotonic() + SETTLING_SECONDS
        while not _is_reached(host, port):
            assert time.monotonic() < deadline, f"no pod is reached at {host}:{port}; with the lab's tier proxy one is"
        self.address = f"{host}:{port}"
        self.inventory["canary_client"]["address"] = self.address
        self.operator = Operator(self.operator.home, self.inventory)

    def __enter__(self) -> Shop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _is_reached(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 0.5, source_address=("", 20000 + secrets.randbelow(10000))).close()
    except OSError:
        return False
    return True


def inventory_of(backend: str, system: System, namespace: str, hostname: str) -> dict[str, Any]:
    """Return the variables of the shipped example inventory, for this cluster and namespace."""
    example = yaml.safe_load((ROOT / "inventories" / (system.example or backend) / "hosts.yml").read_text())
    variables: dict[str, Any] = dict(example["all"]["hosts"]["shop"])
    variables["canary_cluster"] = {"kubeconfig": os.environ.get("CANARY_TEST_KUBECONFIG") or os.environ["KUBECONFIG"]}
    variables["canary_namespace"] = namespace
    variables["canary_workload"] = {
        **variables["canary_workload"],
        "image": IMAGE.format(version="{{ canary_version }}"),
        "image_pull_policy": PULL,
    }
    variables["canary_client"] = {
        **variables["canary_client"],
        "url": f"http://{hostname}/",
        "address": system.address,
    }
    return variables
