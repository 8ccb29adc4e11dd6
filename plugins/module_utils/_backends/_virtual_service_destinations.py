# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the routes of a VirtualService lead. Private to the gradual.canary collection.

A host without a dot is a Service in the VirtualService's own namespace; any other is taken as it stands, so
``web.shop`` is no Service to Istio while ``web.shop.svc.cluster.local`` is.
"""

from __future__ import annotations

import dataclasses
import typing as t

Object = dict[str, t.Any]

_MESH: t.Final = "mesh"


@dataclasses.dataclass(frozen=True)
class Destination:
    """One part of a route: a Service, or a subset of its pods, with a weight.

    service: the Service's name, and namespace its namespace; where the host means no Service, service is that host and
    namespace None. weight: relative to the others of the route; 1 for the only one, which gets everything whatever its
    weight is (measured: Istio 1.31).
    """

    service: str
    namespace: str | None
    subset: str | None
    weight: int

    def __str__(self) -> str:
        return f"{self.service} subset {self.subset}" if self.subset else self.service


def service_of(host: str, home: str) -> tuple[str, str | None]:
    """Return the name and the namespace of the Service that a host means in an object of namespace `home`."""
    name, *rest = host.split(".")
    if not rest:
        return name, home
    if len(rest) > 2 and rest[1] == "svc":
        return name, rest[0]
    return host, None


def with_service(host: str, service: str) -> str:
    """Return the host of another Service, in the form that this host has."""
    _name, dot, rest = host.partition(".")
    return f"{service}{dot}{rest}"


def destinations_of(entry: Object, home: str) -> list[Destination]:
    """Return where an entry of ``http``, ``tls`` or ``tcp`` leads, in order; nowhere for redirects and delegates."""
    items = entry.get("route") or []
    return [_destination(item["destination"], home, _weight(item, items)) for item in items]


def destination_of(item: Object, home: str) -> Destination:
    """Return what one ``destination`` means, in an object of namespace `home`."""
    return _destination(item, home, 1)


def copies_of(entry: Object, home: str) -> list[Destination]:
    """Return where copies of an entry's requests are sent."""
    items = [item["destination"] for item in entry.get("mirrors") or []]
    items += [entry["mirror"]] if entry.get("mirror") else []
    return [_destination(item, home, 1) for item in items]


def everywhere(item: Object) -> t.Iterator[Destination]:
    """Yield every destination that a VirtualService names, also with weight 0 and for copies of requests."""
    home = str(item["metadata"]["namespace"])
    for part in ("http", "tls", "tcp"):
        for entry in item["spec"].get(part) or []:
            yield from destinations_of(entry, home)
            yield from copies_of(entry, home)


def hosts_of(item: Object) -> frozenset[str]:
    """Return the hosts of a VirtualService in full."""
    home = item["metadata"]["namespace"]
    return frozenset(
        host if "." in host or host == "*" else f"{host}.{home}.svc.cluster.local"
        for host in item["spec"].get("hosts") or []
    )


def gateways_of(item: Object) -> frozenset[str]:
    """Return the Gateways that a VirtualService applies to as ``namespace/name``; ``mesh`` stands for all sidecars."""
    return gateways_named(item["spec"].get("gateways") or [_MESH], item["metadata"]["namespace"])


def gateways_named(names: t.Iterable[str] | None, home: str) -> frozenset[str]:
    """Return Gateways in full, as `gateways_of` does, that an object of namespace `home` names."""
    return frozenset(name if name == _MESH or "/" in name else f"{home}/{name}" for name in names or ())


def _destination(item: Object, home: str, weight: int) -> Destination:
    service, namespace = service_of(str(item["host"]), home)
    return Destination(service, namespace, item.get("subset") or None, weight)


def _weight(item: Object, items: list[Object]) -> int:
    return 1 if len(items) == 1 else int(item.get("weight") or 0)
