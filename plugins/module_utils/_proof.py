# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampling until there is a verdict on a split, as ``verify`` does. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _evidence
from ansible_collections.gradual.canary.plugins.module_utils._bands import PROFILES
from ansible_collections.gradual.canary.plugins.module_utils._health import SCREEN, Rates
from ansible_collections.gradual.canary.plugins.module_utils._sampling import Sampling
from ansible_collections.gradual.canary.plugins.module_utils._terminal import Terminal
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, Match, Weight
from ansible_collections.gradual.canary.plugins.module_utils._verification import Claim, Verification

_LINE_EVERY = 10.0
_UPDATE_EVERY = 0.2


class Proof:
    """A claim about the split, and how to sample for it.

    params: the values of all ``verification_options``. Raises InvalidInput and MissingLibrary before anything is sent.
    """

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self._sampling = Sampling(params)
        self._claim = _claim(params)
        self._matches = [Match.parse(option) for option in params["matches"]]
        self._since: float | None = params["since"]

    def attempt(self, terminal: Terminal) -> dict[str, t.Any]:
        """Sample, the match routes first, for they take few requests; return the verb's values."""
        matches = []
        for match in self._matches:
            claim = dataclasses.replace(self._claim, weight=EVERYTHING, previous=None, bake=0)
            matched = self._sample(claim, terminal, match)
            values = _evidence.as_result(matched)
            matches.append({"match": match.as_option(), **values})
            if matched.verdict != "pass":
                message = f"requests with {match}: {values['msg']}"
                return {"failed": True, **values, "matches": matches, "decided_at": time.time(), "msg": message}
        verification = self._sample(self._claim, terminal)
        since = None if self._since is None else time.monotonic() - time.time() + self._since
        values = _evidence.as_result(verification, since=since)
        if matches:
            values["matches"] = matches
        return {"failed": verification.verdict != "pass", **values, "decided_at": time.time()}

    def _sample(self, claim: Claim, terminal: Terminal, match: Match | None = None) -> Verification:
        started = time.monotonic()
        verification = Verification(claim, started)
        shown = started
        identify = self._sampling.identify
        with self._sampling.sampler(match) as sampler:
            for sample in sampler:
                if verification.take(sample, identify.version(sample.headers, sample.body)):
                    break
                now = time.monotonic()
                if terminal.interactive and now - shown >= _UPDATE_EVERY:
                    terminal.update(_evidence.progress(verification))
                    shown = now
                elif not terminal.interactive and now - shown >= _LINE_EVERY:
                    terminal.show(_evidence.progress(verification))
                    shown = now
        text = _evidence.sentence(verification)
        terminal.show(f"requests with {match}: {text}" if match else text)
        return verification


def _claim(params: t.Mapping[str, t.Any]) -> Claim:
    profile = PROFILES[params["profile"]]
    errors, latency = params["errors"], params["latency"]
    return Claim(
        stable=params["stable"],
        canary=params["canary"],
        weight=Weight.percent(params["weight"]),
        previous=None if params["previous"] is None else Weight.percent(params["previous"]),
        delta=profile.delta if params["delta"] is None else Weight.percent(params["delta"]).points,
        alpha=profile.alpha if params["alpha"] is None else params["alpha"],
        beta=params["beta"],
        errors=Rates(errors["healthy"], errors["limit"], errors["bad"], SCREEN.good) if errors["enabled"] else None,
        latency=(latency["p95"], latency["rollback_above"]) if latency["enabled"] else None,
        prove_health=params["prove_health"],
        settle=params["settle_timeout"],
        bake=params["bake"],
        deadline=params["timeout"],
        limit=params["limit"],
        label=params["label"],
    )
