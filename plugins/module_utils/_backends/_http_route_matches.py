# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Match routes as rules of an HTTPRoute, and back. Private to the gradual.canary collection.

The Gateway API has no match on cookies: a cookie is a regular expression on the header ``Cookie``. The expression says
where it begins and ends, because Envoy compares the whole value while Traefik and NGINX search in it, and uses nothing
but what RE2, Go and PCRE read alike.
"""

from __future__ import annotations

import copy
import re
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match

Object = dict[str, t.Any]

_COOKIE: t.Final = "Cookie"
_BEFORE: t.Final = r"^(.*;\s*)?"  # other cookies before ours; no (?: ) since NGINX Gateway Fabric may refuse a colon
_AFTER: t.Final = r"(\s*;.*)?$"
_METACHARACTERS: t.Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
_NO_COOKIE_VALUE: t.Final = re.compile(r"[\x00-\x20\x7f;,]")


def name_of(app: str, number: int) -> str:
    """Return the name of an application's match rule: the mark that the rule is ours."""
    return f"{app}-canary-match-{number}"


def is_ours(rule: Object, app: str) -> bool:
    """Say whether a rule is a match rule of this application."""
    return re.fullmatch(re.escape(app) + r"-canary-match-[0-9]+", str(rule.get("name") or "")) is not None


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
    if header["name"] == _COOKIE and value.startswith(_BEFORE) and value.endswith(_AFTER):
        name, _equals, inner = value.removeprefix(_BEFORE).removesuffix(_AFTER).partition("=")
        if inner.startswith("("):
            return Match("cookie", _unescaped(name), "regex", inner[1:-1])
        return Match("cookie", _unescaped(name), "exact", _unescaped(inner))
    return Match("header", str(header["name"]), "regex", value)


def _header_for(match: Match) -> Object:
    value = match.value
    if not value:
        raise InvalidSplit(f"'{match}' needs a value: an HTTPRoute cannot match on the mere presence of a {match.kind}")
    if match.operator == "regex":
        _require_pattern(match, value)
    if match.kind == "header":
        return {
            "type": "Exact" if match.operator == "exact" else "RegularExpression",
            "name": match.name,
            "value": value,
        }
    if match.operator == "exact" and _NO_COOKIE_VALUE.search(value):
        raise InvalidSplit(f"'{match}' can never be true: a cookie's value has no spaces, commas or semicolons")
    inner = _escaped(value) if match.operator == "exact" else f"({value})"
    return {
        "type": "RegularExpression",
        "name": _COOKIE,
        "value": f"{_BEFORE}{_escaped(match.name)}={inner}{_AFTER}",
    }


def _require_pattern(match: Match, value: str) -> None:
    """Refuse what is no regular expression anywhere; a dialect's own rules are the controller's to judge."""
    try:
        re.compile(value)
    except re.error as error:
        raise InvalidSplit(f"'{match}' is not a regular expression: {error}") from error


def _escaped(text: str) -> str:
    return _METACHARACTERS.sub(r"\\\g<0>", text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
