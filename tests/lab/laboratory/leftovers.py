"""Removing whatever a lab left on the machine, whichever way it ended, and the control groups it made."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from . import namespace, processes
from .errors import LabError
from .places import Places

CNI_RESULTS = Path("/var/lib/cni/results")
CONTAINER_LOGS = Path("/var/log/containers")


def remove(places: Places) -> None:
    """Stop every process of the lab and remove its pods, mounts, control groups, namespaces and files.

    Nothing of this needs the lab to be in working order.
    """
    processes.stop(recorded(places), patience=2)
    # What is left are the shims of containers, components whose record was lost, and what components left behind.
    processes.kill(all_of(places))
    for folder in cgroups(places.cgroup):
        _remove_cgroup(folder)
    # The sockets of the shims lie in one folder for all containerds of a machine.
    for address in (places.run / "containerd").glob("io.containerd.runtime.v2.task/*/*/address"):
        Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)
    for point in mounts(places.state, places.run):
        subprocess.run(["umount", "--lazy", point], check=True)
    namespace.remove(places.namespace)
    for result in CNI_RESULTS.glob(f"{places.network}-*"):
        container = result.name.removeprefix(f"{places.network}-").rpartition("-")[0]
        for entry in CNI_RESULTS.glob(f"*-{container}-*"):
            entry.unlink(missing_ok=True)
    for link in CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(places.state):
            link.unlink(missing_ok=True)
    shutil.rmtree(places.run, ignore_errors=True)
    shutil.rmtree(places.state, ignore_errors=True)
    remains = [str(place) for place in (places.run, places.state) if place.exists()]
    if remains:
        raise LabError(f"could not be removed: {', '.join(remains)}")


def recorded(places: Places) -> list[int]:
    """The pids of the recorded components that still run."""
    found = (processes.pid_of(places, name) for name in _components(places))
    return [pid for pid in found if pid is not None]


def all_of(places: Places) -> set[int]:
    """Every process of the lab, whether or not it can still be recognised by its environment."""
    network = namespace.NAMESPACES / places.namespace
    sessions = [processes.session_of(places, name, network) for name in _components(places)]
    return {*processes.all_of(places.name), *(pid for session in sessions for pid in session)}


def _components(places: Places) -> list[str]:
    records = places.run / "pids"
    return [entry.name for entry in records.iterdir()] if records.is_dir() else []


def hierarchies() -> list[Path]:
    """Where control groups are mounted: one per controller in version 1, one in all in version 2."""
    lines = (line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(fields[1]) for fields in lines if fields[2] in ("cgroup", "cgroup2")]


def create_cgroup(name: str) -> None:
    """Make the group in every hierarchy; kubelet wants to find it there."""
    for hierarchy in hierarchies():
        group = hierarchy / name.lstrip("/")
        group.mkdir(exist_ok=True)
        controllers = hierarchy / "cgroup.controllers"
        if controllers.exists():
            wanted = " ".join("+" + controller for controller in controllers.read_text().split())
            for folder in (hierarchy, group):
                # Refused where processes sit in the root group of a container; kubelet then says what it misses.
                with suppress(OSError):
                    (folder / "cgroup.subtree_control").write_text(wanted)
        elif (group / "cpuset.cpus").exists():
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (group / setting).write_text((hierarchy / setting).read_text())


def cgroups(name: str) -> list[Path]:
    """The lab's group in each hierarchy where it exists."""
    found = (hierarchy / name.lstrip("/") for hierarchy in hierarchies())
    return [folder for folder in found if folder.is_dir()]


def _remove_cgroup(folder: Path) -> None:
    groups = [Path(path) for path, _folders, _files in os.walk(folder, topdown=False)]
    for group in groups:
        pids = [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
        processes.kill(pid for pid in pids if pid > 0)
    for group in groups:
        _remove_empty(group)


def _remove_empty(group: Path) -> None:
    # A group stays busy for a moment after its last process is gone.
    deadline = time.monotonic() + 10
    while group.exists():
        try:
            group.rmdir()
        except OSError as error:
            if time.monotonic() > deadline:
                raise LabError(f"the control group {group} could not be removed: {error.strerror}") from error
            time.sleep(processes.POLL)


def mounts(*folders: Path) -> list[str]:
    """Mount points below the folders, the deepest first."""
    points = (line.split(" ")[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    decoded = (point.encode().decode("unicode_escape") for point in points)
    return [point for point in reversed(list(decoded)) if any(Path(point).is_relative_to(each) for each in folders)]
