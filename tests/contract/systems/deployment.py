"""One Deployment behind one Service, seen by clients of its address through kube-proxy."""

from __future__ import annotations

import copy
import time
from typing import Any, ClassVar

from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import ready_pods
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import DEPLOYMENT, Workload
from ansible_collections.gradual.canary.plugins.module_utils._backends.deployment import OneDeployment
from ansible_collections.gradual.canary.plugins.module_utils._difference import presentable
from tests.contract.cluster_access import Object, Operator
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


class DeploymentSystem(ReplicasSystem):
    """One Deployment of v1 that all tests share, with v2 staged in it, and a Service of each test's own."""

    backend = OneDeployment  # type: ignore[assignment]
    write_rules: ClassVar[tuple[Object, ...]] = (
        *ReplicasSystem.write_rules,
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list", "watch"]},
    )

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
