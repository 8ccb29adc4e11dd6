"""The table of `make bench-backends`: what each traffic system gave, and why something is missing. Pure."""

from __future__ import annotations

import datetime
import itertools
import json
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tests.bench import noticing, published, report
from tests.bench.measure import Series
from tests.shop.audit import Entry as Logged
from tests.shop.audit import answered
from tests.shop.operators import Run

NOTICE_MS = 50
_LONGEST_REASON = 300

Entry = dict[str, Any]
"""One traffic system. at: ISO 8601. surroundings: lines about the machine. load: its load average before. seconds: of
the whole. failed: by part, why it is missing. The parts, as far as they were measured, all times in seconds: overhead
{seconds: list, what}, noticing (as noticing.Noticing), release (see `of_release`), published {seconds, sleeping}."""

HEAD = [
    "traffic system",
    "API requests of a stage",
    "overhead of a stage, ms",
    "data plane follows the write after, ms",
    "noticed after that, ms",
    f"<= {NOTICE_MS}",
    "whole release, s",
    "answers",
    "published commands, s",
]

_METHOD = """\
- API requests: of each of the three stages of the release, median, least and most. What the verb `traffic` says that it
  sent to the API server (reads, the write, watches), and each PATCH of the Lease by which it keeps the lock of the
  release, over a connection of its own: those are counted in the API server's audit log.
- Overhead of one task: in a play of {stages} stages, each one task that sets the weight, waits and proves it (profile
  `quick`, no limit on the rate, no lock), the time from the end of one task to the end of the next, less the time in
  which it sampled. All but the first stage count. With `replicas` it is the time that pods take.
- Overhead of the role's tasks: where one workload changes in place there are no weights to go back and forth between.
  There it is the same between the stages of the release: all tasks of the role, and the time that pods take. It is
  another quantity, and cannot be compared with that of one task.
- Data plane and noticing: all traffic is moved to the canary and back {turns} times (once where one workload changes in
  place), in one process, as the action plugin does it. An observer that shares no code with the product asks {observer}
  times a second, each on a connection of its own. "Follows" is from the answer to the last write that changed the
  split, by the API server's audit log, until the last request was sent that got an old answer; where pods are the
  weight that is as long as they take, and with `argo_rollouts` the write is its controller's. "Noticed" is from then
  until the first request was sent that the proof counts; a negative time says that the proof counted from before the
  last old answer. The proof runs at the default of 200 requests a second, so that 5 ms pass between two of them.
- Release: the playbook `gradual.canary.release` with the shipped example inventory: deploy, probe, 10, 50 and 100 %,
  promotion, drain, end of the old version. No limit on the rate, no approval. It proves each stage, and that the old
  version gets nothing, before it ends it.
- Published commands: one bash script of kubectl (for `argo_rollouts` its plugin): deploy, weight, sleep {sleep} s,
  {curls} curls (stop when none sees the new version), end of the old version without drain. Nothing is proven. For
  `deployment` it pauses when the first new pods are there and resumes after the second look. Published examples sleep
  longer, one of them 300 s.
- Clients of `replicas` and `deployment` come by the address of the Service, through kube-proxy; all others by the
  gateway.
- Brackets: least and greatest value."""


def of_release(run: Run, log: Sequence[Logged], drain: float) -> Entry:
    """Return what a release gave. log: what the audit log has of it. drain: seconds."""
    stages = [number for number, each in enumerate(run.results) if "proof" in each["result"]]
    proofs = [values["requests"] for values in run.proofs]
    return {
        "seconds": run.seconds,
        "sampling": sum(each["duration_s"] for each in proofs),
        "drain": drain,
        "proofs": len(proofs),
        "answers": sum(each["sent"] for each in proofs),
        "requests": [run.results[number]["result"]["cluster"]["requests"] for number in stages],
        "renewals": [_renewals(run.results, number, log) for number in stages],
    }


def _renewals(results: Sequence[dict[str, Any]], number: int, log: Sequence[Logged]) -> int:
    """Return how often the lock was written from the end of the task before to the end of this one."""
    begun, ended = results[number - 1]["at"] if number else 0.0, results[number]["at"]
    return sum(begun < answered(each) <= ended for each in log if each["objectRef"].get("resource") == "leases")


def between(results: Sequence[dict[str, Any]]) -> list[float]:
    """Return the seconds from the end of each proven change to the end of the next, less those of its sampling."""
    return [
        after["at"] - before["at"] - after["result"]["proof"]["requests"]["duration_s"]
        for before, after in itertools.pairwise(results)
    ]


def reason(error: BaseException) -> str:
    """Return in one line why something went wrong: of a playbook's output what failed last, else the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    is_of_a_playbook = any(line.startswith("PLAY [") for line in lines)
    text = _failure(lines) if is_of_a_playbook else "".join(lines[:1])
    if not text or type(error) not in (AssertionError, RuntimeError):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    return text[:_LONGEST_REASON]


def _failure(lines: Sequence[str]) -> str:
    """Return the message of the last task that failed; without one the last lines before the recap."""
    told = list(itertools.takewhile(lambda line: not line.startswith("PLAY RECAP"), lines))
    failed = next((line for line in reversed(told) if line.startswith(("fatal: ", "failed: "))), None)
    if failed is None:
        return " ".join(told[-2:])
    try:
        return str(json.loads(failed.partition(" => ")[2])["msg"]).replace("\n", " ")
    except (ValueError, KeyError, TypeError):
        return failed


def left(names: Collection[str], entries: Mapping[str, Entry], *, resume: bool) -> list[str]:
    """Return the systems that are to be measured: with `resume` not those that have been, as a whole."""
    return [name for name in names if not (resume and name in entries and not entries[name]["failed"])]


def row(name: str, entry: Entry) -> list[str]:
    """Return the cells of one system; the first one of a part that is missing says why."""
    parts = (("release", _requests), ("overhead", _overhead), ("noticing", _noticing))
    cells = [name]
    for part, cells_of in (*parts, ("release", _release), ("published", _published)):
        found = cells_of(entry)
        if not found[0]:
            found[0] = f"not measured: {entry['failed'].get(part) or next(iter(entry['failed'].values()), '?')}"
        cells += found
    return [cell.replace("|", r"\|") for cell in cells]


def _requests(entry: Entry) -> list[str]:
    found = entry.get("release", {})
    if not found.get("requests"):
        return [""]
    locks = found["renewals"]
    counts = [sent + lock for sent, lock in zip(found["requests"], locks, strict=True)]
    span = f"{min(locks)}" if min(locks) == max(locks) else f"{min(locks)}-{max(locks)}"
    return [f"{statistics.median(counts):.0f} ({min(counts)}-{max(counts)}), {span} of them for the lock"]


def _overhead(entry: Entry) -> list[str]:
    if "overhead" not in entry:
        return [""]
    return [f"{Series(tuple(entry['overhead']['seconds'])).show(0, 1000)}: {entry['overhead']['what']}"]


def _noticing(entry: Entry) -> list[str]:
    found = entry.get("noticing", {"changes": [], "unproven": []})
    changes, unproven = found["changes"], found["unproven"]
    lost = f"{len(unproven)} of {len(changes) + len(unproven)} do not count: {unproven[0]}" if unproven else ""
    if not changes:
        return [lost, "", ""]
    data_plane, after = (Series(tuple(each[name] for each in changes)) for name in ("data_plane", "after"))
    soon = "yes" if after.median * 1000 <= NOTICE_MS else "**no**"
    return [data_plane.show(0, 1000), "; ".join(filter(None, (after.show(0, 1000), lost))), soon]


def _release(entry: Entry) -> list[str]:
    if "release" not in entry:
        return ["", ""]
    found = entry["release"]
    whole = f"{found['seconds']:.1f} ({found['sampling']:.1f} of it sampling, {found['drain']} draining)"
    return [whole, f"{found['answers']:,} in {found['proofs']} proofs"]


def _published(entry: Entry) -> list[str]:
    found = entry.get("published")
    return [f"{found['seconds']:.1f} ({found['sleeping']:.0f} of it sleeping)" if found else ""]


def document(entries: Mapping[str, Entry], names: Sequence[str], *, stages: int, turns: int) -> str:
    """Return the whole of BACKENDS.md. names: of all systems, in order. entries: of one or more of them."""
    measured = [entries[name] for name in names if name in entries]
    dates = [report.date(datetime.datetime.fromisoformat(each["at"])) for each in sorted(measured, key=_at)]
    missing = [name for name in names if name not in entries]
    loads = [each["load"] for each in measured]
    surroundings = "\n".join(dict.fromkeys(line for each in measured for line in each["surroundings"]))
    absent = f"\nNot measured: {', '.join(missing)}.\n" if missing else ""
    table = report.markdown([HEAD, *(row(name, entries[name]) for name in names if name in entries)])
    method = _METHOD.format(
        stages=stages, turns=turns, observer=noticing.RATE, sleep=published.SLEEP, curls=published.CURLS
    )
    return f"""# A stage and a release on every traffic system

Written by `make bench-backends`, on the lab. Compare the ratios; the absolute figures are this machine's.

- Date: {" to ".join(dict.fromkeys((dates[0], dates[-1])))}
{surroundings}
- Load average before each system: {min(loads):.1f} to {max(loads):.1f}; the lab and the benchmark share the machine
- Duration of the whole: {sum(each["seconds"] for each in measured) / 60:.1f} minutes

{table}
{absent}
## How it was measured

{method}
"""


def _at(entry: Entry) -> str:
    return str(entry["at"])
