# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What templates ask about release windows. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

from ansible.errors import AnsibleTemplatePluginError

from ansible_collections.gradual.canary.plugins.module_utils._errors import Error, InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._window import Schedule, parse_schedule

_Answer = t.TypeVar("_Answer")


def ask(
    question: t.Callable[[Schedule, datetime], _Answer], windows: object, freezes: object, moment: object
) -> _Answer:
    """Return the answer to a question about the schedule and a moment as a template gives them.

    Raises AnsibleTemplatePluginError when one of them cannot mean what it says.
    """
    try:
        return question(parse_schedule(windows, freezes), read_moment(moment))
    except Error as error:
        raise AnsibleTemplatePluginError(error.message) from None


def read_moment(value: object) -> datetime:
    """Return the moment that a template means; InvalidInput when it is none.

    A datetime without a time zone is in UTC, since that is what ``now(utc=true)`` returns (ansible-core 2.19 and 2.21).
    Text must say its offset: there is no telling where it comes from.
    """
    if isinstance(value, datetime):
        # Made anew: what Ansible reads from YAML is a class of its own.
        return datetime.combine(value.date(), value.time(), value.tzinfo or UTC)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return moment
    raise InvalidInput(
        f"{value!r} is not a moment; allowed: now(utc=true), or text with an offset such as 2026-12-24T18:00:00+01:00"
    )
