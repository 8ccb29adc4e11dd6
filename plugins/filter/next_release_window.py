# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter next_release_window."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

from ansible_collections.gradual.canary.plugins.module_utils._window import Schedule
from ansible_collections.gradual.canary.plugins.plugin_utils._windows import ask


def next_release_window(windows: object, freezes: object = None, after: object = None) -> str | None:
    """Return when a release may begin next, as text with the offset of the window's time zone; None: not for years."""
    return ask(_opening, windows, freezes, datetime.now(UTC) if after is None else after)


def _opening(schedule: Schedule, now: datetime) -> str | None:
    opens = schedule.next_opening(now)
    return None if opens is None else opens.astimezone(schedule.zone(opens)).isoformat()


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, t.Callable[..., object]]:
        return {"next_release_window": next_release_window}
