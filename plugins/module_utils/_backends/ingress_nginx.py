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

import dataclasses
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _ingress_controller as controllers
from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    Annotated,
    canary_ingress,
    services_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Live, Snapshot
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_objects import IngressObjects
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_preflight import findings_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_scene import Scene, Setting
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import (
    move_selector,
    pods_of,
    selector_of,
    selector_words,
    wait_for_endpoints,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._versions import version_of
from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    NotReady,
    StillServing,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, last_writer, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    EVERYTHING,
    NOTHING,
    Change,
    Finding,
    Match,
    Split,
    Weight,
)

_ENDPOINT_SECONDS: t.Final = 60.0


class IngressNginx(IngressObjects):
    """Everything by two Ingresses and two Services in the application's namespace."""

    name = "ingress_nginx"

    def preflight(self) -> tuple[Finding, ...]:
        try:
            main, routes = self.main, self.stable_routes()
        except (TargetNotFound, AmbiguousTarget) as error:
            return (Finding("error", error.code, error.message, "Without it nothing else can be looked at."),)
        controller, given = self.controller, self.named_controller is not None
        setting = Setting(self.target, main, routes, self.canary_name, self.prefix, controller, given)
        return findings_of(Scene.look(self.cluster, setting))

    def set(
        self, *, weight: Weight | None = None, matches: t.Sequence[Match] | None = None, expect: Weight | None = None
    ) -> Change:
        # Both controllers can do the same, so that this needs no read.
        controllers.named("ingress-nginx").capabilities.require(weight or NOTHING, matches or (), self.name)
        canary = self.find_canary()
        if canary is None:
            return self._attach(weight or NOTHING, matches or (), expect)
        self.require_own_version(canary)
        before = self.split(canary)
        self.require_expected(before, expect, canary, self.weight_field)
        return self._annotate(canary, before, Annotated.read(self.prefix, canary).with_split(weight, matches))

    def promote(self) -> Change:
        canary = self.find_canary()
        before, stable, wanted = self.split(canary), self.get_stable(canary), selector_of(self.get_canary_service())
        differences: tuple[Difference, ...] = ()
        if selector_of(stable) != wanted:
            if canary is None or before.weight != EVERYTHING:
                raise Conflict(
                    f"{words(stable)} can be moved to {self.target.canary_service} when that has all traffic, and it "
                    f"has {before.weight}. Nothing was changed; give it a weight of 100 first.",
                    found=before.weight.as_percent(),
                )
            self.require_own_version(canary)
            self._require_pods(stable, wanted)
            differences = (move_selector(self.cluster, stable, wanted),)
        self._wait_for_endpoints(stable, wanted)
        if differences:
            # The next step takes the weight off, and the controller learns of endpoints and of weights by separate
            # watches: it has to know the endpoints first, or the old version answers once more.
            self._pause(self.controller.propagation_seconds)
        after = dataclasses.replace(before, stable_version=version_of({**stable, "spec": {"selector": wanted}}))
        return Change(before, after, differences)

    def detach(self) -> Change:
        canary = self.find_canary()
        before = self.split(canary)
        if canary is None:
            return Change(before, before)
        self.require_own_version(canary)
        annotated = Annotated.read(self.prefix, canary)
        if annotated.gives_traffic and not self.is_promoted(canary):
            raise StillServing(
                f"{words(canary)} still gives {before}, and Service {before.stable} selects other pods. Nothing was "
                "changed; take the traffic back with weight 0 and no matches, or promote the canary.",
                weight=before.weight.as_percent(),
            )
        if annotated.gives_traffic:
            # Deleting an Ingress that carries traffic drops an upstream in use. Without traffic it does not, once
            # the controller knows.
            self._annotate(canary, before, annotated.with_split(NOTHING, ()))
            self._pause(self.controller.propagation_seconds)
        else:
            self._keep_apart(canary)
        self.cluster.delete(canary)
        after = Split(before.stable, None, NOTHING, stable_version=before.stable_version)
        return Change(before, after, (Difference(words(canary), canary, None, f"{before} -> {after}"),))

    def serves(self, service: str) -> bool:
        canary = self.find_canary()
        stable = self.stable_service(canary)
        if service == stable:
            return True
        if canary and service in services_of(canary) and Annotated.read(self.prefix, canary).gives_traffic:
            return True
        ingresses = self.cluster.search("Ingress", self.target.namespace)
        if any(service in services_of(item) for item in ingresses if item["metadata"]["name"] != self.canary_name):
            return True
        item, main = self.find_service(service), self.find_service(stable)
        if item is None or main is None:
            return False
        # The stable Service reaches this one's pods when it asks for nothing that they lack.
        asked = selector_of(main)
        return bool(asked) and asked.items() <= selector_of(item).items()

    def snapshot(self) -> Snapshot:
        canary = self.find_canary()
        stable = self.get_stable(canary)
        values: Object = {"annotations": None, "service": None}
        if canary is not None:
            annotations = dict(Annotated.read(self.prefix, canary).values)
            values = {"annotations": annotations, "service": next(iter(services_of(canary)), None)}
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
        before = self.observe()
        differences = self._restore_annotations(before, entries["Ingress"]["values"])
        if selector_of(stable) != selector:
            differences += (move_selector(self.cluster, stable, selector),)
            self._wait_for_endpoints(stable, selector)
            self._pause(self.controller.propagation_seconds)
        return Change(before, self.observe(), differences)

    def wait_accepted(self, seconds: float) -> Live:
        return Live("written", 0.0, "an Ingress has no status that tells of its annotations; samples do")

    # writing

    def _attach(self, weight: Weight, matches: t.Sequence[Match], expect: Weight | None) -> Change:
        routes, before = self.stable_routes(), self.split(None)
        self.require_expected(before, expect, self.main)
        if selector_of(self.get_stable(None)) == selector_of(self.get_canary_service()):
            raise Conflict(
                f"Service {self.target.namespace}/{before.stable} selects the pods of {self.target.canary_service} "
                f"already: {self.target.version} is the stable version. Nothing was changed."
            )
        annotated = Annotated.none(self.prefix).with_split(weight, matches)
        item = canary_ingress(self.canary_name, self.main, routes, self.target.canary_service, annotated)
        after = self.with_canary(before, item)
        difference = self.cluster.apply(item)
        difference.words = f"{before} -> {after}"
        return Change(before, after, (difference,))

    def _annotate(self, canary: Object, before: Split, wanted: Annotated) -> Change:
        operations = Annotated.read(self.prefix, canary).operations_to(wanted)
        if not operations:
            return Change(before, before)
        self._keep_apart(canary)
        try:
            written = self.cluster.patch(canary, operations)
        except Conflict as conflict:
            found = self.find_canary()
            if found is None or Annotated.read(self.prefix, found).operations_to(wanted):
                raise self._changed_meanwhile(before) or conflict from conflict
            written = found  # a patch whose answer was lost is sent again, and then fails on its own success
        after = self.with_canary(before, written)
        return Change(before, after, (Difference(words(canary), canary, written, f"{before} -> {after}"),))

    def _changed_meanwhile(self, before: Split) -> Conflict | None:
        canary = self.find_canary()
        found = self.split(canary)
        if canary is None or found == before:
            return None
        writer = last_writer(canary, other_than=FIELD_MANAGER, field=self.weight_field)
        return Conflict(
            f"{words(canary)} was changed while this was about to write: from {before} to {found}"
            f"{f', by {writer}' if writer else ''}. Nothing was changed; look at it, and run again if it is right.",
            found=found.weight.as_percent(),
            writer=writer,
        )

    def _restore_annotations(self, before: Split, values: t.Mapping[str, t.Any]) -> tuple[Difference, ...]:
        canary = self.find_canary()
        old = None if values["annotations"] is None else Annotated(self.prefix, values["annotations"])
        if old is not None and old.gives_traffic and (canary is None or values["service"] not in services_of(canary)):
            raise Conflict(
                f"the snapshot has a canary {values['service']} with traffic, and Ingress {self.target.namespace}/"
                f"{self.canary_name} does not lead to it any more. Nothing was changed; attach it with state split."
            )
        if canary is None:
            return ()
        wanted = old or Annotated.read(self.prefix, canary).with_split(NOTHING, ())
        return self._annotate(canary, before, wanted).differences

    def _require_restorable(self, stable: Object, uid: str, selector: dict[str, str]) -> None:
        if stable["metadata"].get("uid", uid) != uid:
            raise Conflict(f"{words(stable)} is not the one of the snapshot; it was made anew. Nothing was changed.")
        if selector_of(stable) != selector:
            self._require_pods(stable, selector)

    def _require_pods(self, service: Object, selector: dict[str, str]) -> None:
        if self.cluster.check_mode or pods_of(self.cluster, self.target.namespace, selector):
            return
        raise NotReady(
            f"{words(service)} cannot select {selector_words(selector)}: no pod of those is ready, and every request "
            "would fail. Nothing was changed; scale that version up and wait for it."
        )

    # waiting

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


def _entry(kind: str, namespace: str, name: str, item: Object | None, values: t.Mapping[str, t.Any]) -> Object:
    uid = None if item is None else item["metadata"].get("uid")
    return {"kind": kind, "namespace": namespace, "name": name, "uid": uid, "values": values}
