# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of requests as filters of an HTTPRoute's rule, and back. Private to the gradual.canary collection.

A filter ``RequestMirror`` without a share copies all requests, with ``percent`` or ``fraction`` some of them (Gateway
API 1.3, or 1.2 experimental).
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, WHOLE, Weight

Object = dict[str, t.Any]

PERCENTAGE_FEATURE: t.Final = "HTTPRouteRequestPercentageMirror"
"""What a GatewayClass that looks at shares has among its supportedFeatures."""

_TYPE: t.Final = "RequestMirror"
_REFERENCE_FIELDS: t.Final = ("group", "kind", "name", "namespace", "port")
_HUNDRED: t.Final = 100


def reference_of(filter_: Object) -> Object | None:
    """Return where a filter sends copies; None when it is a filter of another type."""
    reference: Object | None = (filter_.get("requestMirror") or {}).get("backendRef")
    return reference if filter_.get("type") == _TYPE else None


def share_of(filters: t.Iterable[Object]) -> Weight:
    """Return the share of requests that these filters copy: together at most all."""
    points = sum(_points(filter_["requestMirror"]) for filter_ in filters)
    return Weight(min(points, WHOLE))


def filters_for(mirror: Weight, reference: Object) -> list[Object]:
    """Return the filters that copy this share to a Service, given as the rule refers to it."""
    if mirror == NOTHING:
        return []
    target: Object = {field: copy.deepcopy(reference[field]) for field in _REFERENCE_FIELDS if field in reference}
    request_mirror: Object = {"backendRef": target}
    if mirror != EVERYTHING:  # all is the default, which an older API takes too
        if mirror.points % _HUNDRED:
            request_mirror["fraction"] = {"numerator": mirror.points, "denominator": WHOLE}
        else:
            request_mirror["percent"] = mirror.points // _HUNDRED
    return [{"type": _TYPE, "requestMirror": request_mirror}]


def _points(request_mirror: Object) -> int:
    fraction = request_mirror.get("fraction")
    if fraction:
        numerator, denominator = int(fraction["numerator"]), int(fraction.get("denominator") or _HUNDRED)
        return numerator * WHOLE // denominator
    percent = request_mirror.get("percent")
    return WHOLE if percent is None else int(percent) * _HUNDRED
