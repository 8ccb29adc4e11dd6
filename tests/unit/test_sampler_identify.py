# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version out of an answer."""

from __future__ import annotations

import subprocess
import sys
import typing as t

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._identify import Identify


def test_a_header_names_the_version_in_any_case() -> None:
    identify = Identify(header="X-Version")
    assert not identify.needs_body
    assert identify.version({"x-version": "v2"}, b"") == "v2"
    assert identify.version({"x-version": ""}, b"") is None
    assert identify.version({}, b"X-Version: v2") is None


@pytest.mark.parametrize(
    ("expression", "body", "version"),
    [
        ("app.version", b'{"app": {"version": "v2"}}', "v2"),
        ("version", b'{"version": 2}', "2"),
        ("version", b'{"version": 1.10}', "1.10"),
        ("version", b'{"version": ""}', None),
        ("version", b'{"version": true}', None),
        ("version", b'{"version": ["v2"]}', None),
        ("version", b'{"other": "v2"}', None),
        ("version", b"<html>502 Bad Gateway</html>", None),
        ("version", b"", None),
        ("version", b"\xff\xfe", None),
        ("version", b"[" * 100_000, None),
        ("join('-', [name, version])", b'{"name": "web", "version": "v2"}', "web-v2"),
        ("join('-', [name, version])", b'{"name": "web"}', None),
    ],
)
def test_a_jmespath_expression_reads_a_json_body(expression: str, body: bytes, version: str | None) -> None:
    assert Identify(jmespath=expression).version({}, body) == version


@pytest.mark.parametrize(
    ("regex", "body", "version"),
    [
        (r"v\d+", b"this is v12.", "v12"),
        (r"version: (\S+)", b"version: v2 and more", "v2"),
        (r"stable|canary (v2)", b"stable", None),
        (r"v\d+", b"nothing here", None),
        (r"grün", "die Version ist grün".encode(), "grün"),
    ],
)
def test_a_regular_expression_reads_any_body(regex: str, body: bytes, version: str | None) -> None:
    assert Identify(regex=regex).version({}, body) == version


def test_a_body_is_read_in_the_character_set_of_its_content_type() -> None:
    headers = {"content-type": 'text/plain; charset="iso-8859-1"'}
    identify = Identify(regex="gr.+n")
    assert identify.version(headers, "grün".encode()) == "grÃ¼n"
    assert identify.version({}, "grün".encode()) == "grün"
    assert Identify(regex="v1").version({"content-type": "text/plain; charset=klingon"}, b"v1") == "v1"


def test_bodies_that_never_repeat_are_all_told_apart() -> None:
    identify = Identify(regex=r"v\d+")
    for _round in range(2):
        assert [identify.version({}, b"v%d" % number) for number in range(600)] == [
            f"v{number}" for number in range(600)
        ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of header, jmespath and regex; none of them is given"),
        ({"header": "X-Version", "regex": "v1"}, "header and regex are given"),
        ({"header": "X Version"}, r"identify\.header 'X Version' is not the name of a header"),
        ({"regex": "v(1"}, r"identify\.regex 'v\(1' is not a regular expression: missing \)"),
        ({"jmespath": "version["}, r"identify\.jmespath 'version\[' is not a JMESPath expression"),
        ({"jmespath": "upper(version)"}, r"Unknown function: upper\(\)"),
        ({"jmespath": "length(version, 1)"}, "is not a JMESPath expression"),
    ],
)
def test_an_identification_that_cannot_work_is_refused_with_its_reason(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Identify(**options)


def test_without_the_library_only_jmespath_fails_and_names_the_package() -> None:
    program = """
import sys
sys.modules["jmespath"] = None  # what an import finds when a library is not there
from ansible_collections.gradual.canary.plugins.module_utils import _errors, _identify
assert _identify.Identify(header="X-Version").version({"x-version": "v2"}, b"") == "v2"
try:
    _identify.Identify(jmespath="version")
except _errors.MissingLibrary as error:
    print(error)
"""
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert "pip install jmespath" in done.stdout
