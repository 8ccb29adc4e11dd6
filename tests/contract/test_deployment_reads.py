"""What the verb rollout tells of a Deployment is what ``kubectl rollout status`` and ``kubectl rollout history`` tell.

On how far it is, kubectl has three answers (pkg/polymorphichelpers/rollout_status.go): an error once the condition
Progressing has missed its deadline, what it still waits for, with numbers of pods, and that it is done. Ours are the
same, with the same numbers; but of a paused Deployment, unless it missed its deadline, ours says that it is paused.

A history is that of the ReplicaSets which the Deployment controls (history.go): their revisions, each with its cause.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._traffic import Weight
from ansible_collections.gradual.canary.plugins.modules import rollout
from tests.contract.cluster_access import Access, Object
from tests.contract.conftest import Enter
from tests.contract.systems.deployment import (
    NAME,
    REPLICAS,
    SERVERS_OWN,
    DeploymentSystem,
    template,
    wait_until_seen,
)
from tests.contract.systems.replicas import VERSION
from tests.contract.workloads import APP, deployment
from tests.shop.verbs import perform

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")

CHANGE_CAUSE = "kubernetes.io/change-cause"
DONE, WAITING, LATE = "successfully rolled out", "Waiting for deployment", "exceeded its progress deadline"
PHASES = {DONE: "healthy", WAITING: "progressing", LATE: "degraded"}


@dataclasses.dataclass(frozen=True)
class Asked:
    """One Deployment that kubectl and the verb are asked about."""

    access: Access
    namespace: str
    name: str

    def kubectl(self, action: str, *options: str) -> subprocess.CompletedProcess[str]:
        where = ["--kubeconfig", str(self.access.kubeconfig), "-n", self.namespace]
        command = ["kubectl", *where, "rollout", action, f"deployment/{self.name}", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def verb(self, action: str) -> dict[str, Any]:
        given = {
            "kubeconfig": self.access.kubeconfig,
            "namespace": self.namespace,
            "app": APP,
            "backend": {"type": "deployment", "workload": self.name},
            "action": action,
            "wait": False,
        }
        result = perform(rollout, given)
        assert not result.get("failed"), result["msg"]
        assert (result["changed"], result["writes"]) == (False, [])
        return result


# status


@pytest.fixture
def system(access: Access, enter: Enter) -> Iterator[DeploymentSystem]:
    _class, namespace = enter("deployment")
    with DeploymentSystem.served(access, namespace) as made:
        yield made


def staged(system: DeploymentSystem) -> None:
    system.settle(REPLICAS, 0, REPLICAS)


def held(system: DeploymentSystem) -> None:
    system.use().set(weight=Weight.percent(10))
    system.settle(REPLICAS + 1, 1, REPLICAS)


def complete(system: DeploymentSystem) -> None:
    system.reset(1)


def complete_and_paused(system: DeploymentSystem) -> None:
    complete(system)
    pause(system)
    system.settle(1, 1, 1)


def with_new_pods_to_come(system: DeploymentSystem) -> None:
    roll_to_nothing(system, 4, surge=1)
    system.settle(5, 1, 4)


def with_old_pods_to_end(system: DeploymentSystem) -> None:
    roll_to_nothing(system, 1, surge=1)
    system.settle(2, 1, 1)


def with_new_pods_unavailable(system: DeploymentSystem) -> None:
    roll_to_nothing(system, 1, surge=0)
    system.settle(1, 1, 0)


def late(system: DeploymentSystem) -> None:
    roll_to_nothing(system, 1, surge=1, deadline=1)
    system.settle(2, 1, 1, reason="ProgressDeadlineExceeded")


def late_and_paused(system: DeploymentSystem) -> None:
    late(system)
    pause(system)
    system.settle(2, 1, 1)


def roll_to_nothing(system: DeploymentSystem, replicas: int, *, surge: int, deadline: int = 600) -> None:
    """Let somebody roll so many pods to an image that is nowhere, with `surge` pods more than that at most.

    The image has a new name each time: of a ReplicaSet that it had before, the controller may not count the time.
    """
    system.reset(replicas)
    broken = template("v7")
    broken["spec"]["containers"][0]["image"] = f"canary.lab/web:none-{secrets.token_hex(3)}"
    bounds = {"maxSurge": surge, "maxUnavailable": 0 if surge else 1}
    change: Object = {
        "progressDeadlineSeconds": deadline,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": bounds},
        "template": broken,
    }
    system.operator.edit("Deployment", NAME, system.namespace, {"spec": change})


def pause(system: DeploymentSystem) -> None:
    system.operator.edit("Deployment", NAME, system.namespace, {"spec": {"paused": True}})


STATES: dict[Callable[[DeploymentSystem], None], str] = {
    staged: WAITING,
    held: WAITING,
    complete: DONE,
    complete_and_paused: DONE,
    with_new_pods_to_come: WAITING,
    with_old_pods_to_end: WAITING,
    with_new_pods_unavailable: WAITING,
    late: LATE,
    late_and_paused: LATE,
}


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\b\d+\b", text)]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_the_status_is_told_as_kubectl_tells_it(
    system: DeploymentSystem, state: Callable[[DeploymentSystem], None]
) -> None:
    state(system)
    asked = Asked(system.access, system.namespace, NAME)
    done = asked.kubectl("status", "--watch=false")
    theirs, ours = done.stdout + done.stderr, asked.verb("status")["status"]
    (answer,) = [one for one in PHASES if one in theirs] or [theirs]
    assert answer == STATES[state], "kubectl says something else of this state"
    assert (done.returncode != 0) == (answer == LATE)
    paused = system.item()["spec"].get("paused") and answer != LATE
    assert ours["phase"] == ("paused" if paused else PHASES[answer]), f"{theirs} {ours['message']}"
    if ours["phase"] == "progressing":
        assert numbers(ours["message"].replace(system.namespace, "")) == numbers(done.stdout)


# history


class Podless:
    """A Deployment that asks for no pod, so that each of its templates is a revision within moments."""

    def __init__(self, access: Access, namespace: str) -> None:
        self.asked = Asked(access, namespace, f"podless-{secrets.token_hex(3)}")
        self.operator = access.operator()
        self.revision = 0

    def create(self) -> None:
        item = deployment(self.asked.namespace, "v1")
        item["metadata"] = {"name": self.asked.name, "namespace": self.asked.namespace}
        made = self.template("v1")
        item["spec"] = {"replicas": 0, "selector": {"matchLabels": self.labels}, "template": made}
        self.operator.create(item)
        self._wait_for_the_next_revision()

    def remove(self) -> None:
        self.operator.delete("Deployment", self.asked.name, self.asked.namespace)

    @property
    def labels(self) -> dict[str, str]:
        return {"app.kubernetes.io/instance": self.asked.name}

    def template(self, version: str) -> Object:
        made = template(version)
        made["metadata"]["labels"] = {**self.labels, VERSION: version}
        return made

    def roll(self, version: str, *, cause: str | None = None, cause_in_template: str | None = None) -> None:
        """Let somebody give it this version's template, and say why: on the Deployment, or in the template."""
        made = self.template(version)
        made["metadata"]["annotations"] = {CHANGE_CAUSE: cause_in_template}
        change = {"metadata": {"annotations": {CHANGE_CAUSE: cause}}, "spec": {"template": made}}
        self.operator.edit("Deployment", self.asked.name, self.asked.namespace, change)
        self._wait_for_the_next_revision()

    def _wait_for_the_next_revision(self) -> None:
        self.revision += 1
        wanted = str(self.revision)

        def done(item: Object) -> bool:
            return bool((item["metadata"].get("annotations") or {}).get(SERVERS_OWN) == wanted)

        wait_until_seen(self.asked.access, self.asked.namespace, self.asked.name, done)

    def told_by_kubectl(self) -> list[tuple[int, str | None]]:
        """Return the revisions in the order in which kubectl tells them, the oldest first."""
        done = self.asked.kubectl("history")
        assert done.returncode == 0, done.stderr
        rows = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line[:1].isdigit()]
        return [(int(number), None if cause == "<none>" else cause) for number, cause in rows]

    def told_by_the_verb(self) -> list[tuple[int, str | None]]:
        """Return them in the same order: the verb tells the newest first."""
        return [(one["revision"], one["cause"]) for one in reversed(self.asked.verb("history")["history"])]


@pytest.fixture
def podless(access: Access, enter: Enter) -> Iterator[Podless]:
    _class, namespace = enter("deployment")
    made = Podless(access, namespace)
    try:
        made.create()
        yield made
    finally:
        made.remove()


def test_the_history_is_told_as_kubectl_tells_it(podless: Podless) -> None:
    podless.roll("v2", cause="a new logo")
    podless.roll("v3", cause_in_template="a new font")
    podless.roll("v4", cause="on the Deployment", cause_in_template="in the template")
    later = [(2, "a new logo"), (3, "a new font"), (4, "on the Deployment")]
    assert podless.told_by_kubectl() == [(1, None), *later]
    assert podless.told_by_the_verb() == podless.told_by_kubectl()


def test_a_template_that_comes_back_has_a_new_revision_as_kubectl_tells_it(podless: Podless) -> None:
    podless.roll("v2", cause="a new logo")
    podless.roll("v1", cause="the old logo again")
    assert podless.told_by_kubectl() == [(2, "a new logo"), (3, "the old logo again")]
    assert podless.told_by_the_verb() == podless.told_by_kubectl()
