"""The permissions that docs/rbac shows, given to a ServiceAccount as a reader of it would give them."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

import yaml

from tests.contract.cluster_access import Access, Object
from tests.shop.operators import ROOT

_CLUSTER_SCOPED = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}
_GROUP = "/apis/rbac.authorization.k8s.io/v1"


class Permissions:
    """One file of docs/rbac, applied to a namespace; what is not in the namespace is taken away in the end."""

    def __init__(self, access: Access, name: str, namespace: str) -> None:
        text = (ROOT / "docs" / "rbac" / f"{name}.yml").read_text()
        # The namespace as the file's own first lines say; and names of their own for what all namespaces share.
        document = yaml.safe_load(re.sub(r"\bshop$", namespace, text, flags=re.MULTILINE))
        self._items: list[Object] = document["items"]
        self._operator = access.operator()
        self._namespace = namespace
        configuration = access.connect()._connection._configuration
        self._server = {"host": configuration.host, "ca_cert": configuration.ssl_ca_cert}
        for item in self._items:
            if item["kind"] == "ClusterRole":
                item["metadata"]["name"] += f"-{namespace}"
            if item["kind"] == "ClusterRoleBinding":
                item["roleRef"]["name"] += f"-{namespace}"

    def __enter__(self) -> Permissions:
        for item in self._items:
            plural = _CLUSTER_SCOPED.get(item["kind"])
            if plural:
                self._operator._done("POST", f"{_GROUP}/{plural}", item, "application/json")
            else:
                self._operator.create(item)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for item in self._items:
            if plural := _CLUSTER_SCOPED.get(item["kind"]):
                self._operator._send("DELETE", f"{_GROUP}/{plural}/{item['metadata']['name']}")

    def options(self) -> dict[str, Any]:
        """Return the connection options of who has these permissions and no others."""
        (account,) = [item["metadata"]["name"] for item in self._items if item["kind"] == "ServiceAccount"]
        return {**self._server, "api_key": self._operator.token(account, self._namespace)}
