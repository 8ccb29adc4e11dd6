# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of all traffic systems, as one option. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._backends import BACKENDS


def backend() -> ArgumentSpec:
    """Return the option ``backend``: its type, and the options of that type.

    Two traffic systems may share an option's name when they mean the same by it: equal specs. One that a traffic system
    marks ``required`` is required for that type only.
    """
    options: dict[str, dict[str, t.Any]] = {"type": {"type": "str", "required": True, "choices": list(BACKENDS)}}
    required_if = []
    for name, system in BACKENDS.items():
        for option, spec in system.OPTIONS.items():
            plain = {key: value for key, value in spec.items() if key != "required"}
            if options.setdefault(option, plain) != plain:
                raise TypeError(f"two backends define the option {option!r} differently")
        required = [option for option, spec in system.OPTIONS.items() if spec.get("required")]
        if required:
            required_if.append(("type", name, required))
    return ArgumentSpec({"backend": {"type": "dict", "required": True, "options": options, "required_if": required_if}})


def matches() -> ArgumentSpec:
    """Return the option ``matches``; ``Match.parse`` reads its elements."""
    return ArgumentSpec(
        {
            "matches": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "header": {"type": "str"},
                    "cookie": {"type": "str"},
                    "value": {"type": "str"},
                    "regex": {"type": "str"},
                },
                "mutually_exclusive": [("header", "cookie"), ("value", "regex")],
                "required_one_of": [("header", "cookie")],
            }
        }
    )
