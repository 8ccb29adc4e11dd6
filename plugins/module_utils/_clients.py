# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove what clients get that keep their connection or their cookies, apart from new connections. Pure.

Private to the gradual.canary collection.

Such clients may stay with a version: a connection is one draw where the split is per connection, and so is a session
where a cookie decides. So it is proven first that requests of a client do not stay together; only then is each
of them a draw, and the tests of a split mean something. Where clients stay, the weight does not reach those who were
there before it, whatever new ones get.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._sampler import Sample
from ansible_collections.gradual.canary.plugins.module_utils._stickiness import Stickiness
from ansible_collections.gradual.canary.plugins.module_utils._verification import Claim, Verification

NEW_CONNECTIONS: t.Final = "new_connections"
KEPT_ALIVE: t.Final = "kept_alive"
COOKIES: t.Final = "cookies"
POPULATIONS: t.Final = (NEW_CONNECTIONS, KEPT_ALIVE, COOKIES)

_DIAGNOSES: t.Final = {KEPT_ALIVE: "kept_alive", COOKIES: "sticky"}


class ClientsVerification:
    """Takes samples of one population in send order until it can say pass, fail or inconclusive.

    population: KEPT_ALIVE or COOKIES. before: the version that each client had before the weight was changed, by the
    number of the client; empty when they all came after it. verdict and reason are None until decided; diagnosis is
    ``kept_alive`` or ``sticky`` when what these clients get is not the weight.
    """

    def __init__(self, population: str, claim: Claim, started: float, before: t.Mapping[int, str]) -> None:
        self.population = population
        self.requests = Verification(claim, started)
        self.stickiness = Stickiness(claim.weights, claim.alpha, claim.beta)
        self.verdict: str | None = None
        self.reason: str | None = None
        self.recommendation = "hold"
        self.diagnosis: str | None = None
        self.opened_before = bool(before)
        self.latest: dict[int, str] = {}
        self._previous = dict(before)

    @property
    def claim(self) -> Claim:
        return self.requests.claim

    @property
    def unit(self) -> str:
        """What is one independent draw: a ``request`` where that is proven, else a ``client``."""
        return "request" if self.stickiness.verdict == "draws" else "client"

    @property
    def count(self) -> int:
        """How many draws there were."""
        return self.requests.split.test.count if self.unit == "request" else len(self.latest)

    @property
    def hits(self) -> int:
        """How many of the draws came from the canary; a client counts by its latest answer."""
        canary = self.claim.canary
        if self.unit == "request":
            return self.requests.split.test.counts.get(canary, 0)
        return sum(version == canary for version in self.latest.values())

    def take(self, sample: Sample, version: str | None) -> bool:
        """Take one sample and the version it came from (None: cannot be told); return whether all is decided."""
        self.requests.take(sample, version)
        if version is not None:
            if sample.client in self._previous:
                self.stickiness.take(self._previous[sample.client], version)
            self._previous[sample.client] = self.latest[sample.client] = version
        self._conclude()
        return self.verdict is not None

    def _conclude(self) -> None:
        requests, stickiness = self.requests, self.stickiness
        if requests.verdict == "fail" and requests.split.verdict != "fail":
            self._decide("fail", str(requests.reason), requests.recommendation)
        elif stickiness.verdict == "stays":
            self._decide("fail", "clients_stay", "rollback", _DIAGNOSES[self.population])
        elif requests.verdict == "fail":
            self._decide("fail", str(requests.reason), "rollback", _DIAGNOSES[self.population])
        elif requests.verdict == "inconclusive":
            self._decide("inconclusive", str(requests.reason), "hold")
        elif requests.verdict == "pass":
            if stickiness.verdict == "draws" or not stickiness.can_tell:
                self._decide("pass", str(requests.reason), "advance")
            elif stickiness.exhausted or requests.seconds >= self.claim.deadline:
                self._decide("inconclusive", "dependent_samples", "hold")

    def _decide(self, verdict: str, reason: str, recommendation: str, diagnosis: str | None = None) -> None:
        self.verdict, self.reason, self.recommendation, self.diagnosis = verdict, reason, recommendation, diagnosis
