# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of one Kubernetes cluster: reads, writes, waits, check mode. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import time
import typing as t
from urllib.parse import urlencode

from ansible_collections.gradual.canary.plugins.module_utils import _errors as errors
from ansible_collections.gradual.canary.plugins.module_utils._api_errors import Question, error_for, is_transient
from ansible_collections.gradual.canary.plugins.module_utils._connection import Connection, Params, Response
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference, presentable
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation, Rehearsal, counted, patched
from ansible_collections.gradual.canary.plugins.module_utils._requests import Asked, decoded, pause_asked, selectors
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS, Kind, Object, kind_of, words

FIELD_MANAGER: t.Final = "gradual.canary"
JSON_PATCH: t.Final = "application/json-patch+json"
APPLY_PATCH: t.Final = "application/apply-patch+yaml"

_RPC_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
_REQUEST_SECONDS = 20.0  # one attempt; the deadline of the whole call is longer
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class Write(t.NamedTuple):
    """One request that changed something, or would have in check mode."""

    verb: str
    path: str
    content_type: str
    body: t.Any


class Cluster:
    """One API server, one identity, one budget of seconds for every call.

    In check mode each write is sent with ``dryRun=All`` and remembered in `rehearsal`, so that later reads see it.
    `writes` and `requests` say what was done so far. `before_write` is asked before each
    attempt of a write; when it raises nothing is written.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        check_mode: bool = False,
        rehearsal: Rehearsal | None = None,
        call_seconds: float = 60.0,
    ) -> None:
        self._connection = connection
        self._call_seconds = call_seconds
        self.check_mode = check_mode
        self.rehearsal = rehearsal or Rehearsal()
        self.writes: list[Write] = []
        self.requests = 0
        self.before_write: t.Callable[[], None] = lambda: None

    @classmethod
    def connect(cls, params: Params, *, check_mode: bool = False, rehearsal: Rehearsal | None = None) -> Cluster:
        """Return the cluster that the shared connection options name. Raises MissingLibrary and InvalidInput."""
        seconds = float(params.get("api_timeout") or 60)
        return cls(Connection.open(params), check_mode=check_mode, rehearsal=rehearsal, call_seconds=seconds)

    @property
    def server(self) -> str:
        return self._connection.server

    @property
    def name(self) -> str:
        """What people call this cluster: the context of the kubeconfig; without one the server's URL."""
        return self._connection.context or self.server

    def identity(self) -> dict[str, t.Any]:
        """Return which cluster was used and as whom: part of every result."""
        connection = self._connection
        return {
            "server": connection.server,
            "context": connection.context,
            "user": connection.user,
            "requests": self.requests,
        }

    # reading

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return an object, or None when the API says that there is none."""
        path = KINDS[kind].path(namespace, name)
        if self.rehearsal.knows(path):
            return self.rehearsal.get(path)
        try:
            return self._call("GET", path, Asked(KINDS[kind], namespace, name))
        except errors.NotFound:
            return None

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """Return an object; NotFound when there is none."""
        item = self.find(kind, name, namespace)
        if item is None:
            place = f" in namespace {namespace}" if namespace else ""
            raise errors.NotFound(f"there is no {kind} {name!r}{place} on {self.server}", kind=kind, name=name)
        return item

    def search(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        labels: dict[str, str] | None = None,
        fields: str | None = None,
    ) -> list[Object]:
        """Return all objects of a kind, in one namespace or in all, in pages of 500."""
        return self._list(KINDS[kind], namespace, labels, fields)[0]

    def log(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int = 10) -> str:
        """Return the last lines of a container's log; empty when there is none (yet)."""
        query = {"container": container, "tailLines": lines, "previous": str(previous).lower()}
        path = KINDS["Pod"].path(namespace, pod) + "/log?" + urlencode(query)
        try:
            response = self._send("GET", path, None, None, time.monotonic() + self._call_seconds)
        except errors.Unreachable:
            return ""
        return response.body.decode(errors="replace") if response.status == 200 else ""

    def page(self, namespace: str, pod: str, port: str, path: str) -> str:
        """Return a page that a pod serves, fetched through the API server. Raises NotFound, Forbidden, Unreachable."""
        url = f"{KINDS['Pod'].path(namespace, pod)}:{port}/proxy/{path.lstrip('/')}"
        response = self._send("GET", url, None, None, time.monotonic() + self._call_seconds, accept="text/plain")
        if response.status != 200:
            question = self._question("GET", Asked(KINDS["Pod"], namespace, pod))
            raise error_for(
                response.status, decoded(response.body), dataclasses.replace(question, resource="pods/proxy")
            )
        return response.body.decode(errors="replace")

    def wait(
        self,
        kind: str,
        namespace: str,
        done: t.Callable[[list[Object]], bool],
        *,
        seconds: float,
        labels: dict[str, str] | None = None,
        fields: str | None = None,
        since: Object | None = None,
    ) -> list[Object] | None:
        """Watch objects until `done` says so; return them, or None after `seconds`.

        One list and one watch; a watch that the server ends is taken up again from a new list. Where only one object is
        meant, `since` is that object as it was just read or written, and spares the first list.
        """
        deadline = time.monotonic() + seconds
        while True:
            if since is not None:
                items, version, since = [since], str(since["metadata"]["resourceVersion"]), None
            else:
                items, version = self._list(KINDS[kind], namespace, labels, fields)
            known = {item["metadata"]["name"]: item for item in items}
            if done(list(known.values())):
                return list(known.values())
            for event, item in self._watch(KINDS[kind], namespace, labels, fields, version, deadline):
                if event == "ERROR":
                    break
                known[item["metadata"]["name"]] = item
                if event == "DELETED":
                    del known[item["metadata"]["name"]]
                if done(list(known.values())):
                    return list(known.values())
            if time.monotonic() >= deadline:
                return None

    # writing

    def patch(self, item: Object, operations: t.Sequence[Operation], *, subresource: str = "") -> Object:
        """Send one JSON patch for `item`, guarded by its uid, and return the object as it is then.

        subresource: for example ``status``, where a part of the object is written apart from the rest.
        Raises Conflict when one of the tests in `operations` no longer holds.
        """
        kind, metadata = kind_of(item), item["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"])
        suffix = f"/{subresource}" if subresource else ""
        guarded = list(operations)
        if "uid" in metadata:
            guarded.insert(0, {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]})
        if self.rehearsal.knows(path):
            before = self.rehearsal.get(path) or {}
            result = counted(before, patched(before, operations))
        else:
            asked = Asked(kind, metadata.get("namespace"), metadata["name"], suffix=suffix)
            result = self._write("PATCH", path + suffix, asked, guarded, JSON_PATCH)
        self.writes.append(Write("patch", path + suffix, JSON_PATCH, list(operations)))
        return self._rehearse(path, result)

    def predict(self, item: Object) -> None:
        """Let later reads of check mode see `item` as its controller would have left it, status included."""
        metadata = item["metadata"]
        self.rehearsal.put(kind_of(item).path(metadata.get("namespace"), metadata["name"]), item)

    def preview(self, item: Object, operations: t.Sequence[Operation]) -> Object:
        """Return what a JSON patch would make of `item`, with the server's defaults: a dry run, in every mode."""
        kind, metadata = kind_of(item), item["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"])
        asked = Asked(kind, metadata.get("namespace"), metadata["name"])
        query = _write_query(dry_run=True)
        return self._call("PATCH", path, asked, body=list(operations), content_type=JSON_PATCH, query=query)

    def apply(
        self, item: Object, *, unchanged: t.Callable[[Object], Object] = lambda live: live, force: bool = False
    ) -> Difference:
        """Server-side apply `item` unless the cluster already has it; return the difference.

        The comparison is the server's own: a dry run against what is there. `unchanged` may put back what others own.
        Fields that another manager owns with another value are a Conflict; with `force` they are taken from it.
        """
        kind, metadata = kind_of(item), item["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"])
        asked = Asked(kind, metadata.get("namespace"), metadata["name"])
        before = self.find(kind.name, metadata["name"], metadata.get("namespace"))
        if self.rehearsal.knows(path) and before is not None:
            return Difference(words(item), before, before)
        query = _write_query(dry_run=True) | ({"force": "true"} if force else {})
        after = self._call("PATCH", path, asked, body=item, content_type=APPLY_PATCH, query=query)
        difference = Difference(words(item), before, unchanged(after))
        if difference.changed:
            if not self.check_mode:
                del query["dryRun"]
                after = self._call("PATCH", path, asked, body=item, content_type=APPLY_PATCH, query=query)
            self.writes.append(Write("apply", path, APPLY_PATCH, item))
            self._rehearse(path, after)
        return difference

    def delete(self, item: Object) -> None:
        """Delete `item` (this very one, by uid) with its dependents in the background. Deleted already is fine."""
        kind, metadata = kind_of(item), item["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"])
        body: dict[str, t.Any] = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
            "preconditions": {"uid": metadata.get("uid")},
        }
        if self.check_mode:
            body["dryRun"] = ["All"]  # with a body the API does not look at the query
        if not self.rehearsal.knows(path):
            try:
                asked = Asked(kind, metadata.get("namespace"), metadata["name"])
                self._write("DELETE", path, asked, body, "application/json")
            except errors.NotFound:
                pass
        self.writes.append(Write("delete", path, "application/json", {}))
        if self.check_mode:
            self.rehearsal.put(path, None)

    # transport

    def _rehearse(self, path: str, item: Object) -> Object:
        if self.check_mode:
            rehearsed: Object = presentable(item) or {}
            if "generation" in item.get("metadata", {}):  # later patches test it, and are to be predicted with it
                rehearsed["metadata"]["generation"] = item["metadata"]["generation"]
            self.rehearsal.put(path, rehearsed)
        return item

    def _write(self, method: str, path: str, asked: Asked, body: t.Any, content_type: str) -> Object:
        return self._call(
            method, path, asked, body=body, content_type=content_type, query=_write_query(dry_run=self.check_mode)
        )

    def _list(
        self, kind: Kind, namespace: str | None, labels: dict[str, str] | None, fields: str | None
    ) -> tuple[list[Object], str]:
        query = {"limit": "500", **selectors(labels, fields)}
        items: list[Object] = []
        while True:
            page = self._call("GET", kind.path(namespace), Asked(kind, namespace, None, "list"), query=query)
            items += [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in page.get("items") or []]
            if not page["metadata"].get("continue"):
                break
            query["continue"] = page["metadata"]["continue"]
        if self.check_mode:
            items = self.rehearsal.merge(kind.path(namespace), items, labels)
        return items, str(page["metadata"].get("resourceVersion", ""))

    def _call(
        self,
        method: str,
        path: str,
        asked: Asked,
        *,
        body: t.Any = None,
        content_type: str | None = None,
        query: dict[str, str] | None = None,
    ) -> Object:
        deadline = time.monotonic() + self._call_seconds
        pause = _FIRST_PAUSE
        url = path + (f"?{urlencode(query)}" if query else "")
        writes = method != "GET" and "dryRun" not in (query or {})
        while True:
            if writes:
                self.before_write()  # each time: what was true before the last attempt need not be by now
            try:
                response = self._send(method, url, body, content_type, deadline)
            except errors.Unreachable:
                if time.monotonic() + pause > deadline:
                    raise
            else:
                answer = decoded(response.body)
                if response.status < 400:
                    return answer
                again = pause_asked(response, pause)
                if not is_transient(response.status, answer) or time.monotonic() + again > deadline:
                    raise error_for(response.status, answer, self._question(method, asked))
                pause = again
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _send(
        self, method: str, url: str, body: t.Any, content_type: str | None, deadline: float, **options: str
    ) -> Response:
        self.requests += 1
        seconds = min(_REQUEST_SECONDS, deadline - time.monotonic())
        return self._connection.request(method, url, body, content_type, seconds, **options)

    def _watch(
        self,
        kind: Kind,
        namespace: str,
        labels: dict[str, str] | None,
        fields: str | None,
        version: str,
        deadline: float,
    ) -> t.Iterator[tuple[str, Object]]:
        seconds = max(1.0, deadline - time.monotonic())
        query = {
            "watch": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(int(seconds) + 1),
            **selectors(labels, fields),
        }
        self.requests += 1
        for event in self._connection.stream(f"{kind.path(namespace)}?{urlencode(query)}", seconds):
            if not isinstance(event, Response):
                yield event["type"], event["object"]
            elif event.status == 403:
                raise error_for(403, decoded(event.body), self._question("GET", Asked(kind, namespace, None, "watch")))
            elif event.status >= 400:
                time.sleep(_FIRST_PAUSE)  # the caller lists again, and the list says what is wrong
                return

    def _question(self, method: str, asked: Asked) -> Question:
        user = self._connection.user
        who = f"user {user!r}" if user else "this user"
        verb = asked.verb or _RPC_VERBS[method]
        return Question(verb, asked.kind.resource + asked.suffix, asked.namespace, asked.name, self.server, who)


def _write_query(*, dry_run: bool) -> dict[str, str]:
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    if dry_run:
        query["dryRun"] = "All"
    return query
