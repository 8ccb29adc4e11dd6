# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove from counters at the pods that the canary gets copies of requests. Pure.

Private to the gradual.canary collection.

Of N requests of everybody with the canary's weight w and a mirror of m, the stable version counts N (1 - w) and the
canary N (w + m) in the same window of time, so of all that both count the canary's share is (w + m) / (1 + m). Other
users' requests are in both numbers alike and disturb nothing. The interval for that share holds however often it is
looked at (``_bounds``); at weight 0, where each request is a trial of its own, it is that of such trials, and above
it is too wide rather than too narrow.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._bands import bands
from ansible_collections.gradual.canary.plugins.module_utils._bounds import confidence_interval
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, WHOLE, Weight

_EDGE: t.Final = 0.01
"""By how much more than stable the canary may count at weight 0: requests under way when the pods were read."""

_SLACK: t.Final = 0.01
"""Share of the requests sent for the proof that may fail, or not tell their version."""


@dataclasses.dataclass(frozen=True)
class MirrorClaim:
    """What is to be proven: `canary` gets copies of the share `mirror` of all requests, and answers `weight` of them.

    delta: half-width of the band in basis points. alpha: probability of a false proof. settle: seconds in which a wrong
    share may still be on its way. deadline: seconds for the proof.
    """

    stable: str
    canary: str
    weight: Weight
    mirror: Weight
    delta: int
    alpha: float
    settle: float = 30.0
    deadline: float = 120.0

    @property
    def band(self) -> tuple[float, float]:
        """The shares that count as the one asked for, edges outside the claim."""
        if self.weight == NOTHING:
            found = bands({"rest": self.mirror.rest, "copied": self.mirror.points}, self.delta)["copied"]
            return found.low, found.high if found.high < 1 else 1 + _EDGE
        # Beside a weight the counts of stable are no number of trials, and the share is found less exactly.
        share, delta = self.mirror.points / WHOLE, self.delta / WHOLE
        return share - min(delta, share / 2), share + min(delta, share)


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the pods of both versions have counted, by the name of the pod."""

    stable: t.Mapping[str, float]
    canary: t.Mapping[str, float]

    def since(self, before: Reading) -> tuple[int, int] | None:
        """Return by how much each version's count grew; None when pods came, went or began again meanwhile."""
        grown = []
        for now, then in ((self.stable, before.stable), (self.canary, before.canary)):
            if set(now) != set(then) or any(now[pod] < then[pod] for pod in now):
                return None
            grown.append(round(sum(now.values()) - sum(then.values())))
        return grown[0], grown[1]


class MirrorProof:
    """Takes readings of the counters until it can say pass, fail or inconclusive: `verdict` is None until then."""

    def __init__(self, claim: MirrorClaim, started: float) -> None:
        self.claim = claim
        self.started = self.now = started
        self.verdict: str | None = None
        self.reason: str | None = None
        self.attempts = 0
        self.stable = self.canary = 0
        self.versions: dict[str, int] = {}
        self.sent = self.errors = 0
        self._before: Reading | None = None

    @property
    def seconds(self) -> float:
        return self.now - self.started

    @property
    def alpha(self) -> float:
        """The part of the error rate that this attempt may use: those of all attempts add up to it."""
        return self.claim.alpha * 6 / (math.pi * max(1, self.attempts)) ** 2

    @property
    def unclassified(self) -> int:
        return self.sent - self.errors - sum(self.versions.values())

    @property
    def share(self) -> float | None:
        """The share of requests that was copied, as the counts say."""
        return _copied(self.canary / (self.stable + self.canary), self.claim.weight) if self.stable else None

    @property
    def interval(self) -> tuple[float, float]:
        """The shares that the counts do not exclude."""
        level, weight = 1 - self.alpha, self.claim.weight
        if weight == NOTHING and self.canary <= self.stable * (1 + _EDGE):
            return confidence_interval(min(self.canary, self.stable), self.stable, level)
        low, high = confidence_interval(self.canary, self.stable + self.canary, level)
        return _copied(low, weight), _copied(high, weight)

    @property
    def recommendation(self) -> str:
        return {"pass": "advance", "fail": "rollback"}.get(str(self.verdict), "hold")

    def begin(self, reading: Reading) -> None:
        """Begin to count from this reading."""
        self.attempts += 1
        self.stable = self.canary = 0
        self._before = reading

    def answered(self, version: str | None, *, failed: bool) -> None:
        """Take one answer to a request that was sent for the proof."""
        self.sent += 1
        self.errors += failed
        if version is not None:
            self.versions[version] = self.versions.get(version, 0) + (not failed)
        if version == self.claim.canary and self.claim.weight == NOTHING:
            self._decide("fail", "leak")

    def take(self, reading: Reading, now: float) -> bool:
        """Take a reading; return whether all is decided."""
        self.now = max(self.now, now)
        grown = None if self._before is None else reading.since(self._before)
        if grown is None:
            self.begin(reading)  # what pods counted that are gone cannot be known
        else:
            self.stable, self.canary = grown
            self._judge(reading)
        if self.verdict is None and self.seconds >= self.claim.deadline:
            self._decide("inconclusive", "timeout")
        return self.verdict is not None

    def _judge(self, reading: Reading) -> None:
        if self.errors > max(1, _SLACK * self.sent):
            self._decide("inconclusive", "errors")
            return
        if self.unclassified > max(1, _SLACK * self.sent):
            self._decide("inconclusive", "unclassified")
            return
        if not self.stable and not self.canary:
            if self.seconds >= self.claim.settle:
                self._decide("inconclusive", "not_counted")
            return
        (low, high), (least, most) = self.interval, self.claim.band
        if least < low and high < most:
            self._decide("pass", "equivalence_proven")
        elif high <= least or low >= most:
            if self.seconds < self.claim.settle:
                self.begin(reading)  # the change may still be on its way
            else:
                self._decide("fail", "mirror_wrong")

    def _decide(self, verdict: str, reason: str) -> None:
        if self.verdict is None:
            self.verdict, self.reason = verdict, reason


def sentence(proof: MirrorProof) -> str:
    """Return the evidence in one sentence, as an operator wants it in a log."""
    claim = proof.claim
    low, high = proof.interval
    counted = (
        f"{claim.canary} counted {proof.canary} while {claim.stable} counted {proof.stable}, "
        f"{100 * (1 - proof.alpha):.4g} % interval {100 * low:.1f}-{100 * high:.1f} %"
    )
    seen = f"{proof.versions.get(claim.canary, 0)} of {proof.sent} answers from {claim.canary}"
    tail = f"{counted}; {seen}, {proof.errors} errors ({proof.seconds:.1f} s)"
    if proof.verdict == "pass":
        return f"copies of {claim.mirror} proven: {tail}"
    if proof.verdict == "fail":
        return f"copies of {claim.mirror} are not what {claim.canary} gets, {_diagnosis(proof)}: {tail}"
    return f"copies of {claim.mirror} not proven: {_UNPROVEN[str(proof.reason)]}: {tail}"


def as_result(proof: MirrorProof) -> dict[str, t.Any]:
    """Return the proof's values: see the RETURN block of the verb ``verify_mirror``."""
    low, high = proof.interval
    return {
        "verdict": proof.verdict,
        "recommendation": proof.recommendation,
        "reason": proof.reason,
        "requests": {
            "sent": proof.sent,
            "errors": proof.errors,
            "attempts": proof.attempts,
            "duration_s": round(proof.seconds, 3),
        },
        "answers": dict(sorted(proof.versions.items())),
        "counted": {proof.claim.stable: proof.stable, proof.claim.canary: proof.canary},
        "mirror": {
            "target": proof.claim.mirror.as_percent(),
            "band": [round(edge, 4) for edge in proof.claim.band],
            "share": None if proof.share is None else round(proof.share, 4),
            "interval": [round(low, 4), None if math.isinf(high) else round(high, 4)],
            "interval_level": round(1 - proof.alpha, 6),
        },
        "msg": sentence(proof),
    }


_UNPROVEN: t.Final = {
    "timeout": "not decided in time; send more requests a second or take a wider band",
    "errors": "too many of the requests failed",
    "unclassified": "too many of the answers did not tell their version; check identify",
    "not_counted": "neither version counted a request; check counter, and that the route serves the url",
}


def _diagnosis(proof: MirrorProof) -> str:
    claim, share = proof.claim, proof.share
    if proof.reason == "leak":
        return f"{claim.canary} answers users although it has no weight"
    if not proof.canary:
        return "no request is copied"
    if share is None:
        return f"{claim.stable} counts nothing"
    if share > 1 + _EDGE:
        return f"{claim.canary} gets more requests than there are: somebody else sends to it"
    if claim.mirror.points < WHOLE and share > 1 - _EDGE:
        return "every request is copied: the controller does not look at the share"
    return f"the share is too {'low' if share < claim.mirror.points / WHOLE else 'high'}"


def _copied(share: float, weight: Weight) -> float:
    """Return the copied share of requests when the canary's share of all that is counted is this one."""
    return math.inf if share >= 1 else max(0.0, (share - weight.points / WHOLE) / (1 - share))
