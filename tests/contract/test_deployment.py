"""Facts of one Deployment alone: exactly so many new pods, the way back without going forward, and the verb rollout."""

from __future__ import annotations

import collections
import copy
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._deployment_control import DeploymentControl
from ansible_collections.gradual.canary.plugins.module_utils._backends.deployment import OneDeployment
from ansible_collections.gradual.canary.plugins.module_utils._difference import presentable
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    Conflict,
    InvalidSplit,
    NotFound,
    NotReady,
    Refused,
    Unsupported,
)
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Weight
from tests.contract.cluster_access import Access, Object
from tests.contract.conftest import Enter
from tests.contract.systems.base import outcome
from tests.contract.systems.deployment import NAME, REPLICAS, SERVERS_OWN, DeploymentSystem, template
from tests.shop.audit import AuditLog, audit_log, is_of_a_tool

TEN, TWENTY_FIVE, FIFTY = Weight.percent(10), Weight.percent(25), Weight.percent(50)
RESTARTED = "kubectl.kubernetes.io/restartedAt"


@pytest.fixture
def system(access: Access, enter: Enter) -> Iterator[DeploymentSystem]:
    _class, namespace = enter("deployment")
    with DeploymentSystem.served(access, namespace) as made:
        yield made


def control(system: DeploymentSystem) -> DeploymentControl:
    backend = system.use(None)
    assert isinstance(backend, OneDeployment)
    return backend.control()


def names(system: DeploymentSystem, version: str = "v1") -> set[str]:
    """Return the names of the pods of a version that are not on their way out."""
    pods = system.access.connect().search("Pod", system.namespace, labels={"app.kubernetes.io/instance": NAME})
    return {
        pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"]["labels"]["app.kubernetes.io/version"] == version
        and not pod["metadata"].get("deletionTimestamp")
    }


class Observed:
    """The most new pods, and the fewest old ones, that a watch saw while it ran."""

    def __init__(self, system: DeploymentSystem) -> None:
        self._system = system
        self._stop = threading.Event()
        self.most: collections.Counter[str] = collections.Counter()
        self.fewest: dict[str, int] = {}

    def __enter__(self) -> Observed:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        operator = self._system.access.operator()
        while not self._stop.wait(0.02):
            for item in operator.list("ReplicaSet", self._system.namespace):
                owners = [owner["name"] for owner in item["metadata"].get("ownerReferences") or ()]
                if owners == [NAME]:
                    version = item["metadata"]["labels"]["app.kubernetes.io/version"]
                    number = item["spec"]["replicas"]
                    self.most[version] = max(self.most[version], number)
                    self.fewest[version] = min(self.fewest.get(version, number), number)


# numbers of pods


def test_deploying_touches_no_pod(system: DeploymentSystem) -> None:
    assert system.item()["spec"]["paused"] is True
    assert system.workload().version == "v2"
    assert system.pods() == {"v1": REPLICAS}
    assert set(system.ask(60)) == {"v1"}


def test_a_stage_has_exactly_its_new_pods_at_each_moment_and_every_old_one(system: DeploymentSystem) -> None:
    old = names(system)
    with Observed(system) as seen:
        for weight, count in ((TEN, 1), (TWENTY_FIVE, 3), (FIFTY, REPLICAS)):
            system.use().set(weight=weight)
            assert system.pods() == {"v1": REPLICAS, "v2": count}
            assert seen.most["v2"] <= count
    assert seen.most["v2"] == REPLICAS
    assert names(system) == old
    assert system.item()["spec"]["paused"] is True


def test_as_many_new_pods_as_old_ones_stay_beside_them(system: DeploymentSystem) -> None:
    """A paused Deployment whose new pods are all available ends the old ones: here they never are."""
    system.use().set(weight=FIFTY)
    old = names(system)
    item = system.item()
    system.operator.edit("Deployment", NAME, system.namespace, {"metadata": {"annotations": {"example.com/a": "b"}}})
    found = system.access.connect().wait(
        "Deployment",
        system.namespace,
        lambda items: items[0]["status"]["observedGeneration"] >= item["metadata"]["generation"],
        seconds=20,
        fields=f"metadata.name={NAME}",
    )
    assert found
    assert system.ask(200).keys() == {"v1", "v2"}
    assert names(system) == old


def test_a_way_back_ends_the_new_pods_and_no_other_and_restores_the_strategy(system: DeploymentSystem) -> None:
    old, strategy = names(system), system.item()["spec"]["strategy"]
    system.use().set(weight=TWENTY_FIVE)
    with Observed(system) as seen:
        backend = system.use()
        backend.set(weight=NOTHING)
    assert len(backend.cluster.writes) == 1
    assert seen.most["v2"] <= 3, "it went forward before it went back"
    assert seen.fewest["v1"] == REPLICAS
    assert names(system) == old
    spec = system.item()["spec"]
    assert (spec["strategy"], spec.get("minReadySeconds"), spec["progressDeadlineSeconds"]) == (strategy, None, 600)
    assert "paused" not in spec


def test_a_smaller_share_is_reached_by_beginning_again(system: DeploymentSystem) -> None:
    system.use().set(weight=FIFTY)
    old = names(system)
    system.use().set(weight=TEN)
    assert system.pods() == {"v1": REPLICAS, "v2": 1}
    assert names(system) == old


def test_no_user_keeps_a_canary_that_cannot_be_ready_and_it_can_be_taken_back(system: DeploymentSystem) -> None:
    system.use().unstage()
    broken = template("v5")
    broken["spec"]["containers"][0]["image"] = "canary.lab/web:there-is-none"
    operations = [{"op": "replace", "path": "/spec/template", "value": broken}]
    stored = system.access.connect().preview(system.item(), operations)["spec"]["template"]
    old = names(system)
    system.use("v5").stage(stored)
    with pytest.raises(NotReady, match="ErrImageNeverPull"):
        system.use("v5").set(weight=TEN)
    assert set(system.ask(60)) == {"v1"}
    backend = system.use("v5")
    backend.set(weight=NOTHING)
    assert len(backend.cluster.writes) == 1
    assert names(system) == old
    assert names(system, "v5") == set()
    system.use("v5").detach()
    assert system.use("v5").observe().canary is None


def test_a_weight_above_one_half_is_refused_with_what_can_be_had_before_any_write(system: DeploymentSystem) -> None:
    before = system.objects()
    for ask in (
        lambda backend: backend.set(weight=Weight.percent(75)),
        lambda backend: backend.require_reachable([TEN, Weight.percent(75), EVERYTHING]),
    ):
        with pytest.raises(InvalidSplit, match=r"50 % \(9 new pods\), and then 100 %"):
            ask(system.use())
    assert system.objects() == before


def test_a_release_goes_to_the_end_and_back_to_the_template_before(system: DeploymentSystem) -> None:
    system.use().set(weight=TEN)
    system.use().set(weight=EVERYTHING)
    system.use().promote()
    system.use().detach()
    assert system.pods() == {"v2": REPLICAS}
    split = system.use("v1").observe()
    assert (split.stable_version, split.canary) == ("v2", None)
    labels = system.item()["metadata"]["labels"]
    assert not [key for key in labels if key.startswith("gradual.canary/")]

    old = system.workload().of_version("v1")
    assert old is not None
    system.use("v1").stage(copy.deepcopy(old.template))
    system.use("v1").set(weight=EVERYTHING)
    system.use("v1").promote()
    system.use("v1").detach()
    assert system.pods() == {"v1": REPLICAS}
    again = system.workload().of_version("v1")
    assert again is not None
    assert again.template_hash == old.template_hash, "the same ReplicaSet, not a copy of it"


def test_no_connection_is_refused_while_the_share_only_grows(system: DeploymentSystem) -> None:
    answers = []
    for index, sample in enumerate(system.sampler(limit=1200)):
        answers.append(outcome(sample))
        if index in (200, 700):
            system.use().set(weight=TEN if index == 200 else FIFTY)
    assert set(answers) == {"v1", "v2"}


# other people


def test_a_deployment_that_somebody_paused_is_not_released_into(system: DeploymentSystem) -> None:
    system.use().unstage()
    system.operator.edit("Deployment", NAME, system.namespace, {"spec": {"paused": True}})
    with pytest.raises(Conflict, match="paused by somebody"):
        system.use().stage(system.stored("v2"))


def test_another_release_meanwhile_is_refused(system: DeploymentSystem) -> None:
    system.use().set(weight=TEN)
    before = system.objects()
    with pytest.raises(Conflict, match="in the middle of a release"):
        system.use("v4").stage(system.stored("v4"))
    with pytest.raises((Conflict, Refused), match="web-v2"):
        system.use("v4").set(weight=FIFTY)
    assert system.objects() == before


def test_a_stage_that_was_cut_short_before_the_pause_is_finished_by_the_next_run(system: DeploymentSystem) -> None:
    system.use().set(weight=TEN)
    system.operator.edit("Deployment", NAME, system.namespace, {"spec": {"paused": None}})
    backend = system.use()
    backend.set(weight=TEN)
    assert [write.verb for write in backend.cluster.writes] == ["patch"]
    assert system.item()["spec"]["paused"] is True
    assert system.pods() == {"v1": REPLICAS, "v2": 1}


# the verb rollout


def test_abort_takes_a_held_canary_away_and_leaves_every_old_pod(system: DeploymentSystem) -> None:
    system.use().set(weight=TWENTY_FIVE)
    old = names(system)
    assert control(system).status().phase == "paused"
    assert control(system).abort()
    control(system).wait(60)
    assert system.pods() == {"v1": REPLICAS}
    assert names(system) == old
    assert control(system).abort() == ()
    assert control(system).status().phase == "healthy"


def test_undo_works_while_it_is_paused_and_does_not_go_forward(system: DeploymentSystem) -> None:
    system.reset(1)
    released(system)
    system.operator.edit("Deployment", NAME, system.namespace, {"spec": {"paused": True}})
    assert control(system).undo(None)
    status = control(system).wait(30)
    assert (status.phase, status.version) == ("paused", "v1")
    assert system.pods() == {"v2": 1}, "nobody was rolled anywhere"
    control(system).resume()
    control(system).wait(90)
    assert system.pods() == {"v1": 1}


def released(system: DeploymentSystem) -> str:
    """Let somebody roll the Deployment, of one pod, to v2, and add an annotation after that; return its name.

    A new one each time: what a ReplicaSet once had, ``kubectl rollout undo`` brings back.
    """
    note = f"example.com/{secrets.token_hex(3)}"
    system.operator.edit("Deployment", NAME, system.namespace, {"spec": {"template": template("v2")}})
    system.wait_for_versions({"v2": 1})
    system.operator.edit("Deployment", NAME, system.namespace, {"metadata": {"annotations": {note: "x"}}})
    return note


def test_undo_refuses_a_revision_that_is_not_there(system: DeploymentSystem) -> None:
    with pytest.raises(NotFound, match="has no revision 999"):
        control(system).undo(999)


def test_a_deployment_has_no_retry(system: DeploymentSystem) -> None:
    with pytest.raises(Unsupported, match="action undo"):
        control(system).retry()


def test_each_action_but_restart_changes_nothing_when_it_is_so_already(system: DeploymentSystem) -> None:
    system.use().unstage()
    assert control(system).resume() == control(system).promote(full=True) == control(system).abort() == ()
    assert control(system).pause()
    assert control(system).pause() == ()
    with pytest.raises(Conflict, match="paused"):
        control(system).restart()
    assert control(system).resume()


# kubectl as the oracle

ACTIONS: dict[str, tuple[list[str], Callable[[DeploymentControl], Any]]] = {
    "pause": (["pause"], lambda made: made.pause()),
    "resume": (["resume"], lambda made: made.resume()),
    "undo": (["undo"], lambda made: made.undo(None)),
    "restart": (["restart"], lambda made: made.restart()),
}


def answers(log: AuditLog) -> list[Object]:
    """Return what the API server answered to new writes to the Deployment's spec by its users."""
    return [
        entry["responseObject"]
        for entry in log.news()
        if entry["verb"] in ("patch", "update")
        and entry["objectRef"]["resource"] == "deployments"
        and entry["objectRef"].get("name") == NAME
        and "subresource" not in entry["objectRef"]
        and is_of_a_tool(entry)
    ]


def stored(item: Object) -> Object:
    """Return what users decide of a Deployment, with the time of a restart blotted out."""
    shown = presentable(item)
    assert shown is not None
    shown["metadata"]["annotations"].pop(SERVERS_OWN, None)
    notes = shown["spec"]["template"]["metadata"].get("annotations") or {}
    if RESTARTED in notes:
        notes[RESTARTED] = "now"
    return {"annotations": shown["metadata"].pop("annotations"), "metadata": shown["metadata"], "spec": shown["spec"]}


@pytest.mark.parametrize("action", ACTIONS)
def test_the_deployment_is_written_as_kubectl_writes_it(system: DeploymentSystem, action: str) -> None:
    if not shutil.which("kubectl") or not audit_log():
        pytest.skip("needs kubectl, and the audit log of the lab")
    words, act = ACTIONS[action]
    command = ["kubectl", "-n", system.namespace, "rollout", *words, f"deployment/{NAME}"]
    found, notes = [], []
    for do in (lambda: subprocess.run(command, check=True, capture_output=True), lambda: act(control(system))):
        system.reset(1)
        notes.append(released(system))
        if action == "resume":
            system.operator.edit("Deployment", NAME, system.namespace, {"spec": {"paused": True}})
        log = AuditLog(system.namespace)
        do()
        found.append([stored(item) for item in answers(log)])
    (theirs,), (ours,) = found
    assert ours["spec"] == theirs["spec"]
    assert ours["metadata"] == theirs["metadata"]
    if action == "undo":
        assert notes[0] not in theirs["annotations"], "kubectl keeps them by now"
        assert ours["annotations"][notes[1]] == "x"
    else:
        assert set(ours["annotations"]) - {notes[1]} == set(theirs["annotations"])
