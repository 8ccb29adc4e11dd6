# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Splits by the canary annotations of ingress-nginx. Private to the gradual.canary collection.

The user's main Ingress points at the user's stable Service, whose selector names the stable version; neither is edited
during a split. The canary is a second Ingress of ours that points at the canary's own Service. Promotion moves the
selector of the stable Service to the canary's pods: only endpoints change, so nothing is reloaded and no upstream
vanishes, as happens when the main Ingress itself is edited.
"""

from __future__ import annotations

import functools
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _ingress_controller as controllers
from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    STABLE_ANNOTATION,
    Annotated,
    Route,
    annotations_of,
    canary_ingress,
    is_ours,
    routes_of,
    stable_routes,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Live, Snapshot
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_preflight import Scene, Setting
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import (
    move_selector,
    pods_of,
    selector_of,
    wait_for_endpoints,
)
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    ForeignOwner,
    NotReady,
    StillServing,
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

_ENDPOINT_SECONDS: t.Final = 60.0


class IngressNginx(Backend):
    """Everything by two Ingresses and two Services in the application's namespace."""

    name = "ingress_nginx"
    OPTIONS: t.ClassVar[dict[str, dict[str, t.Any]]] = {
        "ingress": {"type": "str", "required": True},
        "canary_ingress": {"type": "str"},
        "service": {"type": "str"},
        "annotations_prefix": {"type": "str", "default": "nginx.ingress.kubernetes.io"},
        "controller": {"type": "str", "choices": ["auto", *controllers.NAMES], "default": "auto"},
    }

    @property
    def capabilities(self) -> Capabilities:
        return self.controller.capabilities

    @functools.cached_property
    def controller(self) -> controllers.Controller:
        """The program that serves the main Ingress: the one the options name, else the one the cluster tells of."""
        option = self.options.get("controller") or "auto"
        return controllers.identify(self.main) if option == "auto" else controllers.named(option)

    @functools.cached_property
    def main(self) -> Object:
        item = self.cluster.find("Ingress", self.options["ingress"], self.target.namespace)
        if item is None:
            raise TargetNotFound(
                f"ingress_nginx: there is no Ingress {self.target.namespace}/{self.options['ingress']} on "
                f"{self.cluster.server}; name the one that serves the application with backend.ingress"
            )
        return item

    @property
    def prefix(self) -> str:
        return str(self.options.get("annotations_prefix") or self.OPTIONS["annotations_prefix"]["default"])

    @property
    def canary_name(self) -> str:
        return str(self.options.get("canary_ingress") or f"{self.options['ingress']}-canary")

    def observe(self) -> Split:
        canary = self._find_canary()
        return Split(self._stable_service(None), None, NOTHING) if canary is None else self._split(canary)

    def preflight(self) -> tuple[Finding, ...]:
        try:
            main, routes = self.main, self.stable_routes()
        except (TargetNotFound, AmbiguousTarget) as error:
            return (Finding("error", error.code, error.message, "Without it nothing else can be looked at."),)
        given = self.options.get("controller") not in (None, "auto")
        setting = Setting(self.target, main, routes, self.canary_name, self.prefix, self.controller, given)
        return Scene.look(self.cluster, setting).findings()

    def set(
        self, *, weight: Weight | None = None, matches: t.Sequence[Match] | None = None, expect: Weight | None = None
    ) -> Change:
        self._require_representable(weight, matches)
        canary = self._find_canary()
        if canary is None:
            return self._attach(weight or NOTHING, matches or (), expect)
        self._require_own_version(canary)
        before = self._split(canary)
        self.require_expected(before, expect, canary)
        return self._annotate(canary, Annotated.read(self.prefix, canary).with_split(weight, matches))

    def promote(self) -> Change:
        canary = self._find_canary()
        stable, wanted = self._stable(canary), selector_of(self._canary_service())
        before = self.observe() if canary is None else self._split(canary)
        old = selector_of(stable)
        differences: tuple[Difference, ...] = ()
        if old != wanted:
            if before.canary is None or before.weight != EVERYTHING:
                raise Conflict(
                    f"{words(stable)} can be moved to {self.target.canary_service} when that has all traffic, and it "
                    f"has {before.weight}. Nothing was changed; give it a weight of 100 first.",
                    found=before.weight.as_percent(),
                )
            self._require_own_version(t.cast("Object", canary))
            differences = (move_selector(self.cluster, stable, wanted),)
        self._wait_for_endpoints(stable, wanted)
        if differences:
            # The next step takes the weight off, and the controller learns of endpoints and of weights by separate
            # watches: it has to know the endpoints first, or the old version answers once more.
            self._pause(self.controller.propagation_seconds)
        return Change(before, before, differences)

    def detach(self) -> Change:
        canary = self._find_canary()
        if canary is None:
            split = self.observe()
            return Change(split, split)
        self._require_own_version(canary)
        before, after = self._split(canary), Split(self._stable_service(canary), None, NOTHING)
        if Annotated.read(self.prefix, canary).gives_traffic:
            if not self._is_promoted(canary):
                raise StillServing(
                    f"{words(canary)} still gives {before}, and Service {before.stable} selects other pods. Nothing "
                    "was changed; take the traffic back with weight 0 and no matches, or promote the canary.",
                    weight=before.weight.as_percent(),
                )
            # Deleting an Ingress that carries traffic drops an upstream in use. Without traffic it does not, once
            # the controller knows.
            self._annotate(canary, Annotated.read(self.prefix, canary).with_split(NOTHING, ()))
            self._pause(self.controller.propagation_seconds)
        else:
            self._keep_apart(canary)
        self.cluster.delete(canary)
        return Change(before, after, (Difference(words(canary), canary, None, f"{before} -> {after}"),))

    def serves(self, service: str) -> bool:
        canary = self._find_canary()
        stable = self._stable_service(canary)
        if service == stable:
            return True
        if canary is not None and Annotated.read(self.prefix, canary).gives_traffic and service in _services(canary):
            return True
        ingresses = self.cluster.search("Ingress", self.target.namespace)
        if any(service in _services(item) for item in ingresses if item["metadata"]["name"] != self.canary_name):
            return True
        item, main = self._find_service(service), self._find_service(stable)
        if item is None or main is None:
            return False
        # The stable Service reaches this one's pods when it asks for nothing that they lack.
        asked = selector_of(main)
        return bool(asked) and asked.items() <= selector_of(item).items()

    def snapshot(self) -> Snapshot:
        canary = self._find_canary()
        stable = self._stable(canary)
        values: Object = {"annotations": None, "service": None}
        if canary is not None:
            annotated = Annotated.read(self.prefix, canary)
            values = {"annotations": dict(annotated.values), "service": self._split(canary).canary}
        return Snapshot(
            self.name,
            (
                _entry("Ingress", self.target.namespace, self.canary_name, canary, values),
                _entry("Service", self.target.namespace, stable["metadata"]["name"], stable, selector_of(stable)),
            ),
        )

    def restore(self, snapshot: Snapshot) -> Change:
        entries = {entry["kind"]: entry for entry in snapshot.objects}
        stable = self.cluster.get("Service", entries["Service"]["name"], self.target.namespace)
        selector = dict(entries["Service"]["values"])
        self._require_restorable(stable, entries["Service"]["uid"], selector)
        before, differences = self.observe(), self._restore_annotations(entries["Ingress"]["values"])
        if selector_of(stable) != selector:
            differences += (move_selector(self.cluster, stable, selector),)
            self._wait_for_endpoints(stable, selector)
            self._pause(self.controller.propagation_seconds)
        return Change(before, self.observe(), differences)

    def wait_accepted(self, seconds: float) -> Live:
        return Live("written", 0.0, "an Ingress has no status that tells of its annotations; samples do")

    # reading

    def _find_canary(self) -> Object | None:
        item = self.cluster.find("Ingress", self.canary_name, self.target.namespace)
        if item is not None and not is_ours(item):
            raise ForeignOwner(
                f"{words(item)} was not made by this collection (it has no label {MANAGED_BY_LABEL}={MANAGED_BY}). "
                "Nothing was changed; remove it, or give another name with backend.canary_ingress."
            )
        return item

    def is_stable(self, service: str) -> bool:
        """Say whether a path to this Service is one whose traffic is split."""
        named = self.options.get("service")
        return service == named if named else self.target.is_service(service)

    def stable_routes(self) -> tuple[Route, ...]:
        return stable_routes(self.main, self.is_stable)

    def _stable_service(self, canary: Object | None) -> str:
        recorded = annotations_of(canary).get(STABLE_ANNOTATION) if canary is not None else None
        return recorded or self.stable_routes()[0].service

    def _find_service(self, name: str) -> Object | None:
        return self.cluster.find("Service", name, self.target.namespace)

    def _stable(self, canary: Object | None) -> Object:
        return self.cluster.get("Service", self._stable_service(canary), self.target.namespace)

    def _canary_service(self) -> Object:
        return self.cluster.get("Service", self.target.canary_service, self.target.namespace)

    def _split(self, canary: Object) -> Split:
        annotated = Annotated.read(self.prefix, canary)
        service = next(iter(_services(canary)), None)
        return Split(self._stable_service(canary), service, annotated.weight, annotated.matches, raw=annotated.raw)

    def _is_promoted(self, canary: Object) -> bool:
        """Say whether the stable Service has the canary's pods; without a canary Service there are none to lose."""
        service = self._find_service(self.target.canary_service)
        return service is None or selector_of(self._stable(canary)) == selector_of(service)

    # writing

    def _attach(self, weight: Weight, matches: t.Sequence[Match], expect: Weight | None) -> Change:
        routes = self.stable_routes()
        before = Split(routes[0].service, None, NOTHING)
        self.require_expected(before, expect, self.main)
        if selector_of(self._stable(None)) == selector_of(self._canary_service()):
            raise Conflict(
                f"Service {self.target.namespace}/{before.stable} selects the pods of {self.target.canary_service} "
                f"already: {self.target.version} is the stable version. Nothing was changed."
            )
        annotated = Annotated.none(self.prefix).with_split(weight, matches)
        item = canary_ingress(self.canary_name, self.main, routes, self.target.canary_service, annotated)
        after = Split(before.stable, self.target.canary_service, weight, annotated.matches, raw=annotated.raw)
        difference = self.cluster.apply(item)
        difference.words = f"{before} -> {after}"
        return Change(before, after, (difference,))

    def _annotate(self, canary: Object, wanted: Annotated) -> Change:
        before = self._split(canary)
        operations = Annotated.read(self.prefix, canary).operations_to(wanted)
        if not operations:
            return Change(before, before)
        self._keep_apart(canary)
        written = self.cluster.patch(canary, operations)
        after = self._split(written)
        return Change(before, after, (Difference(words(canary), canary, written, f"{before} -> {after}"),))

    def _restore_annotations(self, values: t.Mapping[str, t.Any]) -> tuple[Difference, ...]:
        canary = self._find_canary()
        old = None if values["annotations"] is None else Annotated(self.prefix, values["annotations"])
        if old is not None and old.gives_traffic and (canary is None or values["service"] not in _services(canary)):
            raise Conflict(
                f"the snapshot has a canary {values['service']} with traffic, and Ingress {self.target.namespace}/"
                f"{self.canary_name} does not lead to it any more. Nothing was changed; attach it with state split."
            )
        if canary is None:
            return ()
        wanted = old or Annotated.read(self.prefix, canary).with_split(NOTHING, ())
        return self._annotate(canary, wanted).differences

    # guards

    def _require_representable(self, weight: Weight | None, matches: t.Sequence[Match] | None) -> None:
        """Raise InvalidSplit for what no controller can represent; needs no read, for both can do the same."""
        controllers.named("ingress-nginx").capabilities.require(weight or NOTHING, matches or (), self.name)

    def _require_own_version(self, canary: Object) -> None:
        if self.target.canary_service not in _services(canary):
            raise Conflict(
                f"{words(canary)} leads to {', '.join(_services(canary)) or 'no Service'} and not to "
                f"{self.target.canary_service}: another version is being released. Nothing was changed; finish or "
                "abort that release first."
            )

    def _require_restorable(self, stable: Object, uid: str, selector: dict[str, str]) -> None:
        if stable["metadata"].get("uid") != uid:
            raise Conflict(f"{words(stable)} is not the one of the snapshot; it was made anew. Nothing was changed.")
        if selector_of(stable) == selector or pods_of(self.cluster, self.target.namespace, selector):
            return
        raise NotReady(
            f"{words(stable)} cannot select {selector} again: no pod of those is ready, and every request would fail. "
            "Nothing was changed; scale that version up and wait for it."
        )

    def _keep_apart(self, canary: Object) -> None:
        """Wait so that two changes of one canary Ingress are not within one second, where ingress-nginx loses one."""
        seconds = controllers.seconds_to_wait(canary, time.time())
        if seconds > 0 and self.controller.seconds_between_writes:
            self._pause(seconds)

    def _wait_for_endpoints(self, service: Object, selector: dict[str, str]) -> None:
        if not self.cluster.check_mode:
            name = service["metadata"]["name"]
            wait_for_endpoints(self.cluster, self.target.namespace, name, selector, _ENDPOINT_SECONDS)

    def _pause(self, seconds: float) -> None:
        if not self.cluster.check_mode:
            time.sleep(seconds)


def _services(ingress: Object) -> list[str]:
    return sorted({route.service for route in routes_of(ingress)})


def _entry(kind: str, namespace: str, name: str, item: Object | None, values: t.Mapping[str, t.Any]) -> Object:
    uid = None if item is None else item["metadata"].get("uid")
    return {"kind": kind, "namespace": namespace, "name": name, "uid": uid, "values": values}
