# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a request to the API is put, and its answer read. Pure. Private to the gradual.canary collection."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._connection import Response
from ansible_collections.gradual.canary.plugins.module_utils._resources import Kind


class Asked(t.NamedTuple):
    """The object or collection that a request is about; `verb` only where the method does not tell.

    suffix: what a subresource adds to the path, and to the name that permissions have for it: ``/status``.
    """

    kind: Kind
    namespace: str | None
    name: str | None
    verb: str | None = None
    suffix: str = ""


def selectors(labels: dict[str, str] | None, fields: str | None) -> dict[str, str]:
    query = {}
    if labels:
        query["labelSelector"] = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    if fields:
        query["fieldSelector"] = fields
    return query


def decoded(data: bytes) -> dict[str, t.Any]:
    try:
        answer = json.loads(data or b"{}")
    except ValueError:
        answer = {"message": data[:200].decode(errors="replace")}
    return answer if isinstance(answer, dict) else {"message": str(answer)[:200]}


def pause_asked(response: Response, pause: float) -> float:
    """Return the seconds to wait before the next attempt: the server's Retry-After where it gives one."""
    try:
        return max(pause, float(response.headers.get("Retry-After", 0)))
    except ValueError:
        return pause
