# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates on a version's health: advance, hold or roll back, on x bad answers in n.

Private to the gradual.canary collection.

Every gate compares hypotheses about a rate by mixtures of likelihood ratios, so its error rates hold at every look
(Ville 1939): errors, slow answers and answers that cannot be attributed are all x in n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Union

from ansible_collections.gradual.canary.plugins.module_utils._bands import WHOLE
from ansible_collections.gradual.canary.plugins.module_utils._bounds import upper_bound
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Recommendation = Literal["advance", "rollback", "hold"]

DEFAULT_ALPHA = 0.01
DEFAULT_BETA = 1e-4

_WORSE = (1, 3, 10, 30)
"""How many times `bad` a rate is, in the alternatives that roll back; every answer bad is one more."""

_RISKS = (2.0, 5.0, 20.0, math.inf)
"""How many times the risk of the other version, in the alternatives of the relative gate."""


_ROUNDING = 1e-9
"""Log evidence that sums may be off by: less than an answer ever brings."""


class _Mixture:
    """Evidence against a rate of 0/1 events: the mean likelihood ratio of some alternatives, all equally likely.

    threshold: log evidence that proves something.
    """

    def __init__(self, rate: float, alternatives: Sequence[float], threshold: float) -> None:
        self._log_ratios = [
            (_log(alternative) - _log(rate), _log(1 - alternative) - _log(1 - rate)) for alternative in alternatives
        ]
        self._threshold = threshold
        self._most_by_event = max(event for event, _other in self._log_ratios)
        self._most_by_other = max(other for _event, other in self._log_ratios)
        self._at_most = 0.0

    def log_e(self, events: int, others: int) -> float:
        terms = [
            (events * event if events else 0.0) + (others * other if others else 0.0)
            for event, other in self._log_ratios
        ]
        largest = max(terms)
        if largest == -math.inf:
            return largest
        return largest + math.log(sum(math.exp(term - largest) for term in terms) / len(terms))

    def grow(self, events: int, others: int) -> None:
        """Take note of more answers."""
        if events:
            self._at_most += events * self._most_by_event
        if others:
            self._at_most += others * self._most_by_other

    def proves(self, events: int, others: int) -> bool:
        """Return whether the evidence of all answers so far is at the threshold.

        One answer multiplies the evidence by no more than the largest of its likelihood ratios. What cannot have
        reached the threshold yet is not computed, which spares nearly all of the work.
        """
        if self._at_most < self._threshold - _ROUNDING:
            return False
        self._at_most = self.log_e(events, others)
        return self._at_most >= self._threshold


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


@dataclass(frozen=True, slots=True)
class Rates:
    """What rates of bad answers mean, as fractions.

    A rollback is wrong for a rate up to `healthy`, an advance is wrong for a rate of `limit` or more. `bad` is the
    smallest rate that should be noticed soon. `good` are rates below the limit that should be let through soon.
    """

    healthy: float
    limit: float
    bad: float
    good: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse rates that cannot be told apart."""
        if not (
            0 < self.healthy < self.bad <= 1
            and self.healthy <= self.limit < 1
            and self.good
            and all(0 <= rate < self.limit for rate in self.good)
        ):
            message = f"rates need 0 < healthy < bad <= 1, healthy <= limit < 1 and 0 <= good < limit, not {self}"
            raise InvalidInput(message)


SCREEN = Rates(healthy=0.001, limit=0.01, bad=0.01, good=(0, 0.001))
"""Errors below 1 %: 480 answers without an error on average."""

PROVE = Rates(healthy=0.001, limit=0.001, bad=0.01, good=(0, 0.0001, 0.0003))
"""Errors below 0.1 %: 5105 answers without an error; only where counters give that many."""

P95_BELOW = Rates(healthy=0.01, limit=0.05, bad=0.05, good=(0, 0.01, 0.025))
"""Less than 5 % of the answers slower than a limit, which says that their 95th percentile is below it."""


class RateGate:
    """Judge a rate of bad answers, one answer at a time or by counters.

    P(rollback | rate <= healthy) <= beta and P(advance | rate >= limit) <= alpha, whenever one looks.
    `verdict` is `hold` while neither is proven. A rollback is final; an advance gives way to a later rollback only.
    """

    def __init__(self, rates: Rates, alpha: float = DEFAULT_ALPHA, beta: float = DEFAULT_BETA) -> None:
        """Start without any answer."""
        if not (0 < alpha < 1 and 0 < beta < 1):
            message = f"alpha and beta are probabilities between 0 and 1, not {alpha} and {beta}"
            raise InvalidInput(message, alpha=alpha, beta=beta)
        self.rates = rates
        self.alpha = alpha
        self.beta = beta
        self.n = 0
        self.events = 0
        self.verdict: Recommendation = "hold"
        worse = {min(1.0, times * rates.bad) for times in _WORSE if times * rates.bad <= 1}
        self._too_high = _Mixture(rates.healthy, sorted(worse | {1.0}), -math.log(beta))
        self._low_enough = _Mixture(rates.limit, rates.good, -math.log(alpha))

    @property
    def rate(self) -> float | None:
        """Return the share of bad answers; None before the first answer."""
        return self.events / self.n if self.n else None

    @property
    def upper(self) -> float:
        """Return the exact upper confidence bound of the rate at the level 1 - alpha, for a report."""
        return upper_bound(self.events, self.n, 1 - self.alpha) if self.n else 1.0

    @property
    def log_e_rollback(self) -> float:
        """Return the log evidence against a healthy rate; a rollback at ln(1 / beta)."""
        return self._too_high.log_e(self.events, self.n - self.events)

    @property
    def log_e_advance(self) -> float:
        """Return the log evidence against a rate at the limit; an advance at ln(1 / alpha)."""
        return self._low_enough.log_e(self.events, self.n - self.events)

    def update(self, event: bool) -> Recommendation:
        """Take one answer, bad or not, and return the verdict."""
        return self.add(int(event), 1)

    def add(self, events: int, n: int) -> Recommendation:
        """Take `n` more answers, `events` of them bad, such as the increase of counters, and return the verdict."""
        if not 0 <= events <= n:
            message = f"a gate takes 0 <= events <= n, not {events} of {n}; counters that start again must be skipped"
            raise InvalidInput(message, events=events, n=n)
        self.n += n
        self.events += events
        if self.verdict == "rollback":
            return self.verdict
        self._too_high.grow(events, n - events)
        # Evidence for a rollback grows with bad answers only, that for an advance with good ones only.
        if events and self._too_high.proves(self.events, self.n - self.events):
            self.verdict = "rollback"
        elif self.verdict == "hold":
            self._low_enough.grow(events, n - events)
            if events < n and self._low_enough.proves(self.events, self.n - self.events):
                self.verdict = "advance"
        return self.verdict


class RelativeGate:
    """Judge whether the errors fall on the canary more often than its share of the traffic.

    When both versions have one error rate, an error falls on the canary with the probability of its weight, whatever
    the rate is, so a failure that both share never rolls back. P(rollback | equal rates) <= beta at every look.
    It knows `hold` and `rollback` only: to be no worse than a bad version is no reason to advance.
    """

    def __init__(self, weight: int, beta: float = DEFAULT_BETA) -> None:
        """Start without errors; `weight` is the canary's, in basis points."""
        if not 0 < weight < WHOLE or not 0 < beta < 1:
            message = f"a relative gate needs a weight within 1..{WHOLE - 1} and beta within 0..1, not {weight}, {beta}"
            raise InvalidInput(message, weight=weight, beta=beta)
        self.weight = weight
        self.beta = beta
        self.errors = 0
        self.canary_errors = 0
        self.verdict: Recommendation = "hold"
        share = weight / WHOLE
        self._mixture = _Mixture(
            share,
            [1.0 if math.isinf(risk) else risk * share / (risk * share + 1 - share) for risk in _RISKS],
            -math.log(beta),
        )

    @property
    def log_e_rollback(self) -> float:
        """Return the log evidence against equal error rates; a rollback at ln(1 / beta)."""
        return self._mixture.log_e(self.canary_errors, self.errors - self.canary_errors)

    def update(self, canary: bool) -> Recommendation:
        """Take one error, of the canary or not, and return the verdict."""
        return self.add(int(canary), 1)

    def add(self, canary_errors: int, errors: int) -> Recommendation:
        """Take `errors` more errors of all versions, `canary_errors` of them the canary's, and return the verdict."""
        if not 0 <= canary_errors <= errors:
            message = f"a gate takes 0 <= canary errors <= all errors, not {canary_errors} of {errors}"
            raise InvalidInput(message)
        self.errors += errors
        self.canary_errors += canary_errors
        self._mixture.grow(canary_errors, errors - canary_errors)
        if canary_errors and self._mixture.proves(self.canary_errors, self.errors - self.canary_errors):
            self.verdict = "rollback"
        return self.verdict


class LatencyGates:
    """Judge the 95th percentile of the latency: advance when proven below one limit, roll back when above another.

    A 95th percentile below 2 s says that less than 5 % of the answers take more than 2 s. An answer that timed out
    counts as slow: give `math.inf`.
    """

    def __init__(
        self,
        advance_below: float = 2.0,
        rollback_above: float = 5.0,
        alpha: float = DEFAULT_ALPHA,
        beta: float = DEFAULT_BETA,
    ) -> None:
        """Start without any answer; limits are seconds."""
        if not 0 < advance_below <= rollback_above:
            message = (
                f"limits of the latency are seconds, 0 < advance <= rollback, not {advance_below}, {rollback_above}"
            )
            raise InvalidInput(message)
        self.advance_below = advance_below
        self.rollback_above = rollback_above
        self.slow = RateGate(P95_BELOW, alpha, beta)
        self.too_slow = RateGate(P95_BELOW, alpha, beta)

    @property
    def verdict(self) -> Recommendation:
        """Return `rollback` above the higher limit, `advance` below the lower one, else `hold`."""
        if self.too_slow.verdict == "rollback":
            return "rollback"
        return "advance" if self.slow.verdict == "advance" else "hold"

    def update(self, seconds: float) -> Recommendation:
        """Take the latency of one answer and return the verdict."""
        return self.add(int(seconds > self.advance_below), int(seconds > self.rollback_above), 1)

    def add(self, slow: int, too_slow: int, n: int) -> Recommendation:
        """Take `n` more answers, so many of them above the lower and the higher limit, and return the verdict."""
        self.slow.add(slow, n)
        self.too_slow.add(too_slow, n)
        return self.verdict


Gate = Union[RateGate, LatencyGates]  # noqa: UP007 - evaluated, and the sanity tests think of Python 3.9


@dataclass(frozen=True, slots=True)
class Health:
    """What the gates together recommend, and because of what: `gate:<name>` or `both_versions_bad`; None to advance."""

    recommendation: Recommendation
    reason: str | None


def judge(canary: Mapping[str, Gate], stable: Mapping[str, Gate], relative: RelativeGate | None = None) -> Health:
    """Combine the canary's gates by name, with those of the stable version and the relative gate.

    One rollback is enough to roll back: that is safe even when stable is bad too, which the reason then says. All
    gates have to advance to advance.
    """
    for name, gate in canary.items():
        if gate.verdict == "rollback":
            both = name in stable and stable[name].verdict == "rollback"
            return Health("rollback", "both_versions_bad" if both else f"gate:{name}")
    if relative is not None and relative.verdict == "rollback":
        return Health("rollback", "gate:relative")
    for name, gate in canary.items():
        if gate.verdict == "hold":
            return Health("hold", f"gate:{name}")
    return Health("advance", None)
