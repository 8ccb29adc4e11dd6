"""components.toml as objects."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import LabError

HERE = Path(__file__).resolve().parent.parent
CORE = "core"


@dataclass(frozen=True)
class Build:
    """A Go program: `package` of the module in `folder`, started under each of `programs`."""

    name: str
    tier: str
    folder: str
    programs: tuple[str, ...]
    package: str = "."
    variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wheel:
    """A program inside a wheel of the Python package index."""

    name: str
    tier: str
    requirement: str
    member: str
    programs: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A file or folder copied into a tree: of a Go module (PATH@VERSION), the unpacked "packages" or the "lab"."""

    of: str
    path: str
    to: str


@dataclass(frozen=True)
class Edit:
    """A place in a file of a tree that becomes another text; the regular expression has to match once."""

    file: str
    pattern: str
    replacement: str


@dataclass(frozen=True)
class Tree:
    """A folder of files that a component reads."""

    name: str
    tier: str
    packages: tuple[str, ...]
    parts: tuple[Part, ...]
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Image:
    """A container image of one static program."""

    name: str
    program: str
    environment: dict[str, str]


@dataclass(frozen=True)
class Certificate:
    """A key pair signed by the lab's authority, and whether a kubeconfig is made of it."""

    name: str
    subject: str
    addresses: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    kubeconfig: bool = False


@dataclass(frozen=True)
class Manifest:
    """A file or folder of objects, here or inside a Go module (`module` is PATH@VERSION)."""

    path: str
    module: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that must hold: a URL answers 200, a command succeeds, or an object's condition is True."""

    url: str = ""
    command: tuple[str, ...] = ()
    object: str = ""
    condition: str = ""


@dataclass(frozen=True)
class Component:
    """One part of the running lab."""

    name: str
    tier: str
    needs: tuple[str, ...]
    prepare: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    environment: dict[str, str]
    mounts: dict[str, str]
    apply: tuple[Manifest, ...]
    ready: tuple[Check, ...]
    ports: tuple[int, ...]
    patience: float


@dataclass(frozen=True)
class Catalogue:
    """Everything the lab can build and run."""

    constants: dict[str, str]
    positions: tuple[dict[str, str], ...]
    packages: dict[str, tuple[str, ...]]
    builds: tuple[Build, ...]
    wheels: tuple[Wheel, ...]
    trees: tuple[Tree, ...]
    images: tuple[Image, ...]
    certificates: tuple[Certificate, ...]
    components: tuple[Component, ...]

    @property
    def tiers(self) -> list[str]:
        """Names of the tiers, in the order of the file."""
        return list(dict.fromkeys(component.tier for component in self.components))

    def require(self, tiers: Iterable[str]) -> list[str]:
        """The tiers asked for, after `core`, which every other one stands on.

        Raises LabError for a tier that does not exist.
        """
        wanted = {CORE, *tiers}
        unknown = sorted(wanted - set(self.tiers))
        if unknown:
            raise LabError(f"there is no tier {', '.join(unknown)}; there are {', '.join(self.tiers)}")
        return [tier for tier in self.tiers if tier in wanted]

    def components_of(self, tiers: Iterable[str]) -> list[Component]:
        """The components of these tiers, in the order of the file."""
        wanted = set(tiers)
        return [component for component in self.components if component.tier in wanted]

    def component(self, name: str) -> Component:
        """The component of that name. Raises LabError when there is none."""
        for component in self.components:
            if component.name == name:
                return component
        names = ", ".join(component.name for component in self.components)
        raise LabError(f"there is no component {name}; there are {names}")


def load(path: Path = HERE / "components.toml") -> Catalogue:
    """Read the catalogue. An unknown key in an entry is a TypeError that names it."""
    data = tomllib.loads(path.read_text())
    return Catalogue(
        constants=data["constants"],
        positions=tuple(data["position"]),
        packages={name: tuple(programs) for name, programs in data["packages"].items()},
        builds=tuple(Build(**_frozen(entry)) for entry in data["build"]),
        wheels=tuple(Wheel(**_frozen(entry)) for entry in data["wheel"]),
        trees=tuple(_tree(**entry) for entry in data["tree"]),
        images=tuple(Image(**{"environment": {}} | entry) for entry in data["image"]),
        certificates=tuple(Certificate(**_frozen(entry)) for entry in data["certificate"]),
        components=tuple(_component(**entry) for entry in data["component"]),
    )


def _tree(
    *, name: str, tier: str, packages: Iterable[str], parts: Iterable[dict[str, str]], edits: Iterable[dict[str, str]]
) -> Tree:
    return Tree(
        name, tier, tuple(packages), tuple(Part(**each) for each in parts), tuple(Edit(**each) for each in edits)
    )


def _component(
    *,
    name: str,
    tier: str,
    needs: Iterable[str] = (),
    prepare: Iterable[list[str]] = (),
    command: Iterable[str] = (),
    environment: dict[str, str] | None = None,
    mounts: dict[str, str] | None = None,
    apply: Iterable[dict[str, str]] = (),
    ready: Iterable[dict[str, Any]] = (),
    ports: Iterable[int] = (),
    patience: float = 5,
) -> Component:
    return Component(
        name=name,
        tier=tier,
        needs=tuple(needs),
        prepare=tuple(tuple(each) for each in prepare),
        command=tuple(command),
        environment=environment or {},
        mounts=mounts or {},
        apply=tuple(Manifest(**each) for each in apply),
        ready=tuple(Check(**_frozen(each)) for each in ready),
        ports=tuple(ports),
        patience=patience,
    )


def _frozen(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
