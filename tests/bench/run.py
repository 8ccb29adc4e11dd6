"""`make bench`: measure, print a table, and write it to RESULTS.md when everything was measured."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.bench import gateway, plays, releases, report, sampling  # noqa: E402 - found by the line above
from tests.bench.measure import Clock  # noqa: E402
from tests.bench.report import Row  # noqa: E402

LAB = HERE.parents[1] / "tests/lab/lab"
_ROUNDS = 5
"""Rounds for a figure that is written down."""

_HURRY_AFTER = 480.0
"""Seconds after which three rounds are enough, so that everything takes less than twelve minutes on two cores."""

GOALS = ("G1", "G2", "G3", "G4", "G5", "G6", "G9", "G10")


def main() -> None:
    """Measure the goals that were asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"all of {' '.join(GOALS)} unless given")
    parser.add_argument(
        "--rounds", type=int, default=_ROUNDS, help=f"rounds of each (default {_ROUNDS}; fewer are only shown)"
    )
    parser.add_argument("--no-lab", action="store_true", help="do not measure the lab's gateway even if the lab is up")
    arguments = parser.parse_args()
    goals = tuple(goal.upper() for goal in arguments.goals) or GOALS
    if unknown := set(goals) - set(GOALS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(GOALS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    started, load = time.monotonic(), os.getloadavg()[0]
    _require_wrk()
    Clock.hurry_after(_HURRY_AFTER)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = []
        for row in _measure(goals, arguments.rounds, Path(folder), lab=not arguments.no_lab):
            print(f"    {row.goal:3} {row.what}: {row.ours} | {row.naive} | {row.target} | {row.scaled}", flush=True)
            rows.append(row)
    seconds = time.monotonic() - started
    print(f"\n{report.machine()}\n\n{report.table(rows)}\n\n{seconds:.0f} s")
    if goals == GOALS and arguments.rounds >= _ROUNDS:
        text = report.document(rows, arguments.rounds, seconds, (load, os.getloadavg()[0]))
        (HERE / "RESULTS.md").write_text(text)
        print(f"written to {(HERE / 'RESULTS.md').relative_to(Path.cwd())}")
    for missed in (each for row in rows for each in row.missed):
        print(f"missed: {missed}")


def _measure(goals: Sequence[str], rounds: int, folder: Path, *, lab: bool) -> Iterator[Row]:
    with gateway.running(folder) as envoy:
        site_goals: dict[str, Callable[[plays.Site], list[Row]]] = {
            "G1": lambda site: releases.first_write(site, rounds),
            "G2": lambda site: releases.stage(site, rounds),
            "G3": lambda site: releases.release(site, rounds),
            "G9": lambda site: releases.memory(site, rounds),
            "G10": releases.requests,
        }
        if any(goal in goals for goal in site_goals):
            with plays.site(folder / "site", envoy) as site:
                for goal in (goal for goal in goals if goal in site_goals):
                    print(f"  {goal}", flush=True)
                    yield from site_goals[goal](site)
        envoy.split(10)
        yield from _measure_clients(goals, rounds, envoy)
    if lab and {"G4", "G5", "G10"} & set(goals):
        yield from _measure_lab(goals, rounds)


def _measure_clients(goals: Sequence[str], rounds: int, envoy: gateway.Gateway) -> Iterator[Row]:
    plain, tls, delayed = sampling.targets(envoy)
    if "G4" in goals:
        print("  G4", flush=True)
        yield from sampling.rate(plain, rounds, count=8000, targets=sampling.PLAIN)
        yield from sampling.rate(tls, rounds, count=2000, targets=sampling.TLS)
    if "G5" in goals:
        print("  G5", flush=True)
        yield sampling.proof(plain, rounds, most=0.2)
        yield sampling.proof(tls, rounds, most=0.6)
        yield sampling.polite_proof(plain, rounds)
    if "G6" in goals:
        print("  G6", flush=True)
        yield from sampling.fidelity(delayed, rounds)


def _measure_lab(goals: Sequence[str], rounds: int) -> Iterator[Row]:
    if subprocess.run([LAB, "status"], capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode:
        print("  the lab is not up: its gateway is not measured (make lab)", flush=True)
        return
    print("  in the lab", flush=True)
    prefix = (str(LAB), "exec", "--")
    with _shop(prefix) as (target, requests):
        if "G4" in goals:
            yield from sampling.rate(target, rounds, count=4000, targets=None)
        if "G5" in goals:
            yield sampling.proof(target, rounds, most=0.2, judged=False)
        if "G10" in goals:
            yield Row(
                "G10",
                "API requests of a stage, in the lab",
                str(requests),
                target="3 with the watch",
                met=requests <= 3,
            )


@contextmanager
def _shop(prefix: tuple[str, ...]) -> Iterator[tuple[sampling.Target, int]]:
    command = [*prefix, sys.executable, str(HERE / "lab_shop.py")]
    environment = os.environ | {"PYTHONPATH": str(Path(sys.prefix) / "collections")}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the shop in the lab did not open; what it said is above")
        said = json.loads(line)
        yield sampling.contour(prefix, said["hostname"], said["address"]), said["requests"]
    finally:
        process.stdin.close()
        process.wait(timeout=120)


def _require_wrk() -> None:
    if shutil.which("wrk"):
        return
    print("  wrk is not there: apt-get install wrk", flush=True)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", "wrk"]
    if subprocess.run(install, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode:
        subprocess.run(["apt-get", "update"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        subprocess.run(install, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
