# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer of the Kubernetes API means. Private to the gradual.canary collection.

The forms of the answers were measured on Kubernetes 1.36: an empty 422 for a failed JSON patch test, a 500 without
reason for a server-side apply that does not fit the schema, a 422 whose message holds the whole object.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _errors as errors

_MESSAGE_LIMIT = 600  # characters; a strict-validation answer repeats the whole object (8 kB)


@dataclasses.dataclass(frozen=True)
class Question:
    """What was asked: enough to say in words what was refused."""

    verb: str  # get, list, watch, create, patch, delete: the words of RBAC
    resource: str  # httproutes.gateway.networking.k8s.io
    namespace: str | None
    name: str | None
    server: str
    who: str

    def __str__(self) -> str:
        place = f"namespace {self.namespace}" if self.namespace else "the cluster"
        return f"{self.verb} {self.resource}{f' {self.name!r}' if self.name else ''} in {place}"

    def rule(self) -> str:
        """Return the RBAC rule that would allow it, as YAML in one line."""
        plural, _dot, group = self.resource.partition(".")
        return f"{{apiGroups: [{json.dumps(group)}], resources: [{plural}], verbs: [{self.verb}]}}"


def is_transient(status: int, body: dict[str, t.Any]) -> bool:
    """Say whether the same request may succeed when repeated: 429 and 5xx, but not a malformed apply."""
    if status == 429:
        return True
    return status >= 500 and not _malformed_apply(body)


def error_for(status: int, body: dict[str, t.Any], question: Question) -> errors.Error:
    """Return the error that an answer with a status of 400 or more stands for."""
    message = str(body.get("message") or "no message")[:_MESSAGE_LIMIT]
    details = body.get("details") or {}
    facts = {"status": status, "verb": question.verb, "resource": question.resource, "api_message": message}
    if status == 401:
        return errors.Unauthorized(
            f"{question.server} does not accept the credentials of {question.who} (401). Is the token expired? "
            "Nothing was changed; renew the credentials and run the same command again.",
            **facts,
        )
    if status == 403 and "exceeded quota" not in message:
        return errors.Forbidden(
            f"{question.who} may not {question}: {message}. "
            f"Add this rule to a Role bound to it: {question.rule()}. Nothing was changed by this request.",
            missing={"verb": question.verb, "resource": question.resource, "namespace": question.namespace},
            **facts,
        )
    if status == 404:
        return errors.NotFound(f"could not {question}: {message}", **facts)
    if status == 409:
        return errors.Conflict(f"could not {question}: {_conflict(message, details)}", **facts)
    if status == 422 and not details:
        # A failed test, a wrong pointer and an unknown uid all look like this; the caller re-reads and decides.
        return errors.Conflict(f"could not {question}: it is no longer what it was when it was read", **facts)
    if status == 429 or (status >= 500 and not _malformed_apply(body)):
        return errors.Unreachable(f"{question.server} answered {status} to {question}: {message}", **facts)
    causes = "; ".join(f"{cause.get('field')}: {cause.get('message')}" for cause in details.get("causes", []))
    return errors.Rejected(f"{question.server} refused to {question}: {causes[:_MESSAGE_LIMIT] or message}", **facts)


def _conflict(message: str, details: dict[str, t.Any]) -> str:
    owners = [
        f"{cause.get('field')} ({cause.get('message')})"
        for cause in details.get("causes", [])
        if cause.get("reason") == "FieldManagerConflict"
    ]
    if not owners:
        return message
    return (
        f"another field manager owns {', '.join(owners)}; let it give the field up, "
        "or take the field out of what is applied"
    )


def _malformed_apply(body: dict[str, t.Any]) -> bool:
    return not body.get("reason") and "failed to create typed patch object" in str(body.get("message"))
