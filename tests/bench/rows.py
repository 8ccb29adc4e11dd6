"""Rows of a comparison: each is measured by itself and within a time, whatever becomes of the others."""

from __future__ import annotations

import dataclasses
import math
import signal
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType
from typing import Any, Self

from tests.shop.audit import Entry, is_of_a_tool

HEAD = [
    "tool",
    "gateway",
    "scenario",
    "lost",
    "seconds",
    "canary's last answer after, s",
    "writes to the API",
    "what was proven",
]

_LEAVING = 60.0
"""Seconds in which what a row was measured on is taken away."""

_ONCE_MORE = 10.0
_LONGEST_REASON = 300


class TooLong(Exception):
    """A row took more than its time."""


@dataclasses.dataclass(frozen=True)
class Writes:
    """Writes to the API: those to the application's objects, and apart from them those to the lock, a Lease."""

    application: int
    lock: int

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Count the entries of an audit log that are a tool's, or its controller's."""
        resources = [entry["objectRef"].get("resource") for entry in entries if is_of_a_tool(entry)]
        lock = resources.count("leases")
        return cls(len(resources) - lock, lock)

    def __str__(self) -> str:
        return f"{self.application} + {self.lock} of the lock" if self.lock else str(self.application)


@dataclasses.dataclass(frozen=True)
class TakenBack:
    """What a canary cost once it was taken back: seconds to its last answer, and requests lost since the command."""

    to_zero: float
    lost: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one scenario cost: requests and those lost, seconds, writes (None: no audit log), and what was proven."""

    requests: int
    lost: int
    seconds: float
    writes: Writes | None
    proven: str
    taken_back: TakenBack | None = None

    def cells(self) -> list[str]:
        lost, zero = f"{self.lost} of {self.requests:,}", ""
        if self.taken_back:
            zero = f"{self.taken_back.to_zero:.2f}"
            if self.lost:
                lost += f"; {self.taken_back.lost} of them after the command"
        writes = "not seen" if self.writes is None else str(self.writes)
        return [lost, f"{self.seconds:.1f}", zero, writes, self.proven]


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table with this head.

    subject: its first cells. ground: opens what it is measured on; rows with the same one share it. measure: returns
    the cells after the subject.
    """

    name: str
    head: Sequence[str]
    subject: Sequence[str]
    ground: Callable[[], AbstractContextManager[Any]]
    measure: Callable[[Any], Sequence[str]]

    def measured(self, cells: Sequence[str]) -> Line:
        return Line(self, tuple(map(_cell, (*self.subject, *cells))), missing=False)

    def missing(self, why: str) -> Line:
        rest = len(self.head) - len(self.subject) - 1
        return Line(self, tuple(map(_cell, (*self.subject, f"**not measured**: {why}", *[""] * rest))), missing=True)


@dataclasses.dataclass(frozen=True)
class Line:
    """The cells of a row, with its figures or with why there are none."""

    row: Row
    cells: tuple[str, ...]
    missing: bool


class Grounds:
    """What rows are measured on: kept for the next row that wants the same."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._opener: object = None
        self._ground: Any = None

    def of(self, row: Row) -> Any:
        """Return what the row is measured on. What is of no use to it has to be left before."""
        if not self.serve(row):
            self._ground = self._stack.enter_context(row.ground())
            self._opener = row.ground
        return self._ground

    def serve(self, row: Row) -> bool:
        return self._opener is row.ground

    def leave(self) -> None:
        self._opener = self._ground = None
        self._stack.close()


def measured(rows: Sequence[Row], *, begin_within: float, row_within: float = math.inf) -> Generator[Line, None, None]:
    """Yield the line of each row as soon as it is there.

    begin_within: seconds after which no further row is begun. row_within: seconds after which a row is given up. After
    a row without figures, what it was measured on is in an unknown state: the next row gets a new one.
    """
    grounds, started = Grounds(), time.monotonic()
    try:
        for row in rows:
            begun = time.monotonic() - started
            if begun > begin_within:
                yield row.missing(f"not begun, for {begin_within:g} s were over")
                continue
            print(f"  {row.name}  [{begun:.0f} s]", flush=True)
            if not grounds.serve(row):
                _leave(grounds)
            try:
                with limited(row_within):
                    line = row.measured(row.measure(grounds.of(row)))
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are to be measured
                traceback.print_exc()
                line = row.missing(reason(error))
                _leave(grounds)
            print(f"    {' | '.join(line.cells)}  [took {time.monotonic() - started - begun:.0f} s]", flush=True)
            yield line
    finally:
        _leave(grounds)


def _leave(grounds: Grounds) -> None:
    try:
        with limited(_LEAVING):
            grounds.leave()
    except Exception:  # noqa: BLE001 - what is left behind is in a namespace of its own, and hinders nobody
        traceback.print_exc()


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooLong in the main thread after so many seconds, and every ten more until this has ended."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooLong(f"not done after {seconds:g} s")

    if math.isinf(seconds):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, _ONCE_MORE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def chosen(rows: Sequence[Row], wanted: Sequence[str]) -> list[Row]:
    """Return the rows whose names begin as one of these does; all when none is given.

    Raises ValueError naming all rows when one fits none.
    """
    unknown = [each for each in wanted if not any(row.name.startswith(each) for row in rows)]
    if unknown:
        names = ", ".join(row.name for row in rows)
        raise ValueError(f"no row begins with {' or '.join(unknown)}; there are {names}")
    return [row for row in rows if not wanted or row.name.startswith(tuple(wanted))]


def reason(error: Exception) -> str:
    """Say in one line why there are no figures."""
    text = " ".join(str(error).split())
    if not text or not isinstance(error, (AssertionError, RuntimeError, TooLong)):
        text = f"{type(error).__name__} {text}".rstrip()
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")
