"""Operators: they run the collection's playbooks from an empty directory, as anybody does, and keep what was done."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Run:
    """One playbook run: exit code, everything printed, and every task's result in order."""

    code: int
    output: str
    results: list[dict[str, Any]]
    seconds: float = 0.0

    @property
    def writes(self) -> list[dict[str, Any]]:
        """Every write to the application that the run made, or in check mode would make; not those to its lock."""
        found = [write for result in self._each() for write in result.get("writes") or []]
        return [write for write in found if "/leases/" not in write["path"]]

    @property
    def changed(self) -> list[str]:
        return [result["task"] for result in self.results if result["result"].get("changed")]

    def values(self, key: str) -> list[Any]:
        """Return a return value of every task that has it, in order."""
        return [result[key] for result in self._each() if key in result]

    @property
    def proofs(self) -> list[dict[str, Any]]:
        return proofs_in(self.results)

    def _each(self) -> Iterator[dict[str, Any]]:
        return each_value(self.results)

    def values_of(self, action: str) -> list[dict[str, Any]]:
        """Return the results of every task with this action, in order."""
        return [result["result"] for result in self.results if result["action"] == action]

    def require(self) -> Run:
        assert self.code == 0, self.output
        return self


def each_value(results: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what each task returned, and for a task with a loop what each of its rounds did."""
    for result in results:
        yield from result["result"].get("results") or [result["result"]]


def proofs_in(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the values of each proof, in order: of `verify`, or of `traffic` that proved its own change."""
    found = (values.get("proof") or values for values in each_value(results))
    return [values for values in found if "verdict" in values and "requests" in values]


class Operator:
    """Somebody with the collection installed from its archive, an inventory, and no checkout."""

    def __init__(self, home: Path, inventory: Mapping[str, Any], *, kubeconfig: str | None = None) -> None:
        self.home = home
        self.environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(home / "collections"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_HOME": str(home / "ansible"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        if kubeconfig:
            self.environment["KUBECONFIG"] = kubeconfig
        self.inventory = home / "inventory" / "hosts.json"
        self.inventory.parent.mkdir(parents=True, exist_ok=True)
        self.inventory.write_text(json.dumps({"all": {"hosts": {"shop": dict(inventory)}}}, indent=2))

    def run(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook by its full name and wait for it."""
        with self.start(playbook, *arguments, **variables) as running:
            return running.finish()

    def follow(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook and show its output while it runs, on the terminal if there is one."""
        with self.start(playbook, *arguments, stream=True, **variables) as running:
            return running.finish()

    def start(self, playbook: str, *arguments: str, stream: bool = False, **variables: Any) -> Running:
        """Start a playbook; with `stream` its output goes to the terminal as well."""
        command, environment, record = self.prepare(playbook, *arguments, **variables)
        return Running(command, self.home, environment, record, stream=stream)

    def prepare(self, playbook: str, *arguments: str, **variables: Any) -> tuple[list[str], dict[str, str], Path]:
        """Return the command, its environment and the record it will write, for who starts it in a way of their own."""
        record = self.home / f"record-{os.getpid()}-{len(list(self.home.glob('record-*')))}.jsonl"
        record.touch()
        command = ["ansible-playbook", playbook, "-i", str(self.inventory.parent), *arguments]
        if variables:
            command += ["-e", json.dumps(variables)]
        return command, {**self.environment, "CANARY_RECORD": str(record)}, record


class Running:
    """A playbook under way, in a session of its own so that the whole of it can be killed."""

    def __init__(
        self, command: Sequence[str], home: Path, environment: Mapping[str, str], record: Path, *, stream: bool
    ) -> None:
        self._record = record
        self._started = time.monotonic()
        self._stream = stream
        terminal = stream and sys.stdin.isatty()
        self.process = subprocess.Popen(
            command,
            cwd=home,
            env=dict(environment),
            stdin=None if terminal else subprocess.DEVNULL,
            stdout=None if terminal else subprocess.PIPE,
            stderr=None if terminal else subprocess.STDOUT,
            text=True,
            start_new_session=not terminal,
        )

    def finish(self) -> Run:
        """Wait for the end and return what happened."""
        lines = []
        for line in self.process.stdout or ():
            lines.append(line)
            if self._stream:
                print(line, end="", flush=True)
        code = self.process.wait()
        return Run(code, "".join(lines), recorded(self._record), time.monotonic() - self._started)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def recorded(record: Path) -> list[dict[str, Any]]:
    """Return the results of a run, in order."""
    return [json.loads(line) for line in record.read_text().splitlines()]


def install(target: Path) -> None:
    """Build the collection's archive and install it below `target`, as a user does."""
    tools = Path(sys.executable).parent
    # A collection on Python's path counts as installed, and would not be installed again.
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_HOME": str(target / "home"),
    }

    _quietly([tools / "ansible-galaxy", "collection", "build", "--force", "--output-path", target, ROOT], environment)
    (archive,) = target.glob("gradual-canary-*.tar.gz")
    _quietly(
        [tools / "ansible-galaxy", "collection", "install", "--offline", archive, "-p", target / "collections"],
        environment,
    )


def _quietly(command: Sequence[object], environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [str(word) for word in command], env=dict(environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
