"""Starting, recognising and stopping the lab's own processes.

A process belongs to a lab when its environment says so: that survives lost files, and a pid that was given to somebody
else in the meantime cannot pass for ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .places import Places

MARK = "GRADUAL_CANARY_LAB"
POLL = 0.02


def start(places: Places, component: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start a component in a session of its own, write to its log, record and return its pid."""
    places.logs.mkdir(parents=True, exist_ok=True)
    with log_of(places, component).open("ab") as log:
        process = subprocess.Popen(
            command,
            env=dict(environment) | {MARK: places.name},
            cwd=places.state,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # In the middle of exec a process has no environment yet, and would pass for one that has ended.
    while not _environment(process.pid) and _running(process.pid):
        time.sleep(POLL)
    record = _record(places, component)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(f"{process.pid}\n")
    return process.pid


def log_of(places: Places, component: str) -> Path:
    """The file that a component's output goes to."""
    return places.logs / f"{component}.log"


def pid_of(places: Places, component: str) -> int | None:
    """The pid of the running component, or None."""
    try:
        pid = int(_record(places, component).read_text())
    except (OSError, ValueError):
        return None
    return pid if _belongs(pid, places.name) else None


def session_of(places: Places, component: str, namespace: Path) -> list[int]:
    """What a component started and left behind: its session's processes in the lab's network namespace.

    nginx writes its title over its environment, so the mark does not tell.
    """
    try:
        session = int(_record(places, component).read_text())
    except (OSError, ValueError):
        return []
    return [pid for pid in inside(namespace) if _session(pid) == session]


def all_of(name: str) -> list[int]:
    """Every process of the lab, recorded or not, with the helpers that its components started."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _belongs(int(entry), name)]


def inside(namespace: Path) -> list[int]:
    """Every process in a network namespace, whoever started it."""
    try:
        wanted = namespace.stat().st_ino
    except OSError:
        return []
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _network(int(entry)) == wanted]


def words_of(pid: int) -> str:
    """A process's command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        return "(ended)"


def stop(pids: Iterable[int], patience: float) -> None:
    """Ask the processes to stop, wait at most `patience` seconds for all of them, then kill those that are left."""
    waiting = list(pids)
    _send(waiting, signal.SIGTERM)
    waiting = _wait(waiting, patience)
    _send(waiting, signal.SIGKILL)
    _wait(waiting, 10)


def kill(pids: Iterable[int]) -> None:
    """Kill the processes and wait until they are gone."""
    waiting = list(pids)
    _send(waiting, signal.SIGKILL)
    _wait(waiting, 10)


def _record(places: Places, component: str) -> Path:
    return places.run / "pids" / component


def _belongs(pid: int, name: str) -> bool:
    # A zombie has an empty environment, so it does not count as running.
    return f"{MARK}={name}".encode() in _environment(pid).split(b"\0")


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _network(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait(pids: Iterable[int], patience: float) -> list[int]:
    deadline = time.monotonic() + patience
    left = list(pids)
    while (left := [pid for pid in left if _running(pid)]) and time.monotonic() < deadline:
        time.sleep(POLL)
    return left


def _running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
