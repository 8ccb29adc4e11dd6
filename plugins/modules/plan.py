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
      - C(weight) is the canary's share in percent. Weights ascend, and the last is 100. The first may be 0, which is
        the preview, for example to ask a question after it.
      - With O(strategy=blue_green) the weights are 0 and 100, and what is not given is filled in.
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
  strategy:
    description:
      - V(canary) goes from one weight to the next, V(blue_green) from the preview to all users at once.
      - V(blue_green) needs a O(preview), and a traffic system where versions stand beside each other.
    type: str
    choices: [canary, blue_green]
    default: canary
  preview:
    description:
      - The ways to the version before any user has it. One, or a list.
      - A header or a cookie with its value, as in O(gradual.canary.traffic#module:matches), is a match route.
      - C(host) and C(address), one or both, are a way of your own to the version's Service, a route or an Ingress or
        the Service itself.
    type: raw
  keep:
    description: How long the old version stays at full size after the promotion, such as V(30m), V(2h) or V(0).
    type: str
    default: "0"
  split:
    description: The split as M(gradual.canary.traffic_info) returns it in RV(gradual.canary.traffic_info#module:split).
    type: dict
  capabilities:
    description:
      - What the traffic system can do, as M(gradual.canary.traffic_info) returns it in
        RV(gradual.canary.traffic_info#module:capabilities). Stages and a O(preview) that it cannot do are refused.
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

- name: Check a release that switches at once
  gradual.canary.plan:
    version: v2
    strategy: blue_green
    preview: {header: X-Preview, value: v2}
    keep: 30m
    stages:
      - {weight: 0, approve: true}
      - {weight: 100}
"""

RETURN = r"""
preview:
  description: What is done before any user has the version.
  returned: success
  type: dict
  contains:
    matches:
      description: The match routes among the ways, as M(gradual.canary.traffic) takes them.
      type: list
      elements: dict
      sample: [{header: X-Preview, value: v2}]
    ways:
      description:
        - Each way in words, and as C(client) the options of M(gradual.canary.verify) in which its requests differ.
      type: list
      elements: dict
      sample: [{words: preview by header X-Preview = v2, client: {headers: {X-Preview: v2}}}]
    stage:
      description: The stage of weight 0, in the form of RV(stages); null when there is none.
      type: dict
      sample: null
keep:
  description: How long the old version stays at full size after the promotion, in seconds.
  returned: success
  type: int
  sample: 0
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
    STRATEGIES,
    next_stage,
    parse_plan,
    require_mirrors,
    seconds,
    status_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._preview import parse_preview, require_blue_green
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Weight

ARGUMENTS = ArgumentSpec(
    {
        "version": {"type": "str", "required": True},
        "stages": {"type": "list", "elements": "raw", "required": True},
        "strategy": {"type": "str", "choices": list(STRATEGIES), "default": "canary"},
        "preview": {"type": "raw"},
        "capabilities": {"type": "dict"},
        "keep": {"type": "str", "default": "0"},
        "split": {"type": "dict"},
    }
)


def run(task: _task.Task) -> _task.Values:
    """Check the stages; nothing is asked of a cluster."""
    params = task.params
    version, split = params["version"], params["split"] or {}
    plan = parse_plan(params["stages"], version, params["strategy"])
    ways = parse_preview(params["preview"], params["capabilities"])
    if params["capabilities"] is not None:
        require_mirrors(plan.stages, params["capabilities"].get("mirror", "none"))
    if params["strategy"] == "blue_green":
        require_blue_green(ways, params["capabilities"] or {})
    status = status_of(version, split)
    weight = Weight.percent(split["weight"]) if status == "underway" else NOTHING
    return {
        "preview": {
            "matches": [way.match.as_option() for way in ways if way.match],
            "ways": [way.as_result() for way in ways],
            "stage": plan.preview.as_result() if plan.preview else None,
        },
        "stages": [stage.as_result() for stage in plan.stages],
        "keep": seconds(params["keep"], "canary_keep"),
        "status": status,
        "next": next_stage(plan.stages, weight),
        "stable": (split.get("stable") or {}).get("version"),
    }


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
