"""The table of results, with the machine that it was measured on."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.measure import Clock

_YES_NO = {None: "", True: "yes", False: "**no**"}


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table. `met` is None where the line is there for comparison and has no target of its own.

    scaled: the same target and figure relative to a reference of the same run; scaled_met: whether that one is met.
    """

    goal: str
    what: str
    ours: str
    naive: str = ""
    times_better: float | None = None
    target: str = ""
    met: bool | None = None
    scaled: str = ""
    scaled_met: bool | None = None

    @property
    def missed(self) -> Iterator[str]:
        """Yield each judgement that this line does not pass, in words."""
        if self.met is False:
            yield f"{self.what}: {self.ours}, target {self.target}"
        if self.scaled_met is False:
            yield f"{self.what}, scaled to this machine: {self.scaled}"

    def cells(self) -> list[str]:
        ratio = (
            ""
            if self.times_better is None
            else f"{self.times_better:.1f}"
            if self.times_better < 100
            else f"{self.times_better:,.0f}"
        )
        return [
            self.goal,
            self.what,
            self.ours,
            self.naive,
            ratio,
            self.target,
            _YES_NO[self.met],
            self.scaled,
            _YES_NO[self.scaled_met],
        ]


_METHOD = """\
- Each target was written on another machine, beside a reference measured there. "Target" is the absolute figure as it
  was written; "scaled to this machine" is the same target as a multiple of the same reference, measured here in turn
  with ours: a machine that takes twice as long for the one may take twice as long for the other. Neither replaces the
  other.
  - G1: 0.20 s above an empty play, where one took 0.49: 0.41 of it.
  - G2: 50 ms where a task that does nothing (an action plugin without content) took 14: 3.6 times such a task.
  - G3: 1.4 s where an empty play took 0.49: 2.9 times an empty play.
  - G4: 5,000 a second where wrk had 10,045: half of wrk's; with TLS 1,000 where wrk had 3,069: a third. CPU 0.10 ms
    where wrk took 0.036: 2.8 times wrk's. wrk's CPU with TLS was not measured there, so that target is absolute only.
- G1, G2, G3, G9, G10: the collection is installed from its archive. The API is a fixture without TLS that answers at
  once and judges a route as soon as it is written; the gateway is the lab's Envoy with two versions behind a weighted
  split, which the API changes. A real API adds its own time to every request.
- "Module" is the same verb with its action plugin taken away, so that Ansible runs it in a process of its own. All
  forms have pipelining and a fixed interpreter. "Shell" writes and reads with curl instead of kubectl, which takes much
  longer to start: the naive form at its best.
- G2 is the slope between plays of 1 and 11 stages (the role: 1 and 6, naive: 1 and 3). A stage is `traffic` with its
  option `verify`, or `traffic` and `verify` as two tasks, or the role `shift`. The seconds in which it sampled are
  taken off, as it says them itself.
- G3 has no limit on the rate. The naive forms sample 100 answers a stage, as tutorials do, and prove nothing by it.
- G4, G5: every sample has a connection of its own, 16 are under way at once, and verify's tests and gates judge each;
  client and gateway share this machine. wrk uses one thread and keeps nothing about single answers; with TLS it resumes
  sessions and does not check the certificate. The curl loop of G5 is 100 curls, scaled to 495.
- G6: the gateway holds every answer back by 20 ms (its fault filter). wrk's clock starts when the connection is there,
  that of the others before it.
- G9: the greatest sum of the proportional set sizes of all processes, looked at every 20 ms.
- G10: counted in the log of the fixture API, as the difference of releases of one and of two stages. In the lab it is
  what the verb reports of its own requests to a real API."""

_HEAD = [
    *("goal", "what", "ours", "naive", "times better", "target", "met"),
    *("scaled to this machine", "met when scaled"),
]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    return markdown([_HEAD, *(row.cells() for row in rows)])


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells, the first of which is the head, as a Markdown table."""
    head, *rest = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rest))


def document(rows: Sequence[Row], rounds: int, seconds: float, load: tuple[float, float]) -> str:
    """Return the whole of RESULTS.md."""
    return f"""# Results of the benchmarks

Written by `make bench`; every figure is the median of {rounds} rounds or more ({Clock.enough} where time was short),
with the least and the greatest value in brackets. The forms of one goal are run in turn (A B C A B C ..), so that what
else happens on the machine meets all of them alike. Compare the ratios; the absolute figures are this machine's.

{machine()}
- Load average before and after: {load[0]:.1f} and {load[1]:.1f}; the benchmark itself keeps one to three cores busy
- Duration of the whole: {seconds / 60:.1f} minutes

{table(rows)}

## How it was measured

{_METHOD}
"""


def machine() -> str:
    """Describe the machine and the software, and say when that was, as a Markdown list."""
    return "\n".join([f"- Date: {date(datetime.datetime.now(datetime.UTC))}", *surroundings()])


def date(moment: datetime.datetime) -> str:
    return f"{moment:%d %B %Y, %H:%M} UTC"


def surroundings() -> list[str]:
    """Describe the machine and the software as lines of a Markdown list."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("ansible-core", "kubernetes", "urllib3", "requests")
    )
    tools = ", ".join(
        _first_line(command) for command in (["curl", "--version"], ["wrk", "--version"], ["bash", "--version"])
    )
    return [
        f"- Machine: {os.cpu_count()} cores ({model[1] if model else platform.machine()}), "
        f"{int(memory[1]) / 1048576 if memory else 0:.0f} GiB, {platform.system()} {platform.release()}",
        f"- Software: Python {platform.python_version()}, {versions}; {tools}",
    ]


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = (done.stdout or done.stderr).splitlines()[0].split()
    return " ".join(words[:2] if words[0] != "GNU" else [words[1].rstrip(","), words[3]])
