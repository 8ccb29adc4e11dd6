#!/usr/bin/python
# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb version."""

from __future__ import annotations

DOCUMENTATION = r"""
module: version
short_description: Deploy, scale down or remove one version of an application
version_added: 1.0.0
description:
  - Deploys version V(v2) of application V(web) as the Deployment and the Service V(web-v2), beside the other versions.
    Their selectors name application and version, so that no two versions share a pod.
  - Says everything in a few options, or takes your own manifests and puts its names, labels and selectors on them.
  - Waits until the pods are available and behind the Service, and fails within seconds, with events and log, when they
    cannot become so.
  - Scales down and removes a version only when no request can reach it.
  - Moves no traffic; that is M(gradual.canary.traffic).
author: The gradual.canary authors (@gradual-canary)
extends_documentation_fragment:
  - gradual.canary.attributes
  - gradual.canary.attributes.group
  - gradual.canary.cluster
  - gradual.canary.target
  - gradual.canary.lock
  - gradual.canary.backend
  - gradual.canary.container
options:
  version:
    description:
      - Name of the version. Lower-case letters, digits and C(-), neither first nor last a C(-); V(1-4-2) rather than
        V(1.4.2).
      - Together with O(app) and a C(-) at most 63 characters.
    type: str
    required: true
  state:
    description:
      - V(present) deploys the version and waits for it. Without O(image) and manifests it only scales a version that
        exists, for example one that is scaled down and wanted back.
      - V(scaled_down) takes away the pods of a version that no request can reach, and keeps its objects.
      - V(absent) takes away the pods too, and then deletes the Service, the objects of the manifests that carry the
        version's labels, and the Deployment.
      - With O(backend.type=deployment) V(present) gives the one Deployment the version's template and pauses it in the
        same write, so that no pod is touched before traffic is moved; where there is no Deployment yet, it is made.
        Without O(image) and manifests the template is one that the Deployment had before. V(scaled_down) and V(absent)
        take a template away that has no pod yet, and have nothing else to do.
    type: str
    choices: [present, scaled_down, absent]
    default: present
  replaces:
    description:
      - The version that is stable while this one is the canary.
      - Kept as annotation C(gradual.canary/replaces) of the Deployment, for people and other tools.
    type: str
  replicas:
    description:
      - Number of pods.
      - Without it a new version gets what its manifests say, or 1, and an existing one keeps its number (1 when it was
        scaled down).
      - Has no effect on a Deployment that a HorizontalPodAutoscaler scales, except on a new one; there is a warning.
    type: int
  image:
    description: Image of the one container.
    type: str
  manifests:
    description:
      - Instead of O(image), the objects of the version. Exactly one Deployment; at most one Service, made from the
        Deployment's first port when there is none. They get the names, labels and selectors of the version.
      - A container without a readiness probe counts as ready as soon as it runs; there is a warning.
      - Also ConfigMap, HorizontalPodAutoscaler, NetworkPolicy, PersistentVolumeClaim, PodDisruptionBudget, Role,
        RoleBinding, Secret and ServiceAccount, which are applied first and as they are. Refer to the Deployment by the
        name it gets, for example V(web-v2).
      - Label such an object like the version (C(app.kubernetes.io/name), C(app.kubernetes.io/version) and
        C(app.kubernetes.io/managed-by=gradual.canary)) when it shall be removed with it.
    type: list
    elements: dict
  manifests_file:
    description:
      - Path of a YAML file with those objects, in one or more documents.
      - Read on the controller with a local connection, and otherwise on the host where the task runs.
    type: path
  adopt:
    description:
      - Whether to take over a Deployment and a Service of the version's name that something else made.
      - Takes the fields you give from their former field managers. Those you do not give stay as they are, so does the
        selector of the Deployment, which cannot be changed, and the name of its one container.
      - With O(backend.type=deployment) it is the one Deployment that something else made, which stays as it is but for
        its template; its ports stay too, and its readiness probe unless another one is given. Needed in each release.
      - Give probes of the kind it has.
      - The pods are replaced, and ready, before the Service selects the new ones.
    type: bool
    default: false
  wait:
    description: Whether to wait until the version is ready, or its pods are gone. Never waits in check mode.
    type: bool
    default: true
  timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
  unschedulable_after:
    description:
      - Seconds after which a pod that fits on no node is taken for a failure.
      - Give more where an autoscaler adds nodes.
    type: int
    default: 15
  drain:
    description:
      - Seconds to let requests that are under way end, before V(scaled_down) and V(absent) take the pods away.
      - At least as long as the longest request.
    type: int
    default: 0
  keep:
    description:
      - How long the version stays at full size before V(scaled_down) or V(absent), for example V(30m), V(2h) or V(0).
      - The first time its end is recorded as annotation C(gradual.canary/keep-until) of the Deployment, and nothing
        else is done. Until then the task changes nothing, and after it the pods are taken away.
      - V(0), or nothing, ends it now, whatever is recorded. V(present) takes the record away.
    type: str
  backend:
    description:
      - The traffic system that splits the application's requests, and the objects of it that do.
      - Needed for V(scaled_down) and V(absent), which ask it whether the version can still be reached, and in every
        state for one whose versions are templates of one workload (V(deployment)).
    type: dict
    required: false
seealso:
  - module: gradual.canary.version_info
  - module: gradual.canary.traffic
"""

EXAMPLES = r"""
- name: Deploy v2 beside v1
  gradual.canary.version:
    context: lab
    namespace: shop
    app: web
    version: v2
    replaces: v1
    image: registry.example.com/web:v2
    replicas: 3
    env:
      LOG_LEVEL: info
    probes:
      readiness: {path: /readyz, period: 2}
      liveness: {path: /healthz}
    resources:
      requests: {cpu: 100m, memory: 64Mi}
    pre_stop_sleep: 5

- name: Deploy v2 from the application's own manifests
  gradual.canary.version:
    namespace: shop
    app: web
    version: v2
    manifests_file: deploy/web-v2.yaml

- name: Bring v1 back to full size
  gradual.canary.version:
    namespace: shop
    app: web
    version: v1
    replicas: 3

- name: Take the pods of v1 away once nothing is sent there
  gradual.canary.version:
    namespace: shop
    app: web
    version: v1
    state: scaled_down
    drain: 10
    backend: {type: gateway_api, route: web}

- name: Remove v1
  gradual.canary.version:
    namespace: shop
    app: web
    version: v1
    state: absent
    backend: {type: gateway_api, route: web}
"""

RETURN = r"""
msg:
  description: What became of the version, in a sentence.
  returned: always
  type: str
  sample: "version v2 of web is ready: 3 of 3 pods"
version:
  description: The version as the cluster has it; in check mode as it would be, with the pods there are now.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the version.
      type: str
      sample: v2
    deployment:
      description: Name of the Deployment; null when it is absent.
      type: str
      sample: web-v2
    service:
      description: Name of the Service; null when it is absent.
      type: str
      sample: web-v2
    port:
      description: First port of the Service; null when it is absent.
      type: int
      sample: 8080
    replicas:
      description: How many pods it shall have.
      type: int
      sample: 3
    ready:
      description: How many pods are ready.
      type: int
      sample: 3
    image:
      description: Image of the first container; null when the version is absent.
      type: str
      sample: registry.example.com/web:v2
    replaces:
      description: The version it replaces; null when that was not given.
      type: str
      sample: v1
    cluster:
      description: Context of the cluster it runs in, or else the server's URL; null when absent.
      type: str
      sample: lab
    keep_until:
      description: Until when it stays at full size although it does not serve; null when nothing is recorded.
      type: str
      sample: "2026-11-20T10:30:00Z"
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 2.4
failure:
  description:
    - What was wrong, for programs. C(code) is for example C(not_ready), C(still_serving), C(foreign_owner) or
      C(invalid_input).
    - With C(not_ready) C(details) has C(reason) (for example C(CrashLoopBackOff), C(ErrImageNeverPull),
      C(Unschedulable), C(QuotaExceeded), C(ProgressDeadlineExceeded), C(TooFewEndpoints), C(Timeout)), C(pod),
      C(container), C(events), C(log) (the last 10 lines) and C(rollout).
  returned: failure
  type: dict
  sample:
    code: not_ready
    message: "version v2 of web cannot become ready: CrashLoopBackOff: container app of pod web-v2-6d4cf56db6-abcde ..."
    retry: false
    details:
      reason: CrashLoopBackOff
      pod: web-v2-6d4cf56db6-abcde
      container: app
      events: ["BackOff: Back-off restarting failed container app in pod web-v2-6d4cf56db6-abcde"]
      log: ["cannot read configuration"]
      rollout: 0 of 3 pods available
      seconds: 3.1
cluster:
  description: Which API server was used, and as whom.
  returned: when the cluster was asked
  type: dict
  sample: {server: "https://10.0.0.1:6443", context: lab, user: admin, requests: 9}
writes:
  description: Every write, in order; in check mode those that the real run would make.
  returned: when the cluster was asked
  type: list
  elements: dict
  sample:
    - verb: apply
      server: "https://10.0.0.1:6443"
      path: /apis/apps/v1/namespaces/shop/deployments/web-v2
      body: {apiVersion: apps/v1, kind: Deployment}
"""

import dataclasses
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _arguments as arguments
from ansible_collections.gradual.canary.plugins.module_utils import _backends as backends
from ansible_collections.gradual.canary.plugins.module_utils import _task
from ansible_collections.gradual.canary.plugins.module_utils._backends._arguments import backend
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import WorkloadIdentity
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._in_place import InPlaceLifecycle
from ansible_collections.gradual.canary.plugins.module_utils._lifecycle import Lifecycle
from ansible_collections.gradual.canary.plugins.module_utils._manifests import Identity
from ansible_collections.gradual.canary.plugins.module_utils._plan import seconds
from ansible_collections.gradual.canary.plugins.module_utils._rollout import Wait
from ansible_collections.gradual.canary.plugins.module_utils._short_form import OPTIONS, wanted_manifests

ARGUMENTS = (
    arguments.cluster()
    + arguments.target()
    + arguments.lock()
    + arguments.ArgumentSpec(
        {
            "version": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "scaled_down", "absent"], "default": "present"},
            "replaces": {"type": "str"},
            "replicas": {"type": "int"},
            "image": {"type": "str"},
            **OPTIONS,
            "manifests": {"type": "list", "elements": "dict"},
            "manifests_file": {"type": "path"},
            "adopt": {"type": "bool", "default": False},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 300},
            "unschedulable_after": {"type": "int", "default": 15},
            "drain": {"type": "int", "default": 0},
            "keep": {"type": "str"},
        },
        mutually_exclusive=[("image", "manifests", "manifests_file")],
        required_if=[("state", "scaled_down", ["backend"]), ("state", "absent", ["backend"])],
        required_by={option: ["image"] for option in OPTIONS},
    )
    + arguments.ArgumentSpec({"backend": {**backend().options["backend"], "required": False}})
)
_NO_NAMES = dict.fromkeys(("deployment", "service", "port", "image", "replaces", "cluster", "keep_until"))
_NOTHING = {**_NO_NAMES, "replicas": 0, "ready": 0}


def run(task: _task.Task) -> _task.Values:
    """Bring one version into the wanted state and wait for it."""
    started = time.monotonic()
    identity = Identity(task.params["namespace"], task.params["app"], task.params["version"])
    words, deployed = _STATES[task.params["state"]](task, _lifecycle(task, identity), identity)
    version = deployed.as_result() if deployed else {"name": identity.version, **_NOTHING}
    return {"msg": words, "version": version, "seconds": round(time.monotonic() - started, 1)}


def _lifecycle(task: _task.Task, identity: Identity) -> Lifecycle | InPlaceLifecycle:
    """Return what brings a version into a state: one with a Deployment of its own, or a template of a workload."""
    waits = task.params["wait"]
    backend = _backend(task, identity) if task.params["backend"] else None
    if backend is None or not backend.in_place:
        replaces = task.params["replaces"]
        before = replaces and dataclasses.replace(identity, version=replaces).name
        cluster = task.placement.place(identity.namespace, identity.name, before)
        return Lifecycle(cluster, task, identity, _wait(task, cluster, identity), waits=waits)
    wait = _wait(task, task.cluster, WorkloadIdentity.first(identity, backend.workload_name))
    return InPlaceLifecycle(task.cluster, task, backend, identity, wait, waits=waits)


def _present(task: _task.Task, lifecycle: Lifecycle | InPlaceLifecycle, identity: Identity) -> t.Any:
    if task.params["keep"]:
        raise InvalidInput("keep is for the states scaled_down and absent; a version that is present has no end")
    wanted = wanted_manifests(task.params, identity)
    if wanted is None:
        return lifecycle.scale(task.params["replicas"])
    return lifecycle.deploy(wanted, adopt=task.params["adopt"])


def _scaled_down(task: _task.Task, lifecycle: Lifecycle | InPlaceLifecycle, identity: Identity) -> t.Any:
    kept = lifecycle.keep(seconds(task.params["keep"] or 0, "keep"))
    return kept or lifecycle.scale_down(_serves(task, identity), drain=task.params["drain"])


def _absent(task: _task.Task, lifecycle: Lifecycle | InPlaceLifecycle, identity: Identity) -> t.Any:
    kept = lifecycle.keep(seconds(task.params["keep"] or 0, "keep"))
    return kept or lifecycle.remove(_serves(task, identity), drain=task.params["drain"])


_STATES = {"present": _present, "scaled_down": _scaled_down, "absent": _absent}


def _serves(task: _task.Task, identity: Identity) -> t.Callable[[str], bool]:
    return _backend(task, identity).serves


def _backend(task: _task.Task, identity: Identity) -> Backend:
    target = Target(identity.namespace, identity.app, identity.version)
    return backends.get(task.cluster, target, task.params["backend"], task.placement)


def _wait(task: _task.Task, cluster: Cluster, identity: Identity) -> Wait:
    return Wait(
        cluster,
        identity,
        seconds=task.params["timeout"],
        unschedulable_after=task.params["unschedulable_after"],
        show=task.terminal.show,
    )


def main() -> None:
    """Run as a module."""
    _task.main(ARGUMENTS, run)


if __name__ == "__main__":
    main()
