# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and values of match routes, and cookies as expressions. Private to the gradual.canary collection.

For traffic systems whose match routes are rules with names, and which have no match on cookies. The expression for a
cookie says where it begins and ends, because Envoy compares the whole value while Traefik and NGINX search in it, and
uses nothing but what RE2, Go and PCRE read alike.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match

Object = dict[str, t.Any]

_BEFORE: t.Final = r"^(.*;\s*)?"  # other cookies before ours; no (?: ) since NGINX Gateway Fabric may refuse a colon
_AFTER: t.Final = r"(\s*;.*)?$"
_METACHARACTERS: t.Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
_NO_COOKIE_VALUE: t.Final = re.compile(r"[\x00-\x20\x7f;,]")


def name_of(app: str, number: int) -> str:
    """Return the name of an application's match route: the mark that the rule or entry is ours."""
    return f"{app}-canary-match-{number}"


def is_ours(part: Object, app: str) -> bool:
    """Say whether a rule or an entry is a match route of this application."""
    return re.fullmatch(re.escape(app) + r"-canary-match-[0-9]+", str(part.get("name") or "")) is not None


def required_value(match: Match, system: str) -> str:
    """Return the value that a match asks for; InvalidSplit when there is none, or when it can never be true.

    system: what cannot match on mere presence, for the message: ``an HTTPRoute``.
    """
    value = match.value
    if not value:
        raise InvalidSplit(f"'{match}' needs a value: {system} cannot match on the mere presence of a {match.kind}")
    if match.operator == "regex":
        _require_pattern(match, value)
    elif match.kind == "cookie" and _NO_COOKIE_VALUE.search(value):
        raise InvalidSplit(f"'{match}' can never be true: a cookie's value has no spaces, commas or semicolons")
    return value


def cookie_expression(match: Match, value: str) -> str:
    """Return the regular expression for the header ``Cookie`` that finds this cookie with this value."""
    inner = _escaped(value) if match.operator == "exact" else f"({value})"
    return f"{_BEFORE}{_escaped(match.name)}={inner}{_AFTER}"


def cookie_match(expression: str) -> Match | None:
    """Return the match on a cookie that an expression of ours stands for; None for any other expression."""
    if not (expression.startswith(_BEFORE) and expression.endswith(_AFTER)):
        return None
    name, _equals, inner = expression.removeprefix(_BEFORE).removesuffix(_AFTER).partition("=")
    if inner.startswith("("):
        return Match("cookie", _unescaped(name), "regex", inner[1:-1])
    return Match("cookie", _unescaped(name), "exact", _unescaped(inner))


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
