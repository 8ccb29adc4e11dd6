"""More than 100,000 requests for each traffic system while versions come and go; what was counted becomes the guide's.

    make soak                                                   # all systems under all conditions, an hour or two
    CANARY_TEST_SYSTEMS="istio replicas" make soak              # these; the others keep what was counted before
    make soak SOAK="--conditions quiet 'busy node' --resume"    # these; what was counted today is not done again

What was counted is kept in soak.json beside this file, after each journey. The tables are written into the guide.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.contract.cluster_access import Access
from tests.load import soak_tables
from tests.load.conditions import ABRUPT, BUSY, QUIET, ROUTES, WORST, Condition
from tests.load.departures import Departure
from tests.load.journey import KINDS, Journey
from tests.load.report import Report
from tests.load.way import cut_by_nature, whole_way
from tests.shop.operators import install
from tests.shop.systems import SYSTEMS, chosen

LEAST = 100_000
CONTROL_SECONDS = 10.0
CONDITIONS = (QUIET, ROUTES, ABRUPT, BUSY, WORST)
RESULTS = Path(__file__).with_name("soak.json")

Entry = dict[str, Any]


def main() -> int:
    """Count, and return 0 when no request was lost that could have been saved."""
    arguments = _arguments()
    if arguments.tables:
        soak_tables.write(_read())
        return 0
    access = Access()
    access.require()
    failed = []
    with tempfile.TemporaryDirectory(prefix="canary-soak-") as directory:
        home = Path(directory)
        install(home)
        for backend in chosen(SYSTEMS):
            failed += soak(backend, _conditions(arguments.conditions), home, access, resume=arguments.resume)
            soak_tables.write(_read())
    for line in failed:
        say(line)
    return 1 if failed else 0


def soak(
    backend: str, conditions: tuple[Condition, ...], home: Path, access: Access, *, resume: bool = False
) -> list[str]:
    """Go the whole way under each condition, then again until there are enough requests; return what went wrong."""
    begun, wrong = [], []
    for condition in conditions:
        if resume and _is_of_today(_read().get(backend, {}).get(condition.name)):
            say(f"{backend}, {condition.name}: counted today already")
            continue
        wrong += _count(backend, condition, home, access, before=None)
        begun.append(condition)
    while begun and conditions == CONDITIONS and (counted := _requests_of(backend)) < LEAST:
        say(f"{backend}: {counted:,} requests are not {LEAST:,} yet")
        wrong += (again := _count(backend, QUIET, home, access, before=_read().get(backend, {}).get(QUIET.name)))
        if again:
            break
    return wrong


def _count(backend: str, condition: Condition, home: Path, access: Access, *, before: Entry | None) -> list[str]:
    """Go the way once, add it to what was counted `before` and keep it; return what went wrong."""
    say(f"{backend}, {condition.name}")
    report, started = Report(), time.monotonic()
    entry = before or _nothing_yet()
    trouble = ""
    with contextlib.ExitStack() as stack:
        told = stack.enter_context(condition.applied(backend, access))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=home)))
        (directory / "collections").symlink_to(home / "collections")
        try:
            journey = stack.enter_context(Journey(backend, directory, report, **told))
        except AssertionError as error:
            say(str(error))
            return [f"{backend}, {condition.name}: {str(error).splitlines()[0]}"]
        # In the end, so that nothing of this one ends its pods while the next is counted.
        stack.callback(journey.shop.remove_leftover)
        control = journey.release_nothing(CONTROL_SECONDS)
        try:
            whole_way(journey)
        except AssertionError as error:
            trouble = str(error)
        counts = journey.finish()
        _add(entry, journey, control, counts)
        _keep(backend, condition.name, entry)
        lost = {kind: counts[kind]["failed"] for kind in KINDS if counts[kind]["failed"]}
        explained = journey.explained(counts) if lost else ""
    for line in report.lines():
        say(f"  {line}")
    say(f"  {time.monotonic() - started:.0f} s in all")
    if explained:
        say(explained)
    unexpected = {kind: number for kind, number in lost.items() if kind not in cut_by_nature(backend, condition)}
    wrong = [f"{backend}, {condition.name}: lost {unexpected}"] if unexpected else []
    return wrong + ([f"{backend}, {condition.name}: {trouble}"] if trouble else [])


def _nothing_yet() -> Entry:
    none: Entry = {"requests": 0, "failed": 0, "seconds": 0.0, "connections": 0, "journeys": 0}
    none |= {kind: {"requests": 0, "failed": 0} for kind in KINDS}
    return {**none, "control": {"requests": 0, "failed": 0}, "departures": [], "times_to_zero": [], "failures": []}


def _add(entry: Entry, journey: Journey, control: Entry, counts: Entry) -> None:
    for name in ("requests", "failed", "seconds", "connections"):
        entry[name] = round(entry[name] + counts[name], 1)
    for kind, found in [*((kind, counts[kind]) for kind in KINDS), ("control", control)]:
        entry[kind] = {name: entry[kind][name] + found[name] for name in ("requests", "failed")}
    entry["journeys"] += 1
    entry["departures"] += [
        {name: None if value is None else round(value, 4) for name, value in times(each)}
        for each in journey.departures(counts)
    ]
    entry["times_to_zero"] += journey.times_to_zero
    entry["failures"] += journey.explained(counts).splitlines()[1:][:20]
    entry["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    entry["machine"] = machine()


def times(departure: Departure) -> tuple[tuple[str, float | None], ...]:
    return (("seconds", departure.seconds), ("stayed", departure.stayed), ("endpoints", departure.endpoints))


def machine() -> str:
    """Say what this was counted on."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {gigabytes:.0f} GB, Linux {platform.release().split('-')[0]}"


def _keep(backend: str, condition: str, entry: Entry) -> None:
    results = _read()
    results.setdefault(backend, {})[condition] = entry
    part = RESULTS.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1) + "\n")
    part.replace(RESULTS)


def _read() -> dict[str, dict[str, Entry]]:
    found: dict[str, dict[str, Entry]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def _requests_of(backend: str) -> int:
    return sum(entry["requests"] for entry in _read().get(backend, {}).values())


def _is_of_today(entry: Entry | None) -> bool:
    return entry is not None and entry["date"] == datetime.datetime.now(datetime.UTC).date().isoformat()


def _conditions(names: list[str] | None) -> tuple[Condition, ...]:
    return tuple(condition for condition in CONDITIONS if not names or condition.name in names)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--conditions", nargs="+", choices=[condition.name for condition in CONDITIONS])
    parser.add_argument("--resume", action="store_true", help="leave out what was counted today")
    parser.add_argument("--tables", action="store_true", help="count nothing, only write the tables again")
    return parser.parse_args()


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(f"{datetime.datetime.now(datetime.UTC):%H:%M:%S} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
