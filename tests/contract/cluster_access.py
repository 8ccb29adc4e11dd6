"""The cluster that the contract suite runs on, as its two users see it: the product, and somebody else."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._connection import Connection, Response
from ansible_collections.gradual.canary.plugins.module_utils._errors import Error
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Rehearsal
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS, kind_of

Object = dict[str, Any]
SECONDS = 20.0


class Access:
    """Where the cluster is: KUBECONFIG, which `lab exec` sets, or CANARY_TEST_KUBECONFIG for a cluster of your own."""

    def __init__(self, kubeconfig: str | None = None) -> None:
        self.kubeconfig = kubeconfig or os.environ.get("CANARY_TEST_KUBECONFIG") or os.environ.get("KUBECONFIG")

    def require(self) -> None:
        """Fail, with what to type, when the cluster does not answer."""
        advice = (
            "Start the lab with `make lab` and run this inside it: "
            "`tests/lab/lab exec -- .venv/bin/pytest tests/contract`; or name a cluster with CANARY_TEST_KUBECONFIG."
        )
        if not self.kubeconfig:
            raise AssertionError(f"No cluster is named. {advice}")
        try:
            Cluster(Connection.open({"kubeconfig": self.kubeconfig}), call_seconds=5).search("Namespace")
        except Error as error:
            raise AssertionError(f"{error.message}\n{advice}") from error

    def connect(
        self, *, check_mode: bool = False, rehearsal: Rehearsal | None = None, token: str | None = None
    ) -> Cluster:
        """Return a new session of the product; with a token it is that user's."""
        connection = Connection.open({"kubeconfig": self.kubeconfig})
        if token is not None:
            configuration = connection._configuration
            params = {"host": configuration.host, "ca_cert": configuration.ssl_ca_cert, "api_key": token}
            connection = Connection.open(params)
        return Cluster(connection, check_mode=check_mode, rehearsal=rehearsal)

    def operator(self) -> Operator:
        """Return somebody who works on the same objects with a tool of their own."""
        return Operator(Connection.open({"kubeconfig": self.kubeconfig}))


class Operator:
    """A person at a terminal: merge patches under another field manager, as ``kubectl edit`` sends them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, item: Object) -> Object:
        kind = kind_of(item)
        return self._done(
            "POST", kind.path(item["metadata"].get("namespace")) + _as("kubectl-create"), item, "application/json"
        )

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        response = self._send("GET", KINDS[kind].path(namespace, name))
        return None if response.status == 404 else self._answer(response)

    def list(self, kind: str, namespace: str | None = None) -> list[Object]:
        items: list[Object] = self._answer(self._send("GET", KINDS[kind].path(namespace)))["items"]
        return items

    def edit(self, kind: str, name: str, namespace: str, change: Object, manager: str = "kubectl-edit") -> Object:
        """Merge `change` into an object, whatever it is by now."""
        return self._done(
            "PATCH", KINDS[kind].path(namespace, name) + _as(manager), change, "application/merge-patch+json"
        )

    def edit_status(self, kind: str, name: str, change: Object, namespace: str | None = None) -> Object:
        """Merge `change` into the status of an object, as a controller does."""
        path = KINDS[kind].path(namespace, name) + "/status" + _as("controller")
        return self._done("PATCH", path, change, "application/merge-patch+json")

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        response = self._send("DELETE", KINDS[kind].path(namespace, name), {"propagationPolicy": "Background"})
        if response.status != 404:
            self._answer(response)

    def token(self, account: str, namespace: str) -> str:
        path = KINDS["ServiceAccount"].path(namespace, account) + "/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
        return str(self._done("POST", path, request, "application/json")["status"]["token"])

    def _done(self, method: str, path: str, body: Object, content_type: str) -> Object:
        return self._answer(self._send(method, path, body, content_type))

    def _send(
        self, method: str, path: str, body: Object | None = None, content_type: str | None = "application/json"
    ) -> Response:
        return self._connection.request(method, path, body, content_type if body else None, SECONDS)

    def _answer(self, response: Response) -> Object:
        answer: Object = json.loads(response.body)
        assert response.status < 400, f"{response.status}: {answer.get('message')}"
        return answer


def _as(manager: str) -> str:
    return f"?fieldManager={manager}&fieldValidation=Strict"


@contextlib.contextmanager
def interposed(cluster: Cluster, action: Any) -> Iterator[None]:
    """Let `action` happen after the product has read and before its next patch arrives, once."""
    original = cluster.patch

    def patch(item: Object, operations: Any, **keywords: Any) -> Object:
        cluster.patch = original  # type: ignore[method-assign]
        action()
        return original(item, operations, **keywords)

    cluster.patch = patch  # type: ignore[method-assign]
    try:
        yield
    finally:
        cluster.patch = original  # type: ignore[method-assign]
