# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controller serves an Ingress, and how it behaves. Private to the gradual.canary collection.

Two programs that read the canary annotations of ingress-nginx serve classes of controller ``k8s.io/ingress-nginx``:
ingress-nginx itself, and Traefik's provider for it. What differs was measured on both. The third is Volcengine's API
gateway (VKE, "APIG Ingress"), which exists in that cloud only: its profile holds to what is documented
(volcengine.com/docs/6460/1327604 and /1327605), and nothing in it was measured.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object
from ansible_collections.gradual.canary.plugins.module_utils._traffic import WHOLE, Capabilities

NAMES: t.Final = ("ingress-nginx", "traefik", "apig")

# Parts of spec.controller. A second instance of ingress-nginx has its own beginning; that of the API gateway is not
# published, and is named here as its sister for load balancers is (ingress.vke.volcengine.com/alb).
_CLASS_CONTROLLERS: t.Final = {"ingress-nginx": "ingress-nginx", "vke.volcengine.com/apig": "apig"}
# Each writes the status of the Ingresses it serves, as the program it is.
_STATUS_WRITERS: t.Final = {"nginx-ingress-controller": "ingress-nginx", "traefik": "traefik"}

# They bind an Ingress to one instance of the API gateway, and both Ingresses of a split have to be on the same one.
APIG_INSTANCE: t.Final = "ingress.vke.volcengine.com/apig-instance-name"
APIG_BINDINGS: t.Final = (APIG_INSTANCE, "ingress.vke.volcengine.com/loadbalancer-id")


@dataclasses.dataclass(frozen=True)
class Controller:
    """One program's behaviour. identified: whether the cluster or the user named it, and it is not just assumed.

    seconds_between_writes: ingress-nginx stamps its backends in whole seconds, so that the second of two changes
    within one second can be lost (10 of 24 measured).
    whole: what 100 % is written as; more than 100 takes the annotation canary-weight-total.
    forgets_upstreams: whether a Service that no Ingress names any more is gone while workers that are on their way out
    still send to it (kubernetes/ingress-nginx issues 6557, 4469, 9679).
    bindings: annotations of the main Ingress that the canary's needs too.
    serves_by_name: whether a class is served by its name alone, so that no IngressClass object need exist.
    finds_other_clusters: whether it finds a Service that is in another cluster than the Ingress by itself.
    """

    name: str
    law: str
    zero_canary_endpoints: str
    zero_stable_endpoints: str
    propagation_seconds: float
    seconds_between_writes: float = 0.0
    whole: int = WHOLE
    match_kinds: frozenset[str] = frozenset({"header", "cookie"})
    match_operators: frozenset[str] = frozenset({"exact", "regex", "always"})
    most_matches: int = 2
    match_with_weight: bool = True
    forgets_upstreams: bool = False
    bindings: tuple[str, ...] = ()
    serves_by_name: bool = False
    finds_other_clusters: bool = False
    identified: bool = True

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            resolution=WHOLE // self.whole,
            match_kinds=self.match_kinds,
            match_operators=self.match_operators,
            match_with_weight=self.match_with_weight,
            most_matches=self.most_matches,
            per="request",
            law=self.law,
            zero_canary_endpoints=self.zero_canary_endpoints,
            zero_stable_endpoints=self.zero_stable_endpoints,
            propagation_seconds=self.propagation_seconds,
        )


_CONTROLLERS: t.Final = {
    controller.name: controller
    for controller in (
        Controller(
            "ingress-nginx",
            "random",
            "fallback",
            "5xx_for_all",
            5.0,
            seconds_between_writes=1.0,
            forgets_upstreams=True,
        ),
        Controller("traefik", "round_robin", "fallback", "5xx", 2.0),
        # How long it takes, and what it does without endpoints, is published nowhere. A header without a value means
        # "is there" in its documentation and the word "always" elsewhere, so none is ever written without one.
        Controller(
            "apig",
            "random",
            "unknown",
            "unknown",
            10.0,
            whole=100,
            match_kinds=frozenset({"header"}),
            match_operators=frozenset({"exact"}),
            most_matches=1,
            match_with_weight=False,
            bindings=APIG_BINDINGS,
            serves_by_name=True,
            finds_other_clusters=True,
        ),
    )
}


def named(name: str) -> Controller:
    return _CONTROLLERS[name]


def identify(ingress: Object, find_class: t.Callable[[], Object | None] = lambda: None) -> Controller:
    """Return the controller that serves an Ingress: it is bound to its gateway, has its status, or is of its class.

    find_class: asks for the Ingress's class, and is called only when the Ingress itself tells nothing. A class of
    ingress-nginx tells nothing either, since Traefik serves those too: then it is ingress-nginx, unidentified.
    """
    if (ingress["metadata"].get("annotations") or {}).get(APIG_INSTANCE):
        return _CONTROLLERS["apig"]
    entries = [
        entry
        for entry in ingress["metadata"].get("managedFields") or ()
        if entry.get("subresource") == "status" and entry.get("manager") in _STATUS_WRITERS
    ]
    if entries:
        last = max(entries, key=lambda entry: str(entry.get("time", "")))
        return _CONTROLLERS[_STATUS_WRITERS[last["manager"]]]
    ingress_class = find_class()
    if ingress_class is not None and serving(ingress_class) == "apig":
        return _CONTROLLERS["apig"]
    return dataclasses.replace(_CONTROLLERS["ingress-nginx"], identified=False)


def serving(ingress_class: Object) -> str | None:
    """Return whose class this is by its spec.controller; None when that is nobody who reads canary annotations."""
    program = str(ingress_class["spec"].get("controller", ""))
    return next((name for part, name in _CLASS_CONTROLLERS.items() if part in program), None)


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
    return _seconds_to_two(now - max(times, default=0.0))


def seconds_to_be_older(ingress: Object, now: float) -> float:
    """Return how long to wait so that an Ingress made then is surely younger; `now` in seconds since 1970."""
    made = ingress["metadata"].get("creationTimestamp")
    return _seconds_to_two(now - datetime.datetime.fromisoformat(made).timestamp()) if made else 0.0


def _seconds_to_two(age: float) -> float:
    return 2.0 - age if 0 <= age < 2 else 0.0
