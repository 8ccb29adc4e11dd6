"""`make bench-peers`: Argo Rollouts, kubectl by hand, and this collection on the same work, on the lab, in one run.

Runs inside the lab. Writes two tables after each row: to PEERS.md, or to .cache/peers.md when only some rows were asked
for. A row that fails says why, and the others are measured.
"""

from __future__ import annotations

import argparse
import functools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(Path(sys.prefix) / "collections")]

from tests.bench import handwritten, report, scenarios, truth  # noqa: E402 - found by the line above
from tests.bench.rows import HEAD, Line, Row, chosen, measured  # noqa: E402
from tests.bench.scenarios import AFTER_A_BAD_VERSION, ENDING, KEPT, PAUSE, RATE, REPLICAS  # noqa: E402
from tests.contract.cluster_access import Access  # noqa: E402
from tests.shop.operators import install  # noqa: E402

_BEGIN_WITHIN, _ROW_WITHIN = 780.0, 110.0
"""Seconds after which no further row is begun, and those that one may take: a quarter of an hour in all."""

_GATEWAYS = {
    "gateway_api": "Contour, HTTPRoute",
    "ingress_nginx": "Traefik, ingress-nginx annotations",
    "istio": "Istio",
    "deployment": "Contour",
    "replicas": "none: the Service's cluster address",
}
_ARGO, _OURS, _KUBECTL = "Argo Rollouts", "gradual.canary", "kubectl by hand"


def main() -> None:
    """Measure the rows that were asked for."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    text = "only rows whose names begin so, as BENCH='--rows truth argo-istio'; an unknown one lists all"
    parser.add_argument("--rows", nargs="+", default=[], metavar="NAME", help=text)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    access = Access()
    target = ROOT / ".cache" / "peers.md" if arguments.rows else HERE / "PEERS.md"
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            rows = chosen(_rows(access, Path(name)), arguments.rows)
        except ValueError as error:
            parser.error(str(error))
        access.require()
        document = Document(rows)
        install(Path(name))
        with closing(measured(rows, begin_within=_BEGIN_WITHIN, row_within=_ROW_WITHIN)) as found:
            for line in found:
                lines.append(line)
                target.parent.mkdir(exist_ok=True)
                target.write_text(document.text(lines))
    print(f"\n{target.read_text()}\nwritten to {target.relative_to(ROOT)}")
    missing = [line.row.name for line in lines if line.missing]
    if missing:
        print(f"not measured: {', '.join(missing)}; --rows measures them again")
    sys.exit(1 if missing else 0)


Measure = Callable[[Any], Sequence[str]]

_ARGO_ROWS: dict[str, tuple[str, Measure]] = {
    "release": (f"release 10-50-100, {2 * PAUSE} s of pauses", scenarios.argo_release),
    "promote-full": ("promote --full at 10 %", scenarios.argo_promote_full),
    "abort": ("abort at 50 %", scenarios.argo_abort),
    "bad": ("bad version, aborted 3 s after 50 %", scenarios.argo_bad),
}
_OUR_ROWS: dict[str, tuple[str, Measure]] = {
    "release": ("release 10-50-100", scenarios.our_release),
    "abort": ("abort at 50 % (rollback)", scenarios.our_abort),
    "bad": ("bad version", scenarios.our_bad),
}
_BY_WEIGHTS = f"10-50-100, {len(handwritten.WEIGHTS) * handwritten.PAUSE} s of pauses, then delete v1"


def _rows(access: Access, folder: Path) -> list[Row]:
    """Return all rows in the order in which they are measured; the last ones are left out when time runs out."""

    def by_argo(gateway: str, *names: str) -> list[Row]:
        ground = functools.partial(scenarios.on_argo, gateway, access, folder)
        return [_row("argo", _ARGO, gateway, name, *_ARGO_ROWS[name], ground) for name in names]

    def by_ours(gateway: str, *names: str) -> list[Row]:
        ground = functools.partial(scenarios.on_shop, gateway, folder)
        return [_row("ours", _OURS, gateway, name, *_OUR_ROWS[name], ground) for name in names]

    def by_hand(backend: str, scenario: str, *, name: str = "release", by_service: bool = False) -> Row:
        ground = functools.partial(scenarios.on_shop, backend, folder, by_service=by_service)
        return _row("kubectl", _KUBECTL, backend, name, scenario, scenarios.by_hand, ground)

    return [
        *(
            Row(f"truth-{name}", truth.HEAD, [case.name], nullcontext, said)
            for name, case in zip(("class", "shadowed", "gateway", "sticky"), truth.CASES, strict=True)
            for said in [functools.partial(scenarios.said_and_got, case, access)]
        ),
        *by_argo("ingress_nginx", "release", "abort", "bad"),
        *by_ours("ingress_nginx", "release", "abort", "bad"),
        by_hand("ingress_nginx", f"{_BY_WEIGHTS} and the canary Ingress"),
        *by_argo("istio", "release", "promote-full", "abort", "bad"),
        *by_ours("istio", "release", "abort", "bad"),
        by_hand("istio", _BY_WEIGHTS),
        by_hand("gateway_api", _BY_WEIGHTS),
        by_hand("deployment", "`set image`: a rolling update of one Deployment", name="set-image"),
        by_hand("replicas", "selector of the Service to v2, then delete v1 at once", name="flip", by_service=True),
        *by_ours("gateway_api", "release"),
    ]


def _row(who: str, tool: str, gateway: str, name: str, scenario: str, measure: Measure, ground: Any) -> Row:
    return Row(f"{who}-{gateway}-{name}", HEAD, [tool, _GATEWAYS[gateway], scenario], ground, measure)


_METHOD = f"""\
- Load: {RATE} new connections a second, open loop, and {KEPT} clients that keep their connection. Lost: any answer
  but 200, or none. {REPLICAS} + {REPLICAS} pods, which exit at once when they get SIGTERM, without preStop. One run
  each; zero in one run does not prove that it is always zero.
- Argo Rollouts: `kubectl argo rollouts set image`, steps 10, pause {PAUSE} s, 50, pause {PAUSE} s, 100. For an abort it
  is led to 50 % and aborted there; for `promote --full` it is led to 10 % and promoted there. The seconds of a release
  end when it is Healthy, those of an abort when it is Degraded. Lost requests and writes are counted until the old pods
  are gone and {ENDING} s more, until {scenarios.SETTLED_AFTER_ABORT} s after an abort, and until
  {AFTER_A_BAD_VERSION} s after that of a bad version. It has no analysis here: that needs a metrics server.
- kubectl by hand: the commands of [handwritten.py](handwritten.py), {handwritten.PAUSE} s after each weight. The
  seconds are from the first command to the end of the last, with the start of the pods. Lost requests and writes are
  counted until the old pods are gone and {ENDING} s more. Nobody looks whether v2 is well. `set image` replaces
  {REPLICAS} pods one after the other, with one more meanwhile.
- gradual.canary: the playbooks with the shipped inventories, 200 samples a second, drain 6 s; the seconds are those of
  the whole command, with the start of Ansible; lost requests and writes are counted for {ENDING} s more. A bad version
  is stopped by its own proof; for Argo somebody has to see it, and is taken to be there after 3 s.
- The canary's last answer, and what was lost "after the command": as the load saw it, from the start of the command
  that takes the canary back. A request counts when it has ended.
- Writes: in the API server's audit log, to objects of the application's namespace, by the tool and by its operator.
  Those of Kubernetes' own controllers and of gateways are left out: Argo makes ReplicaSets itself, with Deployments
  Kubernetes does. "+ n of the lock": to the Lease by which one run at a time works on an application, which is renewed
  while a run takes.
- Truth: Argo is released to 50 % and promoted, then 400 requests are counted. Ours is asked for 50 % in the same
  surroundings, by `traffic` with its proof; "refused" is before anything is written. Sticky clients: 60 clients get a
  cookie before the release, and ask 8 times each at 50 %.
- A row that takes more than {_ROW_WITHIN:.0f} s is given up, and none is begun after {_BEGIN_WITHIN:.0f} s. It
  says so."""

_NOT_HERE = """\
An earlier comparison, on another lab, also had what follows. Nothing above speaks for it.

Flagger (a release, and a bad version that its analysis takes back; that it could not copy a Deployment with
`preStop.sleep`): neither its controller nor the Prometheus that its analysis reads is in this lab.

Argo Rollouts with `dynamicStableScale`, aborted at 50 %, which lost requests there: an option that is off unless it is
asked for; left out for time.

Argo Rollouts, `promote --full` behind Traefik: left out for time; behind Istio it is measured.

Pods that go on serving after SIGTERM, with a preStop sleep, or that take 200 ms for an answer: left out for time. The
pods here exit at once and answer at once. With slow answers a rolling update lost ten times as much there, and weights
by hand behind Istio lost something, so that these figures of kubectl are not the worst that there are.

A node that is made busy: here it is as busy as the load, the lab and the commands make it. And three runs of each row:
here it is one.

A release by the modules of `kubernetes.core` and `uri` with 100 samples a stage: not made again.
[RESULTS.md](RESULTS.md) has other naive forms of three stages beside ours, without a lab."""


class Document:
    """PEERS.md, as it is when some of these rows have their lines."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._machine = report.machine()
        self._started, self._load = time.monotonic(), os.getloadavg()[0]

    def text(self, lines: Sequence[Line]) -> str:
        rest = ", ".join(row.name for row in self._rows[len(lines) :])
        missing = f"Ended, or still under way, before these were measured: {rest}.\n\n" if rest else ""
        load = f"{self._load:.1f} and {os.getloadavg()[0]:.1f}"
        return f"""# Beside the peers

Written by `make bench-peers`, on the lab. Argo Rollouts 1.9.2 with its kubectl plugin, and kubectl as it is typed by
hand. Compare the ratios; the absolute figures are this machine's.

{self._machine}
- Load average before and after: {load}; the lab and the benchmark share the machine
- Duration of the whole: {(time.monotonic() - self._started) / 60:.1f} minutes

{missing}{_section("The same release", HEAD, lines)}{_section("What is said, and what clients get", truth.HEAD, lines)}\
## What is not in the tables

{_NOT_HERE}

## How it was measured

{_METHOD}
"""


def _section(title: str, head: Sequence[str], lines: Sequence[Line]) -> str:
    cells = [line.cells for line in lines if line.row.head is head]
    return f"## {title}\n\n{report.markdown([head, *cells])}\n\n" if cells else ""


if __name__ == "__main__":
    main()
