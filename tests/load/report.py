"""The table at the end: what was asked, what was lost, and how long the last answer of a leaving version took."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One line. reported, seen: seconds from the decision to the last answer, by the rollback and by the load."""

    scenario: str
    backend: str
    requests: int
    failed: int
    reported: float | None = None
    seen: float | None = None
    remark: str = ""

    def cells(self) -> tuple[str, ...]:
        times = ("" if value is None else f"{value:.3f} s" for value in (self.reported, self.seen))
        return (self.scenario, self.backend, f"{self.requests:,}", f"{self.failed:,}", *times, self.remark)


HEADINGS = ("scenario", "backend", "requests", "failed", "time to zero", "seen by load", "")


class Report:
    """Rows in the order in which they were counted."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        self._rows.append(row)

    def lines(self) -> list[str]:
        """Return the table, or nothing when nothing was counted."""
        if not self._rows:
            return []
        table = [HEADINGS, *(row.cells() for row in self._rows)]
        widths = [max(len(line[column]) for line in table) for column in range(len(HEADINGS))]
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]
