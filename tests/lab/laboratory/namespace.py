"""The network namespace that a lab lives in: nothing leaves the machine, and its ports never clash with others'."""

from __future__ import annotations

import ctypes
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000


def exists(name: str) -> bool:
    """Whether there is a usable namespace of that name; a file without the mount does not count."""
    path = NAMESPACES / name
    return path.exists() and os.path.ismount(path)


def create(name: str, address: str) -> None:
    """Make the namespace with the node's address. Does not enter it.

    The address is on `lo`: kubelet and the API server refuse loopback addresses, and not every kernel has a dummy
    device.
    """
    remove(name)
    _run("ip", "netns", "add", name)
    _run("ip", "-n", name, "link", "set", "lo", "up")
    _run("ip", "-n", name, "address", "add", f"{address}/32", "dev", "lo")


def enter(name: str) -> None:
    """Move this thread, and what it starts from now on, into the namespace.

    Only the network changes; `ip netns exec` would also mount another /sys, which hides the control groups.
    """
    try:
        descriptor = os.open(NAMESPACES / name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LabError(f"the network namespace {name} does not exist; start the lab with: lab up") from None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise LabError(f"entering the network namespace {name}: {os.strerror(number)}; the lab needs root")
    finally:
        os.close(descriptor)


def forward() -> None:
    """Let packets pass between pods and the node, in the namespace this thread is in."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")


@dataclass(frozen=True)
class End:
    """One end of a link: in which namespace, the device's name, and the node and the pods behind it."""

    namespace: str
    device: str
    node: str
    pods: str


def link(one: End, other: End) -> None:
    """Join two namespaces, so that either reaches the other's node and pods. A link that is there stays."""
    if _succeeds("ip", "-n", one.namespace, "link", "show", one.device):
        return
    pair = ("type", "veth", "peer", "name", other.device, "netns", other.namespace)
    _run("ip", "link", "add", one.device, "netns", one.namespace, *pair)
    for end in (one, other):
        _run("ip", "-n", end.namespace, "link", "set", end.device, "up")
    for here, there in ((one, other), (other, one)):
        route = ("ip", "-n", here.namespace, "route", "replace")
        # The nodes' addresses are on `lo`, and either answers for its own on this link too.
        _run(*route, f"{there.node}/32", "dev", here.device, "src", here.node)
        _run(*route, there.pods, "via", there.node, "dev", here.device, "onlink", "src", here.node)


def remove(name: str) -> None:
    """Remove the namespace; one that is not there is fine."""
    path = NAMESPACES / name
    if exists(name):
        _run("ip", "netns", "delete", name)
    path.unlink(missing_ok=True)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
