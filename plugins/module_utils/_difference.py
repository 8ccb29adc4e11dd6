# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed, diff and check mode from one comparison. Private to the gradual.canary collection."""

from __future__ import annotations

import copy
import json
import typing as t

Object = dict[str, t.Any]

_NOISE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


def presentable(item: Object | None) -> Object | None:
    """Return a copy of a Kubernetes object without what the server alone decides: for people, not for writing."""
    if item is None:
        return None
    shown = copy.deepcopy(item)
    shown.pop("status", None)
    for field in _NOISE:
        shown.get("metadata", {}).pop(field, None)
    return shown


class Difference:
    """What one object was and what it is to be: decides ``changed`` and is the diff.

    name: the object in a user's words, for example ``HTTPRoute shop/web``.
    before, after: whole objects; None when absent. words: the same in a sentence, for example ``10 % -> 50 %``.
    """

    def __init__(self, name: str, before: Object | None, after: Object | None, words: str = "") -> None:
        self.name = name
        self.before = presentable(before)
        self.after = presentable(after)
        self.words = words

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def as_diff(self) -> dict[str, str]:
        """Return Ansible's diff shape: two texts and their headers."""
        header = f"{self.name} ({self.words})" if self.words else self.name
        return {
            "before_header": header,
            "after_header": header,
            "before": _text(self.before),
            "after": _text(self.after),
        }


def without_secrets(item: t.Any) -> t.Any:
    """Return a Secret with its values hidden, and anything else as it is."""
    if not isinstance(item, dict) or item.get("kind") != "Secret":
        return item
    hidden = {field: dict.fromkeys(item[field], "hidden") for field in ("data", "stringData") if item.get(field)}
    return {**item, **hidden}


def _text(item: Object | None) -> str:
    return "" if item is None else json.dumps(without_secrets(item), indent=2, sort_keys=True) + "\n"
