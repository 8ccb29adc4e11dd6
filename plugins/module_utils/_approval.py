# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may let a release go on, and what counts as a yes. Pure. Private to the gradual.canary collection.

Fails closed: only a typed yes or a variable that names this very stage of this very release is an approval.
``ansible.builtin.pause`` is not used, since it continues when nobody can answer and hangs under AWX (measured on
ansible-core 2.18 to 2.21 and ansible-runner 2.4).
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import Error

_YES: t.Final = frozenset({"y", "yes"})
_NO: t.Final = frozenset({"n", "no"})
_AWX_VARIABLES: t.Final = ("awx_job_id", "tower_job_id")
_AWX_ENVIRONMENT: t.Final = ("AWX_HOST", "AWX_PRIVATE_DATA_DIR")
_RUNNER_ENVIRONMENT: t.Final = ("AWX_ISOLATED_DATA_DIR", "RUNNER_OMIT_EVENTS", "RUNNER_ONLY_FAILED_EVENTS")


class NotApproved(Error):
    """Nobody approved."""

    code = "not_approved"


@dataclasses.dataclass(frozen=True)
class Gate:
    """One question: may this release of this application go on from this stage?"""

    app: str
    version: str
    stage: str

    @property
    def key(self) -> str:
        """Return what a variable must say to approve: application, version and stage."""
        return f"{self.app}/{self.version}/{self.stage}"

    def __str__(self) -> str:
        return f"stage {self.stage} of {self.app} {self.version}"

    def refused(self, why: str, **details: t.Any) -> NotApproved:
        return NotApproved(
            f"{self} is not approved: {why}. To approve, answer y on a terminal, or run again with "
            f"-e canary_approve={self.key}",
            key=self.key,
            **details,
        )


@dataclasses.dataclass(frozen=True)
class Decision:
    """An approval: where it came from, and the reason that was typed with it."""

    source: str
    reason: str | None = None


def by_variable(gate: Gate, given: t.Sequence[str]) -> Decision | None:
    """Return the approval that a variable gives, or None. Only the whole key counts; nothing is a wildcard."""
    return Decision("variable") if gate.key in given else None


def unattended(variables: t.Mapping[str, t.Any], environment: t.Mapping[str, str]) -> str | None:
    """Return what runs this play when there is no person at its terminal: AWX or ansible-runner.

    Both give the play a pseudo-terminal, so asking would hang; they announce themselves
    (awx/main/tasks/jobs.py, ansible_runner/config/_base.py and runner.py).
    """
    if any(name in variables for name in _AWX_VARIABLES) or any(name in environment for name in _AWX_ENVIRONMENT):
        return "AWX"
    return "ansible-runner" if any(name in environment for name in _RUNNER_ENVIRONMENT) else None


def judge(gate: Gate, answer: str) -> Decision:
    """Return the approval that a typed answer gives; NotApproved when it is anything but a clear yes.

    ``y``, ``yes``, and either with a reason after a space approve. ``n``, an empty answer and any other text do not.
    """
    word, _space, rest = answer.strip().partition(" ")
    reason = rest.strip() or None
    if word.lower() in _YES:
        return Decision("terminal", reason)
    if not word:
        raise gate.refused("the answer was empty")
    if word.lower() not in _NO:
        reason = answer.strip()
    raise gate.refused(f"the answer was no{f' ({reason})' if reason else ''}", reason=reason)
