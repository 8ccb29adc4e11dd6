# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VirtualServices can be split, and why others cannot. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import Destination
from ansible_collections.gradual.canary.plugins.module_utils._errors import Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._resources import words

Object = dict[str, t.Any]


def require_http(item: Object) -> None:
    """Raise Unsupported when a VirtualService routes no HTTP requests."""
    if item["spec"].get("http"):
        return
    others = [part for part in ("tls", "tcp") if item["spec"].get(part)]
    if others:
        raise Unsupported(
            f"{words(item)} has {' and '.join(others)} routes only. Those are chosen once for a connection, by name or "
            "port and before any request is read, so neither a share of requests nor a header can be routed. "
            "Let the Gateway end TLS and route by http, or release with another backend."
        )
    raise Unsupported(
        f"{words(item)} has no http entries, so there is nothing to split; name another VirtualService with "
        "backend.virtual_service"
    )


def require_split(entry: Object, destinations: t.Sequence[Destination], where: str) -> None:
    """Raise Unsupported, with what to do, when an entry is no split of two Services or of two subsets of one."""
    delegate = entry.get("delegate")
    if delegate:
        name = f"{delegate['namespace']}/{delegate['name']}" if delegate.get("namespace") else delegate.get("name")
        raise Unsupported(
            f"{where} leaves its requests to VirtualService {name} (delegate); name that one with "
            "backend.virtual_service and backend.virtual_service_namespace"
        )
    if not destinations:
        raise Unsupported(
            f"{where} sends requests to no Service (it redirects or answers itself), so there is nothing to split; "
            "name an entry that serves users with backend.rule"
        )
    outside = [each.service for each in destinations if each.namespace is None]
    if outside:
        raise Unsupported(
            f"{where} sends to {', '.join(outside)}, which Istio does not read as a Service of the cluster. "
            "Write the Service's name alone, or NAME.NAMESPACE.svc.cluster.local; hosts outside cannot be split."
        )
    if any(each.weight < 0 for each in destinations):
        raise Unsupported(
            f"{where} has a negative weight. Istio does not take such an object and keeps serving what it had before; "
            "correct it by hand"
        )
    if len(destinations) == 2:
        _require_one_form(destinations, where)


def _require_one_form(destinations: t.Sequence[Destination], where: str) -> None:
    first, second = destinations
    place = (first.service, first.namespace), (second.service, second.namespace)
    if (first.subset is None) != (second.subset is None) or (first.subset and place[0] != place[1]):
        raise Unsupported(
            f"{where} splits {first} and {second}: the versions must be two Services, or two subsets of one Service"
        )
    if place[0] == place[1] and first.subset == second.subset:
        raise Unsupported(f"{where} sends twice to {first}; leave one destination")
