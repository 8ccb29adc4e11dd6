# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a split that may still be on its way to the data plane: restart a failed test instead of retrying a check.

Private to the gradual.canary collection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.gradual.canary.plugins.module_utils._dependence import dependence
from ansible_collections.gradual.canary.plugins.module_utils._split import DEFAULT_ALPHA, DEFAULT_BETA, SplitTest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.gradual.canary.plugins.module_utils._bands import Band
    from ansible_collections.gradual.canary.plugins.module_utils._dependence import Dependence
    from ansible_collections.gradual.canary.plugins.module_utils._split import Reason, Verdict

_FIRST = 0.8


def attempt_alpha(alpha: float, attempt: int) -> float:
    """Return the part of `alpha` that an attempt (0, 1, ..) may spend; all attempts together spend `alpha`.

    The first has 80 %, attempt j after it 20 % / (j (j + 1)): later attempts get dearer by the logarithm of their
    number only, because an old weight that lingers for seconds fails dozens of tests before the new one is seen.
    """
    if attempt == 0:
        return alpha * _FIRST
    return alpha * (1 - _FIRST) / (attempt * (attempt + 1))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A test that was no verdict, for the split was settling."""

    count: int
    reason: Reason | None
    diagnosis: str | None


class SplitVerification:
    """Tests of one split, the next one started when one fails before `settle_until`.

    While a new weight propagates, answers follow the old one and the test rightly fails. Repeating a check until it
    passes would spend its error rate many times over; here the attempts share `alpha`, so that the probability to
    pass although a share is outside its band stays below `alpha` however often it restarts. The last attempt counts.

    `settle_until` is a time of the clock that gives `now` to `update`, in seconds. `maximum` is that of one attempt.
    """

    def __init__(
        self,
        weights: Mapping[str, int],
        bands: Mapping[str, Band],
        *,
        settle_until: float,
        alpha: float = DEFAULT_ALPHA,
        beta: float = DEFAULT_BETA,
        previous: Mapping[str, int] | None = None,
        maximum: int | None = None,
    ) -> None:
        """Start the first attempt."""
        self.alpha = alpha
        self.settle_until = settle_until
        self.failed: list[Attempt] = []
        self._weights = weights
        self._bands = bands
        self._beta = beta
        self._previous = previous
        self._maximum = maximum
        self.test = self._fresh_test()
        self.sequence: list[str] = []

    @property
    def verdict(self) -> Verdict | None:
        """Return the verdict of the last attempt, or None while it is undecided."""
        return self.test.verdict

    @property
    def attempts(self) -> int:
        """Return how many tests were started."""
        return len(self.failed) + 1

    @property
    def total(self) -> int:
        """Return how many answers all attempts took."""
        return self.test.count + sum(attempt.count for attempt in self.failed)

    def update(self, version: str, now: float) -> Verdict | None:
        """Take one answer, in the order of sending, and return the verdict, if there is one.

        A test that does not pass before `settle_until` is not a verdict: it is kept in `failed` and a fresh one starts.
        Inconclusive counts, too: answers from before and after a change may well add up to neither weight.
        """
        if self.test.verdict is not None:
            return self.test.verdict
        self.sequence.append(version)
        if self.test.update(version) in ("fail", "inconclusive") and now < self.settle_until:
            self.start_afresh()
        return self.test.verdict

    def start_afresh(self) -> None:
        """Keep the attempt as one that is no verdict, and start the next."""
        self.failed.append(Attempt(self.test.count, self.test.reason, self.test.diagnosis))
        self.test = self._fresh_test()
        self.sequence = []

    def prove_again(self) -> None:
        """Ask for one more proof of what is proven already. By now nothing settles: what fails is a verdict.

        Both must pass, so the probability to pass although a share is outside its band does not grow.
        """
        self.settle_until = -math.inf
        self.test = self._fresh_test()
        self.sequence = []

    def extend(self, maximum: int) -> None:
        """Let the last attempt, undecided or inconclusive, go on to a larger maximum."""
        self.test.extend(maximum)

    def dependence(self) -> Dependence:
        """Say whether the answers of the last attempt depend on each other."""
        return dependence(self.sequence, self._weights)

    def _fresh_test(self) -> SplitTest:
        return SplitTest(
            self._weights,
            self._bands,
            attempt_alpha(self.alpha, len(self.failed)),
            self._beta,
            previous=self._previous,
            maximum=self._maximum,
        )
