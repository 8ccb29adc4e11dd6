#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb traffic."""

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic
short_description: Move traffic between the stable version and a canary
version_added: 1.0.0
description:
  - Gives the canary a share of the requests, requests with certain headers or cookies, and copies of requests; makes it
    the stable version; takes it out of the traffic system; or puts everything back as it was.
  - Writes only what differs, in one guarded write for each object, and refuses when somebody else changed what it rests
    on. It never touches a route, rule or Ingress that is not the application's.
  - A written weight is not yet a weight in effect; M(gradual.canary.verify) proves that.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes
  - gradual.canary.attributes.group
  - gradual.canary.cluster
  - gradual.canary.target
  - gradual.canary.lock
  - gradual.canary.backend
options:
  version:
    description: The version that is the canary. M(gradual.canary.version) makes its Deployment and Service.
    type: str
    required: true
  state:
    description:
      - V(split) gives the canary O(weight), O(matches) and O(mirror). A canary that is not attached to the traffic
        system yet is attached, with no traffic unless O(weight) or O(matches) give it some.
      - V(promoted) makes the canary's version the stable one. It must have all traffic.
      - V(detached) takes the canary out of the traffic system; refused while users reach another version by it.
      - V(restored) puts weights, match routes and copies back as they are in O(snapshot). It deletes nothing.
    type: str
    choices: [split, promoted, detached, restored]
    default: split
  weight:
    description:
      - Share of the canary in percent, with up to two decimals, such as V(10), V(2.5) or V(10 %).
      - Left as it is unless given. Only with O(state=split).
    type: str
  matches:
    description:
      - Requests that go to the canary whatever the weight. This is the full list; V([]) removes all.
      - Left as they are unless given. Only with O(state=split).
    type: list
    elements: dict
    suboptions:
      header:
        description: Name of a request header.
        type: str
      cookie:
        description: Name of a cookie. With V(ingress_nginx) a cookie counts only when its value is V(always).
        type: str
      value:
        description: The exact value. With neither O(matches[].value) nor O(matches[].regex) it is the word V(always).
        type: str
      regex:
        description: A regular expression for the value, in the syntax of the traffic system.
        type: str
  mirror:
    description:
      - Share of all requests, in percent, of which the canary gets a copy. Users get the answer of the version that
        O(weight) gives them, and never that to a copy. V(0) ends the copies.
      - Copied are requests of every method. What a request writes is written twice where both versions write to the
        same place. Copies reach the canary with C(-shadow) behind their host where Envoy makes them.
      - Requests that reach the canary by O(matches) are not copied.
      - RV(capabilities) tells as C(mirror) what can be had, V(any) share, V(none), or V(all), which stands for V(0) and
        V(100) only. The rest is refused.
      - Left as it is unless given. Only with O(state=split); V(promoted) and V(detached) end the copies.
    type: str
  expect:
    description:
      - The weight that the canary must have now, in percent; anything else is a conflict and nothing is written.
      - Only with O(state=split).
    type: str
  snapshot:
    description: What RV(gradual.canary.traffic_info#module:snapshot) returned before. For O(state=restored).
    type: dict
  verify:
    description:
      - Prove in the same task that clients see the split; one task instead of two for a stage of a release.
      - Any option of M(gradual.canary.verify). What it is about is known here and need not be given; O(version) is its
        C(canary), and C(stable), C(weight), C(previous) and C(matches) are those of this change.
      - Match routes by regular expression are not proven, because no request can be made up for them.
      - Clients of C(populations) that keep a connection or cookies ask once before the change, as users who are there
        already.
      - The task fails when the verdict is not V(pass); what was written stays. Nothing is sampled in check mode.
      - Only with O(state=split).
    type: dict
  preflight:
    description:
      - Whether to look for what would break or falsify the split before the canary is attached.
      - Errors refuse the change, all of them in one message; warnings are shown.
    type: bool
    default: true
  timeout:
    description: Seconds to wait until the traffic system's controller accepts what was written, where it says so.
    type: int
    default: 60
seealso:
  - module: gradual.canary.traffic_info
  - module: gradual.canary.verify
  - module: gradual.canary.version
"""

EXAMPLES = r"""
- name: Attach v2 without traffic
  gradual.canary.traffic:
    namespace: shop
    app: web
    version: v2
    backend: {type: gateway_api, route: web}

- name: Move v2 from 10 to 50 percent, unless somebody else moved it meanwhile
  gradual.canary.traffic:
    namespace: shop
    app: web
    version: v2
    backend: {type: gateway_api, route: web}
    weight: 50
    expect: 10

- name: Give v2 half of the traffic, and prove that clients see it
  gradual.canary.traffic:
    namespace: shop
    app: web
    version: v2
    backend: {type: gateway_api, route: web}
    weight: 50
    verify:
      url: http://shop.example.com:8080/
      address: 127.0.0.1:8080
      identify: {header: X-Version}

- name: Send testers to v2, and nobody else
  gradual.canary.traffic:
    namespace: shop
    app: web
    version: v2
    backend: {type: ingress_nginx, ingress: web}
    weight: 0
    matches:
      - {header: X-Canary, value: "yes"}

- name: Send v2 a copy of every tenth request, and no user
  gradual.canary.traffic:
    namespace: shop
    app: web
    version: v2
    backend: {type: istio, virtual_service: web}
    weight: 0
    mirror: 10

- name: Make v2 the stable version
  gradual.canary.traffic:
    namespace: shop
    app: web
    version: v2
    backend: {type: ingress_nginx, ingress: web}
    state: promoted

- name: Put the traffic back as it was before the release
  gradual.canary.traffic:
    namespace: shop
    app: web
    version: v2
    backend: {type: ingress_nginx, ingress: web}
    state: restored
    snapshot: "{{ before.snapshot }}"
"""

RETURN = r"""
before:
  description: The split as it was.
  returned: success
  type: dict
  contains: &split
    stable:
      description: The stable Service, and its version where a name or a label tells it.
      type: dict
      sample: {service: web-v1, version: v1}
    canary:
      description: The canary's Service and version; V(none) when no canary is attached.
      type: dict
      sample: {service: web-v2, version: v2}
    weight:
      description: Share of the canary in percent.
      type: str
      sample: "10"
    matches:
      description: Match routes to the canary, in the form of O(matches).
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
      sample: 10 % to web-v2, 90 % to web-v1
after:
  description: The split as it is now; in check mode, as it would be.
  returned: success
  type: dict
  contains: *split
live:
  description:
    - How far the change got. V(accepted) when the controller says that it took it, V(written) where no controller says.
    - Neither proves that clients see it.
  returned: success
  type: dict
  sample: {level: accepted, seconds: 0.02, detail: accepted by Gateway projectcontour/contour}
proof:
  description: The values that M(gradual.canary.verify) returns.
  returned: when O(verify) is given, but not in check mode
  type: dict
  sample:
    verdict: pass
    recommendation: advance
    msg: "50 % proven: 251 of 505 answers from v2, 99 % interval 44.0-55.4 %, 0 errors, p95 12 ms (2.5 s)"
msg:
  description: The evidence in one sentence.
  returned: when O(verify) is given, but not in check mode
  type: str
  sample: "50 % proven: 251 of 505 answers from v2, 99 % interval 44.0-55.4 %, 0 errors, p95 12 ms (2.5 s)"
findings:
  description:
    - What the preflight saw that is no obstacle; empty when there was no preflight.
    - Obstacles fail the task, and are in C(failure.details.findings).
  returned: success
  type: list
  elements: dict
  sample:
    - level: warning
      code: foreign_owner
      message: Service shop/web is delivered by Argo CD, which may revert weights during the release
      remedy: Suspend its synchronisation for the time of the release, or make it ignore the weights.
capabilities:
  description: What this traffic system can do.
  returned: success
  type: dict
  sample:
    resolution: 1
    match_kinds: [cookie, header]
    match_operators: [always, exact, regex]
    match_with_weight: true
    most_matches: 2
    per: request
    law: random
    zero_canary_endpoints: fallback
    zero_stable_endpoints: 5xx_for_all
    propagation_seconds: 5.0
    weights: any
    in_place: false
    mirror: none
    own_matches: []
writes:
  description: Every write that was made, or in check mode would be.
  returned: when the cluster was asked
  type: list
  elements: dict
  sample:
    - verb: patch
      server: "https://10.0.0.1:6443"
      path: /apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web
      body:
        - {op: test, path: /spec/rules/0/backendRefs/0/weight, value: 9000}
        - {op: replace, path: /spec/rules/0/backendRefs/0/weight, value: 5000}
"""

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _arguments, _backends, _task
from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._backends import _arguments as traffic_arguments
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._versions import with_versions
from ansible_collections.gradual.canary.plugins.module_utils._crowd import Crowds
from ansible_collections.gradual.canary.plugins.module_utils._moves import move, wait_until_live
from ansible_collections.gradual.canary.plugins.module_utils._proof import Proof
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, Change, Weight

ARGUMENTS = (
    _arguments.cluster()
    + _arguments.target()
    + _arguments.lock()
    + traffic_arguments.backend()
    + traffic_arguments.matches()
    + ArgumentSpec(
        {
            "version": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["split", "promoted", "detached", "restored"],
                "default": "split",
            },
            "weight": {"type": "str"},
            "mirror": {"type": "str"},
            "expect": {"type": "str"},
            "snapshot": {"type": "dict"},
            "verify": {"type": "dict"},
            "preflight": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 60},
        },
        required_if=[("state", "restored", ["snapshot"])],
    )
)


def run(task: _task.Task) -> _task.Values:
    """Bring the traffic into the wanted state, and wait until the controller has taken it."""
    params = task.params
    target = Target(params["namespace"], params["app"], params["version"])
    backend = _backends.get(task.cluster, target, params["backend"], task.placement)
    with _crowds(task) as crowds:
        change, findings = move(params, backend, task.warn)
        task.note(*change.differences)
        live = wait_until_live(change, backend, params["timeout"])
        proof = _prove(task, backend, change, crowds)
    return {
        **proof,
        "before": change.before.as_result(),
        "after": change.after.as_result(),
        "live": live._asdict(),
        "findings": [finding.as_result() for finding in findings],
        "capabilities": backend.capabilities.as_result(),
    }


def _crowds(task: _task.Task) -> Crowds:
    """Return the clients that are there before the change; wrong options are refused before anything is written."""
    if task.params["verify"] is None:
        return Crowds()
    crowds = _proof_of(task.params, task.params["app"], EVERYTHING).crowds()
    if not task.check_mode and task.params["state"] == "split":
        crowds.arrive()
    return crowds


def _proof_of(params: t.Mapping[str, t.Any], stable: str | None, weight: Weight, **known: object) -> Proof:
    """Return the proof that was asked for: what it is about is known here, all else is in the option."""
    about = {"canary": params["version"], "stable": stable, "weight": weight.as_percent(), **known}
    options = {name: value for name, value in about.items() if value is not None} | params["verify"]
    return Proof(_arguments.validated(_arguments.verification_options(), options, "verify"))


def _prove(task: _task.Task, backend: Backend, change: Change, crowds: Crowds) -> _task.Values:
    if task.params["verify"] is None or task.check_mode:
        return {}
    split = change.after
    if split.stable_version is None and "stable" not in task.params["verify"]:
        split = with_versions(task.placement, backend.target, split)
    matches = [match.as_option() for match in split.matches if match.operator != "regex"]
    previous = change.before.weight.as_percent() if change.changed else None
    proof = _proof_of(task.params, split.stable_version, split.weight, previous=previous, matches=matches)
    values = proof.attempt(task.terminal, crowds if change.changed else None)
    return {"failed": values["failed"], "msg": values["msg"], "proof": values}


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
