"""What the API server's audit log has of one namespace, where a lab keeps such a log."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

Entry = dict[str, Any]

# How the user agents of the cluster's own parts begin, and those of gateways: their writes are nobody's release.
_PARTS_OF_THE_CLUSTER = (
    *("kube-", "kubelet", "containerd"),
    *("contour", "traefik", "pilot-discovery", "nginx-ingress-controller"),
)


class AuditLog:
    """The requests about one namespace from now on, as the audit log's events (audit.k8s.io/v1, kind Event)."""

    def __init__(self, namespace: str, log: Path | None = None) -> None:
        """log: its file; else that of the lab which KUBECONFIG leads to. Other clusters show none: no entries then."""
        self._namespace = namespace
        self._log = log or audit_log()
        self._position = self._log.stat().st_size if self._log else 0

    def news(self) -> list[Entry]:
        """Return what was carried out and answered since the last time, in this order."""
        if self._log is None:
            return []
        found = []
        with self._log.open("rb") as lines:
            lines.seek(self._position)
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # being written
                self._position += len(line)
                if self._namespace.encode() in line and self._counts(entry := json.loads(line)):
                    found.append(entry)
        return found

    def _counts(self, entry: Entry) -> bool:
        return (
            entry.get("stage") == "ResponseComplete"
            and (entry.get("objectRef") or {}).get("namespace") == self._namespace
            and 200 <= int((entry.get("responseStatus") or {}).get("code", 0)) < 300
            and "dryRun=" not in entry["requestURI"]
        )


def audit_log() -> Path | None:
    """Return the audit log that a lab keeps in the folder above its kubeconfigs; other clusters show none."""
    log = Path(os.environ.get("KUBECONFIG", "")).absolute().parent.parent / "audit.log"
    return log if log.is_file() else None


def is_of_a_tool(entry: Entry) -> bool:
    """Say whether a person or a tool of theirs asked for it, and not the cluster itself or a gateway."""
    return not str(entry.get("userAgent", "")).startswith(_PARTS_OF_THE_CLUSTER)


def answered(entry: Entry) -> float:
    """Return when it was answered, in seconds since the epoch."""
    return datetime.datetime.fromisoformat(entry["stageTimestamp"]).timestamp()
