# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split by the weights of an HTTPRoute (Gateway API v1). Private to the gradual.canary collection.

The split is one rule with references to the stable and to the canary Service; its weights are written in basis points
with the sum 10000, which every implementation represents. Match routes are rules of their own before it. Each change
is one read and one guarded JSON patch: the rules are one atomic list, so server-side apply would take it all.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _http_route_status as route_status
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import (
    Live,
    MirroringBackend,
    Snapshot,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._gateway_controllers import capabilities_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._gateway_preflight import Preflight
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route import SplitRule, State
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_mirrors import PERCENTAGE_FEATURE
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_references import reaches
from ansible_collections.gradual.canary.plugins.module_utils._backends._refusals import (
    overtaken,
    require_same_object,
    require_unserved,
)
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    Conflict,
    Degraded,
    Forbidden,
    InvalidInput,
    NotLive,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    EVERYTHING,
    NOTHING,
    Capabilities,
    Change,
    Finding,
    Match,
    Split,
    Weight,
)

_FIELD: t.Final = ("spec", "rules")
"""The part of the object with the weights, as managedFields has it: the list is atomic."""

_STATUS_SECONDS: t.Final = 5.0
"""How long a preflight waits for the first word of a route's controller; on the lab it takes 0.1 s at most."""

_ATTEMPTS: t.Final = 4
"""Patches of one change when others keep writing to the route without touching the split."""


class GatewayApi(MirroringBackend):
    """An HTTPRoute that serves one application."""

    name: t.ClassVar[str] = "gateway_api"
    OPTIONS: t.ClassVar[dict[str, dict[str, t.Any]]] = {
        "route": {"type": "str"},
        "route_namespace": {"type": "str"},
        "rule": {"type": "str"},
    }

    _latest: Object | None = None
    """The route as it was last read or written."""

    _observed: Object | None = None
    """The route as it was observed, until a change or a preflight follows."""

    @property
    def route_namespace(self) -> str:
        return str(self.options.get("route_namespace") or self.target.namespace)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities(self._latest or self._read())

    def observe(self) -> Split:
        self._observed = self._read()
        return self._find(self._observed).split

    def preflight(self) -> tuple[Finding, ...]:
        self._observed = None
        try:
            route = self._read()
        except TargetNotFound as error:
            return (Finding("error", error.code, error.message, "Create the HTTPRoute, or correct backend.route."),)
        if not self.cluster.check_mode and _pending(route):
            # A route written a moment ago: its controller is given the time to say something.
            self.cluster.wait(
                "HTTPRoute",
                self.route_namespace,
                lambda routes: not any(_pending(each) for each in routes),
                seconds=_STATUS_SECONDS,
                fields=f"metadata.name={self._route_name()}",
            )
            route = self._read()
        return tuple(Preflight(self.cluster, self.target).findings(route, self.options.get("rule")))

    def set(
        self,
        *,
        weight: Weight | None = None,
        matches: t.Sequence[Match] | None = None,
        expect: Weight | None = None,
        mirror: Weight | None = None,
    ) -> Change:
        """Write weight, match routes and copies in one patch. See the contract.

        Degraded when the weight or the copies are to rise while the controller says that a reference leads nowhere:
        some answer 500 for the canary's share then, some give it all to stable, some answer 500 for the whole rule.
        """

        def plan(rule: SplitRule) -> State:
            self.require_expected(rule.split, expect, rule.route, _FIELD)
            if matches:  # any weight can be written: the sum is 10000
                self._capabilities(rule.route).require(weight or NOTHING, matches, rule.where)
            if mirror is not None and mirror != rule.split.mirror:
                self._require_mirror(mirror, rule)
            if (weight or NOTHING) > rule.split.weight or (mirror or NOTHING) > rule.split.mirror:
                # Only what is said about the route as it is now; a canary attached in this very write has no status.
                _require_none(route_status.parents(rule.route), "unresolved", rule.route)
            return rule.sharing(weight, matches, mirror)

        return self._reach(plan)

    def promote(self) -> Change:
        return self._reach(SplitRule.promoted)

    def detach(self) -> Change:
        return self._reach(_detached)

    def serves(self, service: str) -> bool:
        """Say whether any HTTPRoute in the application's or the route's namespace sends requests to a Service."""
        return any(
            reaches(route, service, self.target.namespace)
            for namespace in sorted({self.target.namespace, self.route_namespace})
            for route in self.cluster.search("HTTPRoute", namespace)
        )

    def snapshot(self) -> Snapshot:
        route = self._read()
        state = self._find(route).state
        metadata = route["metadata"]
        values = {"references": state.references, "match_rules": state.match_rules, "mirrors": state.mirrors}
        place = {"kind": "HTTPRoute", "namespace": metadata["namespace"], "name": metadata["name"]}
        return Snapshot(self.name, ({**place, "uid": metadata.get("uid"), "values": values},))

    def restore(self, snapshot: Snapshot) -> Change:
        saved = next((item for item in snapshot.objects if item["name"] == self._route_name()), None)
        if saved is None:
            raise InvalidInput(f"the snapshot has no HTTPRoute {self._route_name()!r}; it is of another release")
        values = saved["values"]
        wanted = State(list(values["references"]), list(values["match_rules"]), list(values.get("mirrors") or ()))

        def plan(rule: SplitRule) -> State:
            require_same_object(rule.route, saved)
            return wanted

        return self._reach(plan)

    def wait_accepted(self, seconds: float) -> Live:
        if self.cluster.check_mode:
            return Live("written", 0.0, "check mode: there is nothing to wait for")
        started = time.monotonic()
        seen: list[route_status.Parent] = []

        def accepted(routes: list[Object]) -> bool:
            if not routes:
                raise TargetNotFound(f"HTTPRoute {self.route_namespace}/{self._route_name()} was deleted meanwhile")
            seen[:] = route_status.parents(routes[0])
            _require_none(seen, "refused", routes[0])
            return bool(seen) and all(parent.state == "accepted" for parent in seen)

        routes = self.cluster.wait(
            "HTTPRoute",
            self.route_namespace,
            accepted,
            seconds=seconds,
            fields=f"metadata.name={self._route_name()}",
            since=self._latest,
        )
        passed = time.monotonic() - started
        if routes is not None:
            said = "; ".join(f"{parent}: {parent.detail}" for parent in seen if parent.detail)
            return Live("accepted", passed, said or f"accepted by {', '.join(map(str, seen))}")
        where = f"HTTPRoute {self.route_namespace}/{self._route_name()}"
        unresolved = [parent for parent in seen if parent.state == "unresolved"]
        if unresolved:
            raise _degraded(where, unresolved)
        waiting = "; ".join(f"{parent}: {parent.detail}" for parent in seen if parent.state == "pending")
        raise NotLive(
            f"{where} was written but not accepted within {seconds:g} s: {waiting or 'it has no parentRefs'}. "
            "Check that the controller runs and that the Gateway is Programmed.",
            seconds=seconds,
        )

    # reading and writing

    def _route_name(self) -> str:
        name = self.options.get("route")
        if not name:
            raise InvalidInput("backend.route is missing: the name of the HTTPRoute that serves the application")
        return str(name)

    def _read(self) -> Object:
        route = self.cluster.find("HTTPRoute", self._route_name(), self.route_namespace)
        if route is None:
            raise TargetNotFound(
                f"there is no HTTPRoute {self._route_name()!r} in namespace {self.route_namespace} on "
                f"{self.cluster.server}; backend.route and backend.route_namespace say which one serves the application"
            )
        self._latest = route
        return route

    def _find(self, route: Object) -> SplitRule:
        return SplitRule.find(route, self.target, self.options.get("rule"))

    def _reach(self, plan: t.Callable[[SplitRule], State]) -> Change:
        """Bring the route to the planned state: one read, one patch; both again while only other parts changed.

        Who has just observed the route decided by that, so the change starts from there: the patch tests that it is so.
        """
        first = rule = self._find(self._observed or self._read())
        self._observed = None
        before = first.split
        for attempt in range(1, _ATTEMPTS + 1):
            wanted = plan(rule)
            operations = rule.operations(wanted)
            if not operations:
                return self._change(before, first.route, rule)
            try:
                self._latest = self.cluster.patch(rule.route, operations)
                return self._change(before, first.route, self._find(self._latest))
            except Conflict as conflict:
                rule = self._find(self._read())
                if rule.state == wanted:
                    # A patch whose answer was lost is sent again, and then fails on its own success.
                    return self._change(before, first.route, rule)
                if rule.split != before or attempt == _ATTEMPTS:
                    raise overtaken(before, rule.split, rule.route, _FIELD) from conflict
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def _change(before: Split, route: Object, rule: SplitRule) -> Change:
        after = rule.split
        return Change(before, after, (Difference(words(route), route, rule.route, f"{before} -> {after}"),))

    def _capabilities(self, route: Object) -> Capabilities:
        controllers = {parent.controller for parent in route_status.parents(route) if parent.controller}
        # A route without a status is new or rehearsed: then its Gateways' classes tell.
        return capabilities_of(controllers or {str(kind["spec"]["controllerName"]) for kind in self._classes(route)})

    def _require_mirror(self, mirror: Weight, rule: SplitRule) -> None:
        """Raise Unsupported when a controller copies nothing, or would copy all requests instead of this share.

        Whether it looks at the share depends on its version too, and its GatewayClass tells.
        """
        able = self._capabilities(rule.route)
        if able.mirror == "any" and mirror not in (NOTHING, EVERYTHING):
            named = [_features(kind) for kind in self._classes(rule.route)]
            if not named or not all(PERCENTAGE_FEATURE in features for features in named):
                able = dataclasses.replace(able, mirror="all")
        able.require_mirror(mirror, rule.where, "its controller is not among those known to do it")

    def _classes(self, route: Object) -> list[Object]:
        """Return the GatewayClasses of a route's Gateways, as far as they may be looked at."""
        found = []
        for parent in route_status.parents(route):
            try:
                gateway = self.cluster.find("Gateway", parent.name, parent.namespace)
                kind = gateway and self.cluster.find("GatewayClass", gateway["spec"]["gatewayClassName"])
            except Forbidden:
                kind = None
            if kind:
                found.append(kind)
        return found


def _features(kind: Object) -> frozenset[str]:
    """Return the names of what a GatewayClass says that it supports."""
    listed = (kind.get("status") or {}).get("supportedFeatures") or []
    return frozenset(str(each.get("name")) if isinstance(each, dict) else str(each) for each in listed)


def _pending(route: Object) -> bool:
    return any(parent.state == "pending" for parent in route_status.parents(route))


def _detached(rule: SplitRule) -> State:
    require_unserved(rule.split, rule.where)
    return rule.detached()


def _require_none(parents: t.Sequence[route_status.Parent], state: str, route: Object) -> None:
    bad = [parent for parent in parents if parent.state == state]
    if bad:
        raise _degraded(words(route), bad)


def _degraded(where: str, parents: t.Sequence[route_status.Parent]) -> Degraded:
    said = "; ".join(f"{parent} says {parent.detail}" for parent in parents)
    return Degraded(
        f"{where} cannot be served as it is written: {said}. Mend what it names (a Service, its port, a "
        "ReferenceGrant, a value) and run again."
    )
