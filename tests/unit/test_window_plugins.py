# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test in_release_window and the filter next_release_window, by themselves and in a playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleTemplatePluginError

from ansible_collections.gradual.canary.plugins.filter.next_release_window import FilterModule
from ansible_collections.gradual.canary.plugins.test.in_release_window import TestModule as JinjaTests

in_release_window = JinjaTests().tests()["in_release_window"]
next_release_window = FilterModule().filters()["next_release_window"]

NIGHTS = {"rrule": "FREQ=DAILY;BYHOUR=2", "duration": "2h", "timezone": "Europe/Berlin"}
CHRISTMAS = {"from": "2026-12-20", "until": "2026-12-26"}


@pytest.mark.parametrize(
    ("moment", "open_then"),
    [
        (datetime(2026, 7, 1, 0, 30), True),  # UTC, since that is what now(utc=true) returns
        (datetime(2026, 7, 1, 2, 30), False),
        (datetime(2026, 7, 1, 2, 30, tzinfo=timezone(timedelta(hours=2))), True),
        ("2026-07-01T00:30:00Z", True),
        ("2026-07-01 02:30:00+02:00", True),
        ("2026-07-01T02:30:00+00:00", False),
        ("2026-12-22T02:30:00+01:00", False),
    ],
)
def test_a_moment_is_inside_or_outside(moment: object, open_then: bool) -> None:
    assert in_release_window(moment, [NIGHTS], [CHRISTMAS]) is open_then
    assert in_release_window(moment, NIGHTS, CHRISTMAS) is open_then


@pytest.mark.parametrize("moment", [None, "", "now", "2026-07-01", "2026-07-01 02:30:00", 1782864000, datetime.max])
def test_what_is_no_moment_is_refused(moment: object) -> None:
    with pytest.raises(AnsibleTemplatePluginError, match=r"is not a moment; allowed: now|is outside of the years"):
        in_release_window(moment, NIGHTS)


def test_the_next_opening_is_told_by_the_clock_of_its_window() -> None:
    assert next_release_window(NIGHTS, CHRISTMAS, "2026-12-20T00:00:00Z") == "2026-12-27T02:00:00+01:00"
    assert next_release_window([NIGHTS], after=datetime(2026, 7, 1, 0, 30)) == "2026-07-02T02:00:00+02:00"
    assert next_release_window([], after=datetime(2026, 7, 1)) is None


def test_without_a_moment_the_filter_looks_ahead_from_now() -> None:
    before = datetime.now(UTC)
    hourly = {"rrule": "FREQ=HOURLY", "duration": 1, "timezone": "UTC"}
    opens = datetime.fromisoformat(str(next_release_window(hourly)))
    assert before < opens <= datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize("windows", ["nights", {**NIGHTS, "rrule": "FREQ=MINUTELY"}, {**NIGHTS, "timezone": "Berlin"}])
def test_a_setting_that_cannot_be_meant_is_an_error_of_the_template(windows: object) -> None:
    for ask in (lambda: in_release_window("2026-07-01T00:30:00Z", windows), lambda: next_release_window(windows)):
        with pytest.raises(AnsibleTemplatePluginError, match=r"windows must be|FREQ=MINUTELY is not|timezone 'Berlin'"):
            ask()


# In a playbook values are Ansible's own: dates and text of YAML carry tags, and templates inside are filled in late.
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars:
    hour: "{{ (now(utc=true).hour - 1) % 24 }}"
    around_now: {rrule: "FREQ=DAILY;BYHOUR={{ hour }}", duration: 3h, timezone: UTC}
    fortnightly: {rrule: FREQ=WEEKLY;INTERVAL=2, start: 2026-01-05 10:00:00, duration: "{{ long }}", timezone: UTC}
    long: 2h
    freezes:
      - {from: 2026-01-19, until: 2026-01-19, reason: a day}
      - {from: 2026-02-02 09:00:00, until: 2026-02-02T11:00:00Z}
    for_ever: {from: 1970-01-01, until: 2199-12-30}
    moment: 2026-02-02 11:30:00
    week: "2026-01-06T00:00:00Z"
  tasks:
    - ansible.builtin.assert:
        that:
          - now(utc=true) is gradual.canary.in_release_window(around_now)
          - now(utc=true) is not gradual.canary.in_release_window(around_now, for_ever)
          - moment is gradual.canary.in_release_window([around_now, fortnightly], freezes)
          - fortnightly | gradual.canary.next_release_window(after=week) == '2026-01-19T10:00:00+00:00'
          - fortnightly | gradual.canary.next_release_window(freezes, week) == '2026-02-02T11:00:00+00:00'
    - ansible.builtin.debug:
        msg: "{{ [around_now, fortnightly | combine({'timezone': none})] | gradual.canary.next_release_window }}"
      ignore_errors: true
      register: refused
    - ansible.builtin.copy:
        content: "{{ refused.msg }}"
        dest: "{{ told }}"
        mode: "0600"
"""


def test_a_playbook_asks_with_its_own_now_and_its_own_values(tmp_path: Path) -> None:
    (tmp_path / "playbook.yml").write_text(PLAYBOOK, encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            str(tmp_path / "playbook.yml"),
            "--extra-vars",
            json.dumps({"told": str(tmp_path / "told")}),
        ],
        # A controller far from UTC, where a local time taken for UTC would be outside of the window.
        env=os.environ
        | {
            "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(path for path in sys.path if path),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "TZ": "XXX-12",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = (tmp_path / "told").read_text(encoding="utf-8")
    assert told.endswith("window 2 has no timezone; it needs rrule, duration, timezone")
    assert "Traceback" not in done.stdout + done.stderr


def test_the_windows_of_the_documentation_are_taken() -> None:
    path = Path(__file__).parents[2] / "plugins" / "test" / "in_release_window.yml"
    documented = yaml.safe_load(path.read_text(encoding="utf-8"))
    first, second = (task["vars"] for task in yaml.safe_load(documented["EXAMPLES"]))
    now = "2026-12-31T12:00:00Z"
    assert next_release_window(first["windows"], first["freezes"], now) == "2027-01-05T02:00:00+01:00"
    assert next_release_window(second["window"], None, now) == "2027-01-04T14:00:00-05:00"
