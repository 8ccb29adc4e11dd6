# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Match routes as entries of a VirtualService, and back. Private to the gradual.canary collection.

The first entry that fits takes a request, so ours stand right before the entry that splits. Istio matches no cookies: a
cookie is a regular expression on the header ``cookie``.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._match_expressions import (
    cookie_expression,
    cookie_match,
    required_value,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match

Object = dict[str, t.Any]

_COOKIE: t.Final = "cookie"
_LONGEST_EXPRESSION: t.Final = 1024  # the schema refuses more

# Istio has fields of their own for these and takes no header of the name for a match.
_NO_HEADERS: t.Final = frozenset({"uri", "scheme", "method", "authority"})


def entry_for(match: Match, name: str, split_entry: Object, canary: Object) -> Object:
    """Return the entry that sends what matches to `canary`, and treats it otherwise as `split_entry` does.

    canary: an item of the split entry's route; its weight is not used. Raises Unsupported when the split entry matches
    on the same header already, InvalidSplit when Istio cannot match so.
    """
    header, value = _header_for(match)
    entry = {key: copy.deepcopy(old) for key, old in split_entry.items() if key not in ("name", "match", "route")}
    entry["name"] = name
    entry["match"] = []
    for old in split_entry.get("match") or [{}]:
        headers = old.get("headers") or {}
        if any(other.lower() == header for other in headers):
            raise Unsupported(
                f"the entry matches on the header {header} itself, so '{match}' cannot be added to it; "
                "route by another header, or by weight alone"
            )
        entry["match"].append({**copy.deepcopy(old), "headers": {**copy.deepcopy(headers), header: value}})
    entry["route"] = [{key: copy.deepcopy(part) for key, part in canary.items() if key != "weight"}]
    return entry


def match_of(entry: Object, split_entry: Object) -> Match:
    """Return the match that one of our entries stands for; Unsupported when somebody made something else of it.

    Headers are a map without order, so ours is the one that the split entry does not have.
    """
    ours, theirs = ((((each.get("match") or [{}])[0]).get("headers") or {}) for each in (entry, split_entry))
    names = sorted(set(ours) - set(theirs))
    if len(names) == 1:
        name, value = names[0], ours[names[0]]
        if value.get("exact"):
            return Match("header", name, "exact", str(value["exact"]))
        if value.get("regex"):
            expression = str(value["regex"])
            cookie = cookie_match(expression) if name == _COOKIE else None
            return cookie or Match("header", name, "regex", expression)
    raise Unsupported(
        f"entry {entry.get('name')!r} bears the name of a match route of gradual.canary but does not add one header "
        "to the matches of the entry that splits; remove it or give it another name"
    )


def _header_for(match: Match) -> tuple[str, Object]:
    value = required_value(match, "a VirtualService")
    if match.kind == "cookie":
        header, condition = _COOKIE, {"regex": cookie_expression(match, value)}
    else:
        # Istio asks for lower case; names of headers mean the same in any case.
        header, condition = match.name.lower(), {match.operator: value}
    if header in _NO_HEADERS:
        raise InvalidSplit(f"Istio does not look at a header named {header}, so '{match}' would never be true")
    if len(condition.get("regex", "")) > _LONGEST_EXPRESSION:
        raise InvalidSplit(f"'{match}' is a regular expression of more than {_LONGEST_EXPRESSION} characters")
    return header, condition
