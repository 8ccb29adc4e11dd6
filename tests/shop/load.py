"""Steady load by the lab's load generator, counted while it runs."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

STARTING_SECONDS = 10.0
COUNTING_SECONDS = 30.0  # on a machine whose cores are all taken
_SOURCE = Path(__file__).resolve().parents[1] / "lab" / "load"


class Load:
    """`rate` requests a second, each on a new connection, and `long` four-second requests always in flight.

    kept: clients that also ask twice a second, each on one connection that it keeps.
    """

    def __init__(
        self, address: str, hostname: str, output: Path, *, rate: int = 300, long: int = 20, kept: int = 0
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._listen = f"127.0.0.1:{free.getsockname()[1]}"
        self.output = output
        command = [
            *(_program(), "--url", f"http://{hostname}/", "--address", address, "--rate", str(rate)),
            *("--long", str(long), "--long-query", "delay=4s", "--kept-alive", str(kept), "--duration", "30m"),
            *("--listen", self._listen, "--output", str(output), "--attached"),
        ]
        # A pipe that nothing is written to: it ends with this process, however that ends, and the load with it.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        deadline = time.monotonic() + STARTING_SECONDS
        while True:
            try:
                self.count()
                return
            except OSError:
                assert self._process.poll() is None, "the load generator ended at once"
                assert time.monotonic() < deadline, f"the load generator does not answer on {self._listen}"
                time.sleep(0.05)

    def count(self) -> dict[str, Any]:
        """Return the counts so far."""
        with urllib.request.urlopen(f"http://{self._listen}/", timeout=COUNTING_SECONDS) as answer:
            counts: dict[str, Any] = json.load(answer)
            return counts

    def stop(self) -> dict[str, Any]:
        """Send nothing more, wait for what is in flight, and return the counts."""
        self._process.terminate()
        self._process.wait(timeout=60)
        self._close()
        counts: dict[str, Any] = json.loads(self.output.read_text())
        return counts

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)
        self._close()

    def _close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()


def _program() -> str:
    """Return the load generator: the lab's, or one built from its source where there is no lab."""
    found = shutil.which("load")
    if found:
        return found
    built = _SOURCE.parents[2] / ".cache" / "load"
    built.parent.mkdir(exist_ok=True)
    subprocess.run(["go", "build", "-o", str(built), "."], cwd=_SOURCE, check=True)
    return str(built)
