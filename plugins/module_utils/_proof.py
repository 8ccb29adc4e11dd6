# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampling until there is a verdict on a split, as ``verify`` does. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _clients_evidence, _evidence
from ansible_collections.gradual.canary.plugins.module_utils._bands import PROFILES
from ansible_collections.gradual.canary.plugins.module_utils._clients import ClientsVerification
from ansible_collections.gradual.canary.plugins.module_utils._crowd import Crowd, Crowds
from ansible_collections.gradual.canary.plugins.module_utils._health import SCREEN, Rates
from ansible_collections.gradual.canary.plugins.module_utils._sampling import Sampling
from ansible_collections.gradual.canary.plugins.module_utils._terminal import Terminal
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, Match, Weight
from ansible_collections.gradual.canary.plugins.module_utils._verification import Claim, Verification

_DECIDES: t.Final = ("verdict", "recommendation", "reason", "diagnosis", "msg")
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

    def crowds(self) -> Crowds:
        """Return the clients that keep connections or cookies, for ``attempt``: let them arrive before a change."""
        return self._sampling.crowds()

    def attempt(self, terminal: Terminal, crowds: Crowds | None = None) -> dict[str, t.Any]:
        """Sample, the match routes first, for they take few requests; return the verb's values.

        crowds: clients that arrived before the weight was changed; they are let go.
        """
        with crowds or self.crowds() as present:
            return self._attempt(terminal, present)

    def _attempt(self, terminal: Terminal, crowds: Crowds) -> dict[str, t.Any]:
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
        values["populations"] = [_clients_evidence.new_connections(verification)]
        for crowd in crowds:
            if values["verdict"] != "pass":
                break
            found = self._meet(crowd, terminal)
            values["populations"].append(found)
            values |= {key: found[key] for key in _DECIDES if found["verdict"] != "pass"}
        return {"failed": values["verdict"] != "pass", **values, "decided_at": time.time()}

    def _meet(self, crowd: Crowd, terminal: Terminal) -> dict[str, t.Any]:
        """Sample the clients of one population until there is a verdict about them; return its values."""
        claim = dataclasses.replace(self._claim, bake=0, prove_health=False)
        verification = ClientsVerification(crowd.population, claim, time.monotonic(), crowd.before)
        show = _Progress(terminal, lambda: _clients_evidence.progress(verification))
        for sample, version in crowd.answers():
            if verification.take(sample, version):
                break
            show()
        values = _clients_evidence.as_result(verification, crowd.cookies)
        terminal.show(values["msg"])
        return values

    def _sample(self, claim: Claim, terminal: Terminal, match: Match | None = None) -> Verification:
        verification = Verification(claim, time.monotonic())
        show = _Progress(terminal, lambda: _evidence.progress(verification))
        identify = self._sampling.identify
        with self._sampling.sampler(match) as sampler:
            for sample in sampler:
                if verification.take(sample, identify.version(sample.headers, sample.body)):
                    break
                show()
        text = _evidence.sentence(verification)
        terminal.show(f"requests with {match}: {text}" if match else text)
        return verification


class _Progress:
    """Shows a line about what goes on, now and then."""

    def __init__(self, terminal: Terminal, line: t.Callable[[], str]) -> None:
        self._show = terminal.update if terminal.interactive else terminal.show
        self._every = _UPDATE_EVERY if terminal.interactive else _LINE_EVERY
        self._line = line
        self._next = time.monotonic() + self._every

    def __call__(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._show(self._line())
            self._next = now + self._every


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
