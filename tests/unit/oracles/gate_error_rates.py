# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact error rates of a gate on a rate of bad answers, from its formulas, by dynamic programming."""

from __future__ import annotations

import math
from dataclasses import dataclass

NEGLIGIBLE = 1e-15


@dataclass(frozen=True)
class Outcome:
    """Probabilities of the first decision, and the mean number of answers up to it or to the end."""

    advance: float
    rollback: float
    mean: float


def reached(events: int, n: int, null: float, alternatives: list[float], level: float) -> bool:
    """Say whether the mean likelihood ratio of the alternatives reaches 1 / level."""
    logs = []
    for rate in alternatives:
        if (rate == 0 and events) or (rate == 1 and events < n):
            continue
        hits = events * math.log(rate / null) if events else 0.0
        misses = (n - events) * math.log((1 - rate) / (1 - null)) if events < n else 0.0
        logs.append(hits + misses)
    if not logs:
        return False
    top = max(logs)
    return top + math.log(math.fsum(math.exp(term - top) for term in logs) / len(alternatives)) >= math.log(1 / level)


def outcome(
    truth: float,
    *,
    healthy: float,
    limit: float,
    worse: list[float],
    good: list[float],
    maximum: int,
    alpha: float = 0.01,
    beta: float = 1e-4,
) -> Outcome:
    """Follow every number of bad answers until the first decision."""
    masses, start = [1.0], 0
    advance = rollback = mean = 0.0
    most_good, least_bad = -1, 1
    for n in range(1, maximum + 1):
        masses = [
            other * (1 - truth) + event * truth for other, event in zip([*masses, 0.0], [0.0, *masses], strict=True)
        ]
        while reached(most_good + 1, n, limit, good, alpha):
            most_good += 1
        while least_bad <= n and not reached(least_bad, n, healthy, worse, beta):
            least_bad += 1
        while 1 < least_bad <= n + 1 and reached(least_bad - 1, n, healthy, worse, beta):
            least_bad -= 1
        ended = 0.0
        while masses and start <= most_good:
            ended += masses[0]
            advance += masses.pop(0)
            start += 1
        while masses and start + len(masses) - 1 >= least_bad:
            ended += masses[-1]
            rollback += masses.pop()
        while masses and masses[-1] < NEGLIGIBLE:
            masses.pop()
        while masses and masses[0] < NEGLIGIBLE:
            masses.pop(0)
            start += 1
        mean += n * ended
        if not masses:
            return Outcome(advance, rollback, mean)
    return Outcome(advance, rollback, mean + maximum * math.fsum(masses))
