# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode would have written so far. Private to the gradual.canary collection.

A release is a chain of writes, each resting on the one before. In check mode none of them happens, so the objects as
they would be are carried from task to task, and later tasks read them instead of the cluster's. That is what makes
``--check --diff`` of a whole release predict each write.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict

Object = dict[str, t.Any]
Operation = dict[str, t.Any]


class Rehearsal:
    """Objects by URL path as they would be by now; None for one that would be deleted.

    Those of another API server than the first have its URL before their path.
    """

    def __init__(self, objects: dict[str, Object | None] | None = None) -> None:
        self.objects: dict[str, Object | None] = dict(objects or {})
        self._server = ""

    def of(self, server: str) -> Rehearsal:
        """Return the objects of another API server; both are kept, and carried to the next task, together."""
        other = Rehearsal()
        other.objects, other._server = self.objects, server
        return other

    def knows(self, path: str) -> bool:
        return self._server + path in self.objects

    def get(self, path: str) -> Object | None:
        return copy.deepcopy(self.objects[self._server + path])

    def put(self, path: str, item: Object | None) -> None:
        self.objects[self._server + path] = copy.deepcopy(item)

    def merge(self, collection: str, items: list[Object], labels: dict[str, str] | None) -> list[Object]:
        """Return `items`, listed below the path `collection`, as they would be by now."""
        merged = {f"{collection}/{item['metadata']['name']}": item for item in items}
        for url, item in self.objects.items():
            path = url.removeprefix(self._server)
            if self._server + path != url or path.rpartition("/")[0] != collection:
                continue
            if item is not None and _selected(item, labels):
                merged[path] = copy.deepcopy(item)
            else:
                merged.pop(path, None)
        return list(merged.values())


def _selected(item: Object, labels: dict[str, str] | None) -> bool:
    own = item["metadata"].get("labels") or {}
    return all(own.get(key) == value for key, value in (labels or {}).items())


def patched(item: Object, operations: t.Sequence[Operation]) -> Object:
    """Return `item` after a JSON patch (RFC 6902: test, add, replace, remove); Conflict when a test fails."""
    result = copy.deepcopy(item)
    for operation in operations:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        holder: t.Any = result
        try:
            for part in parents:
                holder = holder[int(part)] if isinstance(holder, list) else holder.get(part, {})
        except (AttributeError, IndexError):
            # The API server gives one answer to a path that leads nowhere and to a test that fails.
            raise Conflict(f"{operation['path']} is not there any more as it was when it was read") from None
        _OPERATIONS[operation["op"]](holder, last, operation.get("value"), operation["path"])
    return result


def counted(before: Object, after: Object) -> Object:
    """Return `after` with the generation the server would give it: one more than `before` when the spec changed."""
    if "generation" in before.get("metadata", {}) and before.get("spec") != after.get("spec"):
        after["metadata"]["generation"] = before["metadata"]["generation"] + 1
    return after


def _test(holder: t.Any, last: str, value: t.Any, path: str) -> None:
    found = (holder[int(last)] if int(last) < len(holder) else None) if isinstance(holder, list) else holder.get(last)
    if found != value:
        raise Conflict(f"{path} is {found!r} and not {value!r} as it was when it was read")


def _add(holder: t.Any, last: str, value: t.Any, _path: str) -> None:
    if isinstance(holder, list):
        holder.insert(len(holder) if last == "-" else int(last), copy.deepcopy(value))
    else:
        holder[last] = copy.deepcopy(value)


def _replace(holder: t.Any, last: str, value: t.Any, _path: str) -> None:
    holder[int(last) if isinstance(holder, list) else last] = copy.deepcopy(value)


def _remove(holder: t.Any, last: str, _value: t.Any, _path: str) -> None:
    del holder[int(last) if isinstance(holder, list) else last]


_OPERATIONS: t.Final = {"test": _test, "add": _add, "replace": _replace, "remove": _remove}
