"""The command line."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import builds, catalogue, leftovers, manifests, namespace, neighbours, packages, processes, trees
from .errors import LabError
from .places import Places
from .running import Laboratory

USAGE = """A real Kubernetes cluster in one network namespace, without a container registry.

Tiers: {tiers}. `core` is always part of what is built or started.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        laboratory = Laboratory(Places(options.name), catalogue.load())
        return int(options.run(laboratory, options))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    tiers = ", ".join(catalogue.load().tiers)
    parser = argparse.ArgumentParser(
        prog="lab", description=USAGE.format(tiers=tiers), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_name(parser, "lab")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(word: str, run: object, words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(word, help=words, description=words)
        # Without a default here, the name given before the command's word stands.
        _add_name(added, argparse.SUPPRESS)
        added.set_defaults(run=run)
        return added

    command("build", _build, "install packages and build programs into the cache").add_argument("tier", nargs="*")
    up = command("up", _up, "build what is missing and start what does not run")
    up.add_argument("tier", nargs="*")
    up.add_argument("--beside", metavar="NAME", help="with other addresses, and reachable from inside the lab NAME")
    command("down", _down, "stop everything and remove all traces but the cache")
    command("status", _status, "show the components; exit code 0 only when all are ready")
    command("logs", _logs, "print a component's log").add_argument("component")
    command("exec", _exec, "run a command inside").add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    command("kubeconfig", _kubeconfig, "print the path of the administrator's kubeconfig")
    command("audit", _audit, "print the path of the API server's audit log of writes")
    command("images", _images, "print the path of the archive with the test images")
    return parser


def _add_name(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--name", default=default, help="which lab, where several run side by side (default: lab)")


def _build(laboratory: Laboratory, options: argparse.Namespace) -> int:
    _make(laboratory, laboratory.catalogue.require(options.tier))
    return 0


def _up(laboratory: Laboratory, options: argparse.Namespace) -> int:
    _require_root()
    if options.beside == options.name:
        raise LabError(f"lab {options.name} cannot be beside itself")
    with laboratory.locked():
        if options.beside:
            first = Laboratory(Places(options.beside), laboratory.catalogue)
            with first.locked():
                neighbours.sit_down(laboratory.places, first.places, laboratory.catalogue)
            laboratory = Laboratory(laboratory.places, laboratory.catalogue)
        tiers = laboratory.catalogue.require([*options.tier, *laboratory.tiers_up()])
        _make(laboratory, tiers)
        started = time.monotonic()
        laboratory.up(tiers)
    print(f"lab {options.name} is up with {', '.join(tiers)}: {time.monotonic() - started:.1f} s", flush=True)
    return 0


def _make(laboratory: Laboratory, tiers: list[str]) -> None:
    packages.install(laboratory.catalogue.packages)
    for tier in tiers:
        started = time.monotonic()
        builds.build(builds.programs(laboratory.catalogue, [tier]) + trees.trees(laboratory.catalogue, [tier]))
        manifests.fetch(laboratory.catalogue, [tier])
        print(f"tier {tier} is built: {time.monotonic() - started:.0f} s", flush=True)


def _down(laboratory: Laboratory, options: argparse.Namespace) -> int:
    _require_root()
    places = laboratory.places
    with laboratory.locked():
        others = set(processes.inside(namespace.NAMESPACES / places.namespace)) - leftovers.all_of(places)
        leftovers.remove(places)
        places.beside.unlink(missing_ok=True)
    print(f"lab {options.name} is down")
    for pid in sorted(others):
        # Started by `lab exec`; the network they see has nothing in it any more. Not ours to stop.
        print(f"still running in its network namespace: {pid} {processes.words_of(pid)}")
    return 0


def _status(laboratory: Laboratory, options: argparse.Namespace) -> int:
    tiers = laboratory.tiers_up()
    if not tiers or not namespace.exists(laboratory.places.namespace):
        print(f"lab {options.name} is down; start it with: lab up")
        return 1
    rows = laboratory.rows()
    table = [("COMPONENT", "STATE", "PID", "PORTS", "READY")]
    table += [(row.component, row.state, row.pid, row.ports, row.ready) for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    for line in table:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]))
    return 0 if all(row.ready == "yes" for row in rows) else 1


def _logs(laboratory: Laboratory, options: argparse.Namespace) -> int:
    component = laboratory.catalogue.component(options.component)
    log = processes.log_of(laboratory.places, component.name)
    if not log.exists():
        raise LabError(f"{component.name} has no log: it was not started")
    with log.open(errors="replace") as lines:
        shutil.copyfileobj(lines, sys.stdout)
    return 0


def _exec(laboratory: Laboratory, options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise LabError("say what to run, for example: lab exec -- bash")
    namespace.enter(laboratory.places.namespace)
    environment = os.environ | {
        "KUBECONFIG": str(laboratory.kubeconfig),
        "PATH": f"{laboratory.places.bin}:{os.environ.get('PATH', packages.SYSTEM_PATH)}",
    }
    os.environ["PATH"] = environment["PATH"]
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise LabError(f"{command[0]}: {error.strerror}") from error


def _kubeconfig(laboratory: Laboratory, options: argparse.Namespace) -> int:
    return _path(laboratory.kubeconfig, options)


def _audit(laboratory: Laboratory, options: argparse.Namespace) -> int:
    return _path(Path(laboratory.placeholders["audit"]), options)


def _images(laboratory: Laboratory, options: argparse.Namespace) -> int:
    return _path(Path(laboratory.placeholders["images"]), options)


def _path(path: Path, options: argparse.Namespace) -> int:
    if not path.exists():
        raise LabError(f"{path} is not there: lab {options.name} is down; start it with: lab up")
    print(path)
    return 0


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces, mounts and control groups: run it as root")
