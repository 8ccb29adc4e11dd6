# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do answers depend on each other? Round robin is harmless to a proof, answers that stick together void it.

Private to the gradual.canary collection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Literal

from ansible_collections.gradual.canary.plugins.module_utils._bands import WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Model = Literal["random", "round_robin", "clustered", "unknown"]

_CLUSTERED = -4.0
"""Runs test: independent answers get there once in a thousand tests, connections reused even twice nearly always."""

_ROUND_ROBIN = -3.1
"""Dispersion: one-sided, once in a thousand."""

_RARE = 5
"""Answers of the rarer kind below which the normal approximations do not hold."""

_BLOCK = 2.5
"""Answers of the lighter version that a block has on average."""

_LONGEST_LAG = 128
"""Answers apart up to which a rotation is looked for: twice the pods that a gateway's workers go through together."""

_TURNS = -4.5
"""Correlation of answers so far apart, standardised: independent ones get there at any lag once in a thousand tests."""

_WIDE_BLOCKS = 8
"""Blocks in which the answers are counted to see whether shares vary more than those of independent answers."""

_UNEVEN = 2.3
"""Dispersion in wide blocks: one-sided, once in a hundred."""


@dataclass(frozen=True, slots=True)
class Dependence:
    """Whether answers look independent (`random`), alternating (`round_robin`) or sticky (`clustered`).

    `runs_z` is the standardised number of runs, far below zero when answers stick together. `dispersion` is the
    variance of counts in blocks over that of independent answers: near 1 when random, near 0 when round robin, about
    the number of requests per connection when connections stick to a version. None where there were too few answers.

    Answers of a single version are `unknown`: they cannot be told from an affinity of this one client.
    """

    model: Model
    runs_z: float | None
    dispersion: float | None


def dependence(sequence: Sequence[str], weights: Mapping[str, int]) -> Dependence:
    """Judge answers in the order of sending, by the lightest version that has weight against all the others.

    Clustered answers make every proof about the split void: the verdict is inconclusive, for `dependent_samples`.
    Gateways that take pods in the order of their addresses answer in long runs, too, but in turns: a share of such
    answers varies less than one of independent answers, and proves as much.
    Sources: Wald and Wolfowitz 1940 (runs); Wilson and Hilferty 1931 (normal approximation of chi-squared); Contour
    hands Envoy its endpoints sorted, so that 9 pods of each version gave runs of 9 (measured on the lab).
    """
    lightest = min((version for version in weights if weights[version]), key=lambda version: weights[version])
    hits = [version == lightest for version in sequence]
    if min(sum(hits), len(hits) - sum(hits)) < _RARE:
        return Dependence("unknown", None, None)
    runs_z = _runs_z(hits)
    dispersion, dispersion_z = _dispersion(hits, math.ceil(_BLOCK * WHOLE / weights[lightest]))
    if runs_z < _CLUSTERED:
        return Dependence("round_robin" if _takes_turns(hits) else "clustered", runs_z, dispersion)
    if dispersion_z is not None and dispersion_z < _ROUND_ROBIN:
        return Dependence("round_robin", runs_z, dispersion)
    return Dependence("random", runs_z, dispersion)


def _runs_z(hits: Sequence[bool]) -> float:
    n = len(hits)
    pairs = 2 * sum(hits) * (n - sum(hits))
    runs = 1 + sum(one != other for one, other in pairwise(hits))
    return (runs - 1 - pairs / n) / math.sqrt(pairs * (pairs - n) / (n * n * (n - 1)))


def _takes_turns(hits: Sequence[bool]) -> bool:
    """Say whether answers that come in runs come in turns: opposite at some lag, and even in the long run.

    Answers that stick together are alike at short lags and unrelated at long ones, never opposite.
    """
    n = len(hits)
    share = sum(hits) / n
    answers = int("".join("1" if hit else "0" for hit in hits), 2)
    spread = share * (1 - share)

    def correlation(lag: int) -> float:
        both = (answers & (answers >> lag)).bit_count()
        return (both / (n - lag) - share * share) / spread

    lags = range(1, min(_LONGEST_LAG, n // 4) + 1)
    correlations = [correlation(lag) for lag in lags]
    alike = list(takewhile(lambda value: value > 0, correlations))
    variance = 1 + 2 * sum(value * value for value in alike)
    lowest = min(value * math.sqrt((n - lag) / variance) for lag, value in zip(lags, correlations, strict=True))
    if lowest > _TURNS:
        return False
    _wide, wide_z = _dispersion(hits, n // _WIDE_BLOCKS)
    return wide_z is not None and wide_z < _UNEVEN


def _dispersion(hits: Sequence[bool], size: int) -> tuple[float | None, float | None]:
    """Return the dispersion of the counts in whole blocks, and its normal score."""
    counts = [sum(hits[start : start + size]) for start in range(0, len(hits) - size + 1, size)]
    freedom = len(counts) - 1
    if freedom < 1 or sum(counts) in (0, size * len(counts)):
        return None, None
    mean = sum(counts) / len(counts)
    dispersion = sum((count - mean) ** 2 for count in counts) / (mean * (1 - mean / size)) / freedom
    spread = 2 / (9 * freedom)
    return dispersion, (math.cbrt(dispersion) - (1 - spread)) / math.sqrt(spread)
