#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb approval."""

from __future__ import annotations

DOCUMENTATION = r"""
module: approval
short_description: Ask a person whether a release may go on
version_added: 1.0.0
description:
  - Shows on the terminal where the release stands and asks. C(y) goes on, C(n) or a reason does not.
  - Fails closed. Without a terminal, under AWX or ansible-runner, on a time-out, on an empty answer, on closed
    input and on
    another host nothing is asked, nothing is read from standard input, and the task fails at once with C(not_approved).
  - O(approved) can approve one named stage of one named version instead.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes
  - gradual.canary.attributes.group
  - gradual.canary.cluster
  - gradual.canary.lock
attributes:
  check_mode:
    description: Asks nobody and approves nothing; tells what would be asked.
  diff_mode:
    description: Changes nothing.
    support: N/A
  idempotent:
    description: Asks each time.
    support: none
options:
  namespace:
    description: Namespace of the application, for O(lock). The cluster is asked for nothing else.
    type: str
    aliases: [ns]
  app:
    description: Name of the application.
    type: str
    required: true
  version:
    description: The version being released.
    type: str
    required: true
  stage:
    description: Name of the stage that is to be left. A stage without a name is called by its weight, such as V(50).
    type: str
    required: true
  prompt:
    description: The question.
    type: str
    default: Go on?
  evidence:
    description: What the stage has proven, a sentence each.
    type: list
    elements: str
    default: []
  next:
    description: What happens after a yes.
    type: str
  timeout:
    description: Seconds to wait for an answer on the terminal.
    type: int
    default: 3600
  approved:
    description:
      - Stages that are approved beforehand, each as C(app/version/stage), for example V(web/v2/50).
      - There is no wildcard.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Ask before v2 gets all traffic
  gradual.canary.approval:
    app: web
    version: v2
    stage: "50"
    prompt: v2 at 50 %. Go on?
    evidence:
      - "50 % proven: 663 of 1327 answers from v2, 99 % interval 44.8-55.1 %, 0 errors"
    next: v2 gets 100 %
    timeout: 600
    approved: "{{ canary_approve | default([]) }}"
"""

RETURN = r"""
approved:
  description: Whether the release may go on. V(null) in check mode.
  returned: success
  type: bool
  sample: true
source:
  description: Where the approval came from, V(terminal) or V(variable).
  returned: when approved
  type: str
  sample: terminal
by:
  description: User of the operating system who ran the play.
  returned: when approved
  type: str
  sample: olga
reason:
  description: What was typed after the yes.
  returned: when approved
  type: str
  sample: dashboards are quiet
key:
  description: What O(approved) must contain to approve this stage.
  returned: success
  type: str
  sample: web/v2/50
"""

import getpass
import os

from ansible_collections.gradual.canary.plugins.module_utils import _arguments, _task
from ansible_collections.gradual.canary.plugins.module_utils._approval import (
    Decision,
    Gate,
    by_variable,
    judge,
    unattended,
)
from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec

ARGUMENTS = (
    _arguments.cluster()
    + _arguments.lock()
    + ArgumentSpec(
        {
            "namespace": {"type": "str", "aliases": ["ns"]},
            "app": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "stage": {"type": "str", "required": True},
            "prompt": {"type": "str", "default": "Go on?"},
            "evidence": {"type": "list", "elements": "str", "default": []},
            "next": {"type": "str"},
            "timeout": {"type": "int", "default": 3600},
            "approved": {"type": "list", "elements": "str", "default": []},
        },
        required_by={"lock": ("namespace",)},
    )
)


def run(task: _task.Task) -> _task.Values:
    """Return the approval, or raise NotApproved."""
    gate = Gate(task.params["app"], task.params["version"], task.params["stage"])
    decision = by_variable(gate, task.params["approved"])
    if decision is None:
        if task.check_mode:
            return {"approved": None, "key": gate.key, "msg": f"would ask: {task.params['prompt']}"}
        decision = _asked(task, gate)
    reason = f" ({decision.reason})" if decision.reason else ""
    return {
        "approved": True,
        "source": decision.source,
        "by": getpass.getuser(),
        "reason": decision.reason,
        "key": gate.key,
        "msg": f"{gate} is approved by {decision.source}{reason}",
    }


def _asked(task: _task.Task, gate: Gate) -> Decision:
    automation = unattended(task.variables, os.environ)
    if automation:
        raise gate.refused(f"this runs under {automation}, where nobody can be asked")
    lines = [f"{gate}:", *(f"  {sentence}" for sentence in task.params["evidence"])]
    if task.params["next"]:
        lines.append(f"  next: {task.params['next']}")
    question = "\n".join([*lines, f"{task.params['prompt']} [y, n or a reason] "])
    try:
        answer = task.terminal.ask(question, task.params["timeout"])
    except TimeoutError:
        raise gate.refused(f"nobody answered within {task.params['timeout']} s") from None
    if answer is None:
        raise gate.refused("there is no terminal to ask on, or it was interrupted")
    return judge(gate, answer)


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
