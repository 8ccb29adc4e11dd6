# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the verb traffic moves traffic: what its options mean, and what is looked at before.

Private to the gradual.canary collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import (
    Backend,
    Live,
    Snapshot,
    set_split,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, InvalidInput, Refused
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    NOTHING,
    Change,
    Finding,
    Match,
    Weight,
)

Params = t.Mapping[str, t.Any]
Findings = tuple[Finding, ...]
Warn = t.Callable[[str], None]


def move(params: Params, backend: Backend, warn: Warn) -> tuple[Change, Findings]:
    """Bring the traffic into the state that the verb's options name; return the change and what a preflight saw.

    warn: takes a text for the user. Raises InvalidInput, Refused with the preflight's errors, and what backends raise.
    """
    if params["state"] == "split":
        return _split(params, backend, warn)
    options = ("weight", "matches", "mirror", "expect", "verify")
    given = [option for option in options if params[option] is not None]
    if given:
        raise InvalidInput(f"{', '.join(given)} can be given with state split only, not with state {params['state']}")
    if params["state"] == "promoted":
        return backend.promote(), ()
    if params["state"] == "detached":
        return backend.detach(), ()
    return backend.restore(Snapshot.parse(params["snapshot"], backend.name)), ()


def wait_until_live(change: Change, backend: Backend, seconds: float) -> Live:
    """Wait until the controller has taken the change, where that is worth waiting for."""
    before, after = change.before, change.after
    if after.weight == after.mirror == NOTHING and (before.weight > NOTHING or before.mirror > NOTHING):
        # A way back must not hang on a controller that has something to say about the version that is left.
        return Live("written", 0.0, "all traffic was taken away; only sampling can prove that it is gone")
    return backend.wait_accepted(seconds)


def _split(params: Params, backend: Backend, warn: Warn) -> tuple[Change, Findings]:
    weight, mirror, expect = (
        None if params[key] is None else Weight.percent(params[key], key) for key in ("weight", "mirror", "expect")
    )
    matches = None if params["matches"] is None else [Match.parse(option) for option in params["matches"]]
    split = backend.observe()
    findings: Findings = ()
    if split.stable == backend.target.canary_service:
        raise Conflict(f"{params['version']} is the stable version already ({split}). Nothing was changed.")
    if split.canary is None and params["preflight"]:
        findings = backend.preflight()
        _refuse_errors(params, findings, warn)
    change = set_split(backend, weight=weight, matches=matches, mirror=mirror, expect=expect)
    if change.after.mirror > change.before.mirror:
        warn(
            f"{change.after.canary} gets copies of {change.after.mirror} of all requests, also of those that write "
            "(POST, PUT, PATCH, DELETE): what they do is done twice unless the version keeps it apart."
        )
    return change, findings


def _refuse_errors(params: Params, findings: Findings, warn: Warn) -> None:
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        reasons = " ".join(f"({number}) {finding}" for number, finding in enumerate(errors, 1))
        version, app = params["version"], params["app"]
        raise Refused(
            f"{version} cannot become the canary of {app}: {reasons} Nothing was changed.",
            findings=[finding.as_result() for finding in findings],
        )
    for finding in findings:
        warn(str(finding))
