"""Programs of the Linux distribution that the lab needs, installed or only unpacked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import LabError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing(packages: Mapping[str, Sequence[str]]) -> list[str]:
    """The packages of which a program is not there."""
    found = {
        name: [shutil.which(program, path=SYSTEM_PATH) for program in programs] for name, programs in packages.items()
    }
    return [name for name, paths in found.items() if None in paths]


def install(packages: Mapping[str, Sequence[str]]) -> None:
    """Install what is missing with apt-get; its lists are fetched only when the first try finds nothing."""
    wanted = missing(packages)
    if not wanted:
        return
    if shutil.which("apt-get") is None:
        raise LabError(f"install these packages, there is no apt-get to do it: {', '.join(wanted)}")
    print(f"installing {', '.join(wanted)}", flush=True)
    command = ["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", *wanted]
    done = _run(command)
    if done.returncode != 0:
        _run(["apt-get", "update", "--quiet=2"])
        done = _run(command)
    if done.returncode != 0 or missing(packages):
        raise LabError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Unpack Debian packages into a folder: nothing is installed, and no script of theirs runs."""
    archives = folder / "archives"
    archives.mkdir(parents=True)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise LabError(f"this needs files of Debian packages, and there is no apt-get: {', '.join(packages)}")
    command = ["apt-get", "download", *packages]
    if _run(command, archives).returncode != 0:
        _run(["apt-get", "update", "--quiet=2"])
        run(*command, folder=archives)
    for archive in sorted(archives.glob("*.deb")):
        run("dpkg-deb", "--extract", str(archive), str(folder))
    shutil.rmtree(archives)


def run(*command: str, folder: Path | None = None) -> None:
    """Run a command. Raises LabError with its output when it fails."""
    done = _run(list(command), folder)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _run(command: list[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
