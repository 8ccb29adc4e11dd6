# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controllers say about an HTTPRoute in its status. Private to the gradual.canary collection.

Status is a hint: on Contour with 200 routes it came 31 to 335 ms before the data plane. Only samples prove a split.
"""

from __future__ import annotations

import dataclasses
import typing as t

Object = dict[str, t.Any]

GROUP: t.Final = "gateway.networking.k8s.io"
_Key = tuple[str, str, str, str, t.Optional[str], t.Optional[int]]  # noqa: UP045 - evaluated, and the sanity tests think of Python 3.9


@dataclasses.dataclass(frozen=True)
class Parent:
    """One parent that a route asks for, and what is said about the route there, at its current generation.

    state: ``accepted``, ``refused`` (will not serve it), ``unresolved`` (serves it, but a reference leads nowhere) or
    ``pending`` (nothing said yet). controller: None while nothing was said.
    """

    kind: str
    namespace: str
    name: str
    section: str | None
    state: str
    controller: str | None
    detail: str

    def __str__(self) -> str:
        section = f" listener {self.section}" if self.section else ""
        return f"{self.kind} {self.namespace}/{self.name}{section}"


def parents(route: Object) -> list[Parent]:
    """Return what each parent in the route's spec says; a rehearsed route has no status, so all are pending."""
    home = str(route["metadata"]["namespace"])
    generation = int(route["metadata"].get("generation") or 0)
    said: dict[_Key, list[Object]] = {}
    for entry in (route.get("status") or {}).get("parents") or []:
        said.setdefault(_key(entry["parentRef"], home), []).append(entry)
    return [
        _parent(ref, said.get(_key(ref, home), []), home, generation) for ref in route["spec"].get("parentRefs") or []
    ]


def condition(item: Object, kind: str) -> Object:
    """Return a condition of a Gateway, of a listener's status or of a parent's; empty when it is not there."""
    conditions: list[Object] = item.get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def _parent(ref: Object, entries: list[Object], home: str, generation: int) -> Parent:
    judged = [(*_judge(entry, generation), str(entry.get("controllerName"))) for entry in entries]
    # Another controller may speak about the same parent; the one that serves it is the one that accepts.
    order = ("accepted", "unresolved", "refused", "pending")
    state, detail, controller = min(
        judged, key=lambda one: order.index(one[0]), default=("pending", "no controller has said anything", None)
    )
    return Parent(
        str(ref.get("kind") or "Gateway"),
        str(ref.get("namespace") or home),
        str(ref["name"]),
        ref.get("sectionName"),
        state,
        controller,
        detail,
    )


def _judge(entry: Object, generation: int) -> tuple[str, str]:
    current = [each for each in entry.get("conditions") or [] if int(each.get("observedGeneration") or 0) >= generation]
    known = {"conditions": current}
    accepted, resolved = condition(known, "Accepted"), condition(known, "ResolvedRefs")
    partial = condition(known, "PartiallyInvalid")
    if accepted.get("status") == "False":
        return "refused", _said(accepted)
    if partial.get("status") == "True":
        return "refused", _said(partial)
    if not accepted or accepted.get("status") != "True" or not resolved:
        return "pending", f"generation {generation} is not judged yet"
    if resolved.get("status") != "True":
        return "unresolved", _said(resolved)
    return "accepted", "" if accepted.get("reason") == "Accepted" else _said(accepted)


def _said(found: Object) -> str:
    return f"{found['type']}={found['status']} {found.get('reason', '')}: {found.get('message', '')}".strip()


def _key(ref: Object, home: str) -> _Key:
    return (
        str(ref.get("group", GROUP)),
        str(ref.get("kind") or "Gateway"),
        str(ref.get("namespace") or home),
        str(ref["name"]),
        ref.get("sectionName"),
        ref.get("port"),
    )
