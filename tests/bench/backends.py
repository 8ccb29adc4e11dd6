"""`make bench-backends`: a stage and a release on every traffic system of the lab, beside the published commands.

    make bench-backends                                            # all systems, 20 to 40 minutes
    make bench-backends BENCH="--systems istio replicas"           # these; the others keep what was measured before
    make bench-backends BENCH="--resume"                           # those that are not, or not as a whole, measured yet
    make bench-backends BENCH="--tables"                           # nothing; only BACKENDS.md is written again

Runs inside the lab. What was measured is kept after each system, in backends.json and as a table in BACKENDS.md, beside
this file; what could not be has its reason there.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import secrets
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(Path(sys.prefix) / "collections")]

from tests.bench import backends_table, noticing, published, report  # noqa: E402 - found by the line above
from tests.bench.backends_table import Entry  # noqa: E402
from tests.shop.audit import AuditLog, audit_log  # noqa: E402
from tests.shop.operators import install  # noqa: E402
from tests.shop.shop import Shop  # noqa: E402
from tests.shop.systems import SYSTEMS  # noqa: E402

_RESULTS, _DOCUMENT = HERE / "backends.json", HERE / "BACKENDS.md"

_TURNS = 3
_LONGEST = 2700.0
"""Seconds after which no further traffic system is begun."""

_CONCURRENCY = 16
_WEIGHTS = (40, 60, 40, 60, 40, 60)
_STABLE, _CANARY, _RELEASED, _PUBLISHED = "v1", "v2", "v4", "v5"
_LOGGED = 1.0
"""Seconds after which the last request of a run is in the audit log."""


def main() -> int:
    """Measure the systems that were asked for; return 0 when all of them were, as a whole."""
    arguments = _arguments()
    entries = _read()
    if arguments.tables:
        if not entries:
            raise SystemExit(f"nothing is measured yet: there is no {_RESULTS}")
        _write(entries)
        return 0
    if audit_log() is None:
        raise SystemExit("this needs the API server's audit log, which the lab keeps: run it by make bench-backends")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    is_kept = arguments.turns == _TURNS and not arguments.rate
    names = backends_table.left(arguments.systems or list(SYSTEMS), entries, resume=arguments.resume)
    started, failed = time.monotonic(), False
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        install(Path(folder))
        for number, name in enumerate(names, 1):
            if time.monotonic() - started > _LONGEST:
                _say(f"no time left for {', '.join(names[number - 1 :])}: --resume measures what is missing")
                failed = True
                break
            _say(f"{name}: system {number} of {len(names)}")
            entry = entries[name] = _measured(name, Path(folder), arguments.turns, arguments.rate)
            if is_kept:
                _keep(entries)
            failed = failed or bool(entry["failed"])
            for head, cell in zip(backends_table.HEAD, backends_table.row(name, entry), strict=True):
                _say(f"    {head}: {cell}")
            _say(f"{name}: {entry['seconds']:.0f} s, {time.monotonic() - started:.0f} s since the first began")
    _say(f"written to {_DOCUMENT}" if is_kept and names else "nothing is kept")
    return 1 if failed else 0


def _measured(name: str, folder: Path, turns: int, rate: int) -> Entry:
    """Return what one system gave, and why anything is missing."""
    started = time.monotonic()
    entry: Entry = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "surroundings": report.surroundings(),
        "load": os.getloadavg()[0],
        "failed": {},
    }
    with _part(entry, "shop"), _shop(name, folder / name, folder / "collections", rate) as shop:
        shop.open()
        _measure(shop, entry, turns)
    return {**entry, "seconds": time.monotonic() - started}


def _measure(shop: Shop, entry: Entry, turns: int) -> None:
    """Add the parts to the entry."""
    if shop.system.in_place:
        # There are no weights to go back and forth between: its stages are those of the release.
        _release(shop, entry)
        _move(shop, entry, _stable(entry), weights=(), turns=1)
    else:
        _move(shop, entry, _STABLE, weights=_WEIGHTS, turns=turns)
        _release(shop, entry)
    with _part(entry, "published"):
        entry["published"] = published.release(shop, _stable(entry), _PUBLISHED)._asdict()


def _stable(entry: Entry) -> str:
    return _RELEASED if "release" in entry else _STABLE


def _move(shop: Shop, entry: Entry, stable: str, *, weights: tuple[int, ...], turns: int) -> None:
    """Deploy a canary, go through stages, move all traffic back and forth, and take the canary back."""
    with _part(entry, "stages"):
        seconds = _stages(shop, weights)
        if weights:
            what = "one task, and pods" if shop.system.service else "one task"
            entry["overhead"] = {"seconds": seconds, "what": what}
        with _part(entry, "noticing"):
            found = noticing.measure(shop, stable, _CANARY, turns, AuditLog(shop.namespace))
            entry["noticing"] = dataclasses.asdict(found)
    with _part(entry, "rollback"):
        shop.run("rollback").require()


def _release(shop: Shop, entry: Entry) -> None:
    with _part(entry, "release"):
        log = AuditLog(shop.namespace)
        run = shop.run("release", canary_version=_RELEASED).require()
        time.sleep(_LOGGED)
        entry["release"] = backends_table.of_release(run, log.news(), shop.inventory["canary_drain"])
        if shop.system.in_place:
            stages = [each for each in run.results if "proof" in each["result"]]
            what = "the role's tasks, and pods"
            entry["overhead"] = {"seconds": backends_table.between(stages), "what": what}


def _stages(shop: Shop, weights: tuple[int, ...]) -> list[float]:
    """Deploy the canary, go through stages, and leave it attached at weight 0; return the seconds of overhead."""

    def stage(weight: int) -> dict[str, Any]:
        return {
            "name": f"Give it {weight} percent, and prove it",
            "gradual.canary.traffic": {
                "namespace": "{{ canary_namespace }}",
                "app": "{{ canary_app }}",
                "version": "{{ canary_version }}",
                "backend": "{{ canary_backend }}",
                "weight": weight,
                "verify": "{{ canary_client | combine({'profile': 'quick'}) }}",
            },
        }

    play = {
        "name": "Stages",
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "module_defaults": {"group/gradual.canary.cluster": "{{ canary_cluster }}"},
        "tasks": [
            {"name": "Deploy", "ansible.builtin.include_role": {"name": "gradual.canary.deploy"}},
            *(stage(weight) for weight in (*weights, 0)),
        ],
    }
    playbook = shop.operator.home / "stages.yml"
    playbook.write_text(yaml.safe_dump([play], sort_keys=False))
    run = shop.operator.run(str(playbook), canary_version=_CANARY).require()
    stages = [each for each in run.results if each["action"] == "gradual.canary.traffic"]
    return backends_table.between(stages[: len(weights)])


@contextmanager
def _part(entry: Entry, part: str) -> Iterator[None]:
    """Keep what goes wrong in one part as its reason, so that the others are measured all the same."""
    _say(f"  {part}")
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not lose the other parts and systems
        traceback.print_exc()
        entry["failed"][part] = backends_table.reason(error)
        _say(f"  {part} failed: {entry['failed'][part]}")


@contextmanager
def _shop(name: str, home: Path, collections: Path, rate: int) -> Iterator[Shop]:
    home.mkdir()
    (home / "collections").symlink_to(collections)
    shop = Shop(
        name,
        home,
        namespace=f"bench-{secrets.token_hex(3)}",
        client={"rate": rate, "concurrency": _CONCURRENCY},
        by_service=True,
        canary_stages=[10, 50, 100],
    )
    with shop:
        yield shop


def _keep(entries: dict[str, Entry]) -> None:
    part = _RESULTS.with_suffix(".part")
    part.write_text(json.dumps(entries, indent=1) + "\n")
    part.replace(_RESULTS)
    _write(entries)


def _write(entries: dict[str, Entry]) -> None:
    _DOCUMENT.write_text(backends_table.document(entries, list(SYSTEMS), stages=len(_WEIGHTS), turns=_TURNS))


def _read() -> dict[str, Entry]:
    found: dict[str, Entry] = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-backends", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), metavar="SYSTEM", help="all unless given")
    parser.add_argument("--resume", action="store_true", help="leave out what was measured as a whole")
    parser.add_argument("--tables", action="store_true", help="measure nothing, only write the table again")
    parser.add_argument(
        "--turns", type=int, default=_TURNS, help=f"changes each way (default {_TURNS}; nothing is kept with another)"
    )
    parser.add_argument(
        "--rate", type=int, default=0, help="samples a second of ours (default 0: no limit; nothing is kept with one)"
    )
    return parser.parse_args()


def _say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
