"""`make bench-peers`: Argo Rollouts and this collection on the same work, on the lab, in one run.

Runs inside the lab. Prints two tables, and writes them to PEERS.md when everything was measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(Path(sys.prefix) / "collections")]

from tests.bench import argo, report, truth  # noqa: E402 - found by the line above
from tests.contract.cluster_access import Access  # noqa: E402
from tests.contract.systems.ingress_nginx import IngressNginxSystem  # noqa: E402
from tests.shop.audit import AuditLog, is_of_a_tool  # noqa: E402
from tests.shop.load import Load  # noqa: E402
from tests.shop.operators import install  # noqa: E402
from tests.shop.shop import Shop, inventory_of  # noqa: E402
from tests.shop.systems import SYSTEMS  # noqa: E402

_RATE, _KEPT = 300, 20
_PAUSE = 5
_REPLICAS = 3
_AT_ONCE = {"SHUTDOWN": "0"}
"""Pods that exit as soon as they get SIGTERM: the ones that lose requests."""

_SETTLED_AFTER_ABORT = 35
"""Seconds that Argo goes on writing and scaling after an abort."""

_LONGEST = 540.0
"""Seconds after which no further scenario is begun."""

_ENDING = 5
"""Seconds after a playbook of ours in which a request may still be lost to what it did."""

_WITH_BAD_VERSION = "istio"

_GATEWAYS = {"ingress_nginx": "Traefik, ingress-nginx annotations", "istio": "Istio"}


@dataclasses.dataclass(frozen=True)
class Row:
    """What one scenario cost: requests and those lost, seconds, seconds until the canary answered no more, writes."""

    tool: str
    gateway: str
    scenario: str
    requests: int
    lost: int
    seconds: float
    to_zero: float | None
    writes: int
    proven: str

    def cells(self) -> list[str]:
        zero = "" if self.to_zero is None else f"{self.to_zero:.2f}"
        lost = f"{self.lost} of {self.requests:,}"
        return [
            self.tool,
            self.gateway,
            self.scenario,
            lost,
            f"{self.seconds:.1f}",
            zero,
            str(self.writes),
            self.proven,
        ]


_HEAD = [
    "tool",
    "gateway",
    "scenario",
    "lost",
    "seconds",
    "canary's last answer after, s",
    "writes to the API",
    "what was proven",
]


class Meter:
    """Counts what users lose and what is written, from one scenario to the next."""

    def __init__(self, namespace: str, address: str, hostname: str, folder: Path) -> None:
        self.load = Load(address, hostname, folder / "load.json", rate=_RATE, long=0, kept=_KEPT)
        self._audit = AuditLog(namespace)
        self._counted = (0, 0)

    def passed(self) -> tuple[int, int, int]:
        """Return the requests, the lost ones and the writes since the last time."""
        counts = self.load.count()
        requests, failed = counts["requests"] - self._counted[0], counts["failed"] - self._counted[1]
        self._counted = (counts["requests"], counts["failed"])
        return requests, failed, sum(map(is_of_a_tool, self._audit.news()))

    def last_answer(self, version: str) -> float:
        """Return when this version answered last, in seconds since the epoch."""
        return datetime.datetime.fromisoformat(self.load.count()["versions"][version]["last"]).timestamp()


def main() -> None:
    """Measure the peers that were asked for."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all of {', '.join(_PARTS)} unless given")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    access = Access()
    access.require()
    started, load = time.monotonic(), os.getloadavg()[0]
    rows: list[list[str]] = []
    cases: list[list[str]] = []
    left: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        install(folder)
        for part in arguments.parts or list(_PARTS):
            if time.monotonic() - started > _LONGEST:
                left.append(part)
                continue
            print(f"  {part}", flush=True)
            try:
                for cells in _PARTS[part](access, folder):
                    (rows if len(cells) == len(_HEAD) else cases).append(cells)
                    print(f"    {' | '.join(cells)}  [{time.monotonic() - started:.0f} s]", flush=True)
            except (AssertionError, RuntimeError, KeyError) as error:
                print(f"  {part} failed: {error}", flush=True)
                left.append(f"{part} ({(str(error).splitlines() or [repr(error)])[0][:200]})")
    tables = [report.markdown([_HEAD, *rows]), report.markdown([truth.HEAD, *cases])]
    print("\n" + "\n\n".join([report.machine(), *tables]) + f"\n\n{time.monotonic() - started:.0f} s")
    if left:
        print(f"not measured: {'; '.join(left)}")
    elif not arguments.parts:
        (HERE / "PEERS.md").write_text(_document(tables, time.monotonic() - started, load))
        print("written to tests/bench/PEERS.md")
    sys.exit(1 if left else 0)


def _argo_release(gateway: str, access: Access, folder: Path) -> Iterator[list[str]]:
    """Release v2, then abort v4 at 50 %, then abort a bad v3 at 50 %."""
    system = SYSTEMS[gateway]
    with _namespace(access) as (namespace, hostname):
        operator = access.operator()
        if gateway == "istio":
            operator.create(argo.virtual_service(namespace, hostname, "istio-system/gateway"))
            routing = argo.ISTIO
        else:
            operator.create(argo.ingress(namespace, hostname, IngressNginxSystem.ingress_class()))
            routing = argo.NGINX
        rollout = argo.Rollout(access, namespace, routing, replicas=_REPLICAS, environment=_AT_ONCE)
        rollout.create("v1")
        truth.until_served(system.address, hostname, "v1")
        meter = Meter(namespace, system.address, hostname, folder)
        with meter.load:
            row = _rows("Argo Rollouts", gateway, meter)
            rollout.steps(_steps(stop=False))
            meter.passed()
            began = time.monotonic()
            rollout.start("v2")
            rollout.until(_healthy, 120)
            seconds = time.monotonic() - began
            rollout.until_scaled_down(90)
            yield row(f"release 10-50-100, {2 * _PAUSE} s of pauses", seconds, None, "nothing: weights as written")
            aborts = [("v4", "abort at 50 %"), ("v3", "bad version, aborted 3 s after 50 %")]
            for version, scenario in aborts if gateway == _WITH_BAD_VERSION else aborts[:1]:
                rollout.steps(_steps(stop=True))
                rollout.start(version)
                rollout.until(lambda status: status.get("currentStepIndex") == 3, 90)
                time.sleep(3)
                if version == "v4":
                    meter.passed()
                at = time.time()
                rollout.plugin("abort", "web")
                aborted = rollout.until(lambda status: status.get("phase") == "Degraded", 60)
                seconds = time.time() - at
                time.sleep(_SETTLED_AFTER_ABORT)
                zero = meter.last_answer(version) - at
                yield row(scenario, seconds, zero, f"nothing: {argo.said(aborted).partition(' ')[0]}")
                rollout.start("v2")
                rollout.until(lambda status: status.get("phase") == "Healthy", 60)
                meter.passed()


def _our_release(gateway: str, access: Access, folder: Path) -> Iterator[list[str]]:
    """The same by the playbooks: release v2, abort v4 at 50 %, and a bad v3, which is refused."""
    home = folder / gateway
    home.mkdir()
    (home / "collections").symlink_to(folder / "collections")
    namespace = f"peers-{secrets.token_hex(3)}"
    workload = {**inventory_of(gateway, SYSTEMS[gateway], "", "")["canary_workload"], "env": _AT_ONCE}
    workload["replicas"] = _REPLICAS
    shop = Shop(gateway, home, namespace=namespace, canary_workload=workload, canary_stages=[10, 50, 100])
    with shop:
        shop.open()
        meter = Meter(namespace, shop.system.address, shop.hostname, home)
        with meter.load:
            row = _rows("gradual.canary", gateway, meter)
            meter.passed()
            released = shop.run("release", canary_version="v2").require()
            time.sleep(_ENDING)
            proofs = [values["msg"] for values in released.proofs]
            (half,) = [message for message in proofs if message.startswith("50 %")]
            yield row("release 10-50-100", released.seconds, None, f"{len(proofs)} proofs; {half}")
            held = shop.run("release", canary_version="v4", canary_stages=[10, {"weight": 50, "approve": True}, 100])
            assert held.code, "the release should wait for an approval at 50 %"
            meter.passed()
            at = time.time()
            back = shop.run("rollback").require()
            time.sleep(_ENDING)
            zero = meter.last_answer("v4") - at
            yield row("abort at 50 % (rollback)", back.seconds, zero, back.proofs[-1]["msg"])
            if gateway != _WITH_BAD_VERSION:
                return
            refused = shop.run("release", canary_version="v3")
            assert refused.code, "the bad version should be refused"
            time.sleep(_ENDING)
            failed = [values["msg"] for values in refused.proofs if values["verdict"] == "fail"]
            yield row("bad version", refused.seconds, None, failed[0] if failed else "nothing")


def _rows(tool: str, gateway: str, meter: Meter) -> Callable[[str, float, float | None, str], list[str]]:
    def row(scenario: str, seconds: float, to_zero: float | None, proven: str) -> list[str]:
        requests, lost, writes = meter.passed()
        return Row(tool, _GATEWAYS[gateway], scenario, requests, lost, seconds, to_zero, writes, proven).cells()

    return row


def _steps(*, stop: bool) -> list[dict[str, Any]]:
    """Return 10 and 50 with pauses; at 50 for ever when it is to be aborted there."""
    pause = {"pause": {"duration": f"{_PAUSE}s"}}
    return [{"setWeight": 10}, pause, {"setWeight": 50}, {"pause": {}} if stop else pause, {"setWeight": 100}]


def _healthy(status: dict[str, Any]) -> bool:
    return bool(status.get("phase") == "Healthy" and status.get("currentPodHash") == status.get("stableRS"))


@contextmanager
def _namespace(access: Access) -> Iterator[tuple[str, str]]:
    name = f"peers-{secrets.token_hex(3)}"
    operator = access.operator()
    operator.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name, f"{name}.example.com"
    finally:
        operator.delete("Namespace", name)


def _truths(access: Access, folder: Path) -> Iterator[list[str]]:
    for case in truth.CASES:
        with _namespace(access) as (namespace, hostname):
            theirs = case.argo(access, namespace, hostname)
        with _namespace(access) as (namespace, hostname):
            ours = case.ours(access, namespace, hostname)
        yield [case.name, *theirs, ours]


_PARTS: dict[str, Callable[[Access, Path], Iterator[list[str]]]] = {
    "argo-ingress_nginx": lambda access, folder: _argo_release("ingress_nginx", access, folder),
    "ours-ingress_nginx": lambda access, folder: _our_release("ingress_nginx", access, folder),
    "argo-istio": lambda access, folder: _argo_release("istio", access, folder),
    "ours-istio": lambda access, folder: _our_release("istio", access, folder),
    "truth": _truths,
}

_METHOD = f"""\
- Load: {_RATE} new connections a second, open loop, and {_KEPT} clients that keep their connection. Lost: any answer
  but 200, or none. {_REPLICAS} + {_REPLICAS} pods, which exit at once when they get SIGTERM, without preStop: the kind
  that loses most. One run each; zero in one run does not prove that it is always zero.
- Argo Rollouts: `kubectl argo rollouts set image`, steps 10, pause {_PAUSE} s, 50, pause {_PAUSE} s, 100; then `abort`.
  The seconds of a release end when it is Healthy, those of an abort when it is Degraded; lost requests and writes are
  counted until the old pods are gone, and {_SETTLED_AFTER_ABORT} s after an abort. It has no analysis here: that needs
  a metrics server.
- gradual.canary: the playbooks with the shipped inventories, 200 samples a second, drain 6 s; the seconds are those of
  the whole command, with the start of Ansible. A bad version is stopped by its own proof; for Argo somebody has to see
  it, and is taken to be there after 3 s.
- The canary's last answer: as the load saw it, from the start of the command that takes the canary back.
- Writes: in the API server's audit log, to objects of the application's namespace, by the tool and by its operator.
  Those of Kubernetes' own controllers and of gateways are left out: Argo makes ReplicaSets itself, with Deployments
  Kubernetes does.
- Truth: Argo is released to 50 % and promoted, then 400 requests are counted. Ours is asked for 50 % in the same
  surroundings, by `traffic` with its proof; "refused" is before anything is written. Sticky clients: 60 clients get a
  cookie before the release, and ask 8 times each at 50 %."""


def _document(tables: list[str], seconds: float, load: float) -> str:
    return f"""# Beside the peers

Written by `make bench-peers`, on the lab. Argo Rollouts 1.9.2 with its kubectl plugin. Compare the ratios; the absolute
figures are this machine's.

{report.machine()}
- Load average before and after: {load:.1f} and {os.getloadavg()[0]:.1f}; the lab and the benchmark share the machine
- Duration of the whole: {seconds / 60:.1f} minutes

## The same release

{tables[0]}

## What is said, and what clients get

{tables[1]}

## How it was measured

{_METHOD}
"""


if __name__ == "__main__":
    main()
