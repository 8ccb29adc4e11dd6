"""What the rows of `peers.py` are: the same release, abort and bad version by each tool, under load, on the lab."""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import argo, handwritten, truth
from tests.bench.rows import Cost, TakenBack, Writes
from tests.contract.cluster_access import Access
from tests.contract.systems.ingress_nginx import IngressNginxSystem
from tests.shop.audit import AuditLog, audit_log
from tests.shop.load import Load
from tests.shop.operators import Run
from tests.shop.shop import Shop, inventory_of
from tests.shop.systems import SYSTEMS

RATE, KEPT = 300, 20
PAUSE = 5
REPLICAS = 3
_AT_ONCE = {"SHUTDOWN": "0"}
"""Pods that exit as soon as they get SIGTERM: the ones that lose requests."""

SETTLED_AFTER_ABORT = 35
"""Seconds that Argo goes on writing and scaling after an abort."""

AFTER_A_BAD_VERSION = 10
"""Seconds after the abort of a bad version in which clients may still get it."""

ENDING = 5
"""Seconds after the last command in which a request may still be lost to what it did."""

_GOING = 60
"""Seconds in which old pods go."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """When a command began, in seconds since the epoch, and how many requests had been lost by then."""

    at: float
    lost: int


class Meter:
    """Counts what users lose and what is written, from one scenario to the next."""

    def __init__(self, namespace: str, address: str, hostname: str, folder: Path) -> None:
        self.load = Load(address, hostname, folder / "load.json", rate=RATE, long=0, kept=KEPT)
        self._audit = AuditLog(namespace) if audit_log() else None
        self._requests, self._lost = 0, 0

    def begin(self) -> None:
        """Forget what was counted so far."""
        self._passed(self.load.count())
        self._writes()

    def now(self) -> Moment:
        return Moment(time.time(), self.load.count()["failed"])

    def cost(self, seconds: float, proven: str) -> Cost:
        """Return what was counted since the beginning."""
        return Cost(*self._passed(self.load.count()), seconds, self._writes(), proven)

    def cost_of_taking_back(self, version: str, command: Moment, seconds: float, proven: str) -> Cost:
        """The same, with what clients still got of the canary after a command."""
        counts = self.load.count()
        if version not in counts["versions"]:
            raise RuntimeError(f"no client ever got {version}, so that there was nothing to take back")
        last = datetime.datetime.fromisoformat(counts["versions"][version]["last"]).timestamp()
        taken_back = TakenBack(last - command.at, counts["failed"] - command.lost)
        return Cost(*self._passed(counts), seconds, self._writes(), proven, taken_back)

    def _passed(self, counts: dict[str, Any]) -> tuple[int, int]:
        requests, lost = counts["requests"] - self._requests, counts["failed"] - self._lost
        self._requests, self._lost = counts["requests"], counts["failed"]
        return requests, lost

    def _writes(self) -> Writes | None:
        return Writes.of(self._audit.news()) if self._audit else None


@dataclasses.dataclass
class ArgoRelease:
    """An application that Argo Rollouts releases, under load. stable: the version that it would go back to."""

    rollout: argo.Rollout
    meter: Meter
    stable: str = "v1"
    aborted: bool = False

    def begin(self, version: str, stops: dict[int, int | None]) -> float:
        """Start a release with these steps, from a healthy stable version, and count from now on; return when."""
        if self.aborted:
            self.rollout.start(self.stable)
            self.rollout.until(_healthy, 60)
            self.aborted = False
        self.rollout.steps(steps_of(stops))
        self.meter.begin()
        began = time.monotonic()
        self.rollout.start(version)
        return began

    def abort(self) -> tuple[Moment, float, str]:
        """Abort; return when, how long it took to be Degraded, and what Argo says."""
        command = self.meter.now()
        self.aborted = True
        self.rollout.plugin("abort", "web")
        status = self.rollout.until(lambda status: status.get("phase") == "Degraded", 60)
        return command, time.time() - command.at, f"nothing: {argo.said(status).partition(' ')[0]}"


@contextmanager
def on_argo(gateway: str, access: Access, folder: Path) -> Iterator[ArgoRelease]:
    """v1 as a Rollout behind this gateway, under load."""
    system = SYSTEMS[gateway]
    with _namespace(access) as (namespace, hostname):
        operator = access.operator()
        if gateway == "istio":
            operator.create(argo.virtual_service(namespace, hostname, "istio-system/gateway"))
            routing = argo.ISTIO
        else:
            operator.create(argo.ingress(namespace, hostname, IngressNginxSystem.ingress_class()))
            routing = argo.NGINX
        rollout = argo.Rollout(access, namespace, routing, replicas=REPLICAS, environment=_AT_ONCE)
        rollout.create("v1")
        truth.until_served(system.address, hostname, "v1")
        meter = Meter(namespace, system.address, hostname, _home(folder))
        with meter.load:
            yield ArgoRelease(rollout, meter)


def argo_release(release: ArgoRelease) -> list[str]:
    """Release v2 by 10, 50 and 100 %."""
    began = release.begin("v2", {10: PAUSE, 50: PAUSE})
    return _argo_promoted(release, "v2", began, "nothing: weights as written")


def argo_promote_full(release: ArgoRelease) -> list[str]:
    """Release v5, and at 10 % all of it at once."""
    release.begin("v5", {10: None, 50: None})
    release.rollout.until_paused_at(1)
    release.meter.begin()
    began = time.monotonic()
    release.rollout.plugin("promote", "web", "--full")
    return _argo_promoted(release, "v5", began, "nothing: its steps are skipped")


def _argo_promoted(release: ArgoRelease, version: str, began: float, proven: str) -> list[str]:
    release.rollout.until(_healthy, 90)
    seconds = time.monotonic() - began
    release.stable = version
    release.rollout.until_scaled_down(60)
    time.sleep(ENDING)
    return release.meter.cost(seconds, proven).cells()


def argo_abort(release: ArgoRelease) -> list[str]:
    """Lead v4 to 50 % and abort."""
    release.begin("v4", {50: None})
    release.rollout.until_paused_at(1)
    time.sleep(1)
    release.meter.begin()
    command, seconds, said = release.abort()
    time.sleep(SETTLED_AFTER_ABORT)
    return release.meter.cost_of_taking_back("v4", command, seconds, said).cells()


def argo_bad(release: ArgoRelease) -> list[str]:
    """Release v3, which answers with errors, and abort 3 s after somebody could have seen them at 50 %."""
    release.begin("v3", {10: PAUSE, 50: None})
    release.rollout.until(lambda status: status.get("currentStepIndex") == 3, 60)
    time.sleep(3)
    command, seconds, said = release.abort()
    time.sleep(AFTER_A_BAD_VERSION)
    return release.meter.cost_of_taking_back("v3", command, seconds, said).cells()


@contextmanager
def on_shop(backend: str, folder: Path, *, by_service: bool = False) -> Iterator[tuple[Shop, Meter]]:
    """v1 behind this traffic system as the shipped inventory has it, but for its pods, under load."""
    home = _home(folder)
    (home / "collections").symlink_to(folder / "collections")
    workload = {**inventory_of(backend, SYSTEMS[backend], "", "")["canary_workload"], "env": _AT_ONCE}
    workload["replicas"] = REPLICAS
    workload.pop("pre_stop_sleep", None)
    shop = Shop(
        backend,
        home,
        namespace=f"peers-{secrets.token_hex(3)}",
        by_service=by_service,
        canary_workload=workload,
        canary_stages=[10, 50, 100],
    )
    with shop:
        shop.open()
        meter = Meter(shop.namespace, shop.address, shop.hostname, home)
        with meter.load:
            yield shop, meter


def our_release(opened: tuple[Shop, Meter]) -> list[str]:
    """Release v2 by 10, 50 and 100 %."""
    shop, meter = opened
    meter.begin()
    run = _done(shop.run("release", canary_version="v2"))
    time.sleep(ENDING)
    proofs = [values["msg"] for values in run.proofs]
    half = [message for message in proofs if message.startswith("50 %")]
    return meter.cost(run.seconds, "; ".join([f"{len(proofs)} proofs", *half])).cells()


def our_abort(opened: tuple[Shop, Meter]) -> list[str]:
    """Lead v4 to 50 %, where it waits for an approval, and roll it back."""
    shop, meter = opened
    held = shop.run("release", canary_version="v4", canary_stages=[{"weight": 50, "approve": True}, 100])
    last = held.proofs[-1] if held.proofs else {"verdict": "", "msg": ""}
    if not held.code or last["verdict"] != "pass" or not last["msg"].startswith("50 %"):
        raise RuntimeError(f"the release of v4 does not wait for an approval at 50 %: {_failure(held)}")
    meter.begin()
    command = meter.now()
    back = _done(shop.run("rollback"))
    time.sleep(ENDING)
    return meter.cost_of_taking_back("v4", command, back.seconds, back.proofs[-1]["msg"]).cells()


def our_bad(opened: tuple[Shop, Meter]) -> list[str]:
    """Release v3, which has to be refused."""
    shop, meter = opened
    meter.begin()
    refused = shop.run("release", canary_version="v3")
    failed = [values["msg"] for values in refused.proofs if values["verdict"] == "fail"]
    if not failed:
        raise RuntimeError(f"no proof refused the bad version; {_failure(refused)}")
    time.sleep(ENDING)
    return meter.cost(refused.seconds, failed[0]).cells()


def _done(run: Run) -> Run:
    if run.code:
        raise RuntimeError(_failure(run))
    return run


def _failure(run: Run) -> str:
    """Say what a playbook that failed said last."""
    said = [str(result["result"].get("msg")) for result in run.results if result.get("failed")]
    return said[-1] if said else f"exit code {run.code}: {run.output[-200:]}"


def by_hand(opened: tuple[Shop, Meter]) -> list[str]:
    """Release v2 by the commands of `handwritten.py`."""
    shop, meter = opened
    application = handwritten.Application(shop.namespace, shop.hostname, REPLICAS, _AT_ONCE)
    commands = handwritten.RELEASES[shop.system.backend](application)
    meter.begin()
    seconds = handwritten.release(commands, shop.inventory["canary_cluster"]["kubeconfig"])
    _until_old_pods_are_gone(shop)
    time.sleep(ENDING)
    return meter.cost(seconds, "nothing").cells()


def _until_old_pods_are_gone(shop: Shop) -> None:
    cluster, deadline = shop.access.operator(), time.monotonic() + _GOING
    while True:
        pods = [pod["metadata"] for pod in cluster.list("Pod", shop.namespace)]
        if len(pods) == REPLICAS and not any("deletionTimestamp" in metadata for metadata in pods):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(pods)} pods are there {_GOING} s after the last command, not {REPLICAS}")
        time.sleep(0.2)


def steps_of(stops: dict[int, int | None]) -> list[dict[str, Any]]:
    """Return the steps with a stop at these weights, of so many seconds or (None) until somebody goes on; then 100."""
    return [
        *(
            step
            for weight, seconds in stops.items()
            for step in ({"setWeight": weight}, {"pause": {"duration": f"{seconds}s"} if seconds else {}})
        ),
        {"setWeight": 100},
    ]


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


def _home(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def said_and_got(case: truth.Case, access: Access, _ground: None) -> list[str]:
    """Return what Argo says where clients do not get the split, what they get, and what ours says."""
    with _namespace(access) as (namespace, hostname):
        theirs = case.argo(access, namespace, hostname)
    with _namespace(access) as (namespace, hostname):
        ours = case.ours(access, namespace, hostname)
    return [*theirs, ours]
