# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A counter on a page of metrics in the Prometheus text format. Pure. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import re
import typing as t

_LINE: t.Final = re.compile(
    r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>[^\s]+)(?:\s+-?[0-9.]+)?(?:\s+#.*)?$"
)
_LABEL: t.Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?\s*')
_ESCAPED: t.Final = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclasses.dataclass(frozen=True)
class Counter:
    """Which series to add up: all of a name that have these labels with these values, whatever others they have."""

    name: str
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        inner = ", ".join(f'{name}="{value}"' for name, value in sorted(self.labels.items()))
        return f"{self.name}{{{inner}}}" if inner else self.name

    def read(self, page: str) -> float | None:
        """Return the sum of the series; None when there is none, as before a program has counted for the first time."""
        found = None
        for name, labels, value in series(page):
            if name == self.name and self.labels.items() <= labels.items():
                found = (found or 0.0) + value
        return found


def series(page: str) -> t.Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, labels and value of each series; lines that are none are left out."""
    for line in page.splitlines():
        match = None if line.startswith("#") else _LINE.match(line.strip())
        if match is None:
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        labels = {name: _unescaped(text) for name, text in _LABEL.findall(match["labels"] or "")}
        yield match["name"], labels, value


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPED.get(found[0], found[0]), text)
