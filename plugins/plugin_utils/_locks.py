# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tasks of a run know of the locks that it took. Private to the gradual.canary collection.

A fact of the host says who holds the lock of which application. Facts may be cached and come to another run, which must
not take them for its own; so each names the run.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._provenance import new_holder

RUN: t.Final = secrets.token_hex(8)
"""This process of ansible-playbook: made when the parent imports this file, before its tasks fork."""

Arguments = dict[str, t.Any]
Variables = t.Mapping[str, t.Any]

_CLUSTER: t.Final = ("host", "context", "kubeconfig")


def with_holder(spec: ArgumentSpec, arguments: Arguments, variables: Variables) -> Arguments:
    """Return a task's arguments with who holds the lock of its application, unless they name somebody.

    The verb that takes and gives back the lock gets a new name when there is none; others then look at no lock.
    """
    if "holder" in spec.options:
        if arguments.get("holder"):
            return arguments
        return {**arguments, "holder": _holder(arguments, variables) or new_holder(variables)}
    if "lock" not in spec.options:
        return arguments
    given = arguments.get("lock")
    if isinstance(given, dict):
        if given.get("holder"):
            return arguments
        holder = _holder({**(given.get("cluster") or {}), **given}, variables)
        lock = {**given, "holder": holder} if holder else None
        return {
            **{name: value for name, value in arguments.items() if name != "lock"},
            **({"lock": lock} if lock else {}),
        }
    holder = None if given else _holder(arguments, variables)
    return {**arguments, "lock": holder} if holder else arguments


def facts(arguments: Arguments, result: t.Mapping[str, t.Any]) -> Arguments:
    """Return the fact to keep after the verb that takes and gives back the lock."""
    return {_fact(arguments): {"run": RUN, "holder": result.get("holder")}}


def _holder(arguments: Arguments, variables: Variables) -> str | None:
    known = variables.get("ansible_facts", {}).get(_fact(arguments)) or {}
    holder = known.get("holder") if known.get("run") == RUN else None
    return str(holder) if holder else None


def _fact(arguments: Arguments) -> str:
    """Return the name of the fact about an application: in which cluster, which namespace, and its name."""
    place = [arguments.get(option) for option in _CLUSTER]
    named = [*place, arguments.get("namespace") or arguments.get("ns"), arguments.get("app")]
    digest = hashlib.sha256(json.dumps(named, sort_keys=True, default=str).encode()).hexdigest()
    return f"gradual_canary_lock_{digest[:16]}"
