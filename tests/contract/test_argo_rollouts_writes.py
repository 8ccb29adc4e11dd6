"""What the verb rollout writes to a Rollout equals what ``kubectl argo rollouts`` writes, by the API's audit log.

Each action is done once by either on a Rollout of its own in the same state. What ours does otherwise is listed in
`DIFFERENCES`, with the reason.
"""

from __future__ import annotations

import copy
import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_status import status_of
from ansible_collections.gradual.canary.plugins.module_utils._backends.argo_rollouts import ArgoRollouts
from tests.contract.cluster_access import Access, Object, Operator
from tests.contract.systems.argo_rollouts import ArgoRolloutsSystem, rollout, template
from tests.shop.audit import AuditLog, audit_log
from tests.shop.systems import chosen

PLUGIN = "kubectl-argo-rollouts"
STEPS: list[Object] = [{"setWeight": 50}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
SECONDS = 60.0
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

pytestmark = pytest.mark.skipif(not chosen(["argo_rollouts"]), reason="other systems were chosen")

Written = list[tuple[str, dict[str, Any]]]
"""The writes in order: the subresource, and the fields with what they were set to (None: taken away)."""


WRITERS = {
    "plugin": lambda entry: PLUGIN in entry["userAgent"],
    "ours": lambda entry: "fieldManager=gradual.canary" in entry["requestURI"],
}


class Action(NamedTuple):
    """One action: the plugin's words, our method with its arguments, and the state to begin in."""

    plugin: tuple[str, ...]
    ours: tuple[str, dict[str, Any]]
    begins: str


ACTIONS = {
    "promote": Action(("promote", "{name}"), ("promote", {"full": False}), "paused at a step"),
    "promote full": Action(("promote", "{name}", "--full"), ("promote", {"full": True}), "paused at a step"),
    "promote when held": Action(("promote", "{name}"), ("promote", {"full": False}), "held at a step"),
    "promote full when held": Action(("promote", "{name}", "--full"), ("promote", {"full": True}), "held at a step"),
    "pause": Action(("pause", "{name}"), ("pause", {}), "paused at a step"),
    "abort": Action(("abort", "{name}"), ("abort", {}), "paused at a step"),
    "retry": Action(("retry", "rollout", "{name}"), ("retry", {}), "aborted"),
    "undo": Action(("undo", "{name}"), ("undo", {"revision": None}), "paused at a step"),
    "undo to a revision": Action(("undo", "{name}", "--to-revision=1"), ("undo", {"revision": 1}), "aborted"),
    "restart": Action(("restart", "{name}"), ("restart", {}), "healthy"),
    "set image": Action(("set", "image", "{name}", "web=canary.lab/web:v2"), ("stage", {}), "healthy"),
}

DIFFERENCES: dict[str, tuple[str, Any]] = {
    "promote when held": (
        "the plugin ends the pause first, which the controller forgets when it is let go: the Rollout is unpaused and "
        "stays at its step. Ours lets it go, waits, and then ends the pause",
        lambda ours, theirs: ours == theirs[::-1],
    ),
    "promote full when held": (
        "promoteFull is lost while the Rollout is held (argoproj/argo-rollouts issue 4265); ours lets it go first",
        lambda ours, theirs: ours == theirs[::-1],
    ),
    "set image": (
        "the plugin writes the whole object with another image, and pods start at once; ours writes the template of a "
        "version, with its label, and holds it until a weight is asked for",
        lambda ours, theirs: ours == [("", {**labelled(theirs[0][1], "v2"), "/spec/paused": True})],
    ),
}


def labelled(change: dict[str, Any], version: str) -> dict[str, Any]:
    """Return a change of a template with the version's label in it."""
    copied = copy.deepcopy(change)
    copied["/spec/template"]["metadata"]["labels"]["app.kubernetes.io/version"] = version
    return copied


class Watched:
    """Two equal Rollouts without a router in one namespace, and the audit log."""

    def __init__(self, access: Access, namespace: str) -> None:
        self.access = access
        self.operator: Operator = access.operator()
        self.namespace = namespace
        self._log = AuditLog(namespace)
        self._entries: list[Object] = []

    def make(self, state: str) -> str:
        name = f"web-{secrets.token_hex(3)}"
        item = rollout(self.namespace, name, None, STEPS, replicas=1)
        del item["spec"]["strategy"]["canary"]["stableService"], item["spec"]["strategy"]["canary"]["canaryService"]
        self.operator.create(item)
        self.wait(name, lambda status: status.get("phase") == "Healthy")
        if state != "healthy":
            self.operator.edit("Rollout", name, self.namespace, {"spec": {"template": template("v2", name)}})
            self.wait(name, lambda status: status.get("pauseConditions"))
            time.sleep(1.5)  # for a promote of either's to be taken
        if state == "held at a step":
            self.operator.edit("Rollout", name, self.namespace, {"spec": {"paused": True}})
            self.wait(name, lambda status: status.get("message") == "manually paused")
        if state == "aborted":
            self.operator.edit_status("Rollout", name, {"status": {"abort": True}}, self.namespace)
            self.wait(name, lambda status: status.get("phase") == "Degraded")
        return name

    def get(self, name: str) -> Object:
        item = self.operator.get("Rollout", name, self.namespace)
        assert item is not None
        return item

    def wait(self, name: str, done: Any) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            item = self.get(name)
            status = item.get("status") or {}
            if status.get("observedGeneration") == str(item["metadata"]["generation"]) and done(status):
                return
            assert time.monotonic() < deadline, f"{name}: {item}"
            time.sleep(0.1)

    def by_plugin(self, action: Action, name: str) -> None:
        words = [word.format(name=name) for word in action.plugin]
        command = [PLUGIN, "-n", self.namespace, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def by_us(self, action: Action, name: str) -> None:
        backend = ArgoRollouts(self.access.connect(), Target(self.namespace, "web", "v2"), {"workload": name})
        method, arguments = action.ours
        if method == "stage":
            wanted = copy.deepcopy(self.get(name)["spec"]["template"])
            wanted["metadata"]["labels"]["app.kubernetes.io/version"] = "v2"
            wanted["spec"]["containers"][0]["image"] = "canary.lab/web:v2"
            backend.stage(wanted)
        else:
            getattr(backend.control(), method)(**arguments)

    def written(self, name: str, before: Object, who: str) -> Written:
        """Return what the plugin, or ours, wrote to a Rollout; waits until the log has it."""
        deadline = time.monotonic() + SECONDS
        while True:
            found = [self.fields(entry, before, name) for entry in self.entries(name) if WRITERS[who](entry)]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def entries(self, name: str) -> list[Object]:
        """Return the accepted writes to a Rollout, in order."""
        self._entries += self._log.news()
        return [
            entry
            for entry in self._entries
            if entry.get("objectRef", {}).get("resource") == "rollouts"
            and entry["objectRef"].get("name") == name
            and entry["verb"] in ("patch", "update")
        ]

    @staticmethod
    def fields(entry: Object, before: Object, name: str) -> tuple[str, dict[str, Any]]:
        sent = entry["requestObject"]
        if isinstance(sent, list):
            changes = {one["path"]: one.get("value") for one in sent if one["op"] != "test"}
        elif entry["verb"] == "patch":
            changes = flat(sent)
        else:
            old, new = flat(before["spec"], "/spec"), flat(sent["spec"], "/spec")
            changed = {key: value for key, value in new.items() if old.get(key) != value}
            # A template is written as a whole by ours, so it is compared as a whole.
            changes = {"/spec/template": sent["spec"]["template"]} if any("template" in key for key in changed) else {}
            changes |= {key: value for key, value in changed.items() if "template" not in key}
        text = json.dumps({key: bare(value) for key, value in changes.items()}, sort_keys=True)
        return entry["objectRef"].get("subresource", ""), json.loads(TIME.sub("TIME", text.replace(name, "NAME")))


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """Return the leaves of an object by their paths; a list is a leaf."""
    if not isinstance(value, dict) or not value:
        return {at: value}
    return {path: leaf for key, child in value.items() for path, leaf in flat(child, f"{at}/{key}").items()}


def bare(value: Any) -> Any:
    """Return a value without members that say nothing."""
    if isinstance(value, dict):
        return {key: bare(child) for key, child in value.items() if child not in (None, {}, [])}
    return [bare(child) for child in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def watched(access: Access) -> Iterator[Watched]:
    missing = ArgoRolloutsSystem.missing(access.operator())
    if missing or not audit_log() or shutil.which(PLUGIN) is None:
        pytest.skip(f"needs the lab, for its audit log, and {PLUGIN}: {missing}")
    namespace = f"contract-argo-writes-{secrets.token_hex(3)}"
    operator = access.operator()
    operator.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    yield Watched(access, namespace)
    operator.delete("Namespace", namespace)


@pytest.mark.parametrize("name", ACTIONS)
def test_the_verb_writes_what_the_plugin_writes(watched: Watched, name: str) -> None:
    action = ACTIONS[name]
    written = {}
    for who, act in (("plugin", watched.by_plugin), ("ours", watched.by_us)):
        made = watched.make(action.begins)
        before = watched.get(made)
        act(action, made)
        written[who] = watched.written(made, before, who)
        watched.operator.delete("Rollout", made, watched.namespace)
    assert written["plugin"], "the audit log has nothing of the plugin"
    if name in DIFFERENCES:
        _reason, holds = DIFFERENCES[name]
        assert holds(written["ours"], written["plugin"]), written
    else:
        assert written["ours"] == written["plugin"]


@pytest.mark.parametrize("state", ["healthy", "paused at a step", "held at a step", "aborted"])
def test_the_status_is_what_the_plugin_says(watched: Watched, state: str) -> None:
    name = watched.make(state)
    command = [PLUGIN, "-n", watched.namespace, "status", name, "--watch=false"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    ours = status_of(watched.get(name))
    watched.operator.delete("Rollout", name, watched.namespace)
    assert done.stdout.strip().partition(" - ")[0] == ours.phase
    # Of a degraded one the reason is an error's.
    assert ours.message in done.stdout + done.stderr
