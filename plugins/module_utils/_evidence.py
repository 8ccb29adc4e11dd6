# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verification in numbers and in one sentence. Pure. Private to the gradual.canary collection."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._bands import expected_requests, wald_bound
from ansible_collections.gradual.canary.plugins.module_utils._bounds import confidence_interval, quantile_bound
from ansible_collections.gradual.canary.plugins.module_utils._health import LatencyGates, RateGate
from ansible_collections.gradual.canary.plugins.module_utils._traffic import WHOLE, Weight
from ansible_collections.gradual.canary.plugins.module_utils._verification import Answers, Verification

_LEVEL: t.Final = 0.99
_UNPROVEN: t.Final = {
    "n_max": "not decided within {maximum} answers; the share is close to the edge of the band",
    "timeout": "not decided within {deadline:.0f} s",
    "dependent_samples": "answers stick together, so they prove nothing about users; look for session affinity",
    "unclassified": "{unclassified} of {sent} answers did not tell their version; check identify, and the gateway",
    "gate:errors": "not enough answers from {canary} to say that its error rate is low",
    "gate:latency": "not enough answers from {canary} to say that it is fast",
}
_WRONG: t.Final = {
    "previous_weights": "the previous weights are still active",
    "swapped": "the weights are swapped",
    "other": "the share is another one",
}


def sentence(verification: Verification) -> str:
    """Return the evidence in one sentence, as an operator wants it in a log."""
    claim = verification.claim
    if verification.verdict == "pass":
        return f"{claim.name} proven: {_counted(verification)}"
    if verification.verdict == "inconclusive":
        why = _UNPROVEN[str(verification.reason)].format(
            maximum=verification.maximum,
            deadline=claim.deadline,
            unclassified=verification.answers[None].count,
            sent=verification.sent,
            canary=claim.canary,
        )
        return f"{claim.name} not proven: {why}: {_counted(verification)}"
    reason = str(verification.reason)
    if reason.startswith("gate:") or reason == "both_versions_bad":
        who = "the way to it" if reason == "gate:unclassified_errors" else claim.canary
        return f"{claim.name}: {who} is not well, {_bad_gate(verification)}: {_counted(verification)}"
    return f"{claim.name} is not what clients get, {_diagnosed(verification)}: {_counted(verification)}"


def progress(verification: Verification) -> str:
    """Return one line about a verification that goes on."""
    name, counted = verification.claim.name, _counted(verification)
    if verification.proven:
        return f"proven, baking {name}: {counted}, {verification.sent} answers watched"
    return f"proving {name}: {counted}, at most {verification.maximum}"


def as_result(verification: Verification, *, since: float | None = None) -> dict[str, t.Any]:
    """Return the verification's values: see the RETURN block of the verb ``verify``.

    since: seconds on the samples' clock from which to measure the time to the canary's last answer.
    """
    claim, split = verification.claim, verification.split
    evidence = split.test.evidence()
    weights = claim.weights
    classified = sum(p.count for version, p in verification.answers.items() if version is not None)
    result: dict[str, t.Any] = {
        "verdict": verification.verdict,
        "recommendation": verification.recommendation,
        "reason": verification.reason,
        "diagnosis": split.test.diagnosis,
        "requests": {
            "sent": verification.sent,
            "classified": classified,
            "unclassified": verification.answers[None].count,
            "errors": sum(answers.errors for answers in verification.answers.values()),
            "attempts": split.attempts,
            "duration_s": round(verification.seconds, 3),
            "expected": expected_requests(weights, verification.bands, claim.alpha),
            "n_max": verification.maximum,
            "wald_bound": math.ceil(wald_bound(weights, verification.bands, claim.alpha, claim.beta)),
        },
        "versions": {version: _version(verification, version) for version in _versions(verification)},
        "evidence": {
            "alpha": evidence.alpha,
            "beta": evidence.beta,
            "log_e_fail": evidence.log_e_fail,
            "log_threshold_pass": evidence.log_threshold_pass,
            "log_threshold_fail": evidence.log_threshold_fail,
        },
        "dependence": _dependence(verification),
        "gates": _gates(verification),
        "msg": sentence(verification),
    }
    if since is not None:
        result["last_canary_answer_s"] = _last_answer(verification, since)
    return result


def _versions(verification: Verification) -> list[str]:
    seen = [version for version in verification.answers if version is not None]
    return list(dict.fromkeys([*verification.claim.weights, *seen]))


def _version(verification: Verification, version: str) -> dict[str, t.Any]:
    test = verification.split.test
    answers = verification.answers.get(version, Answers())
    hits = test.counts.get(version, 0)
    low, high = confidence_interval(hits, test.count, _LEVEL) if test.count else (0.0, 1.0)
    band = verification.bands.get(version)
    evidence = test.evidence().versions.get(version)
    weight = verification.claim.weights.get(version)
    return {
        "target": None if weight is None else Weight(weight).as_percent(),
        "band": None if band is None else [round(band.low, 4), round(band.high, 4)],
        "count": hits,
        "share": round(hits / test.count, 4) if test.count else None,
        "interval": [round(low, 4), round(high, 4)],
        "interval_level": _LEVEL,
        "log_e_low": evidence.log_e_low if evidence else None,
        "log_e_high": evidence.log_e_high if evidence else None,
        "answers": answers.count,
        "errors": answers.errors,
    }


def _dependence(verification: Verification) -> dict[str, t.Any]:
    found = verification.split.dependence()
    return {
        "model": found.model,
        "runs_z": None if found.runs_z is None else round(found.runs_z, 2),
        "dispersion": None if found.dispersion is None else round(found.dispersion, 3),
        "connections": verification.sent,
        "requests_per_connection": 1,
    }


def _gates(verification: Verification) -> dict[str, t.Any]:
    result: dict[str, t.Any] = {}
    for name, gate in verification.gates.items():
        if isinstance(gate, RateGate):
            result[name] = _rate_gate(gate)
            continue
        latencies = sorted(_canary(verification).latencies)
        result[name] = {
            "verdict": gate.verdict,
            "n": gate.slow.n,
            "advance_below_s": gate.advance_below,
            "rollback_above_s": gate.rollback_above,
            "p95_s": _finite(_quantile(latencies, 0.95)),
            "p95_upper_s": _finite(quantile_bound(latencies, 0.95, _LEVEL) if latencies else None),
            "slow": gate.slow.events,
            "too_slow": gate.too_slow.events,
        }
    if verification.relative is not None:
        relative = verification.relative
        result["relative"] = {
            "verdict": relative.verdict,
            "errors": relative.errors,
            "canary_errors": relative.canary_errors,
        }
    if verification.unclassified_errors is not None:
        result["unclassified_errors"] = _rate_gate(verification.unclassified_errors)
    return result


def _rate_gate(gate: RateGate) -> dict[str, t.Any]:
    return {
        "verdict": gate.verdict,
        "n": gate.n,
        "events": gate.events,
        "rate": None if gate.rate is None else round(gate.rate, 5),
        "upper": round(gate.upper, 5),
        "healthy": gate.rates.healthy,
        "limit": gate.rates.limit,
        "bad": gate.rates.bad,
        "level": 1 - gate.alpha,
    }


def _counted(verification: Verification) -> str:
    claim, test = verification.claim, verification.split.test
    canary = _canary(verification)
    hits, count = test.counts.get(claim.canary, 0), test.count
    if not count:  # what was judged came before the last attempt began
        hits, count = canary.count, sum(answers.count for answers in verification.answers.values())
    low, high = confidence_interval(hits, count, _LEVEL) if count else (0.0, 1.0)
    errors = sum(answers.errors for answers in verification.answers.values())
    parts = [f"{hits} of {count} answers from {claim.canary}"]
    if 0 < claim.weight.points < WHOLE:
        parts.append(f"99 % interval {100 * low:.1f}-{100 * high:.1f} %")
    parts.append(f"{errors} errors" + (f" ({canary.errors} from {claim.canary})" if errors else ""))
    p95 = _quantile(sorted(canary.latencies), 0.95)
    if p95 is not None:
        parts.append(f"p95 {1000 * p95:.0f} ms" if math.isfinite(p95) else "p95 timed out")
    if verification.split.attempts > 1:
        parts.append(f"settled in {verification.split.attempts} attempts")
    return ", ".join(parts) + f" ({verification.seconds:.1f} s)"


def _bad_gate(verification: Verification) -> str:
    canary = _canary(verification)
    name = str(verification.reason).removeprefix("gate:")
    if name == "both_versions_bad":
        return f"{verification.claim.stable} is not well either"
    if name == "unclassified_errors":
        unknown = verification.answers[None]
        ((kind, _number),) = unknown.kinds.most_common(1)
        return (
            f"{unknown.errors} of {verification.sent} requests failed without telling a version ({kind}); "
            "check url, address and the gateway"
        )
    if name == "latency":
        gate = t.cast(LatencyGates, verification.gates["latency"])
        return f"{gate.too_slow.events} of {gate.too_slow.n} answers slower than {gate.rollback_above:g} s"
    return f"{canary.errors} of {canary.count} answers from {verification.claim.canary} are errors"


def _diagnosed(verification: Verification) -> str:
    diagnosis = str(verification.split.test.diagnosis)
    kind, _colon, version = diagnosis.partition(":")
    words = {
        "absent": f"{version} does not answer at all: {_why_absent(verification)}",
        "low": f"the share of {version} is too low",
        "high": f"the share of {version} is too high",
        "leak": f"{_leaked(verification)} answers although it has no weight",
        "unknown": f"version {version} answers, which is neither stable nor canary",
    }
    return words.get(kind) or _WRONG.get(diagnosis, diagnosis)


def _why_absent(verification: Verification) -> str:
    unknown = verification.answers[None]
    nameless = unknown.count - unknown.errors
    if nameless > verification.claim.unclassified * verification.sent:
        return f"{nameless} of {verification.sent} answers did not tell their version; check identify, and its image"
    return "the route is not applied"


def _leaked(verification: Verification) -> str:
    counts = verification.split.test.counts
    return next((v for v, weight in verification.claim.weights.items() if not weight and counts.get(v)), "a version")


def _canary(verification: Verification) -> Answers:
    return verification.answers.get(verification.claim.canary, Answers())


def _last_answer(verification: Verification, since: float) -> float:
    """Return seconds from `since` to the last answer from the canary.

    When it gave none: to the first answer of all, since before that nobody looked. So it is never too small.
    """
    last = _canary(verification).last
    if last is None:
        firsts = [p.first for p in verification.answers.values() if p.first is not None]
        last = min(firsts, default=since)
    return round(max(0.0, last - since), 3)


def _quantile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _finite(value: float | None) -> float | None:
    return round(value, 4) if value is not None and math.isfinite(value) else None
