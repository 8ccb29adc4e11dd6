#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb lock."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock
short_description: Let one run at a time work on an application
version_added: 1.0.0
description:
  - Takes and gives back the lock of an application, the Lease C(gradual-canary-APP) in its namespace.
  - After it the other verbs of the same host hold their writes back unless the run still has the lock, and renew it
    while they last. A run that lost it stops before its next write.
  - A run that was killed gives nothing back. Its lock ends O(seconds) after its last sign of life, by the clock of the
    API server.
  - The role P(gradual.canary.release#role) and the playbooks of the collection take and give back the lock themselves.
    The other roles leave it to the play that they are in.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes
  - gradual.canary.attributes.group
  - gradual.canary.cluster
  - gradual.canary.target
attributes:
  check_mode:
    description: Takes nothing and gives nothing back; fails if another run has the lock.
  diff_mode:
    description: Who holds a lock is no state of the application.
    support: N/A
  idempotent:
    description: A lock that this run has already stays as it is.
options:
  state:
    description: V(held) takes the lock, or fails when another run has it. V(free) gives it back if this run has it.
    type: str
    choices: [held, free]
    default: held
  purpose:
    description: What it is for, in words; others who want the lock are told.
    type: str
    default: a change
  take_over:
    description:
      - The reason for which the lock is taken from whoever has it. That run stops before its next write, and is told.
      - The reason is kept in the Lease.
    type: str
  seconds:
    description: How long it lasts without a sign of life.
    type: int
    default: 60
  holder:
    description:
      - Who takes it or gives it back; a name that no other run may have. Made of user, machine, job of AWX and a random
        part unless given, and the same until it is given back.
    type: str
seealso:
  - module: gradual.canary.traffic
  - module: gradual.canary.version
"""

EXAMPLES = r"""
- name: Take the lock of web
  gradual.canary.lock:
    namespace: shop
    app: web
    purpose: a change by hand

- name: Give it back
  gradual.canary.lock:
    namespace: shop
    app: web
    state: free
"""

RETURN = r"""
msg:
  description: Who holds it now, in a sentence.
  returned: success
  type: str
  sample: "web is held by olga@bastion 5f3a9c1e: a change by hand"
holder:
  description: Who holds the lock now, for the option C(lock) of the other verbs; null when it is free.
  returned: success
  type: str
  sample: olga@bastion 5f3a9c1e
taken:
  description: Whether it was taken by this task.
  returned: success
  type: bool
  sample: true
before:
  description: Who lost it by that; null when nobody did.
  returned: success
  type: dict
  sample: null
cluster:
  description: Which API server was used, and as whom.
  returned: when the cluster was asked
  type: dict
  sample: {server: "https://10.0.0.1:6443", context: lab, user: admin, requests: 2}
writes:
  description: Every write, in order.
  returned: when the cluster was asked
  type: list
  elements: dict
  sample:
    - verb: patch
      server: "https://10.0.0.1:6443"
      path: /apis/coordination.k8s.io/v1/namespaces/shop/leases/gradual-canary-web
      body:
        - {op: test, path: /metadata/resourceVersion, value: "4711"}
        - {op: remove, path: /spec/holderIdentity}
"""

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _arguments, _task
from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, Unreachable
from ansible_collections.gradual.canary.plugins.module_utils._lock import LEAST_SECONDS, SECONDS, Lock
from ansible_collections.gradual.canary.plugins.module_utils._provenance import new_holder

ARGUMENTS = (
    _arguments.cluster()
    + _arguments.target()
    + ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["held", "free"], "default": "held"},
            "purpose": {"type": "str", "default": "a change"},
            "take_over": {"type": "str"},
            "seconds": {"type": "int", "default": SECONDS},
            "holder": {"type": "str"},
        }
    )
)


def run(task: _task.Task) -> _task.Values:
    """Take the lock or give it back, and keep its holder in a fact of the host."""
    params = task.params
    if params["seconds"] < LEAST_SECONDS:
        raise InvalidInput(f"seconds is {params['seconds']}; a lock lasts {LEAST_SECONDS} or more")
    lock = _lock_of(task.cluster, params)
    holder = params["holder"] or new_holder(task.variables)
    if params["state"] == "free":
        return _free(task, lock, holder)
    if task.check_mode:
        lock.require_takeable(holder)
        return {"msg": f"{params['app']} can be held", "holder": None, "taken": False, "before": None}
    taken = lock.take(holder, params["purpose"], take_over=params["take_over"], seconds=params["seconds"])
    lost = taken.before.as_result() if taken.before else None
    if taken.before:
        task.warn(
            f"the lock of {params['app']} was taken from {taken.before.holder}, who had it since {taken.before.since}"
        )
    return {
        "msg": f"{params['app']} is held by {holder}: {taken.holding.purpose}",
        "holder": holder,
        "taken": taken.changed,
        "before": lost,
    }


def _lock_of(cluster: Cluster, params: t.Mapping[str, t.Any]) -> Lock:
    return Lock(cluster, params["namespace"], params["app"])


def _free(task: _task.Task, lock: Lock, holder: str) -> _task.Values:
    app = task.params["app"]
    free = {"holder": None, "taken": False, "before": None}
    if task.check_mode:
        return {"msg": f"{app} would be given back", **free}
    try:
        had = lock.give_back(holder)
    except Unreachable as error:
        task.warn(f"the lock of {app} could not be given back, and ends by itself: {error.message}")
        had = False
    return {"msg": f"{app} is given back" if had else f"{app} is not held by this run", **free}


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
