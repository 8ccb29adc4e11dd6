# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be told to a workload that changes in place, in one vocabulary. Private to the gradual.canary collection.

The words are those of ``kubectl rollout`` and ``kubectl argo rollouts``. A workload that lacks one of them refuses it
with Unsupported, and says what to use instead.
"""

from __future__ import annotations

import abc
import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import Workload
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference

PHASES: t.Final = ("healthy", "progressing", "paused", "degraded")


@dataclasses.dataclass(frozen=True)
class RolloutStatus:
    """How far a workload is.

    phase: one of `PHASES`. message: why, in a sentence. step: ``i/n`` where the workload has steps, counted from 0.
    version: of the template it has now. revision: its revision, None while it is only staged.
    """

    phase: str
    message: str
    version: str | None
    revision: int | None
    step: str | None = None

    def as_result(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)


Differences = tuple[Difference, ...]


class RolloutControl(abc.ABC):
    """One workload. Every action returns what it changed (empty: it was so already) and is safe to repeat.

    Writes are JSON patches with tests; in check mode they are dry runs. An action returns when its write is accepted;
    `wait` waits until the workload is where the action leads.
    """

    @abc.abstractmethod
    def look(self) -> Workload:
        """Return the workload with its history."""

    @abc.abstractmethod
    def status(self) -> RolloutStatus:
        """Return how far it is, as the workload's own command line judges it."""

    @abc.abstractmethod
    def pause(self) -> Differences: ...

    @abc.abstractmethod
    def resume(self) -> Differences: ...

    @abc.abstractmethod
    def promote(self, *, full: bool) -> Differences:
        """Go on to the next step, or (full) past all of them."""

    @abc.abstractmethod
    def abort(self) -> Differences:
        """Take the new template's pods away, without going forward."""

    @abc.abstractmethod
    def retry(self) -> Differences:
        """Begin again what was aborted."""

    @abc.abstractmethod
    def undo(self, revision: int | None) -> Differences:
        """Return to a revision (None: the one before). A paused workload stays paused."""

    @abc.abstractmethod
    def restart(self) -> Differences:
        """Replace all pods by new ones of the same template."""

    @abc.abstractmethod
    def wait(self, seconds: float) -> RolloutStatus:
        """Wait until it rests: healthy, or paused where that is meant. Raises Degraded and NotReady."""
