"""Releases as playbooks, in the product's form and in naive ones, run against the fixture API and gateway."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.bench import api
from tests.bench.gateway import HOST, Gateway, free_ports, until_answered
from tests.bench.measure import Finished, run
from tests.shop.operators import ROOT, install, proofs_in

Task = dict[str, Any]
TARGETS = 100


@dataclasses.dataclass(frozen=True)
class Played:
    """One run of a playbook: how it went, what the API was asked, and every task's result."""

    finished: Finished
    requests: list[dict[str, Any]]
    results: list[dict[str, Any]]

    @property
    def to_first_write(self) -> float:
        """Seconds from the start of the process to the first PATCH at the API."""
        at: float = next(request["at"] for request in self.requests if request["method"] == "PATCH")
        return at - self.finished.started

    @property
    def samples(self) -> int:
        return sum(result["requests"]["sent"] for result in proofs_in(self.results))

    @property
    def sampling_seconds(self) -> float:
        return float(sum(result["requests"]["duration_s"] for result in proofs_in(self.results)))

    @property
    def without_sampling(self) -> float:
        return self.finished.wall - self.sampling_seconds


class Site:
    """A directory with the collection as a user installs it, a copy whose verbs run as modules, and the fixtures."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self.folder = folder
        self.gateway = gateway
        install(folder)
        modules = folder / "modules"
        shutil.copytree(folder / "collections", modules)
        shutil.rmtree(modules / "ansible_collections/gradual/canary/plugins/action")
        self._playbooks = folder / "playbooks"  # not beside the collections, which would win over the path then
        self._playbooks.mkdir()
        (self.port,) = free_ports(1)
        self._kubeconfig = folder / "kubeconfig"
        self._kubeconfig.write_text(json.dumps(_kubeconfig(self.port)))
        self._api = subprocess.Popen(
            [sys.executable, api.__file__, str(self.port), str(TARGETS), str(gateway.admin)], stdin=subprocess.DEVNULL
        )
        until_answered(self.port, "/log", self._api)
        self._runs = 0
        for as_module in (False, True):  # once each that does not count: compiled files, file system caches
            self.play([move(10), prove(10, profile="quick")], modules=as_module)

    def stop(self) -> None:
        self._api.terminate()
        self._api.wait()

    def play(
        self,
        tasks: Sequence[Task],
        *,
        hosts: int = 1,
        modules: bool = False,
        settings: dict[str, str] | None = None,
        weigh: bool = False,
        **variables: Any,
    ) -> Played:
        """Run tasks as a play, from the same weights each time."""
        self._runs += 1
        playbook, record = (self._playbooks / f"{self._runs}.{kind}" for kind in ("yml", "jsonl"))
        record.touch()
        inventory: dict[str, Any] = {"all": {"hosts": {f"web-{number}": {} for number in range(hosts)}}}
        playbook.with_suffix(".hosts.json").write_text(json.dumps(inventory))
        play = {
            "name": "Bench",
            "hosts": "all",
            "connection": "local",
            "gather_facts": False,
            "module_defaults": {"group/gradual.canary.cluster": {"kubeconfig": str(self._kubeconfig)}},
            "vars": {
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                "route": f"http://127.0.0.1:{self.port}/apis/gateway.networking.k8s.io/v1/namespaces/bench/httproutes"
                "/{{ inventory_hostname }}",
                "client": self.client(),
                **variables,
            },
            "tasks": list(tasks),
        }
        playbook.write_text(yaml.safe_dump([play], sort_keys=False))
        environment = self.environment(modules=modules) | {"CANARY_RECORD": str(record)} | (settings or {})
        self.reset()
        command = ["ansible-playbook", "-i", playbook.with_suffix(".hosts.json"), playbook]
        finished = run(command, environment, self._playbooks, weigh=weigh)
        return Played(finished, self.reset(), [json.loads(line) for line in record.read_text().splitlines()])

    def script(self, text: str) -> Played:
        """Run a bash script, from the same weights each time."""
        self.reset()
        finished = run(["bash", "-euo", "pipefail", "-c", text], self.environment(), self.folder)
        return Played(finished, self.reset(), [])

    def client(self) -> dict[str, Any]:
        """Return the options of verify that say how the fixture gateway is sampled."""
        port = self.gateway.plain
        return {
            "url": f"http://{HOST}:{port}/",
            "address": f"127.0.0.1:{port}",
            "identify": {"header": "X-Version"},
            "rate": 0,
            "concurrency": 16,
        }

    def reset(self) -> list[dict[str, Any]]:
        """Return what the API was asked since the last time, and put all weights back."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/log", timeout=5) as answer:
            requests: list[dict[str, Any]] = json.load(answer)
            return requests

    def environment(self, *, modules: bool = False) -> dict[str, str]:
        """Return the best settings for all forms: pipelining, compiled files kept."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ANSIBLE_"))}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / ("modules" if modules else "collections")),
            "ANSIBLE_ACTION_PLUGINS": str(Path(__file__).parent / "action"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/shop/callback"),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
        }


@contextmanager
def site(folder: Path, gateway: Gateway) -> Iterator[Site]:
    """Install, start the API, and stop it at the end."""
    folder.mkdir()
    opened = Site(folder, gateway)
    try:
        yield opened
    finally:
        opened.stop()


def nothing() -> Task:
    """Return a task that does nothing: the floor of any task."""
    return {"name": "Do nothing", "nothing": {}}


def move(weight: int) -> Task:
    """Return the task that gives v2 a weight."""
    return {
        "name": f"Give v2 {weight} percent",
        "gradual.canary.traffic": {
            "namespace": api.NAMESPACE,
            "app": "web",
            "version": "v2",
            "backend": {"type": "gateway_api", "route": "{{ inventory_hostname }}"},
            "weight": weight,
        },
    }


def stage(weight: int, profile: str = "standard") -> Task:
    """Return the one task that gives v2 a weight and proves it."""
    task = move(weight)
    task["gradual.canary.traffic"]["verify"] = f"{{{{ client | combine({{'profile': '{profile}'}}) }}}}"
    return {**task, "name": f"Give v2 {weight} percent, and prove it"}


def prove(weight: int, **options: Any) -> Task:
    """Return the task that proves the weight."""
    return {
        "name": f"Prove that clients see {weight} percent",
        "gradual.canary.verify": {"stable": "v1", "canary": "v2", "weight": weight, **options},
        "module_defaults": {"gradual.canary.verify": "{{ client }}"},
    }


def shift(weight: int, before: int) -> Task:
    """Return the task that runs the role of one stage."""
    stage = {"weight": weight, "matches": [], "mirror": "0", "verify": {}, "bake": 0}
    return {
        "name": f"Shift {weight} percent to v2",
        "ansible.builtin.include_role": {"name": "gradual.canary.shift"},
        "vars": {
            "shift_namespace": api.NAMESPACE,
            "shift_app": "web",
            "shift_version": "v2",
            "shift_stable": "v1",
            "shift_backend": {"type": "gateway_api", "route": "{{ inventory_hostname }}"},
            "shift_client": "{{ client }}",
            "shift_stage": stage,
            "shift_expect": before,
        },
    }


def naive_write(weight: int, route: str) -> str:
    """Return the shell command that writes a weight."""
    path = "/spec/rules/0/backendRefs"
    patch = [
        {"op": "replace", "path": f"{path}/{number}/weight", "value": value * 100}
        for number, value in enumerate((100 - weight, weight))
    ]
    header = "Content-Type: application/json-patch+json"
    return f"curl -fsS -o /dev/null -X PATCH -H '{header}' -d '{json.dumps(patch)}' {route}"


def naive_samples(port: int, count: int) -> str:
    """Return the shell command that counts v2 among `count` answers, one curl each."""
    curl = f"curl -s -o /dev/null -D - -H 'Host: {HOST}' http://127.0.0.1:{port}/"
    return f"n=0; for i in $(seq {count}); do if {curl} | grep -qi 'x-version: v2'; then n=$((n+1)); fi; done; echo $n"


def naive_stage(weight: int, port: int, count: int) -> list[Task]:
    """Return the tasks of a stage as one writes them without a collection: write, read, sample, compare."""
    tasks: list[Task] = [
        {"name": "Write the weight", "ansible.builtin.shell": naive_write(weight, "{{ route }}")},
        {"name": "Read the route", "ansible.builtin.shell": "curl -fsS {{ route }}", "register": "read"},
    ]
    gate = f"(read.stdout | from_json).spec.rules[0].backendRefs[1].weight == {weight * 100}"
    if count:
        counting = naive_samples(port, count)
        tasks.append({"name": "Sample", "ansible.builtin.shell": counting, "register": "sampled"})
        gate += " and sampled.stdout | int > 0"
    return [*tasks, {"name": "Compare", "ansible.builtin.assert": {"that": gate, "quiet": True}}]


def _kubeconfig(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "bench", "user": {"token": "a-token-for-the-bench"}}],
    }
