"""An observer that shares no code with the product: asks at a steady rate, notes who answered, and says so at the end.

Runs as a program, ADDRESS HOSTNAME RATE, until standard input closes. Prints one line when the first answer is there,
then one JSON list of [sent, version] on the machine's monotonic clock, where a failed request's version is "".
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

_MOST_WAITING = 64


class Prober:
    """Requests at fixed times, each on a connection of its own, whatever became of those before."""

    def __init__(self, address: str, hostname: str) -> None:
        host, _colon, port = address.rpartition(":")
        self._place = (host, int(port))
        self._request = f"GET / HTTP/1.1\r\nHost: {hostname}\r\nConnection: close\r\n\r\n".encode()
        self._waiting = 0
        self.answers: list[tuple[float, str]] = []
        self.answered = asyncio.Event()

    async def ask(self) -> None:
        sent = time.monotonic()
        self._waiting += 1
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(*self._place)
                writer.write(self._request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                writer.close()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            head = ""
        self._waiting -= 1
        self.answers.append((sent, _version(head)))
        self.answered.set()

    async def follow(self, rate: float) -> None:
        """Ask until cancelled."""
        started, sent = time.monotonic(), 0
        async with asyncio.TaskGroup() as asking:
            while True:
                while sent < rate * (time.monotonic() - started):
                    if self._waiting < _MOST_WAITING:  # on a machine that cannot keep up, what is missing is missing
                        asking.create_task(self.ask())
                    sent += 1
                await asyncio.sleep(0.5 / rate)


def _version(head: str) -> str:
    """Return the version in an answer's head."""
    for line in head.splitlines():
        name, _colon, value = line.partition(":")
        if name.lower() == "x-version":
            return value.strip()
    return ""


async def main(address: str, hostname: str, rate: float) -> None:
    """Ask until standard input closes."""
    prober = Prober(address, hostname)
    following = asyncio.create_task(prober.follow(rate))
    await prober.answered.wait()
    print("answered", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    following.cancel()
    await asyncio.wait([following])
    print(json.dumps(sorted(prober.answers)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
