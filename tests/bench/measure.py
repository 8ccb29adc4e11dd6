"""Measured values: runs of several forms in turn, medians with their range, CPU and memory of a process tree."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_LOOK_EVERY = 0.02
_LONGEST = 120.0


@dataclasses.dataclass(frozen=True)
class Series:
    """One figure, measured several times."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def show(self, digits: int, scale: float = 1.0) -> str:
        """Return the median and, in brackets, the least and the greatest value."""
        median, least, most = (f"{value * scale:,.{digits}f}" for value in (self.median, *self._range))
        return f"{median} ({least}-{most})"

    @property
    def _range(self) -> tuple[float, float]:
        return min(self.values), max(self.values)

    def minus(self, other: Series) -> Series:
        """Return the differences round by round: what happened to both in one round cancels out."""
        return Series(tuple(one - two for one, two in zip(self.values, other.values, strict=True)))

    def over(self, divisor: float) -> Series:
        return Series(tuple(value / divisor for value in self.values))


@dataclasses.dataclass(frozen=True)
class Finished:
    """A process that ended: seconds, CPU seconds of it and all it waited for, greatest memory of the tree in MiB."""

    started: float
    wall: float
    cpu: float
    memory: float
    output: str


class Clock:
    """How long everything may take: once `hurry_at` is over, three rounds have to be enough."""

    enough = 3
    hurry_at = math.inf

    @classmethod
    def hurry_after(cls, seconds: float) -> None:
        cls.hurry_at = time.monotonic() + seconds

    @classmethod
    def may_stop(cls, rounds: int) -> bool:
        return rounds >= cls.enough and time.monotonic() > cls.hurry_at


def in_turn(forms: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """Run the forms A B C A B C .., so that what else happens on the machine meets all of them alike."""
    results: dict[str, list[Any]] = {name: [] for name in forms}
    for number in range(1, rounds + 1):
        if Clock.may_stop(number - 1):
            print("    fewer rounds from here on, to be done in time", flush=True)
            break
        started = time.monotonic()
        for name, form in forms.items():
            results[name].append(form())
        print(f"    round {number} of {rounds}: {', '.join(forms)}: {time.monotonic() - started:.0f} s", flush=True)
    return results


def run(
    command: Sequence[object],
    environment: Mapping[str, str],
    directory: Path,
    *,
    weigh: bool = False,
    longest: float = _LONGEST,
) -> Finished:
    """Run a command to its end; with `weigh` look at its memory on the way.

    longest: seconds, after which it is killed. Raises RuntimeError when it fails, with all it printed in the end.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile("w+") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            words,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        scales = _Scales(process.pid) if weigh else None
        watchdog = threading.Timer(longest, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        try:
            _pid, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - started
        except BaseException:  # interrupted: the process would go on, in a session of its own
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            watchdog.cancel()
            memory = scales.stop() if scales else 0.0
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)[:400]}\nexit code {process.returncode}\n{text[-4000:]}")
    return Finished(started, wall, usage.ru_utime + usage.ru_stime, memory, text)


class _Scales:
    """Watches the memory of a process and of all below it, each shared page counted once (PSS)."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._most = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        self._stopped.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY):
            self._most = max(self._most, sum(_proportional(process) for process in _tree(self._root)))


def _tree(root: int) -> list[int]:
    found = [root]
    for process in found:
        try:
            for task in os.listdir(f"/proc/{process}/task"):
                found += map(int, Path(f"/proc/{process}/task/{task}/children").read_text().split())
        except OSError:
            continue  # it has ended
    return found


def _proportional(process: int) -> float:
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass  # it has ended
    return 0.0
