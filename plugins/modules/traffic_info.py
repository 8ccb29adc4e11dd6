#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb traffic_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_info
short_description: Tell how traffic is split, and what would break a split
version_added: 1.0.0
description:
  - Reads the split from the traffic system's objects, with the versions behind it; nothing is written.
  - Gives the snapshot from which M(gradual.canary.traffic) puts everything back, also in another process.
  - What the objects say is not yet what clients see; M(gradual.canary.verify) proves that.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes.info
  - gradual.canary.attributes.group
  - gradual.canary.cluster
  - gradual.canary.target
  - gradual.canary.backend
options:
  version:
    description: The version that is or is to be the canary. Needed for O(preflight).
    type: str
  preflight:
    description: Whether to look for everything that would break or falsify a split with this version.
    type: bool
    default: false
  weights:
    description:
      - Weights in percent that a release is to go through. One that this traffic system cannot reach fails the task,
        and the message names what it can.
    type: list
    elements: str
    default: []
  replicas:
    description: How many pods the new version is going to be deployed with, for O(weights) that numbers of pods make.
    type: int
seealso:
  - module: gradual.canary.traffic
  - module: gradual.canary.verify
"""

EXAMPLES = r"""
- name: Remember the traffic as it is before the release
  gradual.canary.traffic_info:
    namespace: shop
    app: web
    backend: {type: gateway_api, route: web}
  register: before

- name: See what stands in the way of v2
  gradual.canary.traffic_info:
    namespace: shop
    app: web
    version: v2
    backend: {type: ingress_nginx, ingress: web}
    preflight: true
"""

RETURN = r"""
split:
  description: The split as the objects have it.
  returned: success
  type: dict
  contains:
    stable:
      description: The stable Service, and the version whose pods it selects.
      type: dict
      sample: {service: web, version: v1}
    canary:
      description: The canary's Service and version; V(none) when no canary is attached.
      type: dict
      sample: {service: web-v2, version: v2}
    weight:
      description: Share of the canary in percent.
      type: str
      sample: "10"
    matches:
      description: Match routes to the canary, in the form of the option of M(gradual.canary.traffic).
      type: list
      elements: dict
      sample: [{header: X-Canary, value: "yes"}]
    mirror:
      description: Share of all requests, in percent, of which the canary gets a copy.
      type: str
      sample: "0"
    words:
      description: The same in a sentence.
      type: str
      sample: 10 % to web-v2, 90 % to web
findings:
  description: What would break (V(error)) or falsify (V(warning)) a split.
  returned: when O(preflight=true)
  type: list
  elements: dict
  sample:
    - level: error
      code: not_ready
      message: "Service shop/web-v2 has no ready endpoints: its share would go to the stable version unnoticed"
      remedy: Deploy the version and wait until it is ready.
capabilities:
  description: What this traffic system can do, as in M(gradual.canary.traffic).
  returned: success
  type: dict
  sample: {resolution: 1, per: request, law: random, propagation_seconds: 5.0}
snapshot:
  description: Everything that O(gradual.canary.traffic#module:snapshot) needs. It holds no secrets.
  returned: success
  type: dict
  sample:
    schema: 1
    backend: ingress_nginx
    objects:
      - kind: Ingress
        namespace: shop
        name: web-canary
        uid: null
        values: {annotations: null, service: null}
      - kind: Service
        namespace: shop
        name: web
        uid: 2c9e1c8e-7e3f-4f0e-9a51-8a3c1f0f7d43
        values: {app.kubernetes.io/name: web, app.kubernetes.io/version: v1}
"""

from ansible_collections.gradual.canary.plugins.module_utils import _arguments, _backends, _task
from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._backends import _arguments as traffic_arguments
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._versions import with_versions
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Weight

ARGUMENTS = (
    _arguments.cluster()
    + _arguments.target()
    + traffic_arguments.backend()
    + ArgumentSpec(
        {
            "version": {"type": "str"},
            "preflight": {"type": "bool", "default": False},
            "weights": {"type": "list", "elements": "str", "default": []},
            "replicas": {"type": "int"},
        },
        required_if=[("preflight", True, ["version"])],
    )
)


def run(task: _task.Task) -> _task.Values:
    """Read the split, and what else is asked for."""
    params = task.params
    target = Target(params["namespace"], params["app"], params["version"])
    backend = _backends.get(task.cluster, target, params["backend"])
    result: _task.Values = {}
    if params["preflight"]:
        result["findings"] = [finding.as_result() for finding in backend.preflight()]
    split = backend.observe()
    backend.require_reachable([Weight.percent(weight) for weight in params["weights"]], params["replicas"])
    return {
        **result,
        "split": (split if backend.knows_versions else with_versions(task.cluster, target, split)).as_result(),
        "capabilities": backend.capabilities.as_result(),
        "snapshot": backend.snapshot().as_result(),
    }


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
