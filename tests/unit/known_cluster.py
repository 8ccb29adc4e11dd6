"""A cluster with known objects, for tests of what only reads."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Forbidden
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Rehearsal

Object = dict[str, t.Any]


class KnownCluster:
    """What of a cluster the preflights ask.

    forbidden: kinds of which nothing may be read. namespaced: kinds that may not be listed in all namespaces.
    """

    server = "https://known"
    check_mode = False

    def __init__(self, *items: Object, forbidden: t.Container[str] = (), namespaced: t.Container[str] = ()) -> None:
        self.rehearsal = Rehearsal()
        self._items = items
        self._forbidden = forbidden
        self._namespaced = namespaced

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        found = self.search(kind, namespace or "", fields=f"metadata.name={name}")
        return found[0] if found else None

    def search(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        labels: dict[str, str] | None = None,
        fields: str | None = None,
    ) -> list[Object]:
        """Return the objects of a kind. namespace: None for all of them, empty for those that are in none."""
        if kind in self._forbidden or (namespace is None and kind in self._namespaced):
            raise Forbidden(f"may not read {kind}")
        return [
            item
            for item in self._items
            if item["kind"] == kind.partition(".")[0]
            and namespace in (None, item["metadata"].get("namespace", ""))
            and (labels or {}).items() <= (item["metadata"].get("labels") or {}).items()
            and fields in (None, f"metadata.name={item['metadata']['name']}")
        ]

    def wait(
        self, kind: str, namespace: str, done: t.Callable[[list[Object]], bool], *, seconds: float, fields: str
    ) -> list[Object] | None:
        """Return the objects if they are as wanted: they stay as they are, however long one waits."""
        found = self.search(kind, namespace, fields=fields)
        return found if seconds and done(found) else None


def known(*items: Object, **limits: t.Container[str]) -> Cluster:
    return t.cast("Cluster", KnownCluster(*items, **limits))
