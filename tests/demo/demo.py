"""A whole canary release on a real cluster, under load, with the evidence; then a bad version that is refused.

Brings the lab up and runs itself inside it. With CANARY_TEST_KUBECONFIG it uses that cluster instead (see
tests/shop/systems.py for what it expects there).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab" / "lab"
sys.path[:0] = [str(ROOT), str(Path(sys.prefix) / "collections")]

from tests.demo.summary import Summary  # noqa: E402 - after the path
from tests.shop.load import Load  # noqa: E402
from tests.shop.operators import install  # noqa: E402
from tests.shop.shop import Shop  # noqa: E402
from tests.shop.systems import SYSTEMS  # noqa: E402

NAMESPACE = "demo"


def main() -> int:
    """Run the demonstration for one backend; return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--backend", choices=sorted(SYSTEMS), default="gateway_api")
    arguments.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.inside or os.environ.get("CANARY_TEST_KUBECONFIG"):
        return demonstrate(chosen.backend)
    say(f"The lab: a real Kubernetes with {' and '.join(SYSTEMS[chosen.backend].tiers)}")
    started = time.monotonic()
    up = subprocess.run([LAB, "up", *SYSTEMS[chosen.backend].tiers], stdin=subprocess.DEVNULL, check=False)
    if up.returncode:
        return up.returncode
    print(f"The lab is up after {time.monotonic() - started:.0f} s; `make lab LAB=down` removes it.", flush=True)
    return subprocess.run(
        [LAB, "exec", "--", sys.executable, __file__, "--backend", chosen.backend, "--inside"], check=False
    ).returncode


def demonstrate(backend: str) -> int:
    """Open the shop, release v2 under load, refuse v3, and print what it cost."""
    with tempfile.TemporaryDirectory(prefix="canary-demo-") as directory, contextlib.ExitStack() as stack:
        home = Path(directory)
        install(home)
        shop = Shop(backend, home, namespace=f"{NAMESPACE}-{backend.replace('_', '-')}")
        shop.remove_leftover()
        stack.enter_context(shop)
        say("v1 serves")
        shop.open()
        load = stack.enter_context(Load(shop.system.address, shop.hostname, home / "load.json"))
        print("Load: 300 requests a second on new connections, and 20 four-second requests always in flight.")

        say("Release v2: 10 %, 50 %, 100 %")
        interactive = sys.stdin.isatty() and sys.stdout.isatty()
        approval = {} if interactive else {"canary_approve": ["web/v2/50"]}
        good = shop.operator.follow("gradual.canary.release", canary_version="v2", **approval)

        say("Release v3, which answers every third request with an error")
        bad = shop.operator.follow("gradual.canary.release", canary_version="v3", canary_approve=["web/v3/50"])

        counts = load.stop()
        say("What it took")
        summary = Summary(good, bad, counts)
        print(summary.text())
        return 0 if summary.as_it_should_be() else 1


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n=== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
