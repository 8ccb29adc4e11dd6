"""G11: how soon after the data plane changed sampling counts it as changed. Runs inside the lab."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.gradual.canary.plugins.module_utils._sampling import Sampling
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Weight
from ansible_collections.gradual.canary.plugins.module_utils._verification import Claim, Verification
from ansible_collections.gradual.canary.plugins.modules import traffic, verify
from tests.shop.audit import AuditLog, answered, is_of_a_tool
from tests.shop.shop import Shop
from tests.shop.verbs import perform, validated

_LATEST = 5.0  # seconds after which a write is in the log

RATE = 500
"""Requests of the observer in a second: its answers are this exact."""


@dataclasses.dataclass(frozen=True)
class Change:
    """One change of all traffic from one version to the other. Times on the machine's monotonic clock.

    leaves: the version that it is taken from. written: when the API server had answered the last write. counted: when
    the first request was sent that the proof counts.
    """

    leaves: str
    written: float
    counted: float


@dataclasses.dataclass(frozen=True)
class Noticed:
    """Seconds from the write to the last old answer that the observer got, and from that to the first counted one."""

    data_plane: float
    after: float


def noticed(shop: Shop, stable: str, canary: str, turns: int, log: AuditLog) -> list[Noticed]:
    """Move all traffic to the canary and back so many times; the canary has to be attached at weight 0."""
    program = [sys.executable, str(Path(__file__).with_name("prober.py"))]
    prober = subprocess.Popen(
        [*program, shop.system.address, shop.hostname, str(RATE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert prober.stdin is not None
    assert prober.stdout is not None
    try:
        assert prober.stdout.readline(), "the observer gets no answers"
        changes: list[Change | None] = [
            _changed(shop, stable, canary, log, weight=weight) for weight in ("100", "0") * turns
        ]
        prober.stdin.close()
        answers = json.loads(prober.stdout.readline())
    finally:
        prober.kill()
        prober.wait()
    return [judged(change, answers) for change in changes if change]


def judged(change: Change, answers: Sequence[tuple[float, str]]) -> Noticed:
    """Compare a change with what the observer got."""
    # What was asked until the proof had begun and a second on: a straggler after the proof began must be seen too.
    old = [sent for sent, version in answers if version == change.leaves and sent < change.counted + 1.0]
    last = max(old)
    return Noticed(last - change.written, change.counted - last)


def _changed(shop: Shop, stable: str, canary: str, log: AuditLog, *, weight: str) -> Change | None:
    moved = _moved(shop, canary, weight)
    claim = Claim(
        stable=stable,
        canary=canary,
        weight=Weight.percent(weight),
        previous=Weight.percent(moved["before"]["weight"]),
        delta=500,
        alpha=0.01,
        beta=0.0001,
        errors=None,
        latency=None,
    )
    client = {name: shop.inventory["canary_client"][name] for name in ("url", "address", "identify")}
    given = {**client, "stable": stable, "canary": canary, "weight": weight}
    sampling = Sampling(validated(verify.ARGUMENTS, given))
    verification = Verification(claim, time.monotonic())
    counted, seen = 0.0, (0, 0)
    with sampling.sampler() as sampler:
        for sample in sampler:
            decided = verification.take(sample, sampling.identify.version(sample.headers, sample.body))
            now = (verification.split.attempts, verification.split.test.count)
            if now[1] == 1 and now != seen:
                counted = sample.sent_at  # the first answer of this attempt
            seen = now
            if decided:
                break
    if verification.verdict != "pass":
        print(f"    {weight} % was not proven and does not count: {verification.reason}", flush=True)
        return None
    written = _last_write(log) - time.time() + time.monotonic()
    leaves = stable if weight == "100" else canary
    return Change(leaves, written, counted)


def _last_write(log: AuditLog) -> float:
    """Return when the latest write was answered, in seconds since the epoch; waits until the log has it."""
    deadline = time.monotonic() + _LATEST
    while not (writes := [entry for entry in log.news() if is_of_a_tool(entry)]):
        assert time.monotonic() < deadline, "the audit log has nothing of the write"
        time.sleep(0.05)
    return answered(writes[-1])


def _moved(shop: Shop, canary: str, weight: str) -> dict[str, Any]:
    """Set a weight with the verb, in this process, as its action plugin does."""
    result = perform(traffic, {**shop.target(canary), "weight": weight})
    assert not result.get("failed"), result["msg"]
    return result
