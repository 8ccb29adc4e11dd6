"""What a proof costs and how true its latencies are: G4, G5, G6."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.gateway import DELAY_SECONDS, HOST, Gateway
from tests.bench.measure import Series, in_turn
from tests.bench.report import Row
from tests.shop.operators import ROOT

_WORKLOAD = str(Path(__file__).with_name("workload.py"))
_CONCURRENCY = 16
_TO_PROVE = 495
"""Answers that the proof of 90/10 needs on average."""

Figures = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Target:
    """Where clients connect, and from where: `prefix` is the command that runs a client there."""

    name: str
    options: dict[str, Any]
    prefix: tuple[str, ...] = ()

    def run(self, work: str, **more: Any) -> Figures:
        """Run one workload in a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [*self.prefix, sys.executable, _WORKLOAD, work, json.dumps(self.options | more)],
            env=kept | {"PYTHONPATH": str(Path(sys.prefix) / "collections")},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{work} against {self.name}\n{done.stdout[-500:]}{done.stderr[-3000:]}")
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures


def targets(gateway: Gateway) -> tuple[Target, Target, Target]:
    """Return the fixture gateway's plain, TLS and delayed listeners."""

    def target(name: str, scheme: str, port: int, **more: str) -> Target:
        address = f"127.0.0.1:{port}"
        url = f"{scheme}://{HOST}:{port}/"
        return Target(name, {"url": url, "address": address, "host": HOST, "direct": f"{scheme}://{address}/", **more})

    return (
        target("fixture Envoy", "http", gateway.plain),
        target("fixture Envoy, TLS", "https", gateway.tls, ca=str(gateway.certificate)),
        target("fixture Envoy, 20 ms", "http", gateway.delayed),
    )


def contour(prefix: tuple[str, ...], hostname: str, address: str) -> Target:
    """Return the lab's own gateway with the test application behind it."""
    options = {"url": f"http://{hostname}/", "address": address, "host": hostname, "direct": f"http://{address}/"}
    return Target("the lab's Contour", options, prefix)


@dataclasses.dataclass(frozen=True)
class Rates:
    """Targets of G4, and what wrk had beside them where they were written; None where that was not measured."""

    least: float
    most_cpu_ms: float
    wrk: float
    wrk_cpu_ms: float | None


PLAIN = Rates(5000, 0.10, 10045, 0.036)
TLS = Rates(1000, 0.90, 3069, None)


def rate(target: Target, rounds: int, *, count: int, targets: Rates | None) -> list[Row]:
    """G4: samples a second and CPU for each, a new connection each, the tests and gates of verify running."""
    runs: dict[str, list[Figures]] = in_turn(
        {
            "ours": lambda: target.run("sample", concurrency=_CONCURRENCY, count=count),
            "curl": lambda: target.run("curl", count=100),
            "wrk": lambda: target.run("wrk", concurrency=_CONCURRENCY, seconds=2),
        },
        rounds,
    )
    ours, curl, wrk = (_series(runs[form], "rate") for form in ("ours", "curl", "wrk"))
    cpu, curl_cpu, wrk_cpu = (_series(runs[form], "cpu_ms") for form in ("ours", "curl", "wrk"))
    rates = Row(
        "G4",
        f"samples a second, {target.name}",
        ours.show(0),
        f"curl loop: {curl.show(0)}; wrk: {wrk.show(0)}",
        ours.median / curl.median,
    )
    cpus = Row(
        "G4",
        f"CPU of a sample, {target.name}, ms",
        cpu.show(3),
        f"curl loop: {curl_cpu.show(1)}; wrk: {wrk_cpu.show(3)}",
        curl_cpu.median / cpu.median,
    )
    if targets is None:
        return [rates, cpus]
    share, least_share = ours.median / wrk.median, targets.least / targets.wrk
    rates = dataclasses.replace(
        rates,
        target=f">= {targets.least:,.0f}",
        met=ours.median >= targets.least,
        scaled=f"{share:.2f} x wrk; >= {least_share:.2f} x wrk",
        scaled_met=share >= least_share,
    )
    cpus = dataclasses.replace(cpus, target=f"<= {targets.most_cpu_ms:.2f}", met=cpu.median <= targets.most_cpu_ms)
    if targets.wrk_cpu_ms:
        times, most_times = cpu.median / wrk_cpu.median, targets.most_cpu_ms / targets.wrk_cpu_ms
        scaled = f"{times:.1f} x wrk; <= {most_times:.1f} x wrk"
        cpus = dataclasses.replace(cpus, scaled=scaled, scaled_met=times <= most_times)
    return [rates, cpus]


def proof(target: Target, rounds: int, *, most: float, judged: bool = True) -> Row:
    """G5: seconds until 90/10 is proven, as fast as it goes; the number of answers differs from run to run."""
    runs: dict[str, list[Figures]] = in_turn(
        {
            "ours": lambda: target.run("prove", concurrency=_CONCURRENCY, rate=0),
            "ours again": lambda: target.run("prove", concurrency=_CONCURRENCY, rate=0),
            "curl": lambda: target.run("curl", count=100),
        },
        rounds,
    )
    ours = Series(_series(runs["ours"], "seconds").values + _series(runs["ours again"], "seconds").values)
    answers = Series(_series(runs["ours"], "count").values + _series(runs["ours again"], "count").values)
    curl = _series(runs["curl"], "seconds").over(100 / _TO_PROVE)
    return Row(
        "G5",
        f"90/10 proven, {target.name}, s; {answers.show(0)} answers",
        ours.show(3),
        f"{_TO_PROVE} curls, nothing proven: {curl.show(1)}",
        curl.median / ours.median,
        f"<= {most}" if judged else "",
        ours.median <= most if judged else None,
    )


def polite_proof(target: Target, rounds: int) -> Row:
    """G5 at the default rate, where the number of answers alone decides."""
    runs: dict[str, list[Figures]] = in_turn({"ours": lambda: target.run("prove", concurrency=8, rate=200)}, rounds)
    ours, answers = _series(runs["ours"], "seconds"), _series(runs["ours"], "count")
    paced = Series(tuple(one * _TO_PROVE / many for one, many in zip(ours.values, answers.values, strict=True)))
    return Row(
        "G5",
        f"90/10 proven at the default 200 a second, s; {answers.show(0)} answers",
        f"{ours.show(2)}; {paced.show(2)} for each {_TO_PROVE} answers",
        target=f"2.5 for {_TO_PROVE}",
        met=paced.median <= 2.5 * 1.02,
    )


def fidelity(target: Target, rounds: int) -> list[Row]:
    """G6: latency as the clients see it when the truth is 20 ms."""
    return [row for concurrency in (8, 32) for row in _fidelity(target, rounds, concurrency)]


def _fidelity(target: Target, rounds: int, concurrency: int) -> Iterator[Row]:
    runs: dict[str, list[Figures]] = in_turn(
        {
            work: functools.partial(target.run, work, concurrency=concurrency, seconds=2)
            for work in ("sample", "wrk", "requests")
        },
        rounds,
    )
    for percentile, most in (("p50", 1.0), ("p99", 4.0)):
        ours, wrk, library = (_series(runs[work], percentile) for work in ("sample", "wrk", "requests"))
        above = (ours.median - wrk.median) * 1000
        yield Row(
            "G6",
            f"{percentile} of {DELAY_SECONDS * 1000:.0f} ms, {concurrency} parallel, ms",
            f"{ours.show(1, 1000)}; {above:+.1f} to wrk",
            f"wrk: {wrk.show(1, 1000)}; requests in threads: {library.show(1, 1000)}",
            library.median / ours.median,
            f"wrk + {most:.0f}",
            above <= most,
        )


def _series(runs: list[Figures], figure: str) -> Series:
    return Series(tuple(run[figure] for run in runs))
