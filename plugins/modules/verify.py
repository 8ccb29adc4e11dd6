#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb verify."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Prove from a client's side how traffic is split
version_added: 1.0.0
description:
  - Sends requests as a client does, each on a connection of its own, tells from every answer which version gave it, and
    stops as soon as the split is proven right or proven wrong.
  - Two one-sided sequential tests prove that the share lies inside a band around the weight; a mixture of named
    alternatives
    proves that it does not, and names what is wrong. Both error rates hold however long it takes and however often
    it looks.
  - Errors and latency of the canary are judged from the same answers.
  - The task fails when the verdict is not V(pass); the values are returned all the same.
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes.info
  - gradual.canary.sampling
attributes:
  check_mode:
    description: Sends the requests if they change nothing, that is with the O(method) GET, HEAD or OPTIONS.
options:
  lock:
    description:
      - The lock of an application to keep while this lasts, for a release that proves something for longer than a lock
        does.
      - After M(gradual.canary.lock) took it for the same host, C(holder) needs not be given. When nobody took it, there
        is none to keep.
    type: dict
    suboptions:
      namespace:
        description: Namespace of the application.
        type: str
        required: true
      app:
        description: Name of the application.
        type: str
        required: true
      holder:
        description: Who holds it, as RV(gradual.canary.lock#module:holder) says.
        type: str
        required: true
      cluster:
        description: Where it is; connection options as of M(gradual.canary.lock).
        type: dict
        default: {}
  canary:
    description: The version that O(weight) is about, as O(identify) finds it in the answers.
    type: str
    required: true
  stable:
    description: The version that gets the rest.
    type: str
    required: true
  weight:
    description:
      - The canary's share in percent, decimals allowed.
      - V(0) proves that less than 1 % of the answers come from the canary and that none did, V(100) the same of stable.
    type: str
    required: true
  previous:
    description: The weight before the last change. Named in the diagnosis when it is still active.
    type: str
  matches:
    description:
      - Match routes to prove as well. Requests that carry one must all reach the canary.
      - The form is that of M(gradual.canary.traffic).
    type: list
    elements: dict
    default: []
  populations:
    description:
      - Clients that are proven to get the weight, each kind on its own. V(new_connections) are always sampled, first.
      - V(kept_alive) are clients that send one request after the other on one connection.
      - V(cookies) are clients that send back the cookies they are given, on new connections.
      - Clients of the last two may stay with the version they have, whatever the weight. Then the verdict is V(fail),
        and RV(diagnosis) says V(kept_alive) or V(sticky).
    type: list
    elements: str
    choices: [new_connections, kept_alive, cookies]
    default: [new_connections]
  clients:
    description:
      - Number of clients in each of the O(populations) that keep a connection or cookies. O(rate) and O(concurrency)
        hold for all of them together.
    type: int
    default: 50
  profile:
    description:
      - How exact the proof is. V(standard) is a band of 5 points and 1 % false passes, V(strict) one of 3 points,
        V(quick)
        from half to twice the weight and 5 % false passes. The band shrinks with the weight.
    type: str
    choices: [quick, standard, strict]
    default: standard
  delta:
    description: Half-width of the band in percentage points instead of the profile's.
    type: str
  alpha:
    description: Greatest probability of a pass when the share is outside the band, instead of the profile's.
    type: float
  beta:
    description: Greatest probability of a fail when the split is right, and of a rollback when the canary is well.
    type: float
    default: 0.0001
  errors:
    description:
      - Gate for the canary's errors (no answer, or a status of 500 and above).
      - Rates are shares from 0 to 1. An advance is wrong at C(limit) or more, a rollback is wrong at C(healthy) or
        less.
      - An empty dictionary takes the defaults.
    type: dict
    default: {}
    suboptions:
      enabled:
        description: Whether there is this gate.
        type: bool
        default: true
      healthy:
        description: Rate of a healthy version.
        type: float
        default: 0.001
      limit:
        description: Rate that is too much to advance.
        type: float
        default: 0.01
      bad:
        description: Rate that should be noticed soon.
        type: float
        default: 0.01
  latency:
    description: Gate for the 95th percentile of the canary's latency, in seconds.
    type: dict
    default: {}
    suboptions:
      enabled:
        description: Whether there is this gate.
        type: bool
        default: true
      p95:
        description: Advance when proven to be below.
        type: float
        default: 2.0
      rollback_above:
        description: Roll back when proven to be above.
        type: float
        default: 5.0
  prove_health:
    description:
      - Whether the gates must prove that the canary is well (about 480 answers from it without an error).
      - Otherwise it is enough that they do not prove the contrary.
    type: bool
    default: false
  bake:
    description: Seconds to go on watching errors and latency after the proof, which is then made once more.
    type: int
    default: 0
  settle_timeout:
    description: Seconds in which a wrong split is taken for one that is still on its way; the test starts afresh then.
    type: int
    default: 30
  limit:
    description: Answers after which the verdict is inconclusive, instead of what the weight and the band need at most.
    type: int
  timeout:
    description: Seconds after which the verdict is inconclusive.
    type: int
    default: 600
  label:
    description: What the sentence of evidence calls this verification, instead of the weight.
    type: str
  since:
    description: Time in seconds since the epoch from which RV(last_canary_answer_s) is counted.
    type: float
"""

EXAMPLES = r"""
- name: Prove that v2 gets 10 %
  gradual.canary.verify:
    url: http://shop.example.com:8080/
    address: 127.0.0.1:8080
    identify: {header: X-Version}
    stable: v1
    canary: v2
    weight: 10

- name: Prove that testers reach v2, and nobody else does
  gradual.canary.verify:
    url: http://shop.example.com:8080/
    address: 127.0.0.1:8080
    identify: {jmespath: version}
    stable: v1
    canary: v2
    weight: 0
    matches:
      - {header: X-Tester, value: "yes"}

- name: Prove that users with a session get half and half, too
  gradual.canary.verify:
    url: http://shop.example.com:8080/
    address: 127.0.0.1:8080
    identify: {header: X-Version}
    stable: v1
    canary: v2
    weight: 50
    populations: [new_connections, kept_alive, cookies]
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
    - V(equivalence_proven), V(split_wrong), V(leak), V(clients_stay), V(n_max), V(timeout), V(dependent_samples),
      V(unclassified), V(both_versions_bad) or C(gate:) with the name of a gate.
  returned: always
  type: str
  sample: equivalence_proven
diagnosis:
  description:
    - How a wrong split looks, V(previous_weights), V(swapped), V(leak), V(other), or C(absent:), C(low:), C(high:),
      C(unknown:) with a version.
    - V(kept_alive) or V(sticky) when new connections get the weight, and clients that keep theirs or their cookies do
      not.
  returned: always
  type: str
  sample: null
requests:
  description: Counts of requests, and how many were to be expected.
  returned: always
  type: dict
  sample: {sent: 495, classified: 495, unclassified: 0, errors: 0, attempts: 1, duration_s: 2.5, expected: 495, n_max:
    1503,
    wald_bound: 423}
versions:
  description: Each version's target, band, answers, share and confidence interval (for the last attempt), and errors.
  returned: always
  type: dict
  sample:
    v2: {target: "10", band: [0.05, 0.15], count: 52, share: 0.105, interval: [0.072, 0.142], interval_level: 0.99,
      log_e_low: 4.9, log_e_high: 4.7, answers: 52, errors: 0}
evidence:
  description: The test's evidence as logarithms, with its thresholds.
  returned: always
  type: dict
  sample: {alpha: 0.008, beta: 0.0001, log_e_fail: -2.1, log_threshold_pass: 4.8, log_threshold_fail: 9.2}
dependence:
  description:
    - Whether answers look independent (C(random)), come in turns (C(round_robin)) or stick together (C(clustered)).
    - C(clustered) answers make the verdict inconclusive.
  returned: always
  type: dict
  sample: {model: random, runs_z: 0.3, dispersion: 0.98, connections: 495, requests_per_connection: 1}
gates:
  description: Each gate's verdict and numbers.
  returned: always
  type: dict
  sample:
    errors: {verdict: hold, n: 52, events: 0, rate: 0.0, upper: 0.085, healthy: 0.001, limit: 0.01, bad: 0.01, level:
      0.99}
matches:
  description: The same values for each match route.
  returned: when O(matches) is given
  type: list
  elements: dict
  sample: []
populations:
  description:
    - The same for each kind of client, up to the first that does not pass. RV(verdict), RV(reason), RV(diagnosis),
      RV(recommendation) and RV(msg) are those of the last one.
    - C(unit) is what counts as one independent draw, V(request) where it is proven that requests of a client do not
      stay with a version, else V(client); C(count) of so many C(draws) came from the canary, and C(interval) holds for
      its share.
    - C(stays) and C(switches) count answers by whether they came from the version of the client's answer before.
      C(opened) says whether the clients came V(before) the change of the weight (with M(gradual.canary.traffic)) or
      V(after) it. C(cookies) are the names of the cookies that they keep.
  returned: always
  type: list
  elements: dict
  sample:
    - {population: new_connections, verdict: pass, recommendation: advance, reason: equivalence_proven, diagnosis: null,
      unit: request, count: 671, draws: 1345, share: 0.4989, interval: [0.4431, 0.5547], interval_level: 0.99,
      requests: 1345,
      msg: "50 % proven: 671 of 1345 answers from v2, 99 % interval 44.3-55.5 %, 0 errors, p95 12 ms (6.8 s)"}
    - {population: cookies, verdict: fail, recommendation: rollback, reason: clients_stay, diagnosis: sticky,
      unit: client, count: 0, draws: 50, share: 0.0, interval: [0.0, 0.133], interval_level: 0.99, requests: 63,
      errors: 0, clients: 50, opened: before, stays: 14, switches: 0, cookies: [route], msg: "..."}
last_canary_answer_s:
  description: Seconds from O(since) to the last answer from the canary; to the first answer of all if it gave none.
  returned: when O(since) is given
  type: float
  sample: 0.021
decided_at:
  description: Time of the verdict in seconds since the epoch, for the O(since) of the proof that follows a rollback.
  returned: always
  type: float
  sample: 1795226335.124
msg:
  description: The evidence in one sentence.
  returned: always
  type: str
  sample: "10 % proven: 52 of 495 answers from v2, 99 % interval 7.2-14.2 %, 0 errors, p95 12 ms (2.5 s)"
"""

from ansible_collections.gradual.canary.plugins.module_utils import _arguments, _task
from ansible_collections.gradual.canary.plugins.module_utils._proof import Proof

ARGUMENTS = _arguments.verification_options() + _arguments.lock_elsewhere()


def run(task: _task.Task) -> _task.Values:
    """Sample until there is a verdict."""
    proof, method = Proof(task.params), task.params["method"]
    if task.check_mode and method not in ("GET", "HEAD", "OPTIONS"):
        return {"skipped": True, "msg": f"not sampled in check mode: {method} may change something"}
    return proof.attempt(task.terminal)


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
