# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters of a version, read from its pods through the API server. Private to the gradual.canary collection."""

from __future__ import annotations

import time

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, NotFound, NotReady
from ansible_collections.gradual.canary.plugins.module_utils._manifests import NAME_LABEL, VERSION_LABEL
from ansible_collections.gradual.canary.plugins.module_utils._metrics import Counter, series
from ansible_collections.gradual.canary.plugins.module_utils._mirror_proof import Reading

_REST_SECONDS = 0.1
_LONGEST_REST = 1.0
_NAMES_SHOWN = 8


class PodCounters:
    """One counter of one application's pods."""

    def __init__(self, cluster: Cluster, namespace: str, app: str, counter: Counter, *, port: str, path: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._app = app
        self._counter = counter
        self._port = port
        self._path = path

    def read(self, stable: str, canary: str) -> Reading:
        """Return what the pods of both versions have counted. Raises NotReady, NotFound, Forbidden, Unreachable."""
        return Reading(self._counts(stable), self._counts(canary))

    def read_settled(self, stable: str, canary: str) -> Reading:
        """Return the same once copies that are under way have arrived: when the canary rests, or after a second."""
        deadline = time.monotonic() + _LONGEST_REST
        before = self.read(stable, canary)
        while True:
            time.sleep(_REST_SECONDS)
            reading = self.read(stable, canary)
            if reading.canary == before.canary or time.monotonic() >= deadline:
                return reading
            before = reading

    def require_known(self, *versions: str) -> None:
        """Raise InvalidInput, with the names there are, when no pod of any version has the counter."""
        pages = [self._page(pod) for version in versions for pod in self._pods(version)]
        if any(self._counter.read(page) is not None for page in pages):
            return
        names = sorted({name for page in pages for name, _labels, _value in series(page)})
        shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
        raise InvalidInput(
            f"no pod of {self._app} {' or '.join(versions)} has a series {self._counter} on port {self._port} at "
            f"{self._path}; there are: {shown or 'none at all'}. Correct counter, and run again.",
            names=names,
        )

    def _counts(self, version: str) -> dict[str, float]:
        # Before its first request a program may not have the series at all.
        return {pod: self._counter.read(self._page(pod)) or 0.0 for pod in self._pods(version)}

    def _pods(self, version: str) -> list[str]:
        deployment = self._cluster.find("Deployment", f"{self._app}-{version}", self._namespace)
        selector = (deployment or {}).get("spec", {}).get("selector", {}).get("matchLabels")
        labels = selector or {NAME_LABEL: self._app, VERSION_LABEL: version}
        pods = [
            str(pod["metadata"]["name"])
            for pod in self._cluster.search("Pod", self._namespace, labels=labels)
            if not pod["metadata"].get("deletionTimestamp") and pod.get("status", {}).get("phase") == "Running"
        ]
        if not pods:
            raise NotReady(
                f"{self._app} {version} has no running pod in namespace {self._namespace}, so nothing can be counted "
                "there. Deploy it first (gradual.canary.version)."
            )
        return sorted(pods)

    def _page(self, pod: str) -> str:
        try:
            return self._cluster.page(self._namespace, pod, self._port, self._path)
        except NotFound as error:
            raise InvalidInput(
                f"pod {self._namespace}/{pod} serves nothing at {self._path} on port {self._port}: {error.message}. "
                "Correct counter.port and counter.path."
            ) from error
