# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References of an HTTPRoute's rules, and the arithmetic of weights. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, WHOLE, Weight

Object = dict[str, t.Any]


def is_service(ref: Object) -> bool:
    """Say whether a reference is to a core Service; both fields have defaults that say so."""
    return ref.get("kind", "Service") == "Service" and not ref.get("group")


def weight_of(ref: Object) -> int:
    """Return a reference's weight; 1 is the API's default."""
    return int(ref.get("weight", 1))


def reaches(route: Object, service: str, namespace: str) -> bool:
    """Say whether any rule of a route sends requests, or copies of them, to a Service."""
    home = route["metadata"]["namespace"]

    def is_meant(ref: Object) -> bool:
        return is_service(ref) and ref["name"] == service and str(ref.get("namespace") or home) == namespace

    for rule in route["spec"].get("rules") or []:
        refs = rule.get("backendRefs") or []
        filters = [*(rule.get("filters") or []), *(each for ref in refs for each in ref.get("filters") or [])]
        mirrors = [each["requestMirror"]["backendRef"] for each in filters if "requestMirror" in each]
        if any(is_meant(ref) and weight_of(ref) for ref in refs) or any(is_meant(ref) for ref in mirrors):
            return True
    return False


def share(canary: int, stable: int) -> Weight:
    """Return the canary's share in basis points, rounded, but 0 and 10000 only when one side has no weight at all."""
    total = canary + stable
    if not canary or not total:
        return NOTHING
    points = (2 * canary * WHOLE + total) // (2 * total)
    return Weight(min(max(points, 1), WHOLE - 1) if stable else WHOLE)


def has_share(weight: Weight, canary: int, stable: int) -> bool:
    """Say whether these numbers stand for exactly this share, whatever their sum."""
    total = canary + stable
    return total > 0 and canary * WHOLE == weight.points * total
