# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do clients stay with the version they got, or does each of their requests follow the weight? Pure.

Private to the gradual.canary collection.

A client that stays is one draw, however many requests it sends; one that does not is a draw with every request. The
model between the two: with probability q a request gets the version of the client's request before, else one by weight.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._bands import WHOLE

_STAYING: t.Final = (0.2, 0.5, 1.0)
"""Values of q that are to be found soon, each as likely as the others."""

_TOO_STICKY: t.Final = 0.2
"""q from which answers must not be taken for independent: there a share varies 1.5 times as much as it should."""

Verdict = t.Literal["stays", "draws"]


class Stickiness:
    """Prove one or the other from pairs of consecutive answers to one client.

    weights: basis points by version. P(`stays` | every request follows the weight) <= beta, and
    P(`draws` | q >= 0.2) <= alpha, whenever one looks (Ville 1939): the likelihood ratio of a pair is conditional on
    its first answer, so its mean under the hypothesis is at most 1, whichever client the pair is from.
    Where one version has all the weight, or a version is unknown, a pair tells nothing and counts as neither.
    """

    def __init__(self, weights: t.Mapping[str, int], alpha: float, beta: float) -> None:
        self.verdict: Verdict | None = None
        self.stays = 0
        self.switches = 0
        self._weights = {version: weight / WHOLE for version, weight in weights.items() if 0 < weight < WHOLE}
        self._alpha = alpha
        self._beta = beta
        self._log_ratios = [0.0] * len(_STAYING)
        self.log_e_draws = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether there were twelve times as many pairs as a proof of ``draws`` takes on average.

        With five times as many, one proof in some hundreds ends here by chance alone: once on the lab.
        """
        gain = -sum(
            weight * (weight * _log_ratio(_TOO_STICKY, weight, stayed=True))
            + weight * (1 - weight) * _log_ratio(_TOO_STICKY, weight, stayed=False)
            for weight in self._weights.values()
        )
        return (self.stays + self.switches) * gain >= -12 * math.log(self._alpha)

    @property
    def can_tell(self) -> bool:
        """Whether the weights leave a choice at all."""
        return bool(self._weights)

    @property
    def log_e_stays(self) -> float:
        """Return the log evidence against requests that follow the weight; ``stays`` at ln(1 / beta)."""
        largest = max(self._log_ratios)
        if largest == -math.inf:
            return largest
        return largest + math.log(sum(math.exp(each - largest) for each in self._log_ratios) / len(self._log_ratios))

    def take(self, before: str, now: str) -> Verdict | None:
        """Take two consecutive answers to one client and return the verdict, if there is one."""
        weight = self._weights.get(before)
        if weight is None or now not in self._weights:
            return self.verdict
        stayed = before == now
        self.stays += stayed
        self.switches += not stayed
        if self.verdict is not None:
            return self.verdict
        self._log_ratios = [
            each + _log_ratio(q, weight, stayed=stayed) for each, q in zip(self._log_ratios, _STAYING, strict=True)
        ]
        self.log_e_draws -= _log_ratio(_TOO_STICKY, weight, stayed=stayed)
        if self.log_e_stays >= -math.log(self._beta):
            self.verdict = "stays"
        elif self.log_e_draws >= -math.log(self._alpha):
            self.verdict = "draws"
        return self.verdict


def _log_ratio(q: float, weight: float, *, stayed: bool) -> float:
    """Return the log likelihood ratio of a pair, for q against 0, when the first version has this weight."""
    if stayed:
        return math.log((q + (1 - q) * weight) / weight)
    return math.log(1 - q) if q < 1 else -math.inf
