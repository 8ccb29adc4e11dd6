#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb plan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Check the stages of a release and tell where it stands
version_added: 1.0.0
description:
  - Checks every key of every stage before anything is touched, fills in the defaults, and says at which stage a release
    goes on.
  - Asks no cluster; the split comes from M(gradual.canary.traffic_info).
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes.info
options:
  version:
    description: The version to release.
    type: str
    required: true
  stages:
    description:
      - Percentages, or mappings with the keys C(weight), C(name), C(matches), C(mirror), C(verify), C(bake) and
        C(approve).
      - C(weight) is the canary's share in percent. Weights ascend, and the last is 100.
      - C(mirror) is the share of all requests, in percent, of which the canary gets a copy in this stage. Such a stage
        may leave C(weight) out and stays at the weight before, V(0) for the first.
      - C(matches) are match routes as of M(gradual.canary.traffic), the full list for this stage.
      - C(verify) is V(true), V(false), a profile (V(quick), V(standard), V(strict)) or a mapping with C(profile),
        C(delta),
        C(alpha), C(beta), C(errors), C(latency), C(limit) and C(timeout), as of M(gradual.canary.verify).
      - C(bake) is how long to go on watching after the proof, for example V(5m).
      - C(approve) is V(true), a question, or a mapping with C(prompt) and C(timeout).
    type: list
    elements: raw
    required: true
  split:
    description: The split as M(gradual.canary.traffic_info) returns it in RV(gradual.canary.traffic_info#module:split).
    type: dict
  capabilities:
    description:
      - What the traffic system can do, as M(gradual.canary.traffic_info) returns it in
        RV(gradual.canary.traffic_info#module:capabilities). Stages that it cannot do are refused.
    type: dict
seealso:
  - module: gradual.canary.traffic_info
  - module: gradual.canary.verify
"""

EXAMPLES = r"""
- name: Check the stages
  gradual.canary.plan:
    version: v2
    stages:
      - {mirror: 10}
      - 1
      - {weight: 10, verify: standard, bake: 5m}
      - {weight: 50, approve: {prompt: "v2 at 50 %: go on?", timeout: 30m}}
      - {weight: 100}
"""

RETURN = r"""
stages:
  description: The stages with every default filled in.
  returned: success
  type: list
  elements: dict
  sample:
    - number: 1
      name: "10"
      start: "0"
      weight: "10"
      matches: []
      mirror: "0"
      verify: {profile: standard}
      bake: 300
      approve: null
status:
  description:
    - V(new) when the version has no share yet, V(underway) when it is the canary, V(promoted) when it is the stable
      version and its canary route is still there, V(finished) when it is the stable version.
    - V(other_canary) when another version is the canary.
  returned: success
  type: str
  sample: new
next:
  description: Number of the stage at which the release goes on, counted from 1.
  returned: success
  type: int
  sample: 1
stable:
  description: The version that serves now.
  returned: when O(split) is given
  type: str
  sample: v1
"""

from ansible_collections.gradual.canary.plugins.module_utils import _task
from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._plan import (
    next_stage,
    parse_stages,
    require_mirrors,
    status_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Weight

ARGUMENTS = ArgumentSpec(
    {
        "version": {"type": "str", "required": True},
        "stages": {"type": "list", "elements": "raw", "required": True},
        "split": {"type": "dict"},
        "capabilities": {"type": "dict"},
    }
)


def run(task: _task.Task) -> _task.Values:
    """Check the stages; nothing is asked of a cluster."""
    version, split = task.params["version"], task.params["split"] or {}
    stages = parse_stages(task.params["stages"], version)
    if task.params["capabilities"] is not None:
        require_mirrors(stages, task.params["capabilities"].get("mirror", "none"))
    status = status_of(version, split)
    weight = Weight.percent(split["weight"]) if status == "underway" else NOTHING
    return {
        "stages": [stage.as_result() for stage in stages],
        "status": status,
        "next": next_stage(stages, weight),
        "stable": (split.get("stable") or {}).get("version"),
    }


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
