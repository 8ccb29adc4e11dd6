# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confidence bounds for shares, rates and quantiles, for reports.

Private to the gradual.canary collection.

Shares and levels are fractions between 0 and 1.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HALF = 0.5
_TINY = 1e-300
_PRECISION = 1e-15
_STEPS = 100
"""Halvings of 0..1: beyond the precision of a float."""


@functools.lru_cache  # one result names it in its sentence, its values and its population
def confidence_interval(hits: int, n: int, level: float = 0.99) -> tuple[float, float]:
    """Return an interval for a share after `hits` in `n` answers that holds at every n at once.

    It may be looked at as often as one likes, also at a moment that the answers chose (a confidence sequence):
    with probability `level` the share is inside it at all times. Source: Robbins 1970, beta-binomial mixture.
    """
    _require(hits, n, level)
    if n == 0:
        return 0.0, 1.0
    misses = n - hits
    mixture = _log_beta(hits + _HALF, misses + _HALF) - _log_beta(_HALF, _HALF)
    threshold = -math.log1p(-level)

    def excluded(share: float) -> bool:
        likelihood = _times_log(hits, share) + _times_log(misses, 1 - share)
        return mixture - likelihood >= threshold

    estimate = hits / n
    low = _edge(lambda share: not excluded(share), 0.0, estimate) if hits else 0.0
    high = _edge(excluded, estimate, 1.0) if misses else 1.0
    return low, high


def upper_bound(events: int, n: int, level: float = 0.99) -> float:
    """Return the rate that is not exceeded with probability `level`, after `events` in a sample of fixed size `n`.

    Source: Clopper and Pearson 1934, exact one-sided bound; without events the rule of three.
    """
    _require(events, n, level)
    if events == n:
        return 1.0
    if events == 0:
        return -math.expm1(math.log1p(-level) / n)
    return _edge(lambda rate: _beta_below(rate, events + 1, n - events) >= level, events / n, 1.0)


def lower_bound(events: int, n: int, level: float = 0.99) -> float:
    """Return the rate that is reached with probability `level`, after `events` in a sample of fixed size `n`."""
    return 1 - upper_bound(n - events, n, level)


def quantile_rank(n: int, quantile: float = 0.95, level: float = 0.99) -> int | None:
    """Return which of `n` values in ascending order, from 1, is an upper bound of the quantile; None: too few values.

    Source: Conover, order-statistic bounds of quantiles; needs no assumption on the distribution.
    """
    _require(0, n, level)
    if not 0 < quantile < 1:
        message = f"a quantile is between 0 and 1, not {quantile}"
        raise InvalidInput(message, quantile=quantile)
    below, above = 0, n
    # Smallest rank r with P(at most r - 1 of n values below the quantile) >= level.
    while below < above:
        rank = (below + above) // 2
        if rank > 0 and 1 - _beta_below(quantile, rank, n - rank + 1) >= level:
            above = rank
        else:
            below = rank + 1
    return above if n > 0 and 1 - quantile**n >= level else None


def quantile_bound(values: Sequence[float], quantile: float = 0.95, level: float = 0.99) -> float | None:
    """Return a value that the quantile does not exceed with probability `level`; None: too few values to tell."""
    rank = quantile_rank(len(values), quantile, level)
    return None if rank is None else sorted(values)[rank - 1]


def _require(hits: int, n: int, level: float) -> None:
    if not 0 <= hits <= n or not 0 < level < 1:
        message = f"a bound takes 0 <= hits <= n and a level between 0 and 1, not {hits}, {n} and {level}"
        raise InvalidInput(message)


def _edge(above: Callable[[float], bool], low: float, high: float) -> float:
    """Return where a monotone condition begins to hold between low and high."""
    for _turn in range(_STEPS):
        middle = (low + high) / 2
        if above(middle):
            high = middle
        else:
            low = middle
    return high


def _times_log(count: int, share: float) -> float:
    if count == 0:
        return 0.0
    return count * math.log(share) if share > 0 else -math.inf


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _beta_below(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function: the probability that a Beta(a, b) variable is below x.

    For whole numbers it is P(Bin(a + b - 1, x) >= a). Continued fraction 8.17.22 of the NIST Digital Library of
    Mathematical Functions, evaluated by Lentz's method.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_below(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b)) / a
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    m = 0
    while True:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _away_from_zero(1 + even * d)
        c = _away_from_zero(1 + even / c)
        fraction *= c * d
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _away_from_zero(1 + odd * d)
        c = _away_from_zero(1 + odd / c)
        fraction *= c * d
        if abs(c * d - 1) < _PRECISION:
            return front * fraction


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
