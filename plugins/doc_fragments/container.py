# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say in short what a version runs. Private to the gradual.canary collection."""

from __future__ import annotations


class ModuleDocFragment:
    """One container and its pod; they need O(image)."""

    DOCUMENTATION = r"""
options:
  port:
    description: Port the container listens on. V(8080) when not given.
    type: int
  service_port:
    description: Port of the Service. The same as O(port) when not given.
    type: int
  port_name:
    description: Name of the port, in the container and in the Service. V(http) when not given.
    type: str
  env:
    description:
      - Environment variables by name. Numbers and booleans are made texts (V(true), V(false)).
      - A value may also be a dictionary with the key C(valueFrom), as Kubernetes has it.
    type: dict
  env_from:
    description: ConfigMaps and Secrets whose keys become environment variables, as C(envFrom) of Kubernetes.
    type: list
    elements: dict
  probes:
    description:
      - Probes by their kind (C(readiness), C(liveness), C(startup)).
      - In short C({path, port, scheme, period, timeout, initial_delay, successes, failures}), a probe by HTTP, or one
        that opens the port when there is no C(path). C(port) is that of the container unless given; times in seconds.
      - Or a whole probe as Kubernetes has it, with C(httpGet), C(tcpSocket), C(exec) or C(grpc).
      - Without C(readiness) there is one that opens the port every 2 seconds. An empty dictionary means no probe.
    type: dict
  resources:
    description: Requests and limits of the container, as Kubernetes has them.
    type: dict
  image_pull_policy:
    description: When the image is pulled.
    type: str
    choices: [Always, IfNotPresent, Never]
  image_pull_secrets:
    description: Names of the Secrets to pull the image with.
    type: list
    elements: str
  service_account:
    description: ServiceAccount of the pods.
    type: str
  pre_stop_sleep:
    description:
      - Seconds a pod goes on serving before it is told to end, so that proxies learn first that it goes.
      - The C(sleep) action of C(preStop), which needs Kubernetes 1.30 or newer and nothing in the image.
    type: int
  termination_grace_period:
    description: Seconds a pod has for ending, O(pre_stop_sleep) included. Kubernetes gives 30 when it is not given.
    type: int
  command:
    description: Replaces the entry point of the image.
    type: list
    elements: str
  args:
    description: Arguments of the entry point.
    type: list
    elements: str
  labels:
    description: More labels for the Deployment, the Service and the pods. Those of the collection win.
    type: dict
  annotations:
    description: Annotations for the Deployment and the Service.
    type: dict
  pod_annotations:
    description: Annotations for the pods.
    type: dict
  node_selector:
    description: Labels of the nodes the pods may run on.
    type: dict
  tolerations:
    description: Tolerations of the pods, as Kubernetes has them.
    type: list
    elements: dict
"""
