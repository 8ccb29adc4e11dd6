# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proof claims, and what it costs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._bands import (
    PROFILES,
    Band,
    bands,
    expected_requests,
    maximum_requests,
    wald_bound,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit


def split(canary: int) -> dict[str, int]:
    return {"v1": 10_000 - canary, "v2": canary}


@pytest.mark.parametrize(
    ("profile", "canary", "low", "high"),
    [
        ("standard", 5000, 0.45, 0.55),
        ("standard", 1000, 0.05, 0.15),
        ("standard", 500, 0.025, 0.10),
        ("standard", 100, 0.005, 0.02),
        ("standard", 9000, 0.85, 0.95),
        ("quick", 1000, 0.05, 0.20),
        ("quick", 5000, 0.25, 0.75),
        ("strict", 1000, 0.07, 0.13),
        ("standard", 0, 0.0, 0.01),
        ("standard", 10_000, 0.99, 1.0),
    ],
)
def test_the_band_of_a_profile_shrinks_with_the_weight(profile: str, canary: int, low: float, high: float) -> None:
    band = bands(split(canary), PROFILES[profile].delta)["v2"]
    assert (band.low, band.high) == pytest.approx((low, high))


@settings(deadline=None)
@given(st.integers(1, 9_999), st.sampled_from(sorted(PROFILES)))
def test_bands_of_a_pair_complete_each_other_and_contain_the_weights(canary: int, profile: str) -> None:
    found = bands(split(canary), PROFILES[profile].delta)
    assert found["v1"].low == pytest.approx(1 - found["v2"].high)
    assert found["v1"].high == pytest.approx(1 - found["v2"].low)
    assert 0 < found["v2"].low < canary / 10_000 < found["v2"].high < 1


PROFILES_BY_WIDTH = ("strict", "standard", "quick")


@settings(deadline=None)
@given(st.integers(1, 9_999))
def test_a_strict_band_is_within_the_standard_band_within_the_quick_band(canary: int) -> None:
    strict, standard, quick = (bands(split(canary), PROFILES[name].delta)["v2"] for name in PROFILES_BY_WIDTH)
    assert quick.low <= standard.low <= strict.low < strict.high <= standard.high <= quick.high


@pytest.mark.parametrize(
    "weights",
    [{"v1": 9000, "v2": 999}, {"v1": 11_000, "v2": -1000}, {}],
)
def test_weights_that_are_not_the_whole_are_refused(weights: dict[str, int]) -> None:
    with pytest.raises(InvalidSplit, match="basis points, none negative, with the sum 10000"):
        bands(weights)


def test_a_band_beside_its_weight_is_refused() -> None:
    with pytest.raises(InvalidSplit, match="the weight of v1, 90 %, is not inside its band, 70-80 %"):
        expected_requests(split(1000), {"v1": Band(0.7, 0.8), "v2": Band(0.2, 0.3)}, 0.01)


def test_bands_that_claim_nothing_are_refused() -> None:
    with pytest.raises(InvalidSplit, match="no band claims anything"):
        maximum_requests(split(1000), dict.fromkeys(("v1", "v2"), Band(0.0, 1.0)), 0.01)


@pytest.mark.parametrize(
    ("canary", "bound", "measured"),
    [(5000, 916, 1344), (2000, 657, 864), (1000, 423, 495), (500, 461, 570), (200, 1176, 1465), (100, 2368, 2957)],
)
def test_the_expected_requests_are_within_a_tenth_of_the_exact_mean(canary: int, bound: int, measured: int) -> None:
    weights = split(canary)
    assert wald_bound(weights, bands(weights), 0.01, 1e-4) == pytest.approx(bound, abs=1)
    assert expected_requests(weights, bands(weights), 0.01) == pytest.approx(measured, rel=0.1)


def test_three_versions_cost_more_than_the_dearest_of_them() -> None:
    weights = {"v1": 7000, "v2": 2000, "v3": 1000}
    # 1196 by simulation of the test
    assert expected_requests(weights, bands(weights), 0.01) == pytest.approx(1196, rel=0.1)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.01, 0.001]))
def test_a_right_split_is_expected_to_be_proven_well_before_the_maximum(canary: int, alpha: float) -> None:
    weights = split(canary)
    claims = bands(weights)
    expected = expected_requests(weights, claims, alpha)
    assert wald_bound(weights, claims, alpha, 1e-4) <= expected <= maximum_requests(weights, claims, alpha) / 2


@settings(deadline=None)
@given(st.integers(1, 9_999))
def test_a_smaller_false_pass_rate_costs_more(canary: int) -> None:
    weights = split(canary)
    claims = bands(weights)
    assert maximum_requests(weights, claims, 0.001) > maximum_requests(weights, claims, 0.01)
    assert expected_requests(weights, claims, 0.001) > expected_requests(weights, claims, 0.01)
