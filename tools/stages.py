# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run make targets as stages: side by side or in turn, with the time each took.

    tools/stages.py [--in-turn] TARGET...

Side by side, the output of a stage is kept back and shown when the stage fails, or its last line when it passes.
In turn, the output passes through and the first failure ends the run. No stage can read standard input.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import subprocess
import sys
import time

MAKE = [os.environ.get("MAKE", "make"), "--no-print-directory"]


def say(line: str) -> None:
    """Print one line about a stage at once, also into a pipe."""
    print(line, flush=True)


def run_captured(target: str) -> tuple[int, str, float]:
    """Run one stage; return its exit status, all it printed, and the seconds it took."""
    start = time.monotonic()
    done = subprocess.run(
        [*MAKE, target],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout, time.monotonic() - start


def side_by_side(targets: list[str]) -> list[str]:
    """Run all stages at once; return those that failed."""
    say(f"==> {', '.join(targets)} (side by side)")
    failed = []
    with concurrent.futures.ThreadPoolExecutor(len(targets)) as pool:
        runs = {pool.submit(run_captured, target): target for target in targets}
        for done in concurrent.futures.as_completed(runs):
            target = runs[done]
            status, output, seconds = done.result()
            if status:
                failed.append(target)
                say(f"--- {target} failed after {seconds:.1f} s:\n{output.rstrip()}\n--- end of {target}")
            else:
                lines = output.strip().splitlines() or [""]
                say(f"ok  {target:<12} {seconds:6.1f} s  {lines[-1].strip('= ')}")
    return failed


def in_turn(targets: list[str]) -> list[str]:
    """Run one stage after the other, showing all they print; stop at the first that fails and return it."""
    for number, target in enumerate(targets, 1):
        say(f"==> {target} ({number} of {len(targets)})")
        start = time.monotonic()
        status = subprocess.run([*MAKE, target], stdin=subprocess.DEVNULL, check=False).returncode
        seconds = time.monotonic() - start
        if status:
            say(f"==> {target} failed after {seconds:.1f} s")
            return [target]
        say(f"==> {target} ok, {seconds:.1f} s")
    return []


def main() -> int:
    """Run the stages named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--in-turn", action="store_const", const=in_turn, default=side_by_side, dest="run")
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    options = parser.parse_args()
    start = time.monotonic()
    failed: list[str] = options.run(options.targets)
    if failed:
        say(f"==> failed: {', '.join(failed)}")
        return 1
    say(f"==> all of {', '.join(options.targets)} in {time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
