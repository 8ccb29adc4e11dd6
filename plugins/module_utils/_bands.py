# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proof of a traffic split claims, and how many requests that claim costs.

Private to the gradual.canary collection.

Weights are integers of basis points per version name (``{"v1": 9000, "v2": 1000}``) with the sum 10000; shares, bands
and error rates are fractions between 0 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WHOLE = 10_000
"""All traffic, in basis points."""

ZERO = 100
"""Default claim for a version of weight 0, in basis points: its share is below 1 %."""

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Band:
    """The shares that count as the weight asked for, as fractions, edges outside the claim.

    A low edge of 0 or a high edge of 1 claims nothing on that side.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse a band that is empty or not within 0..1."""
        if not 0 <= self.low < self.high <= 1:
            message = f"a band is two fractions, 0 <= low < high <= 1, not {self.low} and {self.high}"
            raise InvalidSplit(message)

    def __str__(self) -> str:
        """Say the band in percent, such as `5-15 %`."""
        return f"{100 * self.low:.4g}-{100 * self.high:.4g} %"

    def complement(self) -> Band:
        """Return the band of everything else when this one holds."""
        return Band(1 - self.high, 1 - self.low)

    def edges(self) -> Iterator[float]:
        """Yield the edges that claim something."""
        if self.low > 0:
            yield self.low
        if self.high < 1:
            yield self.high


@dataclass(frozen=True, slots=True)
class Profile:
    """How exact a proof is: half-width of the band in basis points, and the false-pass rate."""

    delta: int
    alpha: float


PROFILES = {
    # A delta of the whole leaves only the limits that shrink with the weight: half of it to twice of it.
    "quick": Profile(delta=WHOLE, alpha=0.05),
    "standard": Profile(delta=500, alpha=0.01),
    "strict": Profile(delta=300, alpha=0.01),
}


def require_weights(weights: Mapping[str, int]) -> None:
    """Raise InvalidSplit unless the weights are basis points with the sum 10000."""
    if any(weight < 0 for weight in weights.values()) or sum(weights.values()) != WHOLE:
        message = f"weights are basis points, none negative, with the sum {WHOLE}, not {dict(weights)}"
        raise InvalidSplit(message)


def bands(weights: Mapping[str, int], delta: int = PROFILES["standard"].delta, zero: int = ZERO) -> dict[str, Band]:
    """Return the band of each version: its weight give or take `delta` basis points, less for small weights.

    The band never reaches below half a weight, above twice a weight, or above half of the rest, so that it means
    something for a weight of 1 % too. Of two versions that share the traffic the lighter one has this band and the
    other its complement.
    A version without weight has to stay below `zero` basis points; one that has all the traffic, above the rest.
    """
    require_weights(weights)
    if delta <= 0 or not 0 < zero < WHOLE:
        message = f"delta and zero are positive basis points, not {delta} and {zero}"
        raise InvalidSplit(message)
    found = {version: _band(weight / WHOLE, delta / WHOLE, zero / WHOLE) for version, weight in weights.items()}
    shared = [version for version, weight in weights.items() if weight]
    if len(shared) == 2:
        light, heavy = sorted(shared, key=lambda version: weights[version])
        found[heavy] = found[light].complement()
    return found


def _band(weight: float, delta: float, zero: float) -> Band:
    if weight == 0:
        return Band(0.0, zero)
    if weight == 1:
        return Band(1 - zero, 1.0)
    return Band(weight - min(delta, weight / 2), weight + min(delta, weight, (1 - weight) / 2))


@dataclass(frozen=True, slots=True)
class Edge:
    """One side of a claim: log likelihood ratio of the weight against the share at the edge, for a hit and a miss."""

    hit: float
    miss: float

    @classmethod
    def between(cls, weight: float, edge: float) -> Edge:
        """Compare a weight with the edge of its band, both fractions."""
        # A version without weight is never hit while the test runs (a hit ends it), nor is one with all of it missed.
        return cls(
            hit=math.log(weight / edge) if weight > 0 else 0.0,
            miss=math.log((1 - weight) / (1 - edge)) if weight < 1 else 0.0,
        )

    def divergence(self, weight: float) -> float:
        """Return the evidence that one request brings on average when the weight is right (Kullback-Leibler)."""
        return weight * self.hit + (1 - weight) * self.miss


def require_bands(weights: Mapping[str, int], claims: Mapping[str, Band]) -> None:
    """Raise InvalidSplit unless every weight has a band around it and at least one band claims something."""
    require_weights(weights)
    for version, weight in weights.items():
        band = claims.get(version)
        share = weight / WHOLE
        if (
            band is None
            or not (band.low < share or band.low == share == 0)
            or not (band.high > share or band.high == share == 1)
        ):
            message = f"the weight of {version}, {100 * share:g} %, is not inside its band, {band}"
            raise InvalidSplit(message)
    if not any(any(claims[version].edges()) for version in weights):
        message = "no band claims anything: every one is 0-100 %"
        raise InvalidSplit(message)


def _smallest_divergence(weights: Mapping[str, int], claims: Mapping[str, Band]) -> float:
    require_bands(weights, claims)
    return min(
        Edge.between(weight / WHOLE, edge).divergence(weight / WHOLE)
        for version, weight in weights.items()
        for edge in claims[version].edges()
    )


def maximum_requests(weights: Mapping[str, int], claims: Mapping[str, Band], alpha: float) -> int:
    """Return the number of requests after which a test gives up: five times what the hardest edge needs on average."""
    return math.ceil(5 * math.log(1 / alpha) / _smallest_divergence(weights, claims))


def wald_bound(weights: Mapping[str, int], claims: Mapping[str, Band], alpha: float, beta: float) -> float:
    """Return the mean number of requests below which no test can prove a right split with these error rates.

    Source: Wald 1945, the lower bound on the expected sample size of a sequential test.
    """
    power = 1 - beta
    information = power * math.log(power / alpha) + beta * math.log(beta / (1 - alpha))
    return information / _smallest_divergence(weights, claims)


def expected_requests(weights: Mapping[str, int], claims: Mapping[str, Band], alpha: float) -> int:
    """Return about how many requests it takes on average to prove a right split (within 10 % for two versions).

    The test ends when the slowest edge is crossed; each crossing is taken as normal, with the mean and variance that
    Wald's identities give, and the maximum of two of them by Clark's formula (1961).
    """
    require_bands(weights, claims)
    shared = [version for version in weights if any(claims[version].edges())]
    if len(weights) == 2:
        shared = shared[:1]
    total = (0.0, 0.0)
    for version in shared:
        share = weights[version] / WHOLE
        crossing = (0.0, 0.0)
        for edge in claims[version].edges():
            # Hits that speed one edge up delay the other.
            crossing = _later(crossing, _crossing(share, edge, math.log(1 / alpha)), correlation=-1.0)
        total = _later(total, crossing, correlation=0.0)
    return math.ceil(total[0])


def _crossing(weight: float, edge: float, threshold: float) -> tuple[float, float]:
    """Return mean and variance of the number of requests until an edge is excluded."""
    steps = Edge.between(weight, edge)
    drift = steps.divergence(weight)
    variance = weight * (1 - weight) * (steps.hit - steps.miss) ** 2
    return threshold / drift, threshold * variance / drift**3


def _later(one: tuple[float, float], other: tuple[float, float], correlation: float) -> tuple[float, float]:
    """Return mean and variance of the larger of two normal variables, each given by mean and variance."""
    (mean_1, variance_1), (mean_2, variance_2) = one, other
    spread = math.sqrt(variance_1 + variance_2 - 2 * correlation * math.sqrt(variance_1 * variance_2))
    if spread == 0 or mean_1 == 0:
        return max(one, other)
    distance = (mean_1 - mean_2) / spread
    first, density = _NORMAL.cdf(distance), _NORMAL.pdf(distance)
    mean = mean_1 * first + mean_2 * (1 - first) + spread * density
    square = (
        (mean_1**2 + variance_1) * first + (mean_2**2 + variance_2) * (1 - first) + (mean_1 + mean_2) * spread * density
    )
    return mean, max(0.0, square - mean**2)
