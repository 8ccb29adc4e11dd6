"""`make bench-backends`: a stage and a release on every traffic system of the lab, beside the published commands.

Runs inside the lab. Prints a table, and writes it to BACKENDS.md, with what could not be measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(Path(sys.prefix) / "collections")]

from ansible_collections.gradual.canary.plugins.module_utils._backends import BACKENDS  # noqa: E402 - as above
from tests.bench import noticing, published, report  # noqa: E402 - found by the line above
from tests.bench.measure import Series  # noqa: E402
from tests.contract.systems.gateway_api import GatewayApiOnTraefik  # noqa: E402
from tests.shop.audit import AuditLog  # noqa: E402
from tests.shop.operators import Run, install  # noqa: E402
from tests.shop.shop import Shop  # noqa: E402
from tests.shop.systems import SYSTEMS, Object, System  # noqa: E402

_TURNS = 3
_LONGEST = 660.0
"""Seconds after which no further traffic system is begun."""

_CONCURRENCY = 16
_WEIGHTS = (40, 60, 40, 60, 40, 60)
_STABLE, _CANARY, _RELEASED, _PUBLISHED = "v1", "v2", "v4", "v5"
_NOTICE_MS = 50


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one traffic system gave."""

    name: str
    overhead: Series
    changes: list[noticing.Noticed]
    release: Run
    drain: int
    published: float

    def cells(self) -> list[str]:
        sampled = self.release.proofs
        seconds = sum(each["requests"]["duration_s"] for each in sampled)
        answers = sum(each["requests"]["sent"] for each in sampled)
        sleeping = published.SLEEP * len(published.STAGES)
        return [
            self.name,
            _requests(self.release),
            self.overhead.show(0, 1000),
            *self._noticed(),
            f"{self.release.seconds:.1f} ({seconds:.1f} of it sampling, {self.drain} draining)",
            f"{answers:,} in {len(sampled)} proofs",
            f"{self.published:.1f} ({sleeping} of it sleeping)",
        ]

    def _noticed(self) -> list[str]:
        if not self.changes:
            return ["-", "-", "-"]
        data_plane, after = (
            Series(tuple(getattr(each, name) for each in self.changes)) for name in ("data_plane", "after")
        )
        soon = "yes" if after.median * 1000 <= _NOTICE_MS else "**no**"
        return [data_plane.show(0, 1000), after.show(0, 1000), soon]


_HEAD = [
    "traffic system",
    "API requests of a stage",
    "overhead of a stage, ms",
    "data plane follows the write after, ms",
    "noticed after that, ms",
    f"<= {_NOTICE_MS}",
    "whole release, s",
    "answers",
    "published commands, s",
]

_METHOD = """\
- API requests: what the verb `traffic` says that it sent to the API server for each of the three stages of the release:
  reads, the write, the watch. Its median, least and most.
- Overhead: in a play of {stages} stages, each one task that sets the weight, waits and proves it (profile `quick`, no
  limit on the rate), the time from the end of one task to the end of the next, less the time in which it sampled. All
  but the first stage count. With `replicas` it is the time that pods take. Where one workload changes in place there
  are no weights to go back and forth between: there it is the same between the stages of the release, with the other
  tasks of the role and the time that pods take, and noticing was not measured.
- Data plane and noticing: all traffic is moved to the canary and back {turns} times, in one process, as the action
  plugin does it. An observer that shares no code with the product asks {observer} times a second, each on a connection
  of its own. "Follows" is from the answer to the last write, by the API server's audit log, until the last request was
  sent that got an old answer. "Noticed" is from then until the first request was sent that the proof counts; a negative
  time says that the proof counted from before the last old answer. The proof runs at the default of 200 requests a
  second, so that 5 ms pass between two of them.
- Release: the playbook `gradual.canary.release` with the shipped example inventory: deploy, probe, 10, 50 and 100 %,
  promotion, drain, end of the old version. No limit on the rate, no approval. It proves each stage, and that the old
  version gets nothing, before it ends it.
- Published commands: one bash script of kubectl (for `argo_rollouts` its plugin): deploy, weight, sleep {sleep} s,
  {curls} curls (stop when none sees the new version), end of the old version without drain. Nothing is proven. For
  `deployment` it pauses when the first new pods are there and resumes after the second look. Published examples sleep
  longer, one of them 300 s.
- Brackets: least and greatest value."""


def main() -> None:
    """Measure the systems that were asked for."""
    parser = argparse.ArgumentParser(prog="make bench-backends", description=__doc__)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="traffic systems; all unless given")
    parser.add_argument("--turns", type=int, default=_TURNS, help=f"changes each way (default {_TURNS})")
    parser.add_argument("--rate", type=int, default=0, help="samples a second of ours (default 0: no limit)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    names = arguments.systems or ["gateway_api", _ON_TRAEFIK, *(name for name in SYSTEMS if name != "gateway_api")]
    started, load = time.monotonic(), os.getloadavg()[0]
    rows, left = [], []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        install(Path(folder))
        for name in names:
            if time.monotonic() - started > _LONGEST:
                left.append(name)
                continue
            try:
                rows.append(_measured(name, Path(folder), arguments.turns, arguments.rate).cells())
            except (AssertionError, RuntimeError, KeyError) as error:
                print(f"  {name} failed: {error}", flush=True)
                left.append(f"{name} ({str(error).splitlines()[0][:200]})")
                continue
            print(f"    {' | '.join(rows[-1])}  [{time.monotonic() - started:.0f} s]", flush=True)
    table = report.markdown([_HEAD, *rows])
    print(f"\n{report.machine()}\n\n{table}\n\n{time.monotonic() - started:.0f} s")
    if left:
        print(f"not measured: {'; '.join(left)}")
    if not arguments.systems and not arguments.rate and arguments.turns >= _TURNS and rows:
        text = _document(table, arguments.turns, left, time.monotonic() - started, load)
        (HERE / "BACKENDS.md").write_text(text)
        print("written to tests/bench/BACKENDS.md")
    sys.exit(1 if left else 0)


def _measured(name: str, folder: Path, turns: int, rate: int) -> Measured:
    home = folder / name
    home.mkdir()
    (home / "collections").symlink_to(folder / "collections")
    with _shop(name, home, rate) as shop:
        print(f"  {name}: opening", flush=True)
        shop.open()
        overhead, changes = None, []
        if not _in_place(shop):
            print(f"  {name}: stages", flush=True)
            overhead = _stages(shop)
            print(f"  {name}: noticing", flush=True)
            changes = noticing.noticed(shop, _STABLE, _CANARY, turns, AuditLog(shop.namespace))
            shop.run("rollback").require()
        print(f"  {name}: release", flush=True)
        release = shop.run("release", canary_version=_RELEASED).require()
        if overhead is None:
            overhead = _between([each for each in release.results if "proof" in each["result"]])
        print(f"  {name}: published commands", flush=True)
        by_commands = published.release(shop, _RELEASED, _PUBLISHED)
    return Measured(
        name,
        overhead,
        changes,
        release,
        shop.inventory["canary_drain"],
        by_commands,
    )


_ON_TRAEFIK = "gateway_api_on_traefik"


@contextmanager
def _shop(name: str, home: Path, rate: int) -> Iterator[Shop]:
    namespace = f"bench-{secrets.token_hex(3)}"
    known = {**SYSTEMS, _ON_TRAEFIK: _gateway_api_on_traefik()}
    if name not in known:
        raise RuntimeError(f"there is no traffic system {name}; there are {', '.join(known)}")
    SYSTEMS[name] = known[name]
    client = {"rate": rate, "concurrency": _CONCURRENCY}
    shop = Shop(name, home, namespace=namespace, client=client, canary_stages=[10, 50, 100])
    operator = shop.access.operator()
    try:
        if name == _ON_TRAEFIK:
            GatewayApiOnTraefik.prepare(operator, namespace)
        yield shop
    finally:
        shop.close()
        if name == _ON_TRAEFIK:
            GatewayApiOnTraefik.dispose(operator, namespace)


def _gateway_api_on_traefik() -> System:
    """The Gateway API, by Traefik, whose Gateway is in the shop's namespace."""
    plain = SYSTEMS["gateway_api"]

    def objects(namespace: str, hostname: str) -> list[Object]:
        (route,) = plain.objects(namespace, hostname)
        route["spec"]["parentRefs"] = [{"namespace": namespace, "name": "traefik"}]
        return [route]

    address = SYSTEMS["ingress_nginx"].address
    return dataclasses.replace(
        plain, backend=_ON_TRAEFIK, address=address, objects=objects, example=plain.example or plain.backend
    )


def _stages(shop: Shop) -> Series:
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
            *(stage(weight) for weight in (*_WEIGHTS, 0)),
        ],
    }
    playbook = shop.operator.home / "stages.yml"
    playbook.write_text(yaml.safe_dump([play], sort_keys=False))
    run = shop.operator.run(str(playbook), canary_version=_CANARY).require()
    return _between([each for each in run.results if each["action"] == "gradual.canary.traffic"][: len(_WEIGHTS)])


def _between(results: list[dict[str, Any]]) -> Series:
    """Return the seconds from the end of each proven change to the end of the next, less those of its sampling."""
    ends = [each["at"] for each in results]
    sampled = [each["result"]["proof"]["requests"]["duration_s"] for each in results]
    return Series(tuple(end - before - took for before, end, took in zip(ends, ends[1:], sampled[1:], strict=False)))


def _in_place(shop: Shop) -> bool:
    """Say whether one workload changes in place: then there are no free weights to go back and forth between."""
    return bool(getattr(BACKENDS[shop.inventory["canary_backend"]["type"]], "in_place", False))


def _requests(run: Run) -> str:
    """Return how many requests to the API the stages of a release took, as the verb says."""
    found = [each["result"]["cluster"]["requests"] for each in run.results if "proof" in each["result"]]
    return f"{statistics.median(found):.0f} ({min(found)}-{max(found)})" if found else "-"


def _document(table: str, turns: int, left: list[str], seconds: float, load: float) -> str:
    method = _METHOD.format(
        stages=len(_WEIGHTS), turns=turns, observer=noticing.RATE, sleep=published.SLEEP, curls=published.CURLS
    )
    missing = f"\nNot measured: {'; '.join(left)}.\n" if left else ""
    return f"""# A stage and a release on every traffic system

Written by `make bench-backends`, on the lab. Compare the ratios; the absolute figures are this machine's.

{report.machine()}
- Load average before and after: {load:.1f} and {os.getloadavg()[0]:.1f}; the lab and the benchmark share the machine
- Duration of the whole: {seconds / 60:.1f} minutes

{table}
{missing}
## How it was measured

{method}
"""


if __name__ == "__main__":
    main()
