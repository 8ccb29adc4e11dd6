"""Where a lab keeps its things, and what the placeholders of components.toml stand for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from .catalogue import Catalogue
from .errors import LabError


def cache() -> Path:
    """The folder of built programs, shared by all labs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradual.canary" / "lab"


@dataclass(frozen=True)
class Places:
    """Folders and names of one lab. Two labs share nothing but the cache."""

    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", self.name):
            raise LabError(f"{self.name!r} cannot name a lab: up to 20 of a-z, 0-9 and -, such as lab or second-lab")

    @property
    def state(self) -> Path:
        """What may be large: data, logs, images, certificates. Removed by `down`."""
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        return home / "gradual.canary" / self.name

    @property
    def run(self) -> Path:
        """Sockets and pids. Short, because a socket's path has at most 107 characters; gone after a reboot."""
        return Path("/run/gradual.canary") / self.name

    @property
    def lock(self) -> Path:
        """Held by whoever changes the lab."""
        return self.run.with_name(self.name + ".lock")

    @property
    def beside(self) -> Path:
        """Says beside which lab this one is, if it is; removed by `down`."""
        return self.run.with_name(self.name + ".beside")

    @property
    def bin(self) -> Path:
        """Links to the built programs, under the names they are started by."""
        return self.state / "bin"

    @property
    def trees(self) -> Path:
        """Links to the folders of files put together for components."""
        return self.state / "trees"

    @property
    def logs(self) -> Path:
        """One file per component."""
        return self.state / "logs"

    @property
    def namespace(self) -> str:
        """The network namespace's name."""
        return f"canary-{self.name}"

    @property
    def cgroup(self) -> str:
        """The control group below which kubelet puts pods."""
        return f"/canary-{self.name}"

    @property
    def network(self) -> str:
        """The name of the pods' network; no lab's can be the beginning of another's."""
        return f"{self.name}.canary.lab"


@dataclass(frozen=True)
class Placeholders:
    """The values for ${...} in components.toml and in the files of configuration/."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, places: Places, catalogue: Catalogue, position: int = 0) -> Placeholders:
        """The lab's own values first, then the constants, which may refer to those before them."""
        values = {
            "name": places.name,
            "bin": str(places.bin),
            "state": str(places.state),
            "run": str(places.run),
            "trees": str(places.trees),
            "cgroup": places.cgroup,
            "snapshotter": snapshotter(places.state),
        }
        values |= catalogue.positions[position]
        for name, value in catalogue.constants.items():
            values[name] = Template(value).substitute(values)
        return cls(values)

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def fill(self, text: str) -> str:
        """The text with its placeholders replaced. Raises LabError for one that does not exist."""
        try:
            return Template(text).substitute(self.values)
        except (KeyError, ValueError) as error:
            raise LabError(f"placeholder {error} in {text!r} is none of {', '.join(self.values)}") from error


def snapshotter(folder: Path) -> str:
    """`overlayfs`, or `native` where the folder is itself on an overlay, which cannot be stacked."""
    deepest = ("/", "")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        point, kind = line.split(" ")[1:3]
        if folder.is_relative_to(point) and len(point) >= len(deepest[0]):
            deepest = (point, kind)
    return "native" if deepest[1] == "overlay" else "overlayfs"
