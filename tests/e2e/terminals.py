"""Who sits at a playbook's standard input: nobody, a pipe, a person at a terminal, ansible-runner."""

from __future__ import annotations

import json
import os
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import yaml

from tests.shop.operators import Operator, Run, recorded

SECONDS = 90.0
_LOCAL_FLAGS = 3  # index of c_lflag in what tcgetattr returns

Start = tuple[list[str], dict[str, str], Path]


def from_dev_null(operator: Operator, start: Start) -> Run:
    return _with_input(operator, start, stdin=subprocess.DEVNULL)


def from_a_pipe_that_says_yes(operator: Operator, start: Start) -> Run:
    return _with_input(operator, start, input="y\n" * 20)


def from_closed_input(operator: Operator, start: Start) -> Run:
    command, environment, record = start
    return _with_input(operator, (["sh", "-c", 'exec "$@" <&-', "sh", *command], environment, record))


def in_the_background_of_a_terminal(operator: Operator, start: Start) -> Run:
    """As with ``&`` in a shell with job control: the terminal is there, and belongs to somebody else."""
    command, environment, record = start
    script = 'set -m; "$@" & wait $!'
    return at_a_terminal(operator, (["bash", "-c", script, "bash", *command], environment, record))


def _with_input(operator: Operator, start: Start, **keywords: Any) -> Run:
    command, environment, record = start
    done = subprocess.run(
        command,
        cwd=operator.home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        start_new_session=True,
        check=False,
        **keywords,
    )
    return Run(done.returncode, done.stdout, recorded(record))


def at_a_terminal(operator: Operator, start: Start, *answers: str) -> Run:
    """Run at a terminal, and give each answer when a question is asked; without answers nobody types."""
    command, environment, record = start
    child = pexpect.spawn(
        command[0], command[1:], cwd=str(operator.home), env=environment, timeout=SECONDS, dimensions=(50, 250)
    )
    seen = b""
    try:
        for answer in answers:
            child.expect_exact(b"[y, n or a reason]")
            seen += child.before + child.after
            _until(lambda: not termios.tcgetattr(child.child_fd)[_LOCAL_FLAGS] & termios.ICANON)
            child.send(f"{answer}\r")
        child.expect(pexpect.EOF)
        seen += child.before
    finally:
        child.close(force=True)
    return Run(child.exitstatus, seen.decode(errors="replace").replace("\r\n", "\n"), recorded(record))


def under_ansible_runner(operator: Operator, start: Start) -> Run:
    """Run as ansible-runner does it for AWX: with a terminal, at which nobody is."""
    command, environment, record = start
    folder = record.with_suffix(".runner")
    (folder / "env").mkdir(parents=True)
    (folder / "project").mkdir()
    (folder / "env" / "settings").write_text(yaml.safe_dump({"job_timeout": int(SECONDS)}))
    (folder / "env" / "envvars").write_text(yaml.safe_dump(environment))
    (folder / "env" / "cmdline").write_text(f"-i {operator.inventory.parent} {_extra_variables(command)}")
    tool = str(Path(environment["PATH"].split(os.pathsep)[0]) / "ansible-runner")
    run = _with_input(
        operator,
        ([tool, "run", str(folder), "-p", command[1], "--ident", "one"], environment, record),
        stdin=subprocess.DEVNULL,
    )
    status = (folder / "artifacts" / "one" / "status").read_text()
    assert status in ("successful", "failed"), f"{status}: {run.output}"
    return run


def _extra_variables(command: list[str]) -> str:
    if "-e" not in command:
        return ""
    value = command[command.index("-e") + 1]
    assert "'" not in value
    return f"-e '{value}'" if json.loads(value) else ""


def _until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not fact():
        assert time.monotonic() < deadline, "the terminal was never made ready for an answer"
        time.sleep(0.02)
