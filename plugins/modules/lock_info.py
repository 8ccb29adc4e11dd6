#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb lock_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock_info
short_description: Tell who works on an application
version_added: 1.0.0
description:
  - Reads the lock of an application, the Lease C(gradual-canary-APP) in its namespace.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes.info
  - gradual.canary.attributes.group
  - gradual.canary.cluster
  - gradual.canary.target
seealso:
  - module: gradual.canary.lock
"""

EXAMPLES = r"""
- name: See who works on web
  gradual.canary.lock_info:
    namespace: shop
    app: web
"""

RETURN = r"""
msg:
  description: Who holds the lock, in a sentence.
  returned: success
  type: str
  sample: "olga@bastion 5f3a9c1e works on web since 2026-11-22T09:14:03.512000Z: release of v2"
lock:
  description:
    - Who holds it, since when, what for, and how many seconds it lasts without a sign of life; null when nobody does.
    - A run that was killed is still named until another run takes the lock.
  returned: success
  type: dict
  sample:
    holder: olga@bastion 5f3a9c1e
    since: "2026-11-22T09:14:03.512000Z"
    seconds: 60
    purpose: release of v2
    alive: true
cluster:
  description: Which API server was used, and as whom.
  returned: when the cluster was asked
  type: dict
  sample: {server: "https://10.0.0.1:6443", context: lab, user: admin, requests: 1}
"""

from ansible_collections.gradual.canary.plugins.module_utils import _arguments, _task
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._lock import Lock

ARGUMENTS = _arguments.cluster() + _arguments.target()


def run(task: _task.Task) -> _task.Values:
    """Tell who holds the lock."""
    app, cluster = task.params["app"], task.cluster
    held, alive = _lock_of(cluster, task.params["namespace"], app).seen()
    if held is None:
        return {"msg": f"nobody works on {app}", "lock": None}
    doing = "works" if alive else "worked, and gave no sign of life since its lock ended,"
    return {
        "msg": f"{held.holder} {doing} on {app} since {held.since}: {held.purpose}",
        "lock": {**held.as_result(), "alive": alive},
    }


def _lock_of(cluster: Cluster, namespace: str, app: str) -> Lock:
    return Lock(cluster, namespace, app)


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
