# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cookies as clients keep them."""

from __future__ import annotations

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._cookies import Cookies, Visitors

NOW = 1_795_226_335.0


class Clock:
    """A clock that a test sets."""

    now = NOW

    def __call__(self) -> float:
        return self.now


def kept(*values: str, path: str = "/") -> Cookies:
    cookies = Cookies(Clock())
    cookies.store(values, path)
    return cookies


@pytest.mark.parametrize(
    ("set_cookie", "sent"),
    [
        ("route=abc", "route=abc"),
        ("route=abc; Path=/; HttpOnly; SameSite=Lax", "route=abc"),
        (' route = "a b" ;path=/', 'route="a b"'),
        ("route=a=b", "route=a=b"),
        ("route=", "route="),
        ("route", ""),
        ("=abc", ""),
        ("", ""),
        ("route=abc; Max-Age=60", "route=abc"),
        ("route=abc; Max-Age=0", ""),
        ("route=abc; Max-Age=-1", ""),
        ("route=abc; Max-Age=soon", "route=abc"),
        ("route=abc; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""),
        ("route=abc; Expires=Thu, 01 Jan 2099 00:00:00 GMT", "route=abc"),
        ("route=abc; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", "route=abc"),
        ("route=abc; Expires=never", "route=abc"),
        ("route=abc; Secure", ""),
    ],
)
def test_a_cookie_is_sent_back_as_browsers_do(set_cookie: str, sent: str) -> None:
    assert kept(set_cookie).header("/", tls=False) == sent


def test_a_secure_cookie_goes_over_tls_only() -> None:
    assert kept("route=abc; Secure").header("/", tls=True) == "route=abc"


@pytest.mark.parametrize(
    ("set_cookie", "set_at", "asked", "sent"),
    [
        ("a=1; Path=/shop", "/", "/shop", True),
        ("a=1; Path=/shop", "/", "/shop/cart?x=/", True),
        ("a=1; Path=/shop", "/", "/shopping", False),
        ("a=1; Path=/shop/", "/", "/shop/cart", True),
        ("a=1; Path=/shop", "/", "/", False),
        ("a=1", "/shop/cart?where=/else/", "/shop/pay", True),
        ("a=1", "/shop/cart", "/", False),
        ("a=1; Path=shop", "/cart", "/", True),
    ],
)
def test_a_cookie_belongs_to_a_path(set_cookie: str, set_at: str, asked: str, sent: bool) -> None:
    assert kept(set_cookie, path=set_at).header(asked, tls=False) == ("a=1" if sent else "")


def test_the_more_exact_path_goes_first_and_a_new_value_replaces_the_old() -> None:
    cookies = kept("a=1; Path=/", "a=2; Path=/shop", "b=3; Path=/", "a=4; Path=/")
    assert cookies.header("/shop", tls=False) == "a=2; b=3; a=4"
    assert cookies.names == ["a", "b"]


def test_a_cookie_that_is_taken_back_or_too_old_is_not_sent() -> None:
    cookies = kept("a=1; Path=/", "b=2; Max-Age=10")
    cookies.store(["a=; Path=/; Max-Age=0"], "/")
    assert cookies.header("/", tls=False) == "b=2"
    clock = Clock()
    late = Cookies(clock)
    late.store(["b=2; Max-Age=10"], "/")
    clock.now += 11
    assert late.header("/", tls=False) == ""


def test_visitors_are_new_ones_first_and_then_anyone_who_has_no_request_under_way() -> None:
    visitors = Visitors(3)
    assert [visitors.next() for _turn in range(3)] == [0, 1, 2]
    visitors.answered(1, ["route=b"], "/")
    assert visitors.next() == 1
    visitors.answered(2, ["other=c"], "/")
    visitors.answered(0, [], "/")
    assert {visitors.next(), visitors.next()} == {0, 2}
    assert [visitors.cookies(client).header("/", tls=False) for client in range(3)] == ["", "route=b", "other=c"]
    assert visitors.names == ["other", "route"]
