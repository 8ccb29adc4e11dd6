"""One application under steady load, and the operators who release it meanwhile."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.load.departures import Departure, Event, departures, events_in, seconds
from tests.load.report import Report, Row
from tests.shop.audit import AuditLog
from tests.shop.load import Load
from tests.shop.operators import Run
from tests.shop.shop import Shop, inventory_of
from tests.shop.systems import SYSTEMS, System

RATE = int(os.environ.get("CANARY_TEST_RATE", "500"))
"""Requests a second on new connections. A machine that has other things to do may be asked for fewer."""

KEPT, LONG = max(1, RATE // 10), max(1, RATE // 25)
"""At 500 a second 50 clients that keep their connections, and 20 four-second requests in flight."""

WARMING_SECONDS = 2.0
DRAIN = 5
"""A second more than the long requests take."""

KINDS = ("short", "long", "kept")
"""Of requests: on a connection of its own, four seconds long on one of its own, one of many on a connection."""

# Enough under way that the rate is kept when answers take a while. The load may take all that the machine has: answers
# and gateways are slow then, and verify would rightly say so; here it is about losing none.
CLIENT: dict[str, Any] = {
    "rate": max(100, RATE),
    "concurrency": 64,
    "latency": {"enabled": False},
    "settle_timeout": 120,
}

HELD = 2
"""Exit code of a release that waits for an approval."""


def stages(system: System, *, ask_at: int | None = None) -> list[dict[str, Any]]:
    """Return the stages that the system can reach, each proven with the quick profile so that a run takes less long.

    ask_at: the percent (the nearest that can be reached) after which a person is asked, who is not there.
    """
    asked = None if ask_at is None else min(system.stages, key=lambda weight: abs(weight - ask_at))
    return [
        {"weight": weight, "verify": "quick", **({"approve": True} if weight == asked else {})}
        for weight in system.stages
    ]


class Journey:
    """A shop whose every request is counted while things happen to it.

    variant: what is different about the cluster, for the report. environment: variables of all versions' pods.
    prepare, changes: what differs from the example, as in Shop. rate, long, kept: the load, as in Load.
    """

    def __init__(
        self,
        backend: str,
        home: Path,
        report: Report,
        *,
        variant: str = "",
        environment: dict[str, str] | None = None,
        rate: int = RATE,
        long: int = LONG,
        kept: int = KEPT,
        prepare: Callable[[dict[str, Any]], None] = lambda item: None,
        **changes: Any,
    ) -> None:
        self.backend = backend
        self.report = report
        self.variant = variant
        environment = environment or {}

        def prepared(item: dict[str, Any]) -> None:
            _carry_load(item, environment)
            prepare(item)

        workload = {**inventory_of(backend, SYSTEMS[backend], "", "")["canary_workload"], "env": environment}
        self.shop = Shop(
            backend,
            home,
            namespace=f"load-{secrets.token_hex(3)}",
            client=CLIENT,
            by_service=True,
            prepare=prepared,
            **{
                "canary_stages": stages(SYSTEMS[backend]),
                "canary_drain": DRAIN,
                "canary_workload": workload,
                **changes,
            },
        )
        self._home = home
        self._load = {"rate": rate, "long": long, "kept": kept}
        self._counted = (0, 0)
        self._done: list[tuple[str, Run]] = []

    def __enter__(self) -> Journey:
        try:
            self.shop.open()
            output = self._home / f"load-{self.shop.namespace}.json"
            self._log = AuditLog(self.shop.namespace)
            self._events: list[Event] = []
            self.load = Load(self.shop.address, self.shop.hostname, output, **self._load)
            try:
                self._require_carried()
            except BaseException:
                self.load.__exit__()
                raise
        except BaseException:
            self.shop.close()
            raise
        return self

    def _require_carried(self) -> None:
        """Fail before anything is released when the machine cannot carry the load: then nothing could be told."""
        counts = self.release_nothing(WARMING_SECONDS)
        answered, failed, duration = counts["short"]["requests"], counts["failed"], counts["seconds"]
        rate = self._load["rate"]
        assert 2 * answered > rate * duration > 100 * failed / 2, (
            f"this machine does not carry {rate} requests a second: in {duration:.1f} s and with nothing released "
            f"{answered} had ended and {failed} of all had failed. Let it do nothing else, or set CANARY_TEST_RATE.\n"
            f"{self.explained(counts)}"
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.load.__exit__(kind, error, traceback)
        self.shop.close()

    def workload(self, **environment: str) -> dict[str, Any]:
        """Return the inventory's workload with more variables in its pods' environment."""
        workload = self.shop.inventory["canary_workload"]
        return {**workload, "env": {**workload["env"], **environment}}

    def step(self, scenario: str, playbook: str, *, code: int = 0, **variables: Any) -> Run:
        """Run a playbook of the collection, require its exit code, and count what its users got."""
        run = self.shop.run(playbook, **variables)
        self._done.append((scenario, run))
        counts = self._count(scenario, run)
        assert run.code == code, f"{scenario}: exit code {run.code}, not {code}\n{run.output}\n{self.explained(counts)}"
        return run

    def release_nothing(self, duration: float) -> dict[str, Any]:
        """Only count for so many seconds, to know what this machine loses by itself; return the counts."""
        time.sleep(duration)  # nothing is waited for: this is how long it is looked at
        return self._count("nothing released")

    def finish(self) -> dict[str, Any]:
        """Let everything in flight end, and return all counts."""
        counts = self.load.stop()
        kinds = ", ".join(f"{counts[kind]['requests']:,} {kind}{_lost(counts[kind]['failed'])}" for kind in KINDS)
        times = [departure.seconds for departure in self.departures(counts)]
        slowest = f"; last old answer at most {max(times):.3f} s after the write" if times else ""
        rate = f"{counts['requests'] / counts['seconds']:.0f}/s for {counts['seconds']:.0f} s"
        remark = f"{rate}: {kinds} on {counts['connections']} connections{slowest}"
        row = Row(self._named("all"), self.backend, counts["requests"], counts["failed"], remark=remark)
        self.report.add(row)
        return counts

    def departures(self, counts: dict[str, Any]) -> list[Departure]:
        """Return when versions left, by what the load counted and the API server's audit log."""
        self._events += events_in(self._log.news())
        return departures(counts["versions"], self._events)

    @property
    def times_to_zero(self) -> list[float]:
        """What each rollback reported, in seconds."""
        return [found for _scenario, run in self._done if (found := time_to_zero(run)) is not None]

    def explained(self, counts: dict[str, Any]) -> str:
        """Say of each failed request what it was, and which task had ended before it."""
        lines = [f"{counts['failed']} of {counts['requests']} requests failed"]
        tasks = [(result["at"], scenario, result["task"]) for scenario, run in self._done for result in run.results]
        for failure in counts["failures"]:
            at = seconds(failure["time"])
            before = max((task for task in tasks if task[0] <= at), default=None)
            after = min((task for task in tasks if task[0] > at), default=None)
            lines.append(
                f"{failure['request']} {failure['kind']} {failure['error']} {failure['version']}: "
                + (f"{at - before[0]:.3f} s after the end of '{before[2]}' ({before[1]})" if before else "at first")
                + (f", {after[0] - at:.3f} s before the end of '{after[2]}'" if after else ", at last")
            )
        return "\n".join(lines)

    def _count(self, scenario: str, run: Run | None = None) -> dict[str, Any]:
        """Add a row about all requests that ended since the one before, and return all counts."""
        counts = self.load.count()
        requests, failed = counts["requests"] - self._counted[0], counts["failed"] - self._counted[1]
        self._counted = (counts["requests"], counts["failed"])
        self.report.add(Row(self._named(scenario), self.backend, requests, failed, run and time_to_zero(run)))
        return counts

    def _named(self, scenario: str) -> str:
        return f"{self.variant}: {scenario}" if self.variant else scenario


def _carry_load(item: dict[str, Any], environment: dict[str, str]) -> None:
    """Give the pods of a Rollout the time that the controller does, and its first ones the variables of the others.

    With 7 seconds 9 requests of four seconds were lost: Traefik followed a promotion after 4.2, and the pods then exit.
    """
    if item["kind"] != "Rollout":
        return
    for delay in ("scaleDownDelaySeconds", "abortScaleDownDelaySeconds"):
        del item["spec"]["strategy"]["canary"][delay]
    pod = item["spec"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 30
    pod["containers"][0]["env"] = [{"name": name, "value": value} for name, value in environment.items()]


def _lost(failed: int) -> str:
    return f" ({failed} lost)" if failed else ""


def time_to_zero(run: Run) -> float | None:
    """Return what the run's last rollback reported, None when there was none."""
    facts = [result["result"].get("ansible_facts") or {} for result in run.results]
    found = [fact["rollback_seconds_to_zero"] for fact in facts if "rollback_seconds_to_zero" in fact]
    return float(found[-1]) if found and found[-1] not in (None, "") else None


def ended(run: Run, task: str) -> float:
    """Return when the first result of a task whose name begins so arrived, in seconds since the epoch."""
    return next(float(result["at"]) for result in run.results if task in result["task"])


def result_of(run: Run, task: str) -> dict[str, Any]:
    """Return the first result of a task whose name begins so."""
    return next(dict(result["result"]) for result in run.results if task in result["task"])
