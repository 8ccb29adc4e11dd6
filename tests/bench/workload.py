"""One measurement of a client, as a process of its own: `workload.py NAME JSON` prints its figures as JSON.

A process of its own, so that its CPU time is the client's alone, and so that it can run inside the lab.
"""

from __future__ import annotations

import concurrent.futures
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import requests as http_library
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._health import SCREEN, Rates
from ansible_collections.gradual.canary.plugins.module_utils._identify import Identify
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Request, Sampler, Tls
from ansible_collections.gradual.canary.plugins.module_utils._task import Task
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Weight
from ansible_collections.gradual.canary.plugins.module_utils._verification import Claim, Verification
from ansible_collections.gradual.canary.plugins.modules import verify

Options = dict[str, Any]
Figures = dict[str, float]


def sample(options: Options) -> Figures:
    """Sample `count` answers with the product's sampler, or for `seconds`, and judge each as verify does."""
    request = Request(options["url"], address=options["address"], host=options["host"])
    identify = Identify(header="X-Version")
    verification = Verification(_endless_claim(), time.monotonic())
    latencies = []
    end = time.monotonic() + options.get("seconds", 60.0)
    tls = Tls(ca_certificate=options.get("ca"))
    used, started = _cpu(), time.monotonic()
    sampler = Sampler(
        request, tls=tls, rate=0, concurrency=options["concurrency"], limit=options.get("count"), want_body=False
    )
    with sampler:
        for each in sampler:
            version = identify.version(each.headers, each.body)
            verification.take(each, version)
            if each.error or version is None:
                raise RuntimeError(f"not an answer of the gateway: {each}")
            latencies.append(each.total_s)
            if each.sent_at > end:
                break
    return _figures(len(latencies), started, used, latencies)


def prove(options: Options) -> Figures:
    """Prove the split with the verb verify, in this process, as its action plugin does."""
    params = _parameters(options)
    used, started = _cpu(), time.monotonic()
    values = Task(params).perform(verify.run)
    if values["verdict"] != "pass":
        raise RuntimeError(values["msg"])
    return _figures(values["requests"]["sent"], started, used, [])


def requests(options: Options) -> Figures:
    """Sample for `seconds` with the library requests in threads, a new connection each, as a script would."""
    latencies = []
    end = time.monotonic() + options["seconds"]

    def client() -> None:
        while time.monotonic() < end:
            begun = time.monotonic()
            http_library.get(f"http://{options['address']}/", headers={"Host": options["host"], "Connection": "close"})
            latencies.append(time.monotonic() - begun)

    used, started = _cpu(), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options["concurrency"]) as pool:
        for future in [pool.submit(client) for _turn in range(options["concurrency"])]:
            future.result()
    return _figures(len(latencies), started, used, latencies)


def curl(options: Options) -> Figures:
    """Sample `count` answers with a shell loop of curl and grep, one after the other, as tutorials do."""
    trust = f"--cacert {options['ca']}" if options.get("ca") else ""
    place = f"--connect-to ::{options['address']} -H 'Host: {options['host']}' {options['url']}"
    command = f"curl -fsS {trust} -o /dev/null -D - {place}"
    loop = f"for i in $(seq {options['count']}); do {command} | grep -i x-version; done"
    used, started = _cpu(), time.monotonic()
    found = subprocess.run(["bash", "-c", loop], capture_output=True, text=True, check=True).stdout
    if len(found.splitlines()) != options["count"]:
        raise RuntimeError(f"{len(found.splitlines())} of {options['count']} answers have a version")
    return _figures(options["count"], started, used, [])


def wrk(options: Options) -> Figures:
    """Load for `seconds` with wrk, one thread, a new connection each; it keeps nothing about single requests."""
    command = ["wrk", "-t1", f"-c{options['concurrency']}", f"-d{options['seconds']}s", "--latency"]
    command += ["-H", f"Host: {options['host']}", "-H", "Connection: close", options["direct"]]
    used, started = _cpu(), time.monotonic()
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    total = re.search(r"(\d+) requests in ([\d.]+)(m?s)", said)
    percentiles = dict(re.findall(r"(\d+)%\s+([\d.]+[mu]?s)", said))
    if total is None or "Non-2xx" in said:
        raise RuntimeError(said)
    count = int(total[1])
    figures = _figures(count, started, used, [])
    return figures | {
        "rate": count / _seconds(total[2] + total[3]),
        "p50": _seconds(percentiles["50"]),
        "p99": _seconds(percentiles["99"]),
    }


def _parameters(options: Options) -> Options:
    spec: ArgumentSpec = verify.ARGUMENTS
    given = {
        "url": options["url"],
        "address": options["address"],
        "host": options["host"],
        "identify": {"header": "X-Version"},
        "stable": "v1",
        "canary": "v2",
        "weight": "10",
        "rate": options["rate"],
        "concurrency": options["concurrency"],
        "ca_cert": options.get("ca"),
    }
    validated = ArgumentSpecValidator(**spec.keywords()).validate(given)
    if validated.error_messages:
        raise RuntimeError(validated.error_messages)
    params: Options = validated.validated_parameters
    return params


def _endless_claim() -> Claim:
    """Return a claim that is never decided here, so that the tests and gates run for every sample."""
    return Claim(
        stable="v1",
        canary="v2",
        weight=Weight.percent("10"),
        previous=Weight.percent("0"),
        delta=500,
        alpha=1e-200,
        beta=1e-200,
        errors=Rates(0.001, 0.01, 0.01, SCREEN.good),
        latency=(2.0, 5.0),
        limit=1 << 30,
    )


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _figures(count: int, started: float, used: float, latencies: list[float]) -> Figures:
    """Return the count, requests a second, CPU ms a request, seconds, and percentiles of latency in seconds."""
    seconds, cpu = time.monotonic() - started, _cpu() - used
    figures = {"count": count, "rate": count / seconds, "cpu_ms": 1000 * cpu / count, "seconds": seconds}
    if len(latencies) > 1:
        hundredths = statistics.quantiles(latencies, n=100)
        figures |= {"p50": hundredths[49], "p99": hundredths[98]}
    return figures


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([mu]?s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"s": 1.0, "ms": 1e-3, "us": 1e-6}[unit]


if __name__ == "__main__":
    workloads: dict[str, Callable[[Options], Figures]] = {
        each.__name__: each for each in (sample, prove, requests, curl, wrk)
    }
    print(json.dumps(workloads[sys.argv[1]](json.loads(sys.argv[2]))))
