# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when a version that no longer serves stays at full size. Private to the gradual.canary collection.

The end is an annotation of its Deployment, for nothing of the collection runs between two plays: whoever cleans up
reads it there. It is a time in RFC 3339, in UTC, by the clock of the machine that ran the promotion.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._replicas import number_of
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words

KEEP_UNTIL: t.Final = "gradual.canary/keep-until"
_PATH: t.Final = "/metadata/annotations/" + KEEP_UNTIL.replace("/", "~1")
_FORMAT: t.Final = "%Y-%m-%dT%H:%M:%SZ"
_LONGEST: t.Final = 366 * 86400  # seconds; more is a slip of the pen


def now() -> datetime.datetime:
    """Return the time by this machine's clock."""
    return datetime.datetime.now(datetime.UTC)


def end_after(seconds: int, start: datetime.datetime) -> str:
    """Return the end of a time that begins at `start`, as the annotation has it; InvalidInput above a year."""
    if seconds > _LONGEST:
        raise InvalidInput(f"keep is {seconds // 86400} days; a version is kept for 366 days at most")
    return (start + datetime.timedelta(seconds=seconds)).strftime(_FORMAT)


def recorded(deployment: Object) -> str | None:
    """Return until when a version is kept, as its Deployment says; None when nothing is said."""
    return (deployment["metadata"].get("annotations") or {}).get(KEEP_UNTIL)


def is_over(until: str, at: datetime.datetime) -> bool:
    """Say whether a recorded time has come. One that cannot be read has not: nothing ends on a slip of the pen."""
    try:
        end = datetime.datetime.fromisoformat(until)
    except ValueError:
        return False
    return at >= (end if end.tzinfo else end.replace(tzinfo=datetime.UTC))


def is_kept(deployment: Object, at: datetime.datetime) -> bool:
    """Say whether a version has pods that are to stay for now."""
    until = recorded(deployment)
    return until is not None and number_of(deployment) > 0 and not is_over(until, at)


class Journal(t.Protocol):
    """Where changes are noted."""

    def note(self, *differences: Difference) -> None: ...


class Keeping:
    """Writes and removes the annotation, each by a JSON patch that tests what it relies on."""

    def __init__(self, cluster: Cluster, journal: Journal) -> None:
        self._cluster = cluster
        self._journal = journal

    def record(self, deployment: Object, until: str) -> None:
        """Note the end of a version's time. It rests on the number of pods: without pods nothing is kept."""
        known = deployment["metadata"].get("annotations")
        add: Object = {"op": "add", "path": _PATH, "value": until}
        if not known:
            add = {"op": "add", "path": "/metadata/annotations", "value": {KEEP_UNTIL: until}}
        self._patch(deployment, {"path": "/spec/replicas", "value": number_of(deployment)}, add, f"kept until {until}")

    def forget(self, deployment: Object) -> bool:
        """Take the annotation away, if there is one; say whether there was."""
        until = recorded(deployment)
        if until is None:
            return False
        self._patch(deployment, {"path": _PATH, "value": until}, {"op": "remove", "path": _PATH}, "no longer kept")
        return True

    def _patch(self, deployment: Object, relied_on: Object, change: Object, what: str) -> None:
        after = self._cluster.patch(deployment, [{"op": "test", **relied_on}, change])
        self._journal.note(Difference(words(deployment), deployment, after, what))
