# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each population of clients gets, in numbers and in one sentence. Pure.

Private to the gradual.canary collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _evidence
from ansible_collections.gradual.canary.plugins.module_utils._bounds import confidence_interval
from ansible_collections.gradual.canary.plugins.module_utils._clients import (
    COOKIES,
    KEPT_ALIVE,
    NEW_CONNECTIONS,
    ClientsVerification,
)
from ansible_collections.gradual.canary.plugins.module_utils._verification import Verification

_LEVEL: t.Final = 0.99
_WHO: t.Final = {KEPT_ALIVE: "clients that keep their connection", COOKIES: "clients that keep their cookies"}
_WHY: t.Final = {
    KEPT_ALIVE: (
        "the weight decides when a client connects, as with kube-proxy, so those who connected before it stay where "
        "they were until they connect anew. Split in a gateway that balances requests, or have the servers close kept "
        "connections"
    ),
    COOKIES: (
        "{cookies} keeps a client with its version, so those who came before the weight stay where they were. Take the "
        "session affinity out of the route or Service for the release (with ingress-nginx, "
        "affinity-canary-behavior: legacy does), or expect new sessions alone to follow the weight"
    ),
}


def new_connections(verification: Verification) -> dict[str, t.Any]:
    """Return the values of the population that every verification samples."""
    test, canary = verification.split.test, verification.claim.canary
    return {
        "population": NEW_CONNECTIONS,
        "verdict": verification.verdict,
        "recommendation": verification.recommendation,
        "reason": verification.reason,
        "diagnosis": test.diagnosis,
        "unit": "request",
        **_draws(test.counts.get(canary, 0), test.count),
        "requests": verification.sent,
        "msg": _evidence.sentence(verification),
    }


def as_result(verification: ClientsVerification, cookies: t.Sequence[str]) -> dict[str, t.Any]:
    """Return the values of a population: see ``populations`` in the RETURN block of the verb ``verify``.

    cookies: names of the cookies that the clients keep.
    """
    return {
        "population": verification.population,
        "verdict": verification.verdict,
        "recommendation": verification.recommendation,
        "reason": verification.reason,
        "diagnosis": verification.diagnosis,
        "unit": verification.unit,
        **_draws(verification.hits, verification.count),
        "requests": verification.requests.sent,
        "errors": sum(answers.errors for answers in verification.requests.answers.values()),
        "clients": len(verification.latest),
        "opened": "before" if verification.opened_before else "after",
        "stays": verification.stickiness.stays,
        "switches": verification.stickiness.switches,
        "cookies": list(cookies),
        "msg": sentence(verification, cookies),
    }


def sentence(verification: ClientsVerification, cookies: t.Sequence[str]) -> str:
    """Return the evidence in one sentence."""
    who, name = _WHO[verification.population], verification.claim.name
    if verification.diagnosis is not None:
        why = _WHY[verification.population].format(cookies=_named(cookies))
        return f"{name} is not what {who} get: {_counted(verification)}: {why}."
    if verification.verdict == "pass":
        return f"{name} proven for {who}: {_counted(verification)}"
    if verification.reason == "dependent_samples":
        return f"{name} not proven for {who}: whether they stay with a version is not clear: {_counted(verification)}"
    return f"{who}: {_evidence.sentence(verification.requests)}"


def progress(verification: ClientsVerification) -> str:
    """Return one line about a verification that goes on."""
    return f"proving {verification.claim.name} for {_WHO[verification.population]}: {_counted(verification)}"


def _counted(verification: ClientsVerification) -> str:
    stickiness, canary = verification.stickiness, verification.claim.canary
    unit = "answers" if verification.unit == "request" else "clients"
    low, high = confidence_interval(verification.hits, verification.count, _LEVEL)
    parts = [
        f"{verification.hits} of {verification.count} {unit} {'from' if unit == 'answers' else 'see'} {canary}",
        f"99 % interval {100 * low:.1f}-{100 * high:.1f} %",
    ]
    pairs = stickiness.stays + stickiness.switches
    if pairs:
        parts.append(f"another version than before in {stickiness.switches} of {pairs} answers")
    when = "before" if verification.opened_before else "after"
    parts.append(f"{verification.requests.sent} requests of {len(verification.latest)} clients from {when} the change")
    return ", ".join(parts)


def _draws(hits: int, count: int) -> dict[str, t.Any]:
    low, high = confidence_interval(hits, count, _LEVEL)
    return {
        "count": hits,
        "draws": count,
        "share": round(hits / count, 4) if count else None,
        "interval": [round(low, 4), round(high, 4)],
        "interval_level": _LEVEL,
    }


def _named(cookies: t.Sequence[str]) -> str:
    if not cookies:
        return "the address of a client, or something else than a cookie,"
    return f"the cookie{'s' if len(cookies) > 1 else ''} {', '.join(cookies)}"
