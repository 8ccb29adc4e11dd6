"""How many writes a tool made to the API server, from the lab's audit log."""

from __future__ import annotations

import datetime
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.shop.operators import ROOT

_WRITES = ("create", "update", "patch", "delete", "deletecollection")
_OTHERS = ("kube-", "kubelet", "contour", "traefik", "pilot-discovery", "nginx-ingress-controller", "containerd")
"""How the user agents of the cluster's own parts begin, and those of gateways: their writes are nobody's release."""


_LATEST = 5.0  # seconds after which a write is in the log


class Audit:
    """The audit log from now on, of one namespace."""

    def __init__(self, namespace: str, log: Path | None = None) -> None:
        """log: its file, else the lab's."""
        self._namespace = namespace
        self._log = log or _of_lab()
        self._position = self._log.stat().st_size

    def writes(self) -> Counter[str]:
        """Return the writes since the last time, by the program that made them."""
        return Counter(str(event.get("userAgent", "")).partition("/")[0] for event in self._events())

    def last_write(self) -> float:
        """Return when the last write since the last time was answered, in seconds since the epoch."""
        deadline = time.monotonic() + _LATEST
        while not (answered := [str(event["stageTimestamp"]) for event in self._events()]):
            assert time.monotonic() < deadline, f"the audit log has no write to namespace {self._namespace}"
            time.sleep(0.05)
        return datetime.datetime.fromisoformat(answered[-1]).timestamp()

    def _events(self) -> Iterator[dict[str, object]]:
        with self._log.open("rb") as log:
            log.seek(self._position)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # being written
                self._position += len(line)
                event = json.loads(line)
                if self._is_counted(event):
                    yield event

    def _is_counted(self, event: dict[str, object]) -> bool:
        reference = event.get("objectRef")
        agent = str(event.get("userAgent", ""))
        return (
            event.get("stage") == "ResponseComplete"
            and event.get("verb") in _WRITES
            and isinstance(reference, dict)
            and reference.get("namespace") == self._namespace
            and not agent.startswith(_OTHERS)
        )


def _of_lab() -> Path:
    lab = [str(ROOT / "tests/lab/lab"), "audit"]
    done = subprocess.run(lab, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())
