"""Programs of the Linux distribution that the lab needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

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


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
