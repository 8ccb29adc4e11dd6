# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traffic systems. Private to the gradual.canary collection.

Adding one means one file here, one line in `BACKENDS`, an example inventory, an entry in the lab, and passing the
contract suite.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Target
from ansible_collections.gradual.canary.plugins.module_utils._backends.argo_rollouts import ArgoRollouts
from ansible_collections.gradual.canary.plugins.module_utils._backends.deployment import OneDeployment
from ansible_collections.gradual.canary.plugins.module_utils._backends.gateway_api import GatewayApi
from ansible_collections.gradual.canary.plugins.module_utils._backends.ingress_nginx import IngressNginx
from ansible_collections.gradual.canary.plugins.module_utils._backends.istio import Istio
from ansible_collections.gradual.canary.plugins.module_utils._backends.replicas import Replicas
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._placement import Placement

BACKENDS: t.Final[dict[str, type[Backend]]] = {
    backend.name: backend for backend in (GatewayApi, IngressNginx, Istio, Replicas, OneDeployment, ArgoRollouts)
}


def get(
    cluster: Cluster, target: Target, options: t.Mapping[str, t.Any], placement: Placement | None = None
) -> Backend:
    """Return the backend that ``options["type"]`` names, for this application and the clusters of its versions."""
    return BACKENDS[options["type"]](cluster, target, options, placement)
