# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs a play, and from where. Private to the gradual.canary collection."""

from __future__ import annotations

import getpass
import secrets
import socket
import typing as t

# The names that AWX gives to a job's variables (awx/main/models/jobs.py); Tower's older ones are set beside them.
_JOB: t.Final = "awx_job_id"
_USER: t.Final = "awx_user_name"


def new_holder(variables: t.Mapping[str, t.Any]) -> str:
    """Return an identity that no other run has: who, where, and eight random digits."""
    job = variables.get(_JOB)
    place = f"AWX job {job}" if job else socket.gethostname()
    return f"{variables.get(_USER) or _login()}@{place} {secrets.token_hex(4)}"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container that runs as a user without a name
        return "somebody"
