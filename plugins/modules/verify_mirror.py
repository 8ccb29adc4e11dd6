#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb verify_mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_mirror
short_description: Prove by counting at the pods that the canary gets copies of requests
version_added: 1.0.0
description:
  - Nobody sees the answer to a copied request, so no client can tell whether there are copies. This verb sends requests
    as a client does, reads a counter of the application from the pods of both versions before and after, and stops as
    soon as the share of copies is proven right or proven wrong.
  - Users' own requests and their copies are counted at both versions alike, so they only make the proof faster. What
    must not be counted is what reaches one version alone, such as the kubelet's probes and the reading itself; name a
    counter, or labels of it, that leaves them out.
  - An answer from the canary at O(weight=0) fails the proof at once.
  - The pages are fetched through the API server, which must be allowed C(get) on C(pods/proxy), and C(list) on
    C(pods).
  - The task fails when the verdict is not V(pass); the values are returned all the same.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes.info
  - gradual.canary.attributes.group
  - gradual.canary.cluster
  - gradual.canary.target
  - gradual.canary.lock
attributes:
  check_mode:
    description:
      Sends the requests if they change nothing, that is with the method GET, HEAD or OPTIONS.
options:
  canary:
    description: The version that gets the copies.
    type: str
    required: true
  stable:
    description: The version that serves.
    type: str
    required: true
  mirror:
    description: Share of all requests, in percent, of which the canary should get a copy; more than V(0).
    type: str
    required: true
  weight:
    description: The canary's share of the requests themselves, in percent.
    type: str
    default: "0"
  counter:
    description: What the application counts requests with, on a page in the text format of Prometheus.
    type: dict
    required: true
    suboptions:
      name:
        description: Name of the counter. All its series that have O(counter.labels) are added up.
        type: str
        required: true
      labels:
        description: Labels that a series must have, with their values.
        type: dict
        default: {}
      port:
        description: Port of the pods that serves the page, by number or by name.
        type: str
        default: "8080"
      path:
        description: Path of the page.
        type: str
        default: /metrics
  client:
    description:
      - How a client asks, and where an answer tells its version. The options are those of M(gradual.canary.verify) that
        are about requests, such as C(url), C(identify), C(address) and C(rate). Its others may be there and are not
        looked at, so that one variable can serve both verbs.
    type: dict
    required: true
  profile:
    description:
      - How exact the proof is, as of M(gradual.canary.verify). V(standard) is a band of 5 points around O(mirror).
    type: str
    choices: [quick, standard, strict]
    default: standard
  settle_timeout:
    description: Seconds in which a wrong share is taken for one that is still on its way; counting starts afresh then.
    type: int
    default: 30
  timeout:
    description: Seconds after which the verdict is inconclusive.
    type: int
    default: 120
seealso:
  - module: gradual.canary.traffic
  - module: gradual.canary.verify
"""

EXAMPLES = r"""
- name: Prove that v2 gets a copy of every tenth request, and that no user gets its answers
  gradual.canary.verify_mirror:
    namespace: shop
    app: web
    stable: v1
    canary: v2
    mirror: 10
    counter: {name: http_requests_total, port: 8080}
    client:
      url: http://shop.example.com:8080/
      address: 127.0.0.1:8080
      identify: {header: X-Version}
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail) or V(inconclusive).
  returned: always
  type: str
  sample: pass
recommendation:
  description: V(advance), V(hold) or V(rollback).
  returned: always
  type: str
  sample: advance
reason:
  description:
    - V(equivalence_proven), V(mirror_wrong), V(leak), V(timeout), V(errors), V(unclassified) or V(not_counted).
  returned: always
  type: str
  sample: equivalence_proven
requests:
  description: Requests sent for the proof, those that failed, and how often counting began.
  returned: always
  type: dict
  sample: {sent: 600, errors: 0, attempts: 1, duration_s: 3.4}
answers:
  description: Answers to those requests by version.
  returned: always
  type: dict
  sample: {v1: 600}
counted:
  description: What the pods of each version counted meanwhile, with the requests of everybody else.
  returned: always
  type: dict
  sample: {v1: 1204, v2: 119}
mirror:
  description: The share of requests that was copied, beside the one that was asked for.
  returned: always
  type: dict
  sample: {target: "10", band: [0.05, 0.15], share: 0.0988, interval: [0.0691, 0.1356], interval_level: 0.993921}
decided_at:
  description: Time of the verdict in seconds since the epoch.
  returned: always
  type: float
  sample: 1795226335.124
msg:
  description: The evidence in one sentence.
  returned: always
  type: str
  sample: "copies of 10 % proven: v2 counted 119 while v1 counted 1204, 99.39 % interval 6.9-13.6 %; 0 of 600 answers
    from v2, 0 errors (3.4 s)"
"""

import time

from ansible_collections.gradual.canary.plugins.module_utils import _arguments, _mirror_proof, _task
from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._bands import PROFILES
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._metrics import Counter
from ansible_collections.gradual.canary.plugins.module_utils._mirror_proof import MirrorClaim, MirrorProof
from ansible_collections.gradual.canary.plugins.module_utils._pod_counters import PodCounters
from ansible_collections.gradual.canary.plugins.module_utils._sampling import Sampling
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Weight

ARGUMENTS = (
    _arguments.cluster()
    + _arguments.target()
    + _arguments.lock()
    + ArgumentSpec(
        {
            "canary": {"type": "str", "required": True},
            "stable": {"type": "str", "required": True},
            "mirror": {"type": "str", "required": True},
            "weight": {"type": "str", "default": "0"},
            "counter": {
                "type": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "labels": {"type": "dict", "default": {}},
                    "port": {"type": "str", "default": "8080"},
                    "path": {"type": "str", "default": "/metrics"},
                },
            },
            "client": {"type": "dict", "required": True},
            "profile": {"type": "str", "choices": ["quick", "standard", "strict"], "default": "standard"},
            "settle_timeout": {"type": "int", "default": 30},
            "timeout": {"type": "int", "default": 120},
        }
    )
)

_BATCH_SECONDS = 1.0
_SMALLEST_BATCH = 20
_LARGEST_BATCH = 1000


def run(task: _task.Task) -> _task.Values:
    """Send requests and count at the pods until there is a verdict."""
    params = task.params
    claim, counter = _claim(params), params["counter"]
    about = {"canary": claim.canary, "stable": claim.stable, "weight": claim.weight.as_percent()}
    client = _arguments.validated(_arguments.verification_options(), {**params["client"], **about}, "client")
    sampling = Sampling(client)
    if task.check_mode and client["method"] not in ("GET", "HEAD", "OPTIONS"):
        return {"skipped": True, "msg": f"not tried in check mode: {client['method']} may change something"}
    counters = PodCounters(
        task.cluster,
        params["namespace"],
        params["app"],
        Counter(counter["name"], {name: str(value) for name, value in counter["labels"].items()}),
        port=counter["port"],
        path=counter["path"],
    )
    proof = MirrorProof(claim, time.monotonic())
    proof.begin(counters.read(claim.stable, claim.canary))
    batch = round((client["rate"] or _LARGEST_BATCH) * _BATCH_SECONDS)
    batch = min(max(batch, _SMALLEST_BATCH), _LARGEST_BATCH)
    while True:
        _send(sampling, proof, batch)
        if proof.take(counters.read_settled(claim.stable, claim.canary), time.monotonic()):
            break
    if proof.reason == "not_counted":
        counters.require_known(claim.stable, claim.canary)
    task.terminal.show(_mirror_proof.sentence(proof))
    return {"failed": proof.verdict != "pass", **_mirror_proof.as_result(proof), "decided_at": time.time()}


def _send(sampling: Sampling, proof: MirrorProof, count: int) -> None:
    with sampling.sampler(limit=count) as sampler:
        for sample in sampler:
            failed = sample.error is not None or (sample.status or 0) >= 500
            proof.answered(sampling.identify.version(sample.headers, sample.body), failed=failed)


def _claim(params: _task.Values) -> MirrorClaim:
    profile = PROFILES[params["profile"]]
    mirror = Weight.percent(params["mirror"], "mirror")
    if mirror == NOTHING:
        raise InvalidSplit("mirror is 0: without copies there is nothing to count; give the share that is copied")
    return MirrorClaim(
        stable=params["stable"],
        canary=params["canary"],
        weight=Weight.percent(params["weight"]),
        mirror=mirror,
        delta=profile.delta,
        alpha=profile.alpha,
        settle=params["settle_timeout"],
        deadline=params["timeout"],
    )


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
