# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cluster each version of an application runs in. Private to the gradual.canary collection.

A gateway that stands before several clusters has its objects in one of them and sends to Services of others. Where a
version runs is written down nowhere: it is where its Deployment is. So nothing has to be turned round between releases.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import AmbiguousTarget
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS, Object


class Placement:
    """The clusters of the versions, in order of preference; by default the one that the traffic's objects are in."""

    def __init__(self, traffic: Cluster, versions: t.Sequence[Cluster] = ()) -> None:
        self.traffic = traffic
        self.elsewhere = bool(versions)
        # Each server once, even if two identities of it are given.
        named = {cluster.server: cluster for cluster in reversed(versions)}
        servers = dict.fromkeys(cluster.server for cluster in versions)
        self.versions = tuple(named[server] for server in servers) or (traffic,)

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """All clusters, that of the traffic's objects first."""
        return tuple(dict.fromkeys((self.traffic, *self.versions)))

    @property
    def foreign(self) -> tuple[Cluster, ...]:
        """Those of `versions` that the traffic's objects are not in."""
        return tuple(cluster for cluster in self.versions if cluster.server != self.traffic.server)

    def home(self, namespace: str, name: str) -> Cluster | None:
        """Return the cluster with this version's Deployment, or else its Service; None when there is none.

        A Service without a selector does not count: it stands for one of another cluster. Raises AmbiguousTarget when
        more than one cluster has it.
        """
        if len(self.versions) == 1:
            return self.versions[0]
        for has in (_has_deployment, _has_service):
            homes = [cluster for cluster in self.versions if has(cluster, namespace, name)]
            if len(homes) > 1:
                places = " and ".join(f"{cluster.name} ({cluster.server})" for cluster in homes)
                raise AmbiguousTarget(
                    f"{namespace}/{name} is in more than one of version_clusters: {places}. It is not known which is "
                    "meant; remove the one that does not serve."
                )
            if homes:
                return homes[0]
        return None

    def place(self, namespace: str, name: str, replaces: str | None) -> Cluster:
        """Return the cluster that a version is in; for a new one the first that has not the one it `replaces`.

        name, replaces: of the Deployments, such as ``web-v2``. Where only one cluster is given it is that one.
        """
        found = self.home(namespace, name)
        if found is not None:
            return found
        left = self.home(namespace, replaces) if replaces else None
        return next((cluster for cluster in self.versions if cluster is not left), self.versions[0])

    def find_service(self, namespace: str, name: str) -> Object | None:
        """Return a Service from the cluster where its pods are."""
        home = self.home(namespace, name)
        return None if home is None else home.find("Service", name, namespace)

    def together(self, namespace: str, one: str, other: str) -> bool:
        """Say whether two Services are in one cluster, where the selector of one can mean the pods of the other."""
        return self.home(namespace, one) is self.home(namespace, other)

    def rehearsed(self, namespace: str, name: str) -> bool:
        """Say whether this version's objects are those of check mode only."""
        paths = [KINDS[kind].path(namespace, name) for kind in ("Service", "Deployment")]
        return any(cluster.rehearsal.knows(path) for cluster in self.versions for path in paths)


def _has_deployment(cluster: Cluster, namespace: str, name: str) -> bool:
    return cluster.find("Deployment", name, namespace) is not None


def _has_service(cluster: Cluster, namespace: str, name: str) -> bool:
    service = cluster.find("Service", name, namespace)
    return service is not None and bool(service["spec"].get("selector"))
