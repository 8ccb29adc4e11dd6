"""One Deployment behind one Service, seen by clients of its address through kube-proxy."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import ready_pods
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import DEPLOYMENT, Workload
from ansible_collections.gradual.canary.plugins.module_utils._backends.deployment import OneDeployment
from ansible_collections.gradual.canary.plugins.module_utils._difference import presentable
from tests.contract.cluster_access import Access, Object, Operator
from tests.contract.systems.replicas import VERSION, ReplicasSystem
from tests.contract.workloads import APP, deployment, service

NAME = "one"
INSTANCE = {"app.kubernetes.io/name": APP, "app.kubernetes.io/instance": NAME}
REPLICAS = 9
SERVERS_OWN = "deployment.kubernetes.io/revision"


def template(version: str) -> Object:
    """Return the pod template of a version."""
    made: Object = copy.deepcopy(deployment("", version)["spec"]["template"])
    made["metadata"]["labels"] = {**INSTANCE, VERSION: version}
    return made


def _without_notes(made: Object) -> Object:
    """Return a merge patch to this template, without annotations such as those of a restart."""
    made["metadata"]["annotations"] = None
    return made


def wait_until_seen(
    access: Access, namespace: str, name: str, done: Callable[[Object], bool], seconds: float = 60.0
) -> None:
    """Wait until its controller has seen a Deployment as it is now, and it is as `done` says."""

    def seen(items: list[Object]) -> bool:
        (item,) = items
        observed = (item.get("status") or {}).get("observedGeneration", 0)
        return bool(observed >= item["metadata"]["generation"]) and done(item)

    if not access.connect().wait("Deployment", namespace, seen, seconds=seconds, fields=f"metadata.name={name}"):
        item = access.operator().get("Deployment", name, namespace)
        raise AssertionError(f"after {seconds:g} s it is still {item}")


class DeploymentSystem(ReplicasSystem):
    """One Deployment of v1 that all tests share, with v2 staged in it, and a Service of each test's own."""

    backend = OneDeployment  # type: ignore[assignment]
    write_rules: ClassVar[tuple[Object, ...]] = (
        *ReplicasSystem.write_rules,
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list", "watch"]},
    )

    @classmethod
    @contextlib.contextmanager
    def served(cls, access: Access, namespace: str) -> Iterator[Self]:
        """Make it, with clients that get v1, and take it away in the end."""
        made = cls(access, namespace)
        try:
            made.create()
            made.wait_until_served()
            yield made
        finally:
            made.remove()

    @property
    def options(self) -> dict[str, Any]:
        return {"type": "deployment", "workload": NAME, "service": self.name, "ready_timeout": 120}

    @classmethod
    def prepare(cls, operator: Operator, namespace: str) -> None:
        """Make the Deployment, of v1."""
        item = deployment(namespace, "v1")
        item["metadata"] = {"name": NAME, "namespace": namespace, "labels": {"app.kubernetes.io/name": APP}}
        item["spec"] = {"replicas": REPLICAS, "selector": {"matchLabels": INSTANCE}, "template": template("v1")}
        operator.create(item)

    def create(self) -> None:
        self.reset()
        item = service(self.namespace, "v1", self.name)
        item["spec"]["selector"] = INSTANCE
        self.operator.create(item)
        self.use().stage(self.stored("v2"))

    def remove(self) -> None:
        self.operator.delete("Service", self.name, self.namespace)

    def reset(self, replicas: int = REPLICAS) -> None:
        """Make the Deployment what it was at first, as somebody who knows nothing of releases."""
        item = self.item()
        marks = [key for key in item["metadata"].get("labels") or {} if key.startswith("gradual.canary/")]
        notes = [key for key in item["metadata"].get("annotations") or {} if key.startswith("gradual.canary/")]
        self.operator.edit(
            "Deployment",
            NAME,
            self.namespace,
            {
                "metadata": {"labels": dict.fromkeys(marks), "annotations": dict.fromkeys(notes)},
                "spec": {
                    "replicas": replicas,
                    "paused": None,
                    "minReadySeconds": None,
                    "progressDeadlineSeconds": None,
                    "strategy": {
                        "type": "RollingUpdate",
                        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
                    },
                    "template": _without_notes(template("v1")),
                },
            },
        )
        self.wait_for_versions({"v1": replicas})
        # Else a deadline that was missed before stays written, for a pause keeps it.
        self.settle(replicas, replicas, replicas, reason="NewReplicaSetAvailable")

    def objects(self) -> list[Object]:
        found = [
            presentable(self.operator.get("Service", self.name, self.namespace)),
            presentable(self.item()),
        ]
        for item in found:
            if item is not None:
                item["metadata"].get("annotations", {}).pop(SERVERS_OWN, None)
        return [item for item in found if item is not None]

    def edit_weight(self, percent: int) -> None:
        """Let the Deployment have the new pods that make this share, as with kubectl edit."""
        count = REPLICAS * percent // (100 - percent)
        change: Object = {"spec": {"strategy": {"rollingUpdate": {"maxSurge": count}}, "paused": None}}
        self.operator.edit("Deployment", NAME, self.namespace, change)
        self.wait_for_versions({"v1": REPLICAS, "v2": count})
        self.operator.edit("Deployment", NAME, self.namespace, {"spec": {"paused": True}})

    def edit_something_else(self) -> Any:
        self.operator.edit("Deployment", NAME, self.namespace, {"metadata": {"annotations": {"example.com/note": "x"}}})
        return lambda: self.item()["metadata"]["annotations"].get("example.com/note") == "x"

    def make_ambiguous(self) -> str:
        self.operator.edit("Service", self.name, self.namespace, {"spec": {"selector": {VERSION: "v1"}}})
        return VERSION

    # more to see

    def item(self) -> Object:
        found = self.operator.get("Deployment", NAME, self.namespace)
        assert found is not None
        return {"apiVersion": "apps/v1", "kind": "Deployment", **found}

    def workload(self) -> Workload:
        return Workload.of(DEPLOYMENT, self.item(), self.operator.list("ReplicaSet", self.namespace))

    def stored(self, version: str) -> Object:
        """Return a version's template as the API server stores it, with its defaults."""
        operations = [{"op": "replace", "path": "/spec/template", "value": template(version)}]
        stored: Object = self.access.connect().preview(self.item(), operations)["spec"]["template"]
        return stored

    def pods(self) -> dict[str, int]:
        """Count the ready pods that are to stay, by version."""
        found: dict[str, int] = {}
        for pod in self.access.connect().search("Pod", self.namespace, labels=INSTANCE):
            if ready_pods([pod]):
                version = pod["metadata"]["labels"][VERSION]
                found[version] = found.get(version, 0) + 1
        return found

    def wait_for_versions(self, wanted: dict[str, int], seconds: float = 90.0) -> None:
        """Wait until there are exactly so many ready pods of each version, and none that is neither."""
        deadline = time.monotonic() + seconds
        while True:
            replica_sets = {one.version: one.replicas for one in self.workload().revisions if one.replicas}
            if replica_sets == wanted == self.pods():
                return
            assert time.monotonic() < deadline, f"{replica_sets} with {self.pods()} ready do not come to {wanted}"
            time.sleep(0.2)

    def settle(self, total: int, updated: int, available: int, reason: str | None = None) -> None:
        """Wait until the controller reports these numbers of pods, and this reason of the condition Progressing."""

        def done(item: Object) -> bool:
            status = item["status"]
            counts = [int(status.get(field) or 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
            reasons = [one["reason"] for one in status.get("conditions") or () if one["type"] == "Progressing"]
            return counts == [total, updated, available] and (reason is None or reasons == [reason])

        wait_until_seen(self.access, self.namespace, NAME, done)
