"""The load program counts a request that got no answer on a kept connection, which Go's client would hide."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "load"
ANSWER = b"HTTP/1.1 200 OK\r\nX-Version: v1\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None:
        pytest.skip("there is no go to build the load program with")
    built = tmp_path_factory.mktemp("load") / "load"
    subprocess.run(["go", "build", "-o", built, "."], cwd=SOURCE, check=True)
    return built


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def counts_of(program: Path, listener: socket.socket, serve: Serve, *options: str) -> dict[str, Any]:
    """Ask a server that treats each connection like `serve` for a while, and return what the load counted."""

    def accept() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection:
                serve(connection)

    threading.Thread(target=accept, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    command = [program, "--url", url, "--duration", "2500ms", *options]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


def read_request(connection: socket.socket) -> bool:
    """Read one request; False when the client closed instead."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(4096)
        if not more:
            return False
        received += more
    return True


def answer_all(connection: socket.socket) -> None:
    while read_request(connection):
        connection.sendall(ANSWER)


def answer_one_then_close(connection: socket.socket) -> None:
    if read_request(connection):
        connection.sendall(ANSWER)


def answer_one_and_leave_the_next(connection: socket.socket) -> None:
    answer_one_then_close(connection)
    read_request(connection)


KEPT = ("--rate", "0", "--kept-alive", "1")


def test_a_kept_connection_takes_all_requests_of_its_client(program: Path, listener: socket.socket) -> None:
    counts = counts_of(program, listener, answer_all, *KEPT)
    assert (counts["failed"], counts["connections"]) == (0, 1)
    assert counts["requests"] == counts["kept"]["requests"] >= 3


def test_a_kept_connection_closed_between_requests_is_opened_anew(program: Path, listener: socket.socket) -> None:
    counts = counts_of(program, listener, answer_one_then_close, *KEPT)
    assert (counts["failed"], counts["connections"]) == (0, counts["requests"])


def test_a_request_that_was_sent_and_not_answered_is_lost(program: Path, listener: socket.socket) -> None:
    counts = counts_of(program, listener, answer_one_and_leave_the_next, *KEPT)
    assert counts["kept"]["failed"] == counts["failed"] >= 2
    assert {(failure["kind"], failure["request"]) for failure in counts["failures"]} == {("unanswered", "kept")}


def test_the_time_in_which_a_version_answers_new_connections_is_one_period(
    program: Path, listener: socket.socket
) -> None:
    counts = counts_of(program, listener, answer_one_then_close, "--rate", "50")
    version = counts["versions"]["v1"]
    assert len(version["periods"]) == 1
    assert counts["short"] == {"requests": version["answers"], "failed": 0}
