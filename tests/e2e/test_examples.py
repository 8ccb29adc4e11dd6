"""What the documentation shows is run as it stands: every EXAMPLES task, every role's play, every shipped inventory.

An example that does not run is wrong. Only names of this cluster take the place of the example's (`of_this_cluster`),
samples are taken at a higher rate than by default, and what an example takes for granted is made before it
(`BEFORE_TASK`, `BEFORE_PLAY`).
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.workloads import IMAGE, PULL
from tests.e2e.conftest import OpenShop
from tests.shop.operators import ROOT, Operator, Run
from tests.shop.shop import Shop
from tests.shop.systems import SYSTEMS, chosen

Task = dict[str, Any]

APPROVED = {"canary_approve": ["web/v2/50", "web/v2/preview"]}
RATE = 1000  # requests a second: what is proven is the same at any rate, and sooner at this
V1 = {"namespace": "{{ canary_namespace }}", "app": "web", "version": "v1", "backend": "{{ canary_backend }}"}
V2 = {**V1, "version": "v2"}


def deploy(version: str) -> Task:
    variables = {"canary_version": version, "deploy_replaces": "v1"}
    return {"ansible.builtin.include_role": {"name": "gradual.canary.deploy"}, "vars": variables}


def split(**wanted: Any) -> Task:
    return {"gradual.canary.traffic": {**V2, **wanted}}


BEGINNING = {"name": "Here the example begins", "ansible.builtin.debug": {"msg": "It has what it takes for granted."}}

# The states of a release that examples begin with; v1 serves in each.
DEPLOYED = [deploy("v2")]
ATTACHED = [*DEPLOYED, split(weight=0)]
AT_10 = [*DEPLOYED, split(weight=10)]
AT_50 = [*DEPLOYED, split(weight=50)]
AT_100 = [*DEPLOYED, split(weight=100)]
FOR_TESTERS = [*DEPLOYED, split(weight=0, matches=[{"header": "X-Tester", "value": "yes"}])]
COPIED = [*DEPLOYED, split(weight=0, mirror=10)]
REMEMBERED = [{"gradual.canary.traffic_info": V2, "register": "before"}, *AT_50]
# And those after it; v2 serves.
PROMOTED = [*AT_100, split(state="promoted"), split(state="detached")]
ENDED = [*PROMOTED, {"gradual.canary.version": {**V1, "state": "scaled_down"}}]

BEFORE_TASK: dict[tuple[str, str], list[Task]] = {
    ("traffic", "Attach v2 without traffic"): DEPLOYED,
    ("traffic", "Move v2 from 10 to 50 percent, unless somebody else moved it meanwhile"): AT_10,
    ("traffic", "Give v2 half of the traffic, and prove that clients see it"): DEPLOYED,
    ("traffic", "Send testers to v2, and nobody else"): DEPLOYED,
    ("traffic", "Send v2 a copy of every tenth request, and no user"): DEPLOYED,
    ("traffic", "Make v2 the stable version"): AT_100,
    ("traffic", "Put the traffic back as it was before the release"): REMEMBERED,
    ("traffic_info", "See what stands in the way of v2"): DEPLOYED,
    ("verify", "Prove that v2 gets 10 %"): AT_10,
    ("verify", "Prove that users with a session get half and half, too"): AT_50,
    ("verify", "Prove that testers reach v2, and nobody else does"): FOR_TESTERS,
    ("verify_mirror", "Prove that v2 gets a copy of every tenth request, and that no user gets its answers"): COPIED,
    ("version", "Bring v1 back to full size"): ENDED,
    ("version", "Take the pods of v1 away once nothing is sent there"): PROMOTED,
    ("version", "Remove v1"): PROMOTED,
    ("rollout", "Take new pods away that never get ready"): AT_50,
    ("rollout", "Return to revision 1"): ENDED,
    ("rollout", "Let the Rollout go on from the pause it is in, and no other"): AT_50,
    ("rollout", "Take all traffic from the new version of the Rollout"): AT_50,
}
BEFORE_PLAY: dict[tuple[str, str], list[Task]] = {
    ("cleanup", "Remove what no longer serves, but keep the way back"): [*ENDED, deploy("v4")],
    ("promote", "Finish the release of v2"): AT_100,
    ("rollback", "Take v2 back"): AT_50,
    ("shift", "Give 10 % to v2"): ATTACHED,
}
# The shop's application has its first version already.
VARIABLES_OF_PLAY = {("deploy", "Deploy the first version"): {"canary_app": "news"}}

# What an application has that was deployed by other means before.
MANIFESTS = f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      containers:
        - name: web
          image: {IMAGE.format(version="v2")}
          imagePullPolicy: {PULL}
          ports: [{{name: http, containerPort: 8080}}]
          readinessProbe: {{httpGet: {{path: /readyz, port: http}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {{app: web}}
  ports: [{{name: http, port: 8080, targetPort: http}}]
"""


@dataclasses.dataclass(frozen=True)
class Example:
    """A piece of documentation. subject: the verb or role it is about; text: as it is written there."""

    subject: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.name}"

    @property
    def key(self) -> tuple[str, str]:
        return self.subject, self.name

    def task(self) -> Task:
        task: Task = yaml.safe_load(self.text)
        return task

    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = self.task()[f"gradual.canary.{self.subject}"]
        return options


VERBS = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[a-z]*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def examples_of_verb(verb: str) -> list[Example]:
    module = importlib.import_module(f"ansible_collections.gradual.canary.plugins.modules.{verb}")
    return [Example(verb, task["name"], yaml.safe_dump(task)) for task in yaml.safe_load(module.EXAMPLES)]


def plays_of_role(role: str) -> list[Example]:
    readme = (ROOT / "roles" / role / "README.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    plays = [(yaml.safe_load(block), block) for block in blocks]
    return [Example(role, play[0]["name"], text) for play, text in plays if "hosts" in play[0]]


TASKS = [example for verb in VERBS for example in examples_of_verb(verb)]
PLAYS = [example for role in ROLES for example in plays_of_role(role)]


def of_this_cluster(options: dict[str, Any], shop: Shop) -> dict[str, Any]:
    """Return an example's options with the names that differ from cluster to cluster, and no other, put in place."""
    here = {
        "context": {"lab": current_context(shop)},
        "namespace": {"shop": shop.namespace},
        "image": {"registry.example.com/web:v2": IMAGE.format(version="v2")},
        "url": {"http://shop.example.com:8080/": f"http://{shop.hostname}:8080/"},
        "address": {"127.0.0.1:8080": shop.system.address},
    }
    changed = {
        key: here[key].get(value, value)
        if key in here
        else of_this_cluster(value, shop)
        if key in ("verify", "client")
        else value
        for key, value in options.items()
    }
    return {**changed, "image_pull_policy": PULL} if "image" in options else changed


def current_context(shop: Shop) -> str:
    kubeconfig = Path(shop.inventory["canary_cluster"]["kubeconfig"].split(os.pathsep)[0])
    return str(yaml.safe_load(kubeconfig.read_text())["current-context"])


def play_of(tasks: list[Task]) -> str:
    named = [{"name": f"Task {number}", **task} for number, task in enumerate(tasks, start=1)]
    defaults = {"group/gradual.canary.cluster": "{{ canary_cluster }}", "gradual.canary.verify": {"rate": RATE}}
    common = {"hosts": "all", "connection": "local", "gather_facts": False, "module_defaults": defaults}
    return yaml.safe_dump([{"name": "Play", **common, "tasks": named}], sort_keys=False)


def run(operator: Operator, playbook: str, **variables: Any) -> Run:
    """Run the text of a playbook; return what came after BEGINNING, if that is in it."""
    path = operator.home / "example.yml"
    path.write_text(playbook)
    done = operator.run(str(path), **variables).require()
    before = [number for number, result in enumerate(done.results, start=1) if result["task"] == BEGINNING["name"]]
    return dataclasses.replace(done, results=done.results[sum(before) :])


def test_every_verb_and_every_role_has_an_example_that_is_run() -> None:
    assert {example.subject for example in TASKS} == set(VERBS)
    assert {example.subject for example in PLAYS} == set(ROLES)
    assert len({example.key for example in TASKS + PLAYS}) == len(TASKS + PLAYS), "two examples have the same name"
    assert set(BEFORE_TASK) <= {example.key for example in TASKS}
    assert set(BEFORE_PLAY) | set(VARIABLES_OF_PLAY) <= {example.key for example in PLAYS}


# Each system has an inventory of its name, and some have another.
INVENTORIES = [
    *((SYSTEMS[name].example or name, name) for name in chosen(SYSTEMS)),
    *(("blue_green", name) for name in chosen(["gateway_api"])),
]


@pytest.mark.parametrize(("inventory", "backend"), INVENTORIES)
def test_the_commands_in_a_shipped_inventory_work_with_it(inventory: str, backend: str, open_shop: OpenShop) -> None:
    if not IMAGE.startswith("canary.lab/"):
        pytest.skip("the shipped inventories name the lab's images")
    shop = open_shop(backend, by_service=True)  # those that need no gateway are tried without one
    shipped = ROOT / "inventories" / inventory / "hosts.yml"
    shop.operator.inventory = shipped
    client = yaml.safe_load(shipped.read_text())["all"]["hosts"]["shop"]["canary_client"]
    here = {
        "canary_cluster": shop.inventory["canary_cluster"],
        "canary_namespace": shop.namespace,
        "canary_client": {**client, "url": f"http://{shop.hostname}/", "address": shop.address, "rate": RATE},
    }
    written = r"^#   ansible-playbook (\S+) +-i inventories/(\w+) *(.*)$"
    commands = re.findall(written, shipped.read_text(), re.MULTILINE)
    assert [command[0].removeprefix("gradual.canary.") for command in commands] == ["status", "release", "rollback"]
    for playbook, named, arguments in commands:
        assert named == inventory
        shop.operator.run(playbook, *shlex.split(arguments), **here, **APPROVED).require()


@pytest.mark.parametrize("example", PLAYS, ids=str)
def test_the_play_in_the_readme_of_a_role_runs_as_it_is_written(example: Example, open_shop: OpenShop) -> None:
    shop = open_shop("gateway_api")
    before = play_of([*BEFORE_PLAY.get(example.key, []), BEGINNING])
    client = {**shop.inventory["canary_client"], "rate": RATE}
    variables = {"canary_client": client, **VARIABLES_OF_PLAY.get(example.key, {})}
    done = run(shop.operator, before + example.text.removeprefix("---\n"), **variables)
    # An example that finds nothing to do shows nothing.
    assert bool(done.writes) == (example.subject != "approve")


@pytest.mark.parametrize("example", [task for task in TASKS if "namespace" in task.options()], ids=str)
def test_an_example_of_a_verb_on_the_cluster_runs_as_it_is_written(example: Example, open_shop: OpenShop) -> None:
    usual = "istio" if example.subject == "verify_mirror" else "gateway_api"  # Contour copies all requests or none
    shop = open_shop(example.options().get("backend", {}).get("type", usual))
    manifests = shop.operator.home / "deploy" / "web-v2.yaml"
    manifests.parent.mkdir()
    manifests.write_text(MANIFESTS)
    task = {**example.task(), f"gradual.canary.{example.subject}": of_this_cluster(example.options(), shop)}
    done = run(shop.operator, play_of([*BEFORE_TASK.get(example.key, []), BEGINNING, task]))
    assert [result["task"] for result in done.results] == [example.name]
    assert bool(done.writes) == (example.subject in ("traffic", "version") or "action" in example.options())


@pytest.mark.parametrize("example", [task for task in TASKS if task.subject == "verify"], ids=str)
def test_an_example_of_a_proof_runs_as_it_is_written(example: Example, open_shop: OpenShop) -> None:
    shop = open_shop("gateway_api")
    task = {**example.task(), "gradual.canary.verify": of_this_cluster(example.options(), shop)}
    done = run(shop.operator, play_of([*BEFORE_TASK[example.key], BEGINNING, task]))
    assert done.values("verdict") == ["pass"]


@pytest.mark.parametrize("example", [task for task in TASKS if task.subject in ("approval", "plan")], ids=str)
def test_an_example_of_a_verb_without_a_cluster_runs_as_it_is_written(
    example: Example, installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "collections").symlink_to(installed / "collections")
    operator = Operator(tmp_path, {"canary_cluster": {}})
    done = run(operator, play_of([example.task()]), **APPROVED)
    assert [result["task"] for result in done.results] == [example.name]
