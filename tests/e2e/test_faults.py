"""An API server that fails at any call: a release completes, or stops where the next run goes on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import STAGES, OpenShop
from tests.e2e.test_kill import looked_at, require_alone, require_seen, start_again
from tests.shop.api_proxy import ApiProxy, Call, CutAt, Instead, Passed, Slow
from tests.shop.load import Load
from tests.shop.shop import Shop
from tests.shop.systems import chosen

RATE = 50
Fault = Callable[[ApiProxy, Call], Passed]


def status(code: int, reason: str, **headers: str) -> Fault:
    """Answer as the API server does when it does not do it."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "code": code,
        "message": reason,
    }
    return lambda _proxy, _call: Instead(code, json.dumps(body).encode(), **headers)


def stale(proxy: ApiProxy, call: Call) -> Passed:
    """Answer what was there when this was first read."""
    known = proxy.first.get(call.target)
    return Instead(known[0], known[2], **known[1]) if known and call.method == "GET" else Passed()


FAULTS: dict[str, Fault] = {
    "409": status(409, "Conflict"),
    "429": status(429, "TooManyRequests", **{"Retry-After": "1"}),
    "500": status(500, "InternalError"),
    "503": status(503, "ServiceUnavailable"),
    "cut before": lambda _proxy, _call: CutAt("before"),
    "cut after": lambda _proxy, _call: CutAt("answered"),
    "slow": lambda _proxy, _call: Slow(3),
    "stale": stale,
}


@pytest.fixture(params=chosen(["gateway_api", "ingress_nginx"]))
def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    return open_shop(request.param)


def few(calls: int) -> list[tuple[int, str]]:
    """Return one fault of a kind: not done, done and not answered, answered wrongly; spread over the calls."""
    return [(1 + index * calls // 3, name) for index, name in enumerate(("500", "cut after", "stale"))]


def each_once(calls: int) -> list[tuple[int, str]]:
    """Return each fault once, spread over the calls of a release."""
    return [(1 + index * calls // len(FAULTS), name) for index, name in enumerate(FAULTS)]


def all_of_them(calls: int) -> list[tuple[int, str]]:
    return list(itertools.product(range(1, calls + 1), FAULTS))


@pytest.mark.parametrize(
    "points", [few, *(pytest.param(points, marks=pytest.mark.variant) for points in (each_once, all_of_them))]
)
def test_a_release_completes_or_stops_where_the_next_run_goes_on(
    shop: Shop, points: Callable[[int], list[tuple[int, str]]], tmp_path: Path
) -> None:
    wanted: dict[str, Any] = {"canary_version": "v2", "canary_stages": STAGES}
    with (
        ApiProxy(shop.access, lambda _call: Passed()) as proxy,
        Load(shop.address, shop.hostname, tmp_path / "load.json", rate=RATE, long=3, kept=5) as load,
    ):
        shop.run("release", **wanted, canary_cluster=proxy.options).require()
        calls = len(proxy.calls)
        start_again(shop)
        codes = []
        for at, name in points(calls):
            proxy.forget()
            proxy.decide = failing(proxy, at, FAULTS[name])
            run = shop.run("release", **wanted, canary_cluster=proxy.options)
            where = f"{name} at call {at} of {calls} ({next(iter(proxy.calls[at - 1 :]), 'not reached')})"
            print(f"{where}: exit code {run.code}", flush=True)
            assert "Traceback" not in run.output, f"{where}: {run.output}"
            codes.append(run.code)
            if run.code:
                require_seen(shop, looked_at(shop), where)
                shop.run("release", **wanted, canary_take_over="the API failed").require()
            require_alone(shop, "v2", where)
            counts = load.count()
            assert counts["failed"] == 0, f"{where}: {counts['failures'][-3:]}"
            start_again(shop)
        counts = load.stop()
    assert counts["failed"] == 0, counts["failures"][:3]
    stopped = sum(1 for code in codes if code)
    print(
        f"{shop.system.backend}: {len(codes) - stopped} completed, {stopped} stopped and were finished by the next run"
    )


def failing(proxy: ApiProxy, at: int, fault: Fault) -> Callable[[Call], Passed]:
    """Let one call meet a fault, and every other one pass."""
    return lambda call: fault(proxy, call) if call.number == at else Passed()
