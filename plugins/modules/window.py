#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb window."""

from __future__ import annotations

DOCUMENTATION = r"""
module: window
short_description: Hold back what would happen outside of a release window
version_added: 1.0.0
description:
  - Fails with C(outside_window) unless a release may happen now, and for as long as O(needed) says.
  - It looks at the clock when it runs, so that a job which waited, or a stage after a long one, is held back as well.
  - The role P(gradual.canary.release#role) asks it before each of its steps.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes.info
requirements:
  - python-dateutil >= 2.9.0
options:
  windows:
    description: When releases may happen, as in P(gradual.canary.in_release_window#test). With none it is at any time.
    type: list
    elements: dict
    default: []
  freezes:
    description: When none may, as in P(gradual.canary.in_release_window#test).
    type: list
    elements: dict
    default: []
  step:
    description: What is to happen, for messages.
    type: str
    default: this step
  needed:
    description: How long it takes, for example V(10m). What does not fit in what is left of the window does not begin.
    type: str
    default: "0"
  override:
    description: The reason for which it happens all the same.
    type: str
seealso:
  - plugin: gradual.canary.in_release_window
    plugin_type: test
  - plugin: gradual.canary.next_release_window
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Hold the stage back outside of the nights
  gradual.canary.window:
    windows:
      - name: nights
        rrule: FREQ=DAILY
        duration: 24h
        timezone: Europe/Berlin
    step: 50 % to v2
    needed: 10m
"""

RETURN = r"""
msg:
  description: Whether it may happen, and which window or freeze says so.
  returned: success
  type: str
  sample: "window 'nights' is open until 2026-11-24 04:00+01:00 Europe/Berlin"
seconds_left:
  description: How long the window stays open; null when nothing closes it for years.
  returned: success
  type: float
  sample: 5400.0
overridden:
  description: The reason that was given, where the window alone would have held it back.
  returned: success
  type: str
  sample: null
"""

from datetime import UTC, datetime

from ansible_collections.gradual.canary.plugins.module_utils import _task
from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._plan import seconds
from ansible_collections.gradual.canary.plugins.module_utils._window import OutsideWindow, parse_schedule

ARGUMENTS = ArgumentSpec(
    {
        "windows": {"type": "list", "elements": "dict", "default": []},
        "freezes": {"type": "list", "elements": "dict", "default": []},
        "step": {"type": "str", "default": "this step"},
        "needed": {"type": "str", "default": "0"},
        "override": {"type": "str"},
    }
)


def run(task: _task.Task) -> _task.Values:
    """Say whether it may happen now, or raise OutsideWindow."""
    params = task.params
    schedule = parse_schedule(params["windows"], params["freezes"])
    now, needed = datetime.now(UTC), seconds(params["needed"], "needed")
    overridden = None
    try:
        schedule.require(now, needed, params["step"])
    except OutsideWindow as outside:
        if not params["override"]:
            raise
        overridden = params["override"]
        task.warn(f"{outside.message} It goes on all the same: {overridden}")
    return {
        "msg": schedule.explain(now),
        "seconds_left": schedule.seconds_left(now) if schedule.closes(now) else None,
        "overridden": overridden,
    }


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
