"""Match routes as rules of an HTTPRoute: what they select, and that they can be read back."""

from __future__ import annotations

import re
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gradual.canary.plugins.module_utils._backends import _http_route_matches as match_rules
from ansible_collections.gradual.canary.plugins.module_utils._backends import _match_expressions as match_expressions
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match

Object = dict[str, Any]
REF = {"group": "", "kind": "Service", "name": "web-v2", "port": 80, "weight": 1000}
RULE: Object = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [REF]}

NAMES = st.text(string.ascii_letters + string.digits + "!#$%&'*+.^_`|~-", min_size=1)
VALUES = st.text(string.ascii_letters + string.digits + "!#$%&'()*+-./:<=>?@[]^_`{|}~\\", min_size=1)


def made(match: Match, rule: Object | None = None) -> Object:
    return match_rules.rule_for(match, match_expressions.name_of("web", 1), rule or RULE, REF)


def header(match: Match) -> Object:
    (found,) = made(match)["matches"][0]["headers"]
    return dict(found)


@given(NAMES, VALUES)
def test_an_exact_match_reads_back_as_it_was_given(name: str, value: str) -> None:
    for kind in ("header", "cookie"):
        match = Match(kind, name, "exact", value)
        assert match_rules.match_of(made(match)) == match


@pytest.mark.parametrize("kind", ["header", "cookie"])
def test_a_regular_expression_reads_back_as_it_was_given(kind: str) -> None:
    match = Match(kind, "group", "regex", r"(qa|dev)-\d+")
    assert match_rules.match_of(made(match)) == match


@given(NAMES, VALUES)
def test_a_cookie_is_found_wherever_it_stands(name: str, value: str) -> None:
    pattern = header(Match("cookie", name, "exact", value))["value"]
    for before in ("", "a=1; ", "a=1;b=2;"):
        for after in ("", "; z=1", ";z=1"):
            assert re.search(pattern, f"{before}{name}={value}{after}")


@pytest.mark.parametrize(
    "cookies", ["groups=qa", "my-group=qa", "group=qa2", "group=xqa", "group=", "other=group=qa", "group=QA", "a=1"]
)
def test_another_cookie_or_value_is_not_taken_for_it(cookies: str) -> None:
    assert not re.search(header(Match("cookie", "group", "exact", "qa"))["value"], cookies)


def test_a_cookies_value_must_fit_the_expression_wholly() -> None:
    pattern = header(Match("cookie", "group", "regex", "qa|dev"))["value"]
    assert re.search(pattern, "group=dev; a=1")
    assert not re.search(pattern, "group=developer")


@pytest.mark.parametrize(
    "match",
    [
        Match("header", "X-A", "always"),
        Match("header", "X-A", "exact", ""),
        Match("header", "X-A", "regex", "(a"),
        Match("cookie", "a", "exact", "one; two"),
    ],
)
def test_what_no_request_or_no_controller_could_match_is_refused(match: Match) -> None:
    with pytest.raises(InvalidSplit):
        made(match)


def test_every_match_of_the_rule_gets_the_header_and_keeps_its_own() -> None:
    own = {"type": "Exact", "name": "X-Tenant", "value": "a"}
    paths = [{"path": {"type": "Exact", "value": "/a"}, "headers": [own]}, {"path": {"type": "Exact", "value": "/b"}}]
    rule = made(Match("header", "X-A", "exact", "1"), {**RULE, "matches": paths, "filters": [1], "timeouts": {"r": 1}})
    ours = {"type": "Exact", "name": "X-A", "value": "1"}
    assert [one["headers"] for one in rule["matches"]] == [[own, ours], [ours]]
    assert [one["path"] for one in rule["matches"]] == [one["path"] for one in paths]
    assert (rule["filters"], rule["timeouts"]) == ([1], {"r": 1})
    assert rule["backendRefs"] == [{**REF, "weight": 1}]


def test_a_header_that_the_rule_matches_on_itself_is_refused() -> None:
    tenant = [{"path": {}, "headers": [{"type": "Exact", "name": "x-tenant", "value": "a"}]}]
    with pytest.raises(Unsupported, match="X-Tenant"):
        made(Match("header", "X-Tenant", "exact", "b"), {**RULE, "matches": tenant})


def test_only_rules_with_our_name_are_ours() -> None:
    assert match_expressions.is_ours({"name": "web-canary-match-12"}, "web")
    for name in ("web-canary-match-", "my-web-canary-match-1", "web-canary-match-1-old", "other-canary-match-1"):
        assert not match_expressions.is_ours({"name": name}, "web")
    assert not match_expressions.is_ours({}, "web")


def test_a_rule_of_ours_that_somebody_emptied_is_not_guessed_at() -> None:
    with pytest.raises(Unsupported, match="web-canary-match-1"):
        match_rules.match_of({"name": "web-canary-match-1", "matches": [{"path": {}}]})
