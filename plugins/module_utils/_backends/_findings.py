# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings that several traffic systems have in common. Private to the gradual.canary collection."""

from __future__ import annotations

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Forbidden, NotReady
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding


def no_endpoints(cluster: Cluster, what: str, namespace: str, name: str) -> Finding:
    """Return that a version has no ready endpoints: an error, but a warning where check mode only rehearsed it.

    what: the Service or subset in words. name: the version's Deployment and Service.
    """
    rehearsed = any(cluster.rehearsal.knows(KINDS[kind].path(namespace, name)) for kind in ("Service", "Deployment"))
    return Finding(
        "warning" if rehearsed else "error",
        NotReady.code,
        f"{what} has no ready endpoints"
        + (" (check mode deployed nothing, so this is expected)" if rehearsed else ": its share would get 503"),
        "Wait until its pods are ready; look at them with kubectl describe pods if they do not become so.",
    )


def unseen_elsewhere(kind: str, namespace: str, objects: str, risk: str) -> Finding:
    """Return that objects of this kind could be looked at in one namespace alone, for want of a permission.

    objects: the kind in a user's words, many of them. risk: what one of another namespace may do unseen.
    """
    return Finding(
        "warning",
        Forbidden.code,
        f"only the {objects} of namespace {namespace} could be looked at; one elsewhere may {risk}",
        f"Allow the user to list {KINDS[kind].resource} in all namespaces, or make sure that there is none.",
    )
