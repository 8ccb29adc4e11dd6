# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Match routes as rules of an HTTPRoute, and back. Private to the gradual.canary collection.

The Gateway API has no match on cookies: a cookie is a regular expression on the header ``Cookie``.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._match_expressions import (
    cookie_expression,
    cookie_match,
    required_value,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match

Object = dict[str, t.Any]

_COOKIE: t.Final = "Cookie"


def rule_for(match: Match, name: str, split_rule: Object, canary: Object) -> Object:
    """Return the rule that sends what matches to `canary`, and treats it otherwise as `split_rule` does.

    canary: a reference of the split rule; its weight is not used. Raises Unsupported when the split rule matches on
    the same header already, since the API allows a header once in a match.
    """
    header = _header_for(match)
    rule = {
        key: copy.deepcopy(value) for key, value in split_rule.items() if key not in ("name", "matches", "backendRefs")
    }
    rule["name"] = name
    rule["matches"] = []
    for old in split_rule.get("matches") or [{}]:
        headers = old.get("headers") or []
        if any(str(other.get("name")).lower() == header["name"].lower() for other in headers):
            raise Unsupported(
                f"the rule matches on the header {header['name']} itself, so '{match}' cannot be added to it; "
                "route by another header, or by weight alone"
            )
        rule["matches"].append({**copy.deepcopy(old), "headers": [*copy.deepcopy(headers), header]})
    rule["backendRefs"] = [{**copy.deepcopy(canary), "weight": 1}]
    return rule


def match_of(rule: Object) -> Match:
    """Return the match that one of our rules stands for; Unsupported when somebody made something else of it."""
    headers = ((rule.get("matches") or [{}])[0].get("headers")) or []
    if not headers:
        raise Unsupported(
            f"rule {rule.get('name')!r} bears the name of a match route of gradual.canary but matches on no header; "
            "remove it or give it another name"
        )
    header = headers[-1]
    value = str(header.get("value"))
    if header.get("type", "Exact") == "Exact":
        return Match("header", str(header["name"]), "exact", value)
    cookie = cookie_match(value) if header["name"] == _COOKIE else None
    return cookie or Match("header", str(header["name"]), "regex", value)


def _header_for(match: Match) -> Object:
    value = required_value(match, "an HTTPRoute")
    if match.kind == "cookie":
        return {"type": "RegularExpression", "name": _COOKIE, "value": cookie_expression(match, value)}
    kind = "Exact" if match.operator == "exact" else "RegularExpression"
    return {"type": kind, "name": match.name, "value": value}
