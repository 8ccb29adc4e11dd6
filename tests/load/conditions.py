"""What is different about a cluster, its node or its pods while requests are counted."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.contract.cluster_access import Access
from tests.shop.routes import OtherRoutes
from tests.shop.systems import SYSTEMS

BURNING_SECONDS = 900
_BURN = f"import time\nend = time.monotonic() + {BURNING_SECONDS}\nwhile time.monotonic() < end: pass"

# They end within a millisecond of SIGTERM, and at any time some requests are under way.
AT_ONCE = {"SHUTDOWN": "0", "LATENCY": "200ms"}

Surrounding = Callable[[str, Access], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def many_routes(backend: str, access: Access) -> Iterator[None]:
    """200 other routes in the cluster: weights take effect late, and after the status says so."""
    with OtherRoutes(SYSTEMS[backend].other, access):
        yield


@contextlib.contextmanager
def busy_node(_backend: str, _access: Access) -> Iterator[None]:
    """Every core loaded by somebody else."""
    burners = [subprocess.Popen([sys.executable, "-c", _BURN]) for _core in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@dataclasses.dataclass(frozen=True)
class Condition:
    """One row of the table. abrupt: the pods exit at once on SIGTERM; surroundings: what else there is meanwhile."""

    name: str
    surroundings: tuple[Surrounding, ...] = ()
    abrupt: bool = False

    @contextlib.contextmanager
    def applied(self, backend: str, access: Access) -> Iterator[dict[str, Any]]:
        """Make it so; yield what a Journey is to be told of it."""
        with contextlib.ExitStack() as stack:
            for surrounding in self.surroundings:
                stack.enter_context(surrounding(backend, access))
            told: dict[str, Any] = {"variant": self.name}
            if self.abrupt:
                told["environment"] = AT_ONCE
            yield told


QUIET = Condition("quiet")
ROUTES = Condition("200 other routes", (many_routes,))
ABRUPT = Condition("pods exit at once", abrupt=True)
BUSY = Condition("busy node", (busy_node,))
WORST = Condition("all three", (many_routes, busy_node), abrupt=True)
