# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove from a client's answers that traffic is split as asked and that the canary is well. Pure.

Private to the gradual.canary collection. The rules are those of sequential analysis: see ``_split_verification`` for
the split, ``_health`` for the gates. Answers count in the order of sending.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._bands import bands, maximum_requests
from ansible_collections.gradual.canary.plugins.module_utils._health import (
    LatencyGates,
    RateGate,
    Rates,
    RelativeGate,
    judge,
)
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Sample
from ansible_collections.gradual.canary.plugins.module_utils._split_verification import SplitVerification
from ansible_collections.gradual.canary.plugins.module_utils._traffic import WHOLE, Weight

_FIRST_COOL_DOWN: t.Final = 0.02
_LONGEST_COOL_DOWN: t.Final = 0.5
_SERVER_ERROR: t.Final = 500
_DIAGNOSING_MOST: t.Final = 100  # answers taken after a wrong split is proven, to name what is wrong
_TAINTED_MOST: t.Final = 2  # attempts that may be void because the change came in the middle of them
_CLUELESS: t.Final = 100  # good answers without any version after which there is no point in going on


@dataclasses.dataclass(frozen=True)
class Claim:
    """What is to be proven: `canary` gets `weight` of the answers, `stable` the rest.

    previous: the weight before, to name it when it is still active. delta: half-width of the band in basis points.
    errors, latency: limits of the gates, None to have none. prove_health: the gates must prove that the canary is well;
    otherwise it is enough that they do not prove the contrary. bake: seconds to go on watching after the proof, which
    is then made once more.
    settle: seconds in which a wrong split may still be on its way. deadline: seconds for the proof. limit: answers.
    """

    stable: str
    canary: str
    weight: Weight
    previous: Weight | None
    delta: int
    alpha: float
    beta: float
    errors: Rates | None
    latency: tuple[float, float] | None
    unclassified: float = 0.01
    prove_health: bool = False
    settle: float = 30.0
    bake: float = 0.0
    deadline: float = 600.0
    limit: int | None = None
    label: str | None = None

    @property
    def name(self) -> str:
        """What the sentence of evidence is about: a label such as ``probe``, or the weight."""
        return self.label or str(self.weight)

    @property
    def weights(self) -> dict[str, int]:
        if self.stable == self.canary:
            return {self.canary: WHOLE}
        return {self.stable: self.weight.rest, self.canary: self.weight.points}


@dataclasses.dataclass
class Answers:
    """Answers of one version, or of none that could be told. kinds: what the errors were, in words."""

    latencies: list[float] = dataclasses.field(default_factory=list)
    errors: int = 0
    kinds: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    first: float | None = None
    last: float | None = None

    @property
    def count(self) -> int:
        return len(self.latencies)


class Verification:
    """Takes samples in send order until it can say pass, fail or inconclusive.

    verdict and reason are None until then. `now` of `take` and `tick` are seconds of the samples' clock.
    """

    def __init__(self, claim: Claim, started: float) -> None:
        self.claim = claim
        self.started = started
        self.verdict: str | None = None
        self.reason: str | None = None
        self.recommendation = "hold"
        weights = claim.weights
        claimed = bands(weights, claim.delta)
        previous = claim.previous
        self.split = SplitVerification(
            weights,
            claimed,
            settle_until=started + claim.settle,
            alpha=claim.alpha,
            beta=claim.beta,
            previous={claim.stable: previous.rest, claim.canary: previous.points}
            if previous is not None and claim.stable != claim.canary
            else None,
            maximum=claim.limit,
        )
        self.bands = claimed
        self.maximum = claim.limit or maximum_requests(weights, claimed, claim.alpha)
        self.answers: dict[str | None, Answers] = {None: Answers()}
        self.gates = self._gates()
        self.stable_gates = self._gates() if claim.stable != claim.canary else {}
        self.relative: RelativeGate | None = None
        if claim.errors and claim.stable != claim.canary and 0 < claim.weight.points < WHOLE:
            self.relative = RelativeGate(claim.weight.points, claim.beta)
        self.unclassified_errors = RateGate(claim.errors, claim.alpha, claim.beta) if claim.errors else None
        self.sent = 0
        self.now = started
        self._extended = False
        self._diagnosing = 0
        self._feed_from = started
        self._cool_down = _FIRST_COOL_DOWN
        self._tainted = 0
        self._proven_at: float | None = None
        self._proven_again = False

    @property
    def seconds(self) -> float:
        return self.now - self.started

    @property
    def proven(self) -> bool:
        return self.split.verdict == "pass"

    def take(self, sample: Sample, version: str | None) -> bool:
        """Take one sample and the version it came from (None: cannot be told); return whether all is decided."""
        self.sent += 1
        at = sample.sent_at + sample.total_s
        self.now = max(self.now, at)
        failed = sample.error is not None or (sample.status or 0) >= _SERVER_ERROR
        latency = math.inf if sample.error == "timeout" else sample.total_s
        answers = self.answers.get(version)
        if answers is None:
            answers = self.answers[version] = Answers()
        answers.latencies.append(latency)
        if failed:
            answers.errors += 1
            answers.kinds[f"{sample.error}: {sample.detail}" if sample.error else f"status {sample.status}"] += 1
        if answers.first is None:
            answers.first = at
        answers.last = at
        if version is not None and self.verdict is None and sample.sent_at >= self._feed_from:
            self._judge_split(version, sample.sent_at)
        self._judge_health(version, failed=failed, latency=latency)
        if self.verdict is None:
            self._conclude()
        return self.verdict is not None

    def _gates(self) -> dict[str, RateGate | LatencyGates]:
        gates: dict[str, RateGate | LatencyGates] = {}
        if self.claim.errors:
            gates["errors"] = RateGate(self.claim.errors, self.claim.alpha, self.claim.beta)
        if self.claim.latency:
            gates["latency"] = LatencyGates(*self.claim.latency, self.claim.alpha, self.claim.beta)
        return gates

    def _judge_health(self, version: str | None, *, failed: bool, latency: float) -> None:
        if self.unclassified_errors is not None:
            self.unclassified_errors.update(failed and version is None)
            # While a probe settles no user is there to be hurt, and a gateway may answer 503 until it has the route.
            probing = self.claim.prove_health and self.seconds < self.claim.settle
            if self.unclassified_errors.verdict == "rollback" and not probing:
                self._decide("fail", "gate:unclassified_errors", "rollback")
        if version not in (self.claim.canary, self.claim.stable):
            return
        gates = self.gates if version == self.claim.canary else self.stable_gates
        verdicts = [
            gate.update(failed) if isinstance(gate, RateGate) else gate.update(latency) for gate in gates.values()
        ]
        if failed and self.relative is not None:
            verdicts.append(self.relative.update(version == self.claim.canary))
        if "rollback" not in verdicts:
            return
        health = judge(self.gates, self.stable_gates, self.relative)
        if health.recommendation == "rollback":
            self._decide("fail", str(health.reason), "rollback")

    def _judge_split(self, version: str, now: float) -> None:
        if self.proven and version in self.claim.weights and self.claim.weights[version]:
            return  # proven; only the gates and leaks matter until it is proven once more after the bake time
        if self.split.verdict == "fail":
            self._diagnosing += 1
            if self.split.test.diagnose(version) or self._diagnosing >= _DIAGNOSING_MOST:
                self._decide("fail", str(self.split.test.reason), "rollback")
            return
        attempts = self.split.attempts
        self.split.update(version, now)
        if self.split.attempts > attempts:
            # The old weight still answers. Looking again at once would spend the error rate on what is known already.
            self._feed_from = now + self._cool_down
            self._cool_down = min(2 * self._cool_down, _LONGEST_COOL_DOWN)

    def _conclude(self) -> None:
        if self.split.verdict == "fail":
            if self.split.test.reason == "leak":
                self._decide("fail", "leak", "rollback")
            return  # a wrong split: a few more answers tell what is wrong with it
        if self._nothing_tells_its_version():
            self._decide("inconclusive", "unclassified", "hold")
        elif self.split.verdict == "inconclusive":
            if not self._extended and self.claim.limit is None:
                self._extended = True
                self.maximum *= 2
                self.split.extend(self.maximum)
            else:
                self._decide("inconclusive", "n_max", "hold")
        elif self.proven:
            self._conclude_proven()
        elif self.seconds >= self.claim.deadline + (self.claim.bake if self._proven_again else 0):
            self._decide("inconclusive", "timeout", "hold")

    def _conclude_proven(self) -> None:
        if self._proven_at is None:
            if self._is_tainted():
                self.split.start_afresh()
                return
            self._proven_at = self.now
        if self.now - self._proven_at < self.claim.bake:
            return
        if self.claim.bake and not self._proven_again:
            # Whether somebody changed the weight meanwhile. One more proof tells as surely as the first did.
            self._proven_again = True
            self.split.prove_again()
            return
        if self.claim.prove_health and judge(self.gates, {}).recommendation == "hold":
            if self.now - self._proven_at >= self.claim.deadline:
                self._decide("inconclusive", str(judge(self.gates, {}).reason), "hold")
            return
        if self.split.dependence().model == "clustered":
            self._decide("inconclusive", "dependent_samples", "hold")
        elif self.answers[None].count > self.claim.unclassified * self.sent:
            self._decide("inconclusive", "unclassified", "hold")
        else:
            self._decide("pass", "equivalence_proven", "advance")

    def _is_tainted(self) -> bool:
        """Return whether the proof may hold answers from before and after a change, which look as if they stuck.

        Answers that really stick do so in every attempt.
        """
        if self.now >= self.split.settle_until or self._tainted == _TAINTED_MOST:
            return False
        clustered = self.split.dependence().model == "clustered"
        self._tainted += clustered
        return clustered

    def _nothing_tells_its_version(self) -> bool:
        unknown = self.answers[None]
        return len(self.answers) == 1 and unknown.count - unknown.errors >= _CLUELESS

    def _decide(self, verdict: str, reason: str, recommendation: str) -> None:
        if self.verdict is None:
            self.verdict, self.reason, self.recommendation = verdict, reason, recommendation
