"""One application under steady load, and the operators who release it meanwhile."""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.load.report import Report, Row
from tests.shop.load import Load
from tests.shop.operators import Run
from tests.shop.shop import Shop, inventory_of
from tests.shop.systems import SYSTEMS

RATE = 300

QUICK = {
    # Each stage proven with the quick profile, so that a run takes minutes; what is proven is the same.
    "canary_stages": [{"weight": weight, "verify": "quick"} for weight in (10, 50, 100)],
    # Two seconds more than the long requests take.
    "canary_drain": 6,
}


class Journey:
    """A shop whose every request is counted while things happen to it.

    variant: what is different about the cluster, for the report. environment: variables of all versions' pods.
    client, changes: what differs from the example inventory, as in Shop. long: four-second requests in flight.
    """

    def __init__(
        self,
        backend: str,
        home: Path,
        report: Report,
        *,
        variant: str = "",
        environment: dict[str, str] | None = None,
        client: dict[str, Any] | None = None,
        long: int = 20,
        **changes: Any,
    ) -> None:
        self.backend = backend
        self.report = report
        self.variant = variant
        workload = {**inventory_of(backend, SYSTEMS[backend], "", "")["canary_workload"], "env": environment or {}}
        self.shop = Shop(
            backend,
            home,
            namespace=f"load-{secrets.token_hex(3)}",
            # Enough under way that the rate is kept when answers take a while.
            client={"rate": 500, "concurrency": 64, **(client or {})},
            **{**QUICK, "canary_workload": workload, **changes},
        )
        self._home = home
        self._long = long
        self._counted = (0, 0)
        self._done: list[tuple[str, Run]] = []

    def __enter__(self) -> Journey:
        try:
            self.shop.open()
            output = self._home / "load.json"
            self.load = Load(self.shop.system.address, self.shop.hostname, output, rate=RATE, long=self._long)
        except BaseException:
            self.shop.close()
            raise
        return self

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
        counts = self.load.count()
        requests, failed = counts["requests"] - self._counted[0], counts["failed"] - self._counted[1]
        self._counted = (counts["requests"], counts["failed"])
        self.report.add(Row(self._named(scenario), self.backend, requests, failed, time_to_zero(run)))
        assert run.code == code, f"{scenario}: exit code {run.code}, not {code}\n{run.output}\n{self.explained(counts)}"
        return run

    def finish(self) -> dict[str, Any]:
        """Let everything in flight end, and return all counts."""
        counts = self.load.stop()
        self.report.add(Row(self._named("all"), self.backend, counts["requests"], counts["failed"]))
        return counts

    def explained(self, counts: dict[str, Any]) -> str:
        """Say of each failed request what it was, and which task had ended before it."""
        lines = [f"{counts['failed']} of {counts['requests']} requests failed"]
        tasks = [(result["at"], scenario, result["task"]) for scenario, run in self._done for result in run.results]
        for failure in counts["failures"]:
            at = seconds(failure["time"])
            before = max((task for task in tasks if task[0] <= at), default=None)
            after = min((task for task in tasks if task[0] > at), default=None)
            lines.append(
                f"{'long ' if failure['long'] else ''}{failure['kind']} {failure['error']} {failure['version']}: "
                + (f"{at - before[0]:.3f} s after the end of '{before[2]}' ({before[1]})" if before else "at first")
                + (f", {after[0] - at:.3f} s before the end of '{after[2]}'" if after else ", at last")
            )
        return "\n".join(lines)

    def _named(self, scenario: str) -> str:
        return f"{self.variant}: {scenario}" if self.variant else scenario


def seconds(text: str) -> float:
    """Return a time of the load generator as seconds since the epoch."""
    return datetime.datetime.fromisoformat(text).timestamp()


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
