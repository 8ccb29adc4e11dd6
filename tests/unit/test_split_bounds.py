# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confidence bounds for reports."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._bounds import (
    confidence_interval,
    lower_bound,
    quantile_bound,
    quantile_rank,
    upper_bound,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput


def at_most(hits: int, n: int, rate: float) -> float:
    """Return P(Bin(n, rate) <= hits), term by term."""
    return math.fsum(math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(hits + 1))


def test_fifty_of_five_hundred_answers_are_between_5_5_and_16_2_percent() -> None:
    assert confidence_interval(50, 500, 0.99) == pytest.approx((0.055, 0.162), abs=5e-4)


def test_without_answers_every_share_is_possible() -> None:
    assert confidence_interval(0, 0) == (0.0, 1.0)
    assert confidence_interval(0, 10)[0] == 0.0
    assert confidence_interval(10, 10)[1] == 1.0


@settings(deadline=None)
@given(st.integers(1, 2000), st.data())
def test_the_interval_contains_the_share_seen_and_is_mirrored_by_the_misses(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    low, high = confidence_interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    assert confidence_interval(n - hits, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@settings(deadline=None)
@given(st.integers(1, 2000), st.data())
def test_a_higher_level_gives_a_wider_interval(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    (low, high), (wide_low, wide_high) = confidence_interval(hits, n, 0.9), confidence_interval(hits, n, 0.99)
    assert wide_low <= low
    assert high <= wide_high


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_the_edges_of_the_interval_are_where_the_mixture_outweighs_the_share_a_hundredfold(
    hits: int, misses: int
) -> None:
    def log_e(share: float) -> float:
        mixture = (
            math.lgamma(hits + 0.5) + math.lgamma(misses + 0.5) - math.lgamma(hits + misses + 1) - math.log(math.pi)
        )
        return mixture - (hits * math.log(share) if hits else 0) - (misses * math.log1p(-share) if misses else 0)

    low, high = confidence_interval(hits, hits + misses, 0.99)
    for edge in (low, high):
        if 0 < edge < 1:
            assert log_e(edge) == pytest.approx(math.log(100), abs=1e-6)


def test_the_interval_misses_the_true_share_at_no_time_in_99_of_100_runs() -> None:
    missed = 0
    for seed in range(200):
        chance = random.Random(seed)
        hits = 0
        for n in range(1, 301):
            hits += chance.random() < 0.1
            low, high = confidence_interval(hits, n, 0.9) if n % 10 == 0 else (0.0, 1.0)
            if not low <= 0.1 <= high:
                missed += 1
                break
    assert missed <= 20


@pytest.mark.parametrize(
    ("events", "level", "n"),
    [(0, 0.95, 2995), (1, 0.95, 4742), (2, 0.95, 6294), (0, 0.99, 4603), (1, 0.99, 6636), (2, 0.99, 8403)],
)
def test_so_many_requests_prove_less_than_one_error_in_a_thousand(events: int, level: float, n: int) -> None:
    assert upper_bound(events, n, level) < 0.001 <= upper_bound(events, n - 1, level)


@settings(deadline=None)
@given(st.integers(1, 120), st.data(), st.sampled_from([0.9, 0.95, 0.99, 0.999]))
def test_at_the_upper_bound_so_few_events_are_as_improbable_as_the_level_says(
    n: int, data: st.DataObject, level: float
) -> None:
    events = data.draw(st.integers(0, n - 1))
    assert at_most(events, n, upper_bound(events, n, level)) == pytest.approx(1 - level, rel=1e-9)


@settings(deadline=None)
@given(st.integers(1, 120), st.data())
def test_at_the_lower_bound_so_many_events_are_as_improbable_as_the_level_says(n: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(1, n))
    assert 1 - at_most(events - 1, n, lower_bound(events, n, 0.95)) == pytest.approx(0.05, rel=1e-9)


def test_counters_of_millions_of_requests_have_a_bound_near_the_normal_approximation() -> None:
    rate, n = 0.001, 10_000_000
    assert upper_bound(10_000, n, 0.99) == pytest.approx(rate + 2.326 * math.sqrt(rate * (1 - rate) / n), rel=1e-3)


@pytest.mark.parametrize(("n", "rank"), [(58, None), (59, 59), (100, 99), (200, 196), (500, 484), (1000, 962)])
def test_the_bound_of_the_95th_percentile_is_one_of_the_slowest_answers(n: int, rank: int | None) -> None:
    assert quantile_rank(n, 0.95, 0.95) == rank


@settings(deadline=None)
@given(st.integers(0, 150), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_rank_is_the_smallest_that_reaches_the_level(n: int, quantile: float, level: float) -> None:
    by_sum = [rank for rank in range(1, n + 1) if at_most(rank - 1, n, quantile) >= level]
    assert quantile_rank(n, quantile, level) == (by_sum[0] if by_sum else None)


def test_the_bound_of_a_quantile_is_the_value_at_its_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert quantile_bound(values, 0.95, 0.95) == 99.0
    assert quantile_bound(values[:58], 0.95, 0.95) is None


@pytest.mark.parametrize(("hits", "n", "level"), [(2, 1, 0.99), (-1, 5, 0.99), (1, 5, 1.0), (1, 5, 0.0)])
def test_impossible_counts_and_levels_are_refused(hits: int, n: int, level: float) -> None:
    with pytest.raises(InvalidInput, match="0 <= hits <= n and a level between 0 and 1"):
        confidence_interval(hits, n, level)
