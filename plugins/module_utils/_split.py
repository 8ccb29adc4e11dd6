# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequential test of a traffic split: pass, fail or inconclusive, after as few answers as it takes.

Private to the gradual.canary collection.

`pass` is proven by one-sided sequential probability ratio tests, two for each version (Wald 1945), `fail` by a mixture
of named alternatives; both error rates hold whenever one looks and however long the test runs (Ville 1939).
Weights are integers of basis points per version name with the sum 10000; evidence is in natural logarithms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING, Literal

from ansible_collections.gradual.canary.plugins.module_utils._bands import (
    WHOLE,
    Edge,
    maximum_requests,
    require_bands,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.gradual.canary.plugins.module_utils._bands import Band

Verdict = Literal["pass", "fail", "inconclusive"]
Reason = Literal["equivalence_proven", "split_wrong", "leak", "n_max"]

DEFAULT_ALPHA = 0.01
DEFAULT_BETA = 1e-4

_HALF = 0.5
_LOG_GAMMA_HALF = math.lgamma(_HALF)
_ROUNDING = 1e-9
"""Log evidence that sums may be off by: less than an answer ever brings."""

_CLEAR = math.log(0.99)
"""A cause is named for sure when it has this much of all the evidence."""


@dataclass(frozen=True, slots=True)
class VersionEvidence:
    """Evidence that a share is above its low edge and below its high edge; None where the band claims nothing.

    Once an edge is excluded the value stays what it was then.
    """

    log_e_low: float | None
    log_e_high: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far a test has come.

    `log_e_fail` against `log_threshold_fail` proves that the split is wrong, and is None after a leak, where one
    answer is the proof; each version's values against `log_threshold_pass` prove that it is right.
    """

    alpha: float
    beta: float
    log_e_fail: float | None
    log_threshold_fail: float
    log_threshold_pass: float
    versions: dict[str, VersionEvidence]


@dataclass(frozen=True, slots=True)
class _Alternative:
    """A named way for the split to be wrong: log of its prior, and of its share over the weight, per version.

    A version in `absent` has no share; its first answer refutes the alternative, and its ratio is never used.
    """

    name: str
    log_prior: float
    log_ratios: tuple[float, ...]
    absent: frozenset[int]


class _Side:
    """One edge of one version's band: excluded for good as soon as the evidence once reaches the threshold."""

    __slots__ = ("hit", "log_e", "miss", "version")

    def __init__(self, version: int, edge: Edge) -> None:
        self.version = version
        self.hit = edge.hit
        self.miss = edge.miss
        self.log_e = 0.0


class SplitTest:
    """Prove from one answer after the other, in the order of sending, that shares are or are not the weights.

    `alpha` bounds the probability of `pass` when a share is outside its band, `beta` that of `fail` when the split is
    right.
    `previous` are the weights before the change, if known: they are named when they are still active.
    `maximum` is the number of answers after which the test is inconclusive (default: `maximum_requests`).

    `verdict` is None until there is one. `reason` says why, and `diagnosis` how a failed split looks:
    `absent:<version>`, `previous_weights`, `swapped`, `low:<version>`, `high:<version>`, `leak`, `unknown:<version>`
    or `other`.
    An answer from a version of weight 0 is a `leak` at once; one from a version that has no weight at all is, too,
    and is diagnosed as `unknown:<version>`.
    """

    def __init__(
        self,
        weights: Mapping[str, int],
        bands: Mapping[str, Band],
        alpha: float = DEFAULT_ALPHA,
        beta: float = DEFAULT_BETA,
        *,
        previous: Mapping[str, int] | None = None,
        maximum: int | None = None,
    ) -> None:
        """Start without any answer."""
        require_bands(weights, bands)
        if not (0 < alpha < 1 and 0 < beta < 1):
            message = f"alpha and beta are probabilities between 0 and 1, not {alpha} and {beta}"
            raise InvalidInput(message, alpha=alpha, beta=beta)
        self.weights = dict(weights)
        self.bands = {version: bands[version] for version in weights}
        self.alpha = alpha
        self.beta = beta
        self.maximum = maximum_requests(weights, bands, alpha) if maximum is None else maximum
        self.count = 0
        self.verdict: Verdict | None = None
        self.reason: Reason | None = None
        self.diagnosis: str | None = None

        self._threshold_pass = -math.log(alpha)
        self._threshold_fail = -math.log(beta)
        shares = [weight / WHOLE for weight in weights.values()]
        self._index = {version: position for position, version in enumerate(weights)}
        self._hits = [0] * len(shares)
        self._unknown: str | None = None
        self._sides = {
            (version, edge): _Side(self._index[version], Edge.between(weight / WHOLE, edge))
            for version, weight in weights.items()
            for edge in self.bands[version].edges()
        }
        self._open = list(self._sides.values())

        self._alternatives, self._log_prior_other = _alternatives(self.weights, self.bands, previous)
        self._log_weights = tuple(math.log(share) if share else 0.0 for share in shares)
        # The Dirichlet(1/2) prior of `other` spans the versions that have weight.
        self._half_sum = _HALF * sum(1 for share in shares if share)
        self._log_gammas = [_LOG_GAMMA_HALF if share else 0.0 for share in shares]
        self._log_gamma_start = math.lgamma(self._half_sum) - sum(self._log_gammas)
        # One answer multiplies no likelihood ratio by more than this: what cannot have refuted the weights yet is not
        # computed. (The Dirichlet mixture's next answer has a share below 1.)
        self._most_by_hit = [
            max(
                [
                    -log_weight,
                    *(some.log_ratios[position] for some in self._alternatives if position not in some.absent),
                ]
            )
            for position, log_weight in enumerate(self._log_weights)
        ]
        self._log_e_at_most = 0.0

    @property
    def counts(self) -> dict[str, int]:
        """Return how many answers each version gave up to the verdict."""
        counts = dict(zip(self._index, self._hits, strict=True))
        if self._unknown is not None:
            counts[self._unknown] = 1
        return counts

    def update(self, version: str) -> Verdict | None:
        """Take one answer and return the verdict, if there is one. Answers after a verdict are not counted."""
        if self.verdict is not None:
            return self.verdict
        self.count += 1
        position = self._index.get(version)
        if position is None:
            self._unknown = version
            return self._decide("fail", "leak", f"unknown:{version}")
        if self.weights[version] == 0:
            self._hits[position] += 1
            return self._decide("fail", "leak", "leak")
        self._take(position)
        if diagnosis := self._wrong():
            return self._decide("fail", "split_wrong", diagnosis)
        if self._all_sides_excluded():
            return self._decide("pass", "equivalence_proven", None)
        return self._decide("inconclusive", "n_max", None) if self.count >= self.maximum else None

    def diagnose(self, version: str) -> bool:
        """Count an answer after the verdict that the split is wrong, to name the cause; return whether it is clear.

        A wrong split is often refuted by a handful of answers that fit several causes. The verdict stays.
        """
        position = self._index.get(version)
        if self.reason != "split_wrong" or position is None or self.weights[version] == 0:
            return True
        self.count += 1
        self._take(position)
        terms = self._log_terms()
        largest = terms.index(max(terms))
        self.diagnosis = self._name(largest)
        return terms[largest] - _log_sum(terms) >= _CLEAR

    def _take(self, position: int) -> None:
        hits = self._hits
        hits[position] += 1
        self._log_e_at_most += self._most_by_hit[position]
        if hits[position] == 1:
            self._alternatives = [some for some in self._alternatives if position not in some.absent]
        self._log_gammas[position] = math.lgamma(hits[position] + _HALF)

    def _name(self, position: int) -> str:
        return self._alternatives[position].name if position < len(self._alternatives) else "other"

    def extend(self, maximum: int) -> None:
        """Let an undecided or inconclusive test go on to a larger maximum. Its error rates stay what they are."""
        if self.verdict in ("pass", "fail") or maximum <= self.count:
            message = f"a test with verdict {self.verdict} after {self.count} answers cannot go on to {maximum}"
            raise InvalidInput(message, maximum=maximum)
        self.maximum = maximum
        self.verdict = None
        self.reason = None

    def evidence(self) -> Evidence:
        """Return the evidence so far."""
        return Evidence(
            alpha=self.alpha,
            beta=self.beta,
            log_e_fail=None if self.reason == "leak" else _log_sum(self._log_terms()),
            log_threshold_fail=self._threshold_fail,
            log_threshold_pass=self._threshold_pass,
            versions={
                version: VersionEvidence(self._log_e(version, band.low), self._log_e(version, band.high))
                for version, band in self.bands.items()
            },
        )

    def _log_e(self, version: str, edge: float) -> float | None:
        side = self._sides.get((version, edge))
        return None if side is None else side.log_e

    def _log_terms(self) -> list[float]:
        """Return the log likelihood ratio, with its prior, of each alternative and of `other` against the weights."""
        hits = self._hits
        terms = [some.log_prior + sum(map(mul, hits, some.log_ratios)) for some in self._alternatives]
        terms.append(
            self._log_prior_other
            + self._log_gamma_start
            - math.lgamma(self.count + self._half_sum)
            + sum(self._log_gammas)
            - sum(map(mul, hits, self._log_weights))
        )
        return terms

    def _wrong(self) -> str | None:
        """Return the most likely alternative once the weights are refuted."""
        if self._log_e_at_most < self._threshold_fail - _ROUNDING:
            return None
        terms = self._log_terms()
        self._log_e_at_most = _log_sum(terms)
        return None if self._log_e_at_most < self._threshold_fail else self._name(terms.index(max(terms)))

    def _all_sides_excluded(self) -> bool:
        threshold = self._threshold_pass
        excluded = False
        for side in self._open:
            hits = self._hits[side.version]
            side.log_e = hits * side.hit + (self.count - hits) * side.miss
            excluded = excluded or side.log_e >= threshold
        if excluded:
            self._open = [side for side in self._open if side.log_e < threshold]
        return not self._open

    def _decide(self, verdict: Verdict, reason: Reason, diagnosis: str | None) -> Verdict:
        self.verdict = verdict
        self.reason = reason
        self.diagnosis = diagnosis
        return verdict


def _log_sum(terms: Sequence[float]) -> float:
    """Return the logarithm of the sum of exponentials."""
    largest = max(terms)
    return largest + math.log(sum(math.exp(term - largest) for term in terms))


def _alternatives(
    weights: Mapping[str, int], bands: Mapping[str, Band], previous: Mapping[str, int] | None
) -> tuple[list[_Alternative], float]:
    """Name the ways a split goes wrong, with priors; returns them and the log prior of `other`.

    One half is for a version without traffic, as a route that is not applied looks; the other half for the rest.
    """
    shares = {version: weight / WHOLE for version, weight in weights.items() if weight}
    if len(shares) == 1:
        return [], 0.0
    half = WHOLE / 2
    likely = {f"absent:{version}": _moved(shares, version, 0.0) for version in shares if weights[version] <= half}
    rest = {f"absent:{version}": _moved(shares, version, 0.0) for version in shares if weights[version] > half}
    if previous is not None:
        rest["previous_weights"] = {version: previous.get(version, 0) / WHOLE for version in shares}
    named = list(shares)
    if len(shares) == 2:
        one, other = shares
        rest["swapped"] = {one: shares[other], other: shares[one]}
        named = [one if weights[one] < weights[other] else other]
    for version in named:
        band = bands[version]
        if band.low > 0:
            rest[f"low:{version}"] = _moved(shares, version, band.low)
        if band.high < 1:
            rest[f"high:{version}"] = _moved(shares, version, band.high)

    seen = [shares, *likely.values()]
    different = {}
    for name, alternative in rest.items():
        if not any(_same(alternative, known) for known in seen):
            different[name] = alternative
            seen.append(alternative)
    log_prior_rest = math.log(_HALF / (len(different) + 1))
    log_prior_likely = math.log(_HALF / len(likely))
    return [
        *(_alternative(name, log_prior_likely, some, weights) for name, some in likely.items()),
        *(_alternative(name, log_prior_rest, some, weights) for name, some in different.items()),
    ], log_prior_rest


def _alternative(name: str, log_prior: float, some: Mapping[str, float], weights: Mapping[str, int]) -> _Alternative:
    ratios = [some[version] * WHOLE / weight if weight else 1.0 for version, weight in weights.items()]
    return _Alternative(
        name,
        log_prior,
        tuple(math.log(ratio) if ratio else 0.0 for ratio in ratios),
        frozenset(position for position, ratio in enumerate(ratios) if not ratio),
    )


def _moved(shares: Mapping[str, float], version: str, share: float) -> dict[str, float]:
    """Give one version another share, the rest in proportion."""
    scale = (1 - share) / (1 - shares[version])
    return {other: share if other == version else old * scale for other, old in shares.items()}


def _same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return all(math.isclose(one[version], other[version], abs_tol=1e-12) for version in one)
