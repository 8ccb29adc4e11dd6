# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the domain. Private to the gradual.canary collection.

One root. Each error knows its code (part of the return value, stable across releases), whether the same call may
succeed when it is simply repeated, and machine-readable details. They become a task's failure in one place,
``_task.py``.
"""

from __future__ import annotations

import typing as t


class Error(Exception):
    """Something a user can act on.

    message: what was wrong, where, what is allowed and what to type next, in one or two sentences.
    details: plain JSON values, never a secret.
    """

    code: t.ClassVar[str] = "error"
    retry: t.ClassVar[bool] = False

    def __init__(self, message: str, **details: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def failure(self) -> dict[str, t.Any]:
        """Return ``{code, message, details, retry}``, the shape of a failed task's ``failure``."""
        return {"code": self.code, "message": self.message, "details": self.details, "retry": self.retry}


class InvalidInput(Error):
    """An option cannot mean what it says; nothing was asked of the cluster."""

    code = "invalid_input"


class MissingLibrary(Error):
    """A Python library that this task needs is not installed."""

    code = "missing_library"


class InvalidSplit(Error):
    """A weight out of range, or not representable on this traffic system."""

    code = "invalid_split"


class Unsupported(Error):
    """This traffic system cannot do what is asked."""

    code = "unsupported"


class NotFound(Error):
    """The API answered: there is no such object. (Not: it could not be asked.)"""

    code = "not_found"


class TargetNotFound(Error):
    """The route, rule or Ingress to split is not there."""

    code = "target_not_found"


class AmbiguousTarget(Error):
    """More than one rule or object fits the description."""

    code = "ambiguous_target"


class ForeignOwner(Error):
    """The object belongs to another tool or person."""

    code = "foreign_owner"


class Unauthorized(Error):
    """The API does not accept the credentials (401)."""

    code = "unauthorized"


class Forbidden(Error):
    """The credentials lack a permission (403); the message names the missing verb and resource."""

    code = "forbidden"


class Rejected(Error):
    """The API server, a schema or an admission webhook refused the object."""

    code = "rejected"


class Conflict(Error):
    """Somebody else changed what this write relied on."""

    code = "conflict"


class Refused(Error):
    """A preflight found what would break the change; ``details.findings`` has all of it."""

    code = "refused"


class NotReady(Error):
    """Pods or endpoints did not become ready in time, or cannot become ready."""

    code = "not_ready"


class NotLive(Error):
    """The change was written, but the controller did not accept it in time."""

    code = "not_live"


class Degraded(Error):
    """The controller reports that it cannot serve the object as written."""

    code = "degraded"


class StillServing(Error):
    """Refused: the version to be removed can still receive traffic."""

    code = "still_serving"


class Unreachable(Error):
    """The API could not be asked, or kept answering 429 or 5xx until the deadline."""

    code = "unreachable"
    retry = True
