# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of requests in an entry of a VirtualService, and back. Private to the gradual.canary collection.

An entry has a list ``mirrors``, each with a percentage, or the older single ``mirror`` with ``mirrorPercentage``; Istio
refuses both together. Without a percentage all requests are copied.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, WHOLE, Weight

Object = dict[str, t.Any]
IsCanary = t.Callable[[Object], bool]
"""Says whether a destination, as the object has it, is the canary."""

_SINGLE: t.Final = ("mirror", "mirrorPercentage", "mirror_percent", "mirrorPercent")
FIELDS: t.Final = ("mirrors", *_SINGLE)
_HUNDRED: t.Final = 100


def copies_to(entry: Object, is_canary: IsCanary) -> list[Object]:
    """Return the items of ``mirrors`` that lead to the canary; a single ``mirror`` in the form of such an item."""
    return [item for item in _items(entry) if is_canary(item["destination"])]


def share_of(copies: t.Iterable[Object]) -> Weight:
    """Return the share of requests that is copied: together at most all."""
    return Weight(min(sum(map(_points, copies)), WHOLE))


def copies_for(mirror: Weight, destination: Object) -> list[Object]:
    """Return the items of ``mirrors`` that copy this share to a destination."""
    if mirror == NOTHING:
        return []
    whole, rest = divmod(mirror.points, _HUNDRED)
    return [
        {"destination": copy.deepcopy(destination), "percentage": {"value": mirror.points / 100 if rest else whole}}
    ]


def foreign_single(entry: Object, is_canary: IsCanary) -> Object | None:
    """Return the destination of a single ``mirror`` that is not ours: beside it there can be no list."""
    mirror: Object | None = entry.get("mirror")
    return mirror if mirror and not is_canary(mirror) else None


def fields_with(entry: Object, copies: list[Object], is_canary: IsCanary) -> Object:
    """Return the entry's fields about copies with these to the canary instead of those it has; others' are kept."""
    if foreign_single(entry, is_canary) is not None:
        return {field: entry[field] for field in FIELDS if field in entry}
    kept = [item for item in entry.get("mirrors") or [] if not is_canary(item["destination"])]
    mirrors = [*copy.deepcopy(kept), *copies]
    return {"mirrors": mirrors} if mirrors else {}


def without_copies(entry: Object, is_canary: IsCanary) -> Object:
    """Return the entry as it is without copies to the canary."""
    rest = {field: value for field, value in entry.items() if field not in FIELDS}
    return {**rest, **fields_with(entry, [], is_canary)}


def _items(entry: Object) -> list[Object]:
    items = list(entry.get("mirrors") or [])
    if entry.get("mirror"):
        percentage = entry.get("mirrorPercentage")
        whole = entry.get("mirrorPercent", entry.get("mirror_percent"))
        if percentage is None and whole is not None:
            percentage = {"value": whole}
        items.append({"destination": entry["mirror"], **({} if percentage is None else {"percentage": percentage})})
    return items


def _points(item: Object) -> int:
    percentage = item.get("percentage")
    return WHOLE if percentage is None else round(float(percentage.get("value") or 0) * _HUNDRED)
