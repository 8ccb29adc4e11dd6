# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test in_release_window."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._window import Schedule
from ansible_collections.gradual.canary.plugins.plugin_utils._windows import ask


def in_release_window(moment: object, windows: object, freezes: object = None) -> bool:
    """Say whether a release may happen at `moment`."""
    return ask(Schedule.is_open, windows, freezes, moment)


class TestModule:
    """What Ansible looks for in this file."""

    def tests(self) -> dict[str, t.Callable[..., bool]]:
        return {"in_release_window": in_release_window}
