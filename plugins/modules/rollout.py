#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb rollout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Pause, resume, abort, undo or restart a workload that changes in place
version_added: 1.0.0
description:
  - Tells one workload what C(kubectl rollout) would, and what that cannot, in one vocabulary for all backends whose
    versions are templates of one workload. The others refuse it.
  - Each action but V(restart) changes nothing when the workload is so already.
  - A release by stages needs none of these; that is M(gradual.canary.traffic), which also proves what it does.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes
  - gradual.canary.attributes.group
  - gradual.canary.cluster
  - gradual.canary.target
  - gradual.canary.lock
  - gradual.canary.backend
options:
  action:
    description:
      - V(status) tells how far it is, and V(history) which revisions there are. Neither writes.
      - V(pause) stops it where it is; a change of its template then makes no pod.
      - V(resume) lets a paused one go on. A Deployment that a stage holds gets its own strategy back, and goes on to
        all pods.
      - V(promote) goes on to the next step; with O(full) past all of them. A Deployment has no steps, so for it this is
        V(resume).
      - V(abort) takes the new template's pods away and gives the workload the template before, without going forward
        first, also when the new pods never got ready. A Rollout keeps the new template, and is degraded until V(retry)
        or V(undo).
      - V(retry) begins again what was aborted. A Deployment refuses it, for nothing of an aborted template is left in
        it but a revision to go to.
      - V(undo) returns to O(revision). Other than C(kubectl rollout undo) it keeps the workload's annotations, and
        works while it is paused, which then stays so.
      - V(restart) replaces all pods by new ones of the same template.
    type: str
    choices: [status, history, pause, resume, promote, abort, retry, undo, restart]
    default: status
  full:
    description: Whether V(promote) skips all steps that are left.
    type: bool
    default: false
  revision:
    description: The revision that V(undo) returns to. The one before the newest, unless given.
    type: int
  wait:
    description:
      - Whether to wait until the workload is where the action leads. Never in check mode.
      - With V(status), whether to wait until it is healthy or paused.
    type: bool
    default: true
  timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
seealso:
  - module: gradual.canary.traffic
  - module: gradual.canary.version
"""

EXAMPLES = r"""
- name: See how far the Deployment is, without waiting for it
  gradual.canary.rollout:
    namespace: shop
    app: web
    backend: {type: deployment}
    wait: false
  register: rollout

- name: Take new pods away that never get ready
  gradual.canary.rollout:
    namespace: shop
    app: web
    backend: {type: deployment}
    action: abort

- name: Return to revision 1
  gradual.canary.rollout:
    namespace: shop
    app: web
    backend: {type: deployment}
    action: undo
    revision: 1

- name: Restart all pods
  gradual.canary.rollout:
    namespace: shop
    app: web
    backend: {type: deployment}
    action: restart

- name: Let the Rollout go on from the pause it is in, and no other
  gradual.canary.rollout:
    namespace: shop
    app: web
    backend: {type: argo_rollouts}
    action: promote

- name: Take all traffic from the new version of the Rollout
  gradual.canary.rollout:
    namespace: shop
    app: web
    backend: {type: argo_rollouts}
    action: abort
"""

RETURN = r"""
msg:
  description: How far it is, in a sentence.
  returned: always
  type: str
  sample: Deployment shop/web is paused, with 1 of 10 pods of v2
status:
  description: How far it is now; in check mode, as it was.
  returned: success
  type: dict
  contains:
    phase:
      description:
        - V(healthy), V(progressing), V(paused) or V(degraded).
        - Of a Deployment it is judged as by C(kubectl rollout status), which does not look at whether it is paused, and
          says of a paused one that it is done, or waits for ever.
      type: str
      sample: paused
    message:
      description: The same in a sentence.
      type: str
      sample: Deployment shop/web is paused, with 1 of 10 pods of v2
    version:
      description: The version of the template that it has.
      type: str
      sample: v2
    revision:
      description: The revision of that template; null while no pod has it.
      type: int
      sample: 4
    step:
      description: The step it is at and how many there are; null where there are none.
      type: str
      sample: null
  sample:
    phase: paused
    message: Deployment shop/web is paused, with 1 of 10 pods of v2
    version: v2
    revision: 4
    step: null
history:
  description: The revisions that it has, the newest first.
  returned: success
  type: list
  elements: dict
  sample:
    - revision: 4
      version: v2
      replicas: 1
      ready: 1
      image: registry.example.com/web:v2
      cause: null
      created: "2026-11-20T09:30:00Z"
failure:
  description: What was wrong, for programs. C(code) is for example C(unsupported), C(not_found) or C(conflict).
  returned: failure
  type: dict
  sample:
    code: not_found
    message: "Deployment shop/web has no revision 9; it has 3, 4. Nothing was changed."
    retry: false
    details: {revision: 9}
cluster:
  description: Which API server was used, and as whom.
  returned: when the cluster was asked
  type: dict
  sample: {server: "https://10.0.0.1:6443", context: lab, user: admin, requests: 4}
writes:
  description: Every write that was made, or in check mode would be.
  returned: when the cluster was asked
  type: list
  elements: dict
  sample:
    - verb: patch
      path: /apis/apps/v1/namespaces/shop/deployments/web
      body:
        - {op: test, path: /spec/paused, value: null}
        - {op: add, path: /spec/paused, value: true}
"""

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _arguments, _backends, _task
from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._backends import _arguments as traffic_arguments
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_contract import (
    Differences,
    RolloutControl,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput

Action = t.Callable[[RolloutControl, t.Mapping[str, t.Any]], Differences]

_ACTIONS: t.Final[dict[str, Action]] = {
    "status": lambda control, params: (),
    "history": lambda control, params: (),
    "pause": lambda control, params: control.pause(),
    "resume": lambda control, params: control.resume(),
    "promote": lambda control, params: control.promote(full=params["full"]),
    "abort": lambda control, params: control.abort(),
    "retry": lambda control, params: control.retry(),
    "undo": lambda control, params: control.undo(params["revision"]),
    "restart": lambda control, params: control.restart(),
}

ARGUMENTS = (
    _arguments.cluster()
    + _arguments.target()
    + _arguments.lock()
    + traffic_arguments.backend()
    + ArgumentSpec(
        {
            "action": {"type": "str", "choices": list(_ACTIONS), "default": "status"},
            "full": {"type": "bool", "default": False},
            "revision": {"type": "int"},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 300},
        }
    )
)


def run(task: _task.Task) -> _task.Values:
    """Tell the workload what to do, and wait until it is there."""
    params = task.params
    action = params["action"]
    if params["full"] and action != "promote":
        raise InvalidInput(f"full can be given with action promote only, not with action {action}")
    if params["revision"] is not None and (action != "undo" or params["revision"] < 1):
        raise InvalidInput("revision can be given with action undo only, and is a number from 1")
    backend = _backends.get(task.cluster, Target(params["namespace"], params["app"]), params["backend"], task.placement)
    control = backend.control()
    differences = _ACTIONS[action](control, params)
    task.note(*differences)
    waits = params["wait"] and action != "history" and not task.check_mode
    status = control.wait(params["timeout"]) if waits and (differences or action == "status") else control.status()
    return {
        "msg": status.message,
        "status": status.as_result(),
        "history": [one.as_result() for one in control.look().revisions],
    }


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
