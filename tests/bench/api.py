"""A Kubernetes API server that answers at once: HTTPRoutes to get, list, watch and patch, and a log of all requests.

Its controller judges a new generation as soon as it is written, after handing the weights to the fixture gateway, so
nothing that is measured against it waits for a cluster. Run as a program; the arguments are PORT ROUTES ADMIN_PORT.
"""

from __future__ import annotations

import asyncio
import copy
import json
import sys
import time
import urllib.parse
from typing import Any

NAMESPACE = "bench"
SHOWN = "web-0"
"""The route whose weights the fixture gateway gets."""

_COLLECTION = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
_CONTROLLER = "projectcontour.io/gateway-controller"
_PARENT = {"namespace": "projectcontour", "name": "contour"}

Object = dict[str, Any]


class Routes:
    """The stored objects. Every change has a resource version, and wakes up who watches."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.version = 1
        self.items = {f"web-{number}": self._route(f"web-{number}") for number in range(count)}
        self.events: list[tuple[int, Object]] = []
        self.changed = asyncio.Condition()

    def _route(self, name: str) -> Object:
        route: Object = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-of-{name}", "generation": 1},
            "spec": {
                "parentRefs": [_PARENT],
                "hostnames": [f"{name}.example.com"],
                "rules": [
                    {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                        "backendRefs": [
                            {"group": "", "kind": "Service", "name": "web-v1", "port": 8080, "weight": 10000},
                            {"group": "", "kind": "Service", "name": "web-v2", "port": 8080, "weight": 0},
                        ],
                    }
                ],
            },
        }
        self._judge(route)
        return route

    def patch(self, name: str, operations: list[Object]) -> Object | None:
        """Return the object after a JSON patch, None when a test in it does not hold."""
        wanted = copy.deepcopy(self.items[name])
        if not all(_operate(wanted, operation) for operation in operations):
            return None
        if wanted["spec"] != self.items[name]["spec"]:
            wanted["metadata"]["generation"] += 1
            self._store(name, wanted)
        return wanted

    async def judge(self, name: str) -> None:
        """Write the status of the present generation, as a controller does."""
        route = copy.deepcopy(self.items[name])
        self._judge(route)
        self._store(name, route)
        async with self.changed:
            self.changed.notify_all()

    def _judge(self, route: Object) -> None:
        conditions = [
            {
                "type": kind,
                "status": "True",
                "reason": kind,
                "message": "",
                "observedGeneration": route["metadata"]["generation"],
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        entry = {"parentRef": _PARENT, "controllerName": _CONTROLLER, "conditions": conditions}
        route["status"] = {"parents": [entry]}
        route["metadata"]["resourceVersion"] = str(self.version)

    def _store(self, name: str, route: Object) -> None:
        self.version += 1
        route["metadata"]["resourceVersion"] = str(self.version)
        self.items[name] = route
        self.events.append((self.version, route))


def _operate(item: Object, operation: Object) -> bool:
    *path, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
    place: Any = item
    for part in path:
        place = place[int(part) if isinstance(place, list) else part]
    key: Any = last if not isinstance(place, list) else len(place) if last == "-" else int(last)
    if operation["op"] == "test":
        present = place.get(key) if isinstance(place, dict) else place[key]
        return bool(present == operation["value"])
    if operation["op"] == "remove":
        del place[key]
    elif operation["op"] == "add" and isinstance(place, list):
        place.insert(key, operation["value"])
    else:
        place[key] = operation["value"]
    return True


class Server:
    """HTTP/1.1 with kept connections; /log returns the requests since the last time, and puts the routes back."""

    def __init__(self, routes: Routes, admin_port: int) -> None:
        self.routes = routes
        self.requests: list[Object] = []
        self._admin_port = admin_port
        self._handing_over = asyncio.Lock()
        self._admin: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                at = time.monotonic()
                line, *fields = head.decode("latin-1").split("\r\n")
                method, target, _version = line.split(" ")
                headers = {
                    name.lower(): value.strip() for name, _colon, value in (each.partition(":") for each in fields)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                url = urllib.parse.urlsplit(target)
                query = dict(urllib.parse.parse_qsl(url.query))
                if url.path == "/log":
                    _answer(writer, 200, self.requests)
                    self.requests = []
                    self.routes = Routes(self.routes.count)
                else:
                    self.requests.append({"at": at, "method": method, "path": url.path, "query": query})
                    await self._respond(writer, method, url.path, query, body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            writer.close()

    async def _respond(
        self, writer: asyncio.StreamWriter, method: str, path: str, query: dict[str, str], body: bytes
    ) -> None:
        collection, _slash, name = path.partition(f"{_COLLECTION}/")
        wanted = query.get("fieldSelector", "").removeprefix("metadata.name=")
        if path == _COLLECTION and query.get("watch") == "true":
            await self._watch(writer, wanted, int(query["resourceVersion"]), float(query["timeoutSeconds"]))
        elif path == _COLLECTION and method == "GET":
            items = [item for key, item in self.routes.items.items() if key == wanted or not wanted]
            metadata = {"resourceVersion": str(self.routes.version)}
            _answer(writer, 200, {"kind": "HTTPRouteList", "metadata": metadata, "items": items})
        elif collection or name not in self.routes.items:
            _answer(writer, 404, {"kind": "Status", "code": 404, "reason": "NotFound", "message": f"no {path}"})
        elif method == "PATCH":
            patched = self.routes.patch(name, json.loads(body))
            if patched is None:
                _answer(writer, 422, {"kind": "Status", "code": 422, "reason": "Invalid", "message": "the test failed"})
                return
            _answer(writer, 200, patched)
            if self._admin_port and name == SHOWN:
                async with self._handing_over:
                    await self._hand_over(patched)
            await self.routes.judge(name)
        else:
            _answer(writer, 200, self.routes.items[name])

    async def _watch(self, writer: asyncio.StreamWriter, name: str, version: int, seconds: float) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        routes, position = self.routes, 0
        try:
            async with asyncio.timeout(seconds), routes.changed:
                while not writer.is_closing():
                    for number, item in routes.events[position:]:
                        position += 1
                        if number > version and name in ("", item["metadata"]["name"]):
                            event = json.dumps({"type": "MODIFIED", "object": item}).encode() + b"\n"
                            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                    await writer.drain()
                    await routes.changed.wait()
        except TimeoutError:
            pass
        writer.close()

    async def _hand_over(self, route: Object) -> None:
        """Give the route's weights to the fixture gateway, in percent."""
        weights = {ref["name"].removeprefix("web-"): ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]}
        query = "&".join(f"split.{version}={weight // 100}" for version, weight in weights.items())
        if self._admin is None:
            self._admin = await asyncio.open_connection("127.0.0.1", self._admin_port)
        reader, writer = self._admin
        writer.write(f"POST /runtime_modify?{query} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.partition(b"\r\n")[0], head
        if b"transfer-encoding: chunked" in head.lower():
            await reader.readuntil(b"0\r\n\r\n")


def _answer(writer: asyncio.StreamWriter, status: int, body: Any) -> None:
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)


async def main(port: int, routes: int, admin_port: int) -> None:
    """Serve until killed."""
    server = Server(Routes(routes), admin_port)
    async with await asyncio.start_server(server.serve, "127.0.0.1", port, backlog=1024) as listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
