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

from ansible_collections.gradual.canary.plugins.module_utils import _evidence
from ansible_collections.gradual.canary.plugins.module_utils._sampling import Sampling
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Weight
from ansible_collections.gradual.canary.plugins.module_utils._verification import Claim, Verification
from ansible_collections.gradual.canary.plugins.modules import traffic, verify
from tests.shop.audit import AuditLog, Entry, answered, is_of_a_tool
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


@dataclasses.dataclass(frozen=True)
class Noticing:
    """What all changes gave. unproven: for each that does not count, why."""

    changes: list[Noticed]
    unproven: list[str]


def measure(shop: Shop, stable: str, canary: str, turns: int, log: AuditLog) -> Noticing:
    """Move all traffic to the canary and back so many times; the canary has to be attached at weight 0."""
    program = [sys.executable, str(Path(__file__).with_name("prober.py"))]
    prober = subprocess.Popen(
        [*program, shop.address, shop.hostname, str(RATE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert prober.stdin is not None
    assert prober.stdout is not None
    try:
        assert prober.stdout.readline(), "the observer gets no answers"
        changes = [_changed(shop, stable, canary, log, weight=weight) for weight in ("100", "0") * turns]
        prober.stdin.close()
        answers = json.loads(prober.stdout.readline())
    finally:
        prober.kill()
        prober.wait()
    return Noticing(
        [judged(change, answers) for change in changes if isinstance(change, Change)],
        [change for change in changes if isinstance(change, str)],
    )


def judged(change: Change, answers: Sequence[tuple[float, str]]) -> Noticed:
    """Compare a change with what the observer got."""
    # What was asked until the proof had begun and a second on: a straggler after the proof began must be seen too.
    old = [sent for sent, version in answers if version == change.leaves and sent < change.counted + 1.0]
    assert old, f"the observer got no answer of {change.leaves} before its traffic was taken"
    last = max(old)
    return Noticed(last - change.written, change.counted - last)


def last_of_the_split(writes: Sequence[Entry]) -> Entry:
    """Return the last write that changed the split; there has to be one.

    A controller that splits by an Ingress goes on writing its own objects after that.
    """
    ingresses = [write for write in writes if write["objectRef"].get("resource") == "ingresses"]
    return (ingresses or writes)[-1]


def _changed(shop: Shop, stable: str, canary: str, log: AuditLog, *, weight: str) -> Change | str:
    """Make one change and prove it; return why it does not count when it could not be."""
    moved = _moved(shop, canary, weight)
    if moved.get("failed"):
        return f"{weight} % was not set: {moved['msg']}"
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
        return _evidence.sentence(verification)
    written = _last_write(log) - time.time() + time.monotonic()
    leaves = stable if weight == "100" else canary
    return Change(leaves, written, counted)


def _last_write(log: AuditLog) -> float:
    """Return when the last write to the split was answered, in seconds since the epoch; waits until the log has it."""
    deadline = time.monotonic() + _LATEST
    while not (writes := [entry for entry in log.news() if is_of_a_tool(entry)]):
        assert time.monotonic() < deadline, "the audit log has nothing of the write"
        time.sleep(0.05)
    return answered(last_of_the_split(writes))


def _moved(shop: Shop, canary: str, weight: str) -> dict[str, Any]:
    """Set a weight with the verb, in this process, as its action plugin does."""
    return perform(traffic, {**shop.target(canary), "weight": weight})
