# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do answers depend on each other? Round robin is harmless to a proof, answers that stick together void it.

Private to the gradual.canary collection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
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
    Sources: Wald and Wolfowitz 1940 (runs); Wilson and Hilferty 1931 (normal approximation of chi-squared).
    """
    lightest = min((version for version in weights if weights[version]), key=lambda version: weights[version])
    hits = [version == lightest for version in sequence]
    if min(sum(hits), len(hits) - sum(hits)) < _RARE:
        return Dependence("unknown", None, None)
    runs_z = _runs_z(hits)
    dispersion, dispersion_z = _dispersion(hits, math.ceil(_BLOCK * WHOLE / weights[lightest]))
    if runs_z < _CLUSTERED:
        return Dependence("clustered", runs_z, dispersion)
    if dispersion_z is not None and dispersion_z < _ROUND_ROBIN:
        return Dependence("round_robin", runs_z, dispersion)
    return Dependence("random", runs_z, dispersion)


def _runs_z(hits: Sequence[bool]) -> float:
    n = len(hits)
    pairs = 2 * sum(hits) * (n - sum(hits))
    runs = 1 + sum(one != other for one, other in pairwise(hits))
    return (runs - 1 - pairs / n) / math.sqrt(pairs * (pairs - n) / (n * n * (n - 1)))


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
