#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb version_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: version_info
short_description: List the versions of an application
version_added: 1.0.0
description:
  - Lists the versions that M(gradual.canary.version) deployed, oldest first, with their pods, images and the time their
    pods may take to end.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes.info
  - gradual.canary.attributes.group
  - gradual.canary.cluster
  - gradual.canary.target
  - gradual.canary.backend
options:
  backend:
    description:
      - The traffic system, where it is one whose versions are templates of one workload (V(deployment)); they are then
        the templates that it has or remembers.
      - Has no effect with any other.
    type: dict
    required: false
seealso:
  - module: gradual.canary.version
"""

EXAMPLES = r"""
- name: See which versions there are
  gradual.canary.version_info:
    context: lab
    namespace: shop
    app: web
  register: versions
"""

RETURN = r"""
msg:
  description: The versions in a sentence.
  returned: always
  type: str
  sample: "web has 2 versions: v1 (3 of 3 pods available), v2 (1 of 1 pods available)"
versions:
  description: The versions, oldest first. Empty when there are none.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the version.
      type: str
      sample: v2
    deployment:
      description: Name of the Deployment.
      type: str
      sample: web-v2
    service:
      description: Name of the Service; null when there is none.
      type: str
      sample: web-v2
    port:
      description: First port of the Service; null when there is none.
      type: int
      sample: 8080
    replicas:
      description: How many pods it shall have.
      type: int
      sample: 1
    ready:
      description: How many pods are ready.
      type: int
      sample: 1
    complete:
      description: Whether all pods are of the newest template and available, and no others are left.
      type: bool
      sample: true
    image:
      description: Image of the first container.
      type: str
      sample: registry.example.com/web:v2
    replaces:
      description: The version it was deployed to replace; null when that was not given.
      type: str
      sample: v1
    keep_until:
      description: Until when it stays at full size although it does not serve; null when nothing is recorded.
      type: str
      sample: null
    kept:
      description: Whether that time has not come yet, and the version has pods.
      type: bool
      sample: false
    created:
      description: When the Deployment was created, or the ReplicaSet of a template; null for one that has none yet.
      type: str
      sample: "2026-11-20T09:30:00Z"
    autoscaler:
      description: Name of the HorizontalPodAutoscaler that decides on the number of pods; null when there is none.
      type: str
      sample: null
    termination_grace_period:
      description: Seconds a pod may take to end.
      type: int
      sample: 30
    pre_stop:
      description: Whether a container has a C(preStop) action.
      type: bool
      sample: true
longest_grace:
  description: The longest RV(versions[].termination_grace_period) in seconds; 0 when there are no versions.
  returned: success
  type: int
  sample: 30
cluster:
  description: Which API server was used, and as whom.
  returned: when the cluster was asked
  type: dict
  sample: {server: "https://10.0.0.1:6443", context: lab, user: admin, requests: 3}
"""

import datetime
from collections.abc import Sequence

from ansible_collections.gradual.canary.plugins.module_utils import _arguments as arguments
from ansible_collections.gradual.canary.plugins.module_utils import _backends as backends
from ansible_collections.gradual.canary.plugins.module_utils import _task
from ansible_collections.gradual.canary.plugins.module_utils._backends._arguments import backend
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._in_place import VersionInPlace, versions_in_place
from ansible_collections.gradual.canary.plugins.module_utils._keep import is_kept, is_over, now, recorded
from ansible_collections.gradual.canary.plugins.module_utils._workloads import Deployed, Workloads

ARGUMENTS = (
    arguments.cluster()
    + arguments.target()
    + arguments.ArgumentSpec({"backend": {**backend().options["backend"], "required": False}})
)


def run(task: _task.Task) -> _task.Values:
    """List the versions of an application; reads only."""
    app = task.params["app"]
    versions, at = _versions(task), now()
    words = ", ".join(f"{one.as_result()['name']} ({one.rollout}{_end(one, at)})" for one in versions)
    number = f"{len(versions)} version{'' if len(versions) == 1 else 's'}"
    return {
        "msg": f"{app} has {number}: {words}"
        if versions
        else f"{app} has no versions in namespace {task.params['namespace']}",
        "versions": [{**one.as_info(), "kept": is_kept(one.deployment, at)} for one in versions],
        "longest_grace": max((one.grace for one in versions), default=0),
    }


def _versions(task: _task.Task) -> Sequence[Deployed | VersionInPlace]:
    namespace, app = task.params["namespace"], task.params["app"]
    if task.params["backend"]:
        traffic = backends.get(task.cluster, Target(namespace, app), task.params["backend"])
        if traffic.in_place:
            return versions_in_place(task.cluster, traffic)
    return Workloads(task.cluster, task).versions(namespace, app)


def _end(one: Deployed | VersionInPlace, at: datetime.datetime) -> str:
    until = recorded(one.deployment)
    return f", kept until {until}{', which is over' if is_over(until, at) else ''}" if until else ""


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
