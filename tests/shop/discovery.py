"""A gateway's knowledge of the Services of another cluster, for a lab whose gateways know only those of their own.

It stands for what a gateway before several clusters does by itself. For each Service with a selector in the other
cluster's namespace there is one of the same name here, without a selector, with EndpointSlices of the other's pods.
"""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Any

from tests.contract.cluster_access import Operator

Object = dict[str, Any]

INTERVAL = 0.2
STAND_IN = {"canary.lab/stands-for": "another-cluster"}
_OF_SERVICE = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"


class Discovery:
    """Keeps the stand-ins of one namespace as the other cluster's Services are, until it is left."""

    def __init__(self, here: Operator, there: Operator, namespace: str) -> None:
        self._here, self._there, self._namespace = here, there, namespace
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.failure: Exception | None = None

    def __enter__(self) -> Discovery:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(timeout=30)
        if kind is None and self.failure is not None:
            raise self.failure

    def _follow(self) -> None:
        while not self._end.wait(INTERVAL):
            try:
                self._look()
            except (AssertionError, OSError) as error:  # an answer that was not good: seen again the next time, or told
                self.failure = error
            else:
                self.failure = None

    def _look(self) -> None:
        services = {
            item["metadata"]["name"]: item
            for item in self._there.list("Service", self._namespace)
            if item["spec"].get("selector")
        }
        here = {item["metadata"]["name"]: item for item in self._here.list("Service", self._namespace)}
        for name, item in services.items():
            if name not in here:
                self._here.create(self._service(name, item))
        for name, item in here.items():
            if name not in services and STAND_IN.items() <= (item["metadata"].get("labels") or {}).items():
                self._here.delete("Service", name, self._namespace)
        own = {name for name, item in here.items() if item["spec"].get("selector")}
        wanted = {
            item["metadata"]["name"]: self._slice(item)
            for item in self._there.list("EndpointSlice", self._namespace)
            if item["metadata"].get("labels", {}).get(_OF_SERVICE) in set(services) - own
        }
        self._write(wanted)

    def _write(self, wanted: dict[str, Object]) -> None:
        found = {
            item["metadata"]["name"]: item
            for item in self._here.list("EndpointSlice", self._namespace)
            if STAND_IN.items() <= (item["metadata"].get("labels") or {}).items()
        }
        for name, item in wanted.items():
            if name not in found:
                self._here.create(item)
            elif any((found[name].get(part) or []) != (item[part] or []) for part in ("endpoints", "ports")):
                changes = {part: item[part] for part in ("endpoints", "ports")}
                self._here.edit("EndpointSlice", name, self._namespace, changes)
        for name in set(found) - set(wanted):
            with contextlib.suppress(AssertionError):
                self._here.delete("EndpointSlice", name, self._namespace)

    def _service(self, name: str, item: Object) -> Object:
        ports = [
            {key: port[key] for key in ("name", "port", "targetPort", "protocol") if key in port}
            for port in item["spec"]["ports"]
        ]
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": self._namespace, "labels": STAND_IN},
            "spec": {"ports": ports},
        }

    def _slice(self, item: Object) -> Object:
        labels = {_OF_SERVICE: item["metadata"]["labels"][_OF_SERVICE], _MANAGED_BY: "canary.lab", **STAND_IN}
        endpoints = [
            {"addresses": endpoint["addresses"], "conditions": endpoint.get("conditions") or {}}
            for endpoint in item.get("endpoints") or ()
        ]
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": item["metadata"]["name"], "namespace": self._namespace, "labels": labels},
            "addressType": item["addressType"],
            "endpoints": endpoints,
            "ports": item.get("ports") or [],
        }
