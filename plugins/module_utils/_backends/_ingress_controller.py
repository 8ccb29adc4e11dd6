# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controller serves an Ingress, and how it behaves. Private to the gradual.canary collection.

Two programs read the canary annotations of ingress-nginx, and both serve classes of controller
``k8s.io/ingress-nginx``: ingress-nginx itself, and Traefik's provider for it. What differs was measured on both.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Capabilities

CONTROLLER_CLASS: t.Final = "ingress-nginx"  # part of spec.controller; a second instance has its own beginning
NAMES: t.Final = ("ingress-nginx", "traefik")

# Each writes the status of the Ingresses it serves, as the program it is.
_STATUS_WRITERS: t.Final = {"nginx-ingress-controller": "ingress-nginx", "traefik": "traefik"}


@dataclasses.dataclass(frozen=True)
class Controller:
    """One program's behaviour. identified: whether the cluster or the user named it, and it is not just assumed.

    seconds_between_writes: ingress-nginx stamps its backends in whole seconds, so that the second of two changes
    within one second can be lost (10 of 24 measured).
    """

    name: str
    law: str
    zero_stable_endpoints: str
    propagation_seconds: float
    seconds_between_writes: float
    identified: bool = True

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            resolution=1,
            match_kinds=frozenset({"header", "cookie"}),
            match_operators=frozenset({"exact", "regex", "always"}),
            match_with_weight=True,
            most_matches=2,
            per="request",
            law=self.law,
            zero_canary_endpoints="fallback",
            zero_stable_endpoints=self.zero_stable_endpoints,
            propagation_seconds=self.propagation_seconds,
        )


_CONTROLLERS: t.Final = {
    "ingress-nginx": Controller("ingress-nginx", "random", "5xx_for_all", 5.0, 1.0),
    "traefik": Controller("traefik", "round_robin", "5xx", 2.0, 0.0),
}


def named(name: str) -> Controller:
    return _CONTROLLERS[name]


def identify(ingress: Object) -> Controller:
    """Return the controller that wrote the Ingress's status last; ingress-nginx, unidentified, when none did."""
    entries = [
        entry for entry in ingress["metadata"].get("managedFields") or () if entry.get("subresource") == "status"
    ]
    known = [entry for entry in entries if entry.get("manager") in _STATUS_WRITERS]
    if not known:
        return dataclasses.replace(_CONTROLLERS["ingress-nginx"], identified=False)
    last = max(known, key=lambda entry: str(entry.get("time", "")))
    return _CONTROLLERS[_STATUS_WRITERS[last["manager"]]]


def seconds_to_wait(ingress: Object, now: float) -> float:
    """Return how long to wait so that our last write is surely a second ago; `now` in seconds since 1970.

    The API stamps writes in whole seconds, rounded down, so a stamp two seconds old is enough. Clocks that differ by
    more than that tell nothing; then the answer is 0.
    """
    times = [
        datetime.datetime.fromisoformat(str(entry["time"])).timestamp()
        for entry in ingress["metadata"].get("managedFields") or ()
        if entry.get("manager") == FIELD_MANAGER and not entry.get("subresource") and entry.get("time")
    ]
    age = now - max(times, default=0.0)
    return 2.0 - age if 0 <= age < 2 else 0.0
