# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else takes requests that a split means to have. Private to the gradual.canary collection.

In one VirtualService the first entry that fits takes a request. Of several for one host, a Gateway serves all in an
order that nobody promises, and sidecars know the oldest alone.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import (
    gateways_of,
    hosts_of,
)

Object = dict[str, t.Any]

_ANY_PATH: t.Final = ("prefix", "/")
_NO_CONDITIONS: t.Final = frozenset({"uri", "name", "ignoreUriCase"})


def shadowing(item: Object, index: int) -> list[str]:
    """Return the labels of the entries before `index` that leave nothing for the entry there."""
    entries = item["spec"]["http"]
    return [
        f"http entry {place}" + (f" {entry['name']!r}" if entry.get("name") else "")
        for place, entry in enumerate(entries[:index])
        if all(any(_takes_all(theirs, ours) for theirs in _matches(entry)) for ours in _matches(entries[index]))
    ]


class Rival(t.NamedTuple):
    """Another VirtualService for the same host. places: the Gateways both have, or ``mesh``. older: than ours."""

    item: Object
    hosts: list[str]
    places: list[str]
    overlaps: bool
    older: bool


def rivals(item: Object, entry: Object, others: t.Iterable[Object]) -> list[Rival]:
    """Return the other VirtualServices that have a host and a Gateway in common with this one.

    overlaps: whether a request that `entry` means to have fits one of theirs, as far as paths tell.
    """
    found = []
    for other in others:
        hosts, places = hosts_of(item) & hosts_of(other), gateways_of(item) & gateways_of(other)
        if _place(other) == _place(item) or not hosts or not places:
            continue
        overlaps = any(
            _meet(_path(ours), _path(theirs))
            for entry_of_theirs in other["spec"].get("http") or []
            for theirs in _matches(entry_of_theirs)
            for ours in _matches(entry)
        )
        found.append(Rival(other, sorted(hosts), sorted(places), overlaps, _order(other) < _order(item)))
    return found


def _matches(entry: Object) -> list[Object]:
    return entry.get("match") or [{}]


def _takes_all(theirs: Object, ours: Object) -> bool:
    """Say whether every request that fits `ours` fits `theirs` too: one without conditions, on the same or more."""
    if set(theirs) - _NO_CONDITIONS:
        return False
    (their_kind, their_path), (our_kind, our_path) = _path(theirs), _path(ours)
    if their_kind == "prefix":
        return their_path == "/" or (our_kind in ("prefix", "exact") and our_path.startswith(their_path))
    return (their_kind, their_path) == (our_kind, our_path)


def _meet(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Say whether a path can fit both; of an expression nothing is known, so it can."""
    if "regex" in (one[0], other[0]):
        return True
    if one[0] == other[0] == "exact":
        return one[1] == other[1]
    prefixes = [path for kind, path in (one, other) if kind == "prefix"]
    return any(one[1].startswith(prefix) and other[1].startswith(prefix) for prefix in prefixes)


def _path(match: Object) -> tuple[str, str]:
    uri = match.get("uri") or {}
    return next(((kind, str(uri[kind])) for kind in ("exact", "prefix", "regex") if uri.get(kind)), _ANY_PATH)


def _place(item: Object) -> tuple[str, str]:
    return str(item["metadata"]["namespace"]), str(item["metadata"]["name"])


def _order(item: Object) -> tuple[str, str, str]:
    return (str(item["metadata"].get("creationTimestamp") or "9"), *_place(item))
