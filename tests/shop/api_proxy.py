"""A proxy in front of the API server that does to chosen requests what networks, servers and operating systems do.

It speaks HTTP on loopback and asks the API server with the credentials of the cluster's kubeconfig: a playbook behind
it needs ``host`` and any token.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.contract.cluster_access import Access

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "authorization"})
_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class Call:
    """One request. number: counted from 1 over all; write: the same over those that change something, else 0."""

    number: int
    write: int
    method: str
    path: str
    target: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Passed:
    """Answers as the API server does: what happens to a request unless a test wants something else."""

    def before(self) -> None:
        """Called with the request in hand. Raise Cut to end the connection instead of passing it on."""

    def answered(self) -> None:
        """Called when the API server has done it and the caller does not know. Raise Cut to keep it so."""

    def after(self) -> None:
        """Called when the caller has the answer."""

    def instead(self) -> tuple[int, dict[str, str], bytes] | None:
        """Return status, headers and body of an answer that the API server is not asked for."""
        return None


class Instead(Passed):
    """An answer that is not the API server's, which has done nothing."""

    def __init__(self, status: int, body: bytes, **headers: str) -> None:
        self._answer = (status, {"Content-Type": "application/json", **headers}, body)

    def instead(self) -> tuple[int, dict[str, str], bytes] | None:
        return self._answer


class CutAt(Passed):
    """The connection ends before the API server has the request, or when it is done and not answered."""

    def __init__(self, moment: str) -> None:
        self._moment = moment

    def before(self) -> None:
        if self._moment == "before":
            raise Cut

    def answered(self) -> None:
        if self._moment == "answered":
            raise Cut


class Slow(Passed):
    """The answer takes so many seconds longer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def answered(self) -> None:
        time.sleep(self._seconds)  # nothing is waited for: this is what it is about


class Cut(Exception):
    """The connection ends here."""


class ApiProxy:
    """Serves while the block lasts. decide: what happens to a call; calls: all that came, in order.

    first: the first answer to each read, by its URL; what a server that lags behind would answer later.
    """

    def __init__(self, access: Access, decide: Callable[[Call], Passed]) -> None:
        self.calls: list[Call] = []
        self.first: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.decide = decide
        self._connection = access.connect()._connection
        self._one = threading.Lock()
        proxy = self

        class Handler(_Handler):
            api = proxy

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def options(self) -> dict[str, Any]:
        """The connection options of who asks through this."""
        return {"host": f"http://127.0.0.1:{self._server.server_address[1]}", "api_key": "the-proxy-has-its-own"}

    @property
    def writes(self) -> list[Call]:
        return [call for call in self.calls if call.write]

    def forget(self) -> None:
        """Count from 1 again."""
        with self._one:
            self.calls, self.first = [], {}

    def note(self, method: str, target: str) -> Call:
        parts = urlsplit(target)
        changes = method not in ("GET", "HEAD") and "dryRun" not in parse_qs(parts.query)
        with self._one:
            write = len(self.writes) + 1 if changes else 0
            call = Call(len(self.calls) + 1, write, method, parts.path, target)
            self.calls.append(call)
        return call

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Any:
        """Return the API server's answer, whose body is not read yet."""
        return self._connection._pool.request(
            method,
            self._connection.server + target,
            body=body or None,
            headers=headers,
            preload_content=False,
            retries=False,
            timeout=60,
        )

    def __enter__(self) -> ApiProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    api: ClassVar[ApiProxy]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = self.api.decide(self.api.note(self.command, self.path))
        try:
            what.before()
            instead = what.instead()
            if instead is not None:
                self._answer(*instead)
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            answer = self.api.ask(self.command, self.path, headers, body)
            try:
                self._give_out(answer, what)
            finally:
                answer.close() if "watch=true" in self.path else answer.release_conn()
        except (Cut, OSError):
            self._end()

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on  # noqa: N815 (the base class's names)

    def _give_out(self, answer: Any, what: Passed) -> None:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        if "watch=true" not in self.path:
            data = answer.read()
            what.answered()
            if self.command == "GET":
                self.api.first.setdefault(self.path, (answer.status, headers, data))
            self._answer(answer.status, headers, data)
            what.after()
            return
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for data in answer.read_chunked(_CHUNK):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _end(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_words: object) -> None:
        """Say nothing: the calls are kept."""
