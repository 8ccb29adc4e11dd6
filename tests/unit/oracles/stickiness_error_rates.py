# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact error rates of the test whether a client stays with its version, from its formulas, without sampling.

One client is followed. What decides are three counts: how often it stayed on the canary, stayed on stable, and changed
over. The probability of every state follows from that of the states one answer before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

NEGLIGIBLE = 1e-14


@dataclass(frozen=True)
class Outcome:
    """Probabilities of the verdicts, and the mean number of pairs up to one or to the end."""

    stays: float
    draws: float
    mean: float


def outcome(weight: float, q: float, *, alpha: float, beta: float, pairs: int, share: float | None = None) -> Outcome:
    """Follow every course of a client whose canary weight is `weight` and that stays with probability q.

    share: the true share of the canary, when it is not the weight.
    """
    true = weight if share is None else share
    stays = draws = mean = 0.0
    # (on the canary now, stayed there, stayed on stable, changed over) -> probability
    states: dict[tuple[bool, int, int, int], float] = {(True, 0, 0, 0): true, (False, 0, 0, 0): 1 - true}
    for n in range(1, pairs + 1):
        following: dict[tuple[bool, int, int, int], float] = {}
        for (canary, there, here, changed), mass in states.items():
            own = true if canary else 1 - true
            stay = q + (1 - q) * own
            for same, probability in ((True, stay), (False, 1 - stay)):
                if mass * probability < NEGLIGIBLE:
                    continue
                after = (there + (same and canary), here + (same and not canary), changed + (not same))
                verdict = _verdict(weight, alpha, beta, *after)
                if verdict == "stays":
                    stays += mass * probability
                    mean += n * mass * probability
                elif verdict == "draws":
                    draws += mass * probability
                    mean += n * mass * probability
                else:
                    state = (canary == same, *after)
                    following[state] = following.get(state, 0.0) + mass * probability
        states = following
    return Outcome(stays, draws, mean + pairs * math.fsum(states.values()))


@cache
def _verdict(weight: float, alpha: float, beta: float, there: int, here: int, changed: int) -> str | None:
    staying = math.fsum(_likelihood(q, weight, there, here, changed) for q in (0.2, 0.5, 1.0)) / 3
    if staying >= 1 / beta:
        return "stays"
    return "draws" if 1 / _likelihood(0.2, weight, there, here, changed) >= 1 / alpha else None


def _likelihood(q: float, weight: float, there: int, here: int, changed: int) -> float:
    """Return the likelihood of the counts for q over that for 0; the versions' shares are the weights."""
    ratio = ((q + (1 - q) * weight) / weight) ** there * ((q + (1 - q) * (1 - weight)) / (1 - weight)) ** here
    return ratio * (1 - q) ** changed
