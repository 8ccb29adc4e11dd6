# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which other routes take requests that a split means to have. Private to the gradual.canary collection.

Order of the Gateway API between the routes of a listener: exact path, longest prefix, method, most headers, most query
parameters, oldest route, first name. A longer path in another route also takes the requests of our header rules
(measured on Contour).
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_status import GROUP

Object = dict[str, t.Any]


def overlaps(route: Object, rule: Object, others: t.Iterable[Object]) -> list[tuple[Object, str]]:
    """Return the routes that come before `rule` of `route` for some of its requests, each with what it takes."""
    found = []
    for other in others:
        if _place(other) == _place(route) or not _share_listener(route, other) or not _share_hostname(route, other):
            continue
        taken = [
            what
            for theirs in other["spec"].get("rules") or []
            for their_match in theirs.get("matches") or [{}]
            for our_match in rule.get("matches") or [{}]
            if (what := _taken(our_match, their_match, older=_order(other) < _order(route)))
        ]
        if taken:
            found.append((other, f"takes {', '.join(sorted(set(taken)))}"))
    return found


def _taken(ours: Object, theirs: Object, *, older: bool) -> str:
    our_kind, our_path = _path(ours)
    their_kind, their_path = _path(theirs)
    if our_kind != "PathPrefix" or their_kind not in ("PathPrefix", "Exact"):
        same = (our_kind, our_path) == (their_kind, their_path)
    else:
        same = their_kind == our_kind and their_path.rstrip("/") == our_path.rstrip("/")
        if not same and _below(their_path, our_path):
            return f"the longer path {their_path}"
    if same and _conditions(theirs) == _conditions(ours) == 0 and older:
        return f"the same path {their_path}, and is older"
    return ""


def _below(path: str, prefix: str) -> bool:
    return (path.rstrip("/") + "/").startswith(prefix.rstrip("/") + "/")


def _path(match: Object) -> tuple[str, str]:
    path = match.get("path") or {}
    return str(path.get("type") or "PathPrefix"), str(path.get("value") or "/")


def _conditions(match: Object) -> int:
    return bool(match.get("method")) + len(match.get("headers") or ()) + len(match.get("queryParams") or ())


def _share_listener(route: Object, other: Object) -> bool:
    def gateways(item: Object) -> set[tuple[str, str]]:
        home = str(item["metadata"]["namespace"])
        return {
            (str(ref.get("namespace") or home), str(ref["name"]))
            for ref in item["spec"].get("parentRefs") or []
            if ref.get("group", GROUP) == GROUP and ref.get("kind", "Gateway") == "Gateway"
        }

    return bool(gateways(route) & gateways(other))


def _share_hostname(route: Object, other: Object) -> bool:
    """Say whether both list a hostname or both list none; a more specific hostname elsewhere is no accident."""
    ours, theirs = set(route["spec"].get("hostnames") or ()), set(other["spec"].get("hostnames") or ())
    return bool(ours & theirs) or not (ours or theirs)


def _place(item: Object) -> tuple[str, str]:
    return str(item["metadata"]["namespace"]), str(item["metadata"]["name"])


def _order(item: Object) -> tuple[str, str, str]:
    return (str(item["metadata"].get("creationTimestamp") or "9"), *_place(item))
