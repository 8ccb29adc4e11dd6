"""The few requests that the lab itself sends to its API server."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import LabError
from .manifests import Document

PATIENCE = 60
POLL = 0.1


class NotYet(Exception):
    """The server refused something that it may accept a moment later."""


@dataclass(frozen=True)
class Answer:
    """Status code and body of one answer."""

    status: int
    body: bytes

    def object(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Api:
    """The API server as the lab's administrator sees it; only reachable from inside the namespace."""

    def __init__(self, address: str, certificates: Path) -> None:
        self.address = address
        self.context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        self.context.load_cert_chain(certificates / "admin.crt", certificates / "admin.key")

    def get(self, path: str) -> Answer:
        """One read. Raises OSError when there is no answer."""
        return self._request("GET", path, None)

    def apply(self, document: Document) -> str:
        """Server-side apply; returns the object's path. Tries again for a minute what may yet succeed."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._apply(document)
            except (OSError, NotYet) as error:
                if time.monotonic() > deadline:
                    raise LabError(f"applying {document} did not succeed within {PATIENCE} s: {error}") from error
            time.sleep(POLL)

    def condition(self, path: str, name: str) -> tuple[bool, str]:
        """Whether the object's condition is True, and the state in words."""
        answer = self.get(path)
        if answer.status != 200:
            return False, f"GET {path}: {answer.status}"
        # Before a controller has written them, either may be null.
        status = answer.object().get("status") or {}
        for condition in status.get("conditions") or []:
            if condition["type"] == name:
                words = f"{name}={condition['status']}: {condition.get('reason', '')} {condition.get('message', '')}"
                return condition["status"] == "True", words
        return False, f"{path} has no condition {name}"

    def _apply(self, document: Document) -> str:
        path = f"{self._collection(document)}/{document.name}"
        answer = self._request("PATCH", f"{path}?fieldManager=lab&force=true", document.text.encode())
        if answer.status in (200, 201):
            return path
        words = f"{answer.status} {answer.body.decode(errors='replace')[:2000]}"
        # 404: its namespace or kind is not known everywhere yet; the others: the server is busy or still starting.
        if answer.status in (404, 429, 500, 503):
            raise NotYet(words)
        raise LabError(f"applying {document}: {words}")

    def _collection(self, document: Document) -> str:
        root = f"/apis/{document.version}" if "/" in document.version else f"/api/{document.version}"
        answer = self.get(root)
        if answer.status != 200:
            raise NotYet(f"GET {root}: {answer.status}")
        for resource in answer.object()["resources"]:
            if resource["kind"] == document.kind and "/" not in resource["name"]:
                inside = f"/namespaces/{document.namespace or 'default'}" if resource["namespaced"] else ""
                return f"{root}{inside}/{resource['name']}"
        raise NotYet(f"{root} does not serve {document.kind}")

    def _request(self, method: str, path: str, body: bytes | None) -> Answer:
        host, _colon, port = self.address.partition(":")
        connection = http.client.HTTPSConnection(host, int(port), context=self.context, timeout=30)
        headers = {"Content-Type": "application/apply-patch+yaml"} if body is not None else {}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
