"""The guide's tables of what the soak counted."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.load.conditions import QUIET
from tests.load.journey import KINDS
from tests.shop.systems import SYSTEMS

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "docsite" / "rst" / "lossless.rst"
BEGIN, END = ".. Written by make soak", ".. End of what make soak wrote"

Results = dict[str, dict[str, dict[str, Any]]]


def write(results: Results, guide: Path = GUIDE) -> None:
    """Put the tables into the guide, in the place of those that were there."""
    head, begin, rest = guide.read_text().partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not (begin and end):
        raise AssertionError(f"{guide} has no place for the tables: the comments '{BEGIN}' and '{END}'")
    guide.write_text(f"{head}{BEGIN}\n\n{tables(results)}\n{END}{tail}")


def tables(results: Results) -> str:
    """Return both tables: what was lost under which condition, and how fast versions left."""
    systems = [name for name in SYSTEMS if results.get(name)]
    lost = list_table(LOST, [lost_row(name, results[name]) for name in systems])
    times = list_table(TIMES, [times_row(name, results[name]) for name in systems])
    by_condition = list_table(
        ("Backend", "Cluster, node and pods", "Requests", "A second", "Lost", "Lost with nothing released"),
        [condition_row(name, condition, entry) for name in systems for condition, entry in results[name].items()],
    )
    dates = sorted({entry["date"] for name in systems for entry in results[name].values()})
    machines = sorted({entry["machine"] for name in systems for entry in results[name].values()})
    if not dates:
        return "Not counted yet.\n"
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    counted = f"Counted on {when}, everything on one machine: {'; '.join(machines)}."
    return "\n".join((counted, "", lost, times, by_condition))


LOST = ("Backend", "Requests", "New connections", "Kept connections", "Four seconds long", "Lost")
TIMES = (
    *("Backend", "Last old answer after the write", "The same, under worse conditions", "After the EndpointSlice"),
    *("Old pods stayed after it", "Rollback: time to zero"),
)


def lost_row(name: str, entries: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    kinds = [_sum(entry[kind]["requests"] for entry in entries.values()) for kind in KINDS]
    short, long, kept = kinds
    return (_literal(name), _total(entries, "requests"), short, kept, long, _total(entries, "failed"))


def times_row(name: str, entries: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    def departures(which: Callable[[str], bool], value: str) -> list[float]:
        found = (each[value] for key, entry in entries.items() if which(key) for each in entry["departures"])
        return [number for number in found if number is not None]

    quiet = departures(lambda key: key == QUIET.name, "seconds")
    worse = departures(lambda key: key != QUIET.name, "seconds")
    known = departures(lambda _key: True, "endpoints") if SYSTEMS[name].service else []
    stayed = departures(lambda _key: True, "stayed")
    zero = [number for entry in entries.values() for number in entry["times_to_zero"]]
    return (
        _literal(name),
        _spread(quiet),
        _spread(worse),
        _spread(known) if SYSTEMS[name].service else "",
        f"{min(stayed):.1f} s or more" if stayed else "not measured",
        _spread(zero),
    )


def condition_row(name: str, condition: str, entry: dict[str, Any]) -> tuple[str, ...]:
    lost = [f"{entry[kind]['failed']:,} {kind}" for kind in KINDS if entry[kind]["failed"]]
    control = entry["control"]
    return (
        _literal(name),
        condition,
        f"{entry['requests']:,}",
        f"{entry['requests'] / entry['seconds']:.0f}" if entry["seconds"] else "",
        ", ".join(lost) or "0",
        f"{control['failed']:,} of {control['requests']:,}",
    )


def list_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as reStructuredText has it."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (headings, *rows):
        lines += [f"   {'*' if column == 0 else ' '} - {cell}".rstrip() for column, cell in enumerate(row)]
    return "\n".join((*lines, ""))


def _spread(times: Sequence[float]) -> str:
    if not times:
        return "not measured"
    return f"{statistics.median(times):.3f} s median, {max(times):.3f} s at most ({len(times)})"


def _total(entries: dict[str, dict[str, Any]], what: str) -> str:
    return _sum(entry[what] for entry in entries.values())


def _sum(numbers: Iterable[int]) -> str:
    return f"{sum(numbers):,}"


def _literal(name: str) -> str:
    return f"``{name}``"
