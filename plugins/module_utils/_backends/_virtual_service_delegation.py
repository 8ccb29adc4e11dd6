# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a VirtualService without hosts gets its requests. Private to the gradual.canary collection.

One with hosts delegates to it. Istio follows one delegation and no second, and joins the conditions of both entries.
Those of the delegate have to be within those of the root; an entry for which that does not hold is left out, and
nothing but a line in the log of istiod tells of it (istio.io: reference, VirtualService, Delegate; Istio 1.31,
pilot/pkg/model/virtualservice.go: hasConflict).
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import (
    gateways_named,
    hosts_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._resources import words

Object = dict[str, t.Any]

_TEXTS: t.Final = ("uri", "scheme", "method", "authority")
_MAPS: t.Final = ("headers", "withoutHeaders", "queryParams")


class Front(t.NamedTuple):
    """An entry of a VirtualService with hosts, where requests come in."""

    item: Object
    place: int

    @property
    def entry(self) -> Object:
        return t.cast("Object", self.item["spec"]["http"][self.place])

    @property
    def where(self) -> str:
        return f"{words(self.item)} http entry {self.place}"


def fronts_of(item: Object, others: t.Iterable[Object]) -> list[Front]:
    """Return the entries of others that leave their requests to this VirtualService, and that Istio follows."""
    return [front for front in _naming(item, others) if _obstacle(front, item) is None]


def obstacles(item: Object, others: t.Iterable[Object]) -> list[str]:
    """Return why Istio does not follow entries that name this VirtualService as their delegate."""
    found = (_obstacle(front, item) for front in _naming(item, others))
    return [obstacle for obstacle in found if obstacle is not None]


def left_out_by(front: Front, entry: Object, home: str) -> list[str]:
    """Return the conditions by which Istio leaves out an entry of a delegate: ``headers.x-beta``; none if it does not.

    home: the namespace of the delegate.
    """
    for own in entry.get("match") or []:
        clashes = [_clashes(root, own, front, home) for root in front.entry.get("match") or []]
        if clashes and all(clashes):
            return sorted({clash for found in clashes for clash in found})
    return []


def lost_by(front: Front, route: Object, entry: Object, home: str) -> list[str]:
    """Return the conditions by which a match route misses what the entry behind it gets; none if it misses nothing.

    route: with the matches of `entry`, each with one more header, or with a match on that header where it has none.
    """
    pairs = list(zip(entry.get("match") or [None], route["match"], strict=True))
    return sorted(
        {
            clash
            for root in front.entry.get("match") or []
            for old, new in pairs
            if old is None or not _clashes(root, old, front, home)
            for clash in _clashes(root, new, front, home)
        }
    )


def _naming(item: Object, others: t.Iterable[Object]) -> list[Front]:
    place = (item["metadata"]["namespace"], item["metadata"]["name"])
    return [
        Front(other, index)
        for other in others
        for index, entry in enumerate(other["spec"].get("http") or [])
        if (delegate := entry.get("delegate"))
        and (delegate.get("namespace") or other["metadata"]["namespace"], delegate.get("name")) == place
    ]


def _obstacle(front: Front, item: Object) -> str | None:
    home, exported = front.item["metadata"]["namespace"], item["spec"].get("exportTo")
    if not hosts_of(front.item):
        return f"{front.where} delegates to it, but has no hosts either, and Istio follows one delegation only"
    own = home == item["metadata"]["namespace"]
    if exported and not ({"*", home} & set(exported) or (own and "." in exported)):
        return f"{front.where} delegates to it, but its exportTo ({', '.join(exported)}) keeps it from namespace {home}"
    return None


def _clashes(root: Object, own: Object, front: Front, home: str) -> list[str]:
    """Return the conditions of a delegate's match that are not within those of a root's."""
    found = [field for field in _TEXTS if not _within(own.get(field), root.get(field))]
    for field in _MAPS:
        theirs = root.get(field) or {}
        ours = own.get(field) or {}
        found += [f"{field}.{key}" for key, value in ours.items() if not _within(value, theirs.get(key))]
    if bool(own.get("ignoreUriCase")) != bool(root.get("ignoreUriCase")):
        found.append("ignoreUriCase")  # this and sourceNamespace have to be repeated; the others may be left away
    if own.get("port") and root.get("port") not in (None, 0, own["port"]):
        found.append("port")
    if root.get("sourceNamespace") and own.get("sourceNamespace") != root["sourceNamespace"]:
        found.append("sourceNamespace")
    labels = root.get("sourceLabels") or {}
    asked = own.get("sourceLabels") or {}
    found += [f"sourceLabels.{key}" for key, value in asked.items() if labels.get(key, value) != value]
    gateways = gateways_named(root.get("gateways"), front.item["metadata"]["namespace"])
    if gateways and not gateways_named(own.get("gateways"), home) <= gateways:
        found.append("gateways")
    return found


def _within(own: Object | None, root: Object | None) -> bool:
    """Say whether Istio takes a condition for a part of the root's on the same. Nothing is within an expression."""
    if own is None or root is None:
        return True
    if root.get("exact"):
        return bool(own.get("exact") == root["exact"])
    prefix, value = root.get("prefix"), own.get("prefix") or own.get("exact")
    return bool(prefix and value and str(value).startswith(str(prefix)))
