# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Splits by the canary annotations of ingress-nginx. Private to the gradual.canary collection.

The user's main Ingress points at the user's stable Service, whose selector names the stable version; neither is edited
during a split. The canary is a second Ingress of ours that points at the canary's own Service. Promotion moves the
selector of the stable Service to the canary's pods: only endpoints change, so nothing is reloaded and no upstream
vanishes, as happens when the main Ingress itself is edited. That is the other way, for those who ask for it.
"""

from __future__ import annotations

import dataclasses
import functools
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _ingress_controller as controllers
from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    Annotated,
    canary_ingress,
    is_ours,
    services_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Live, Snapshot
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_objects import IngressObjects
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_preflight import findings_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_promotion import (
    ByRepointing,
    BySelector,
    Promotion,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_scene import Scene, Setting
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import selector_of
from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    InvalidInput,
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


class IngressNginx(IngressObjects):
    """Everything by two Ingresses and two Services in the application's namespace."""

    name = "ingress_nginx"
    no_mirror = "its annotation mirror-target copies all requests of an Ingress or none, to a URL and not to a canary"

    @functools.cached_property
    def promotion(self) -> Promotion:
        return ByRepointing(self) if self.repoints else BySelector(self)

    def preflight(self) -> tuple[Finding, ...]:
        try:
            main, routes = self.main, self.stable_routes()
        except (TargetNotFound, AmbiguousTarget) as error:
            return (Finding("error", error.code, error.message, "Without it nothing else can be looked at."),)
        setting = Setting(
            self.target,
            main,
            routes,
            self.canary_name,
            self.prefix,
            self.controller,
            controller_given=self.named_controller is not None,
            repoints=self.repoints,
            accepts_affinity=self.options.get("session_affinity") == "accept",
        )
        return findings_of(Scene.look(self.placement, setting))

    def set(
        self, *, weight: Weight | None = None, matches: t.Sequence[Match] | None = None, expect: Weight | None = None
    ) -> Change:
        self._require_possible(weight or NOTHING, matches or ())
        canary = self.find_canary()
        if canary is None:
            return self._attach(weight or NOTHING, matches or (), expect)
        self.require_own_version(canary)
        before = self.split(canary)
        self.require_expected(before, expect, canary, self.weight_field)
        wanted = self._resplit(Annotated.read(self.prefix, canary), weight, matches)
        self._require_possible(wanted.weight, wanted.matches)
        return self._annotate(canary, before, wanted)

    def promote(self) -> Change:
        canary, promotion = self.find_canary(), self.promotion
        before, holder = self.split(canary), promotion.holder(canary)
        wanted = promotion.wanted(holder)
        if promotion.state(holder) == wanted:
            promotion.settle(holder, wanted)
            return Change(before, before)
        if canary is None or before.weight != EVERYTHING:
            raise Conflict(
                f"{words(holder)} can be moved to {self.target.canary_service} when that has all traffic, and it "
                f"has {before.weight}. Nothing was changed; give it a weight of 100 first.",
                found=before.weight.as_percent(),
            )
        self.require_own_version(canary)
        promotion.require_ready(holder, wanted, canary)
        differences = promotion.move(holder, wanted)
        # The next step takes the weight off, and the controller learns of endpoints and of weights by separate
        # watches: it has to know the endpoints first, or the old version answers once more.
        self._pause(self.controller.propagation_seconds)
        stable = self.target.canary_service if self.repoints else before.stable
        return Change(
            before, dataclasses.replace(before, stable=stable, stable_version=self.target.version), differences
        )

    def detach(self) -> Change:
        canary = self.find_canary()
        before = self.split(canary)
        if canary is None:
            return Change(before, before, self._clear_up())
        self.require_own_version(canary)
        annotated = Annotated.read(self.prefix, canary)
        if annotated.gives_traffic and not self.promotion.is_done(canary):
            raise StillServing(
                f"{words(canary)} still gives {before}, and Service {before.stable} selects other pods. Nothing was "
                "changed; take the traffic back with weight 0 and no matches, or promote the canary.",
                weight=before.weight.as_percent(),
            )
        if annotated.gives_traffic:
            # Deleting an Ingress that carries traffic drops an upstream in use. Without traffic it does not, once
            # the controller knows.
            self._annotate(canary, before, self._resplit(annotated, NOTHING, ()))
            self._pause(self.controller.propagation_seconds)
        else:
            self._keep_apart(canary)
        self.cluster.delete(canary)
        after = Split(before.stable, None, NOTHING, stable_version=before.stable_version)
        gone = Difference(words(canary), canary, None, f"{before} -> {after}")
        return Change(before, after, (gone, *self._clear_up()))

    def serves(self, service: str) -> bool:
        canary = self.find_canary()
        stable = self.stable_service(canary)
        if service == stable:
            return True
        if canary and service in services_of(canary) and Annotated.read(self.prefix, canary).gives_traffic:
            return True
        ours = (self.canary_name, self.keeper_name)
        namespace = self.target.namespace
        ingresses = self.cluster.search("Ingress", namespace)
        others = [item for item in ingresses if item["metadata"]["name"] not in ours or not is_ours(item)]
        others += [item for cluster in self.placement.foreign for item in cluster.search("Ingress", namespace)]
        if any(service in services_of(item) for item in others):
            return True
        item, main = self.find_service(service), self.find_service(stable)
        if item is None or main is None or not self.placement.together(namespace, service, stable):
            return False
        # The stable Service reaches this one's pods when it asks for nothing that they lack.
        asked = selector_of(main)
        return bool(asked) and asked.items() <= selector_of(item).items()

    def snapshot(self) -> Snapshot:
        canary, promotion = self.find_canary(), self.promotion
        holder = promotion.holder(canary)
        values: Object = {"annotations": None, "service": None}
        if canary is not None:
            annotations = dict(Annotated.read(self.prefix, canary).values)
            values = {"annotations": annotations, "service": next(iter(services_of(canary)), None)}
        return Snapshot(
            self.name,
            (
                _entry("Ingress", self.target.namespace, self.canary_name, canary, values),
                _entry(
                    promotion.kind,
                    self.target.namespace,
                    holder["metadata"]["name"],
                    holder,
                    promotion.state(holder),
                ),
            ),
        )

    def restore(self, snapshot: Snapshot) -> Change:
        promotion, (canary_entry, entry) = self.promotion, snapshot.objects
        if entry["kind"] != promotion.kind:
            raise Conflict(
                f"the snapshot has the {entry['kind']} that decided who is stable, and with backend.promotion "
                f"{self.options.get('promotion')} that is an object of kind {promotion.kind}. Nothing was changed; "
                "restore it with the promotion that it was taken with."
            )
        canary = self.find_canary()
        holder, state = promotion.holder(canary), entry["values"]
        self._require_own(canary_entry, self.canary_name)
        self._require_own(entry, holder["metadata"]["name"])
        if not promotion.knows(state):
            raise InvalidInput(
                f"the snapshot has none of the paths of {words(holder)} that lead to {self.target.app}; it is of "
                "another release. Nothing was changed; restore it with the options that it was taken with."
            )
        if holder["metadata"].get("uid", entry["uid"]) != entry["uid"]:
            raise Conflict(f"{words(holder)} is not the one of the snapshot; it was made anew. Nothing was changed.")
        moves = promotion.state(holder) != state
        if moves:
            promotion.require_ready(holder, state, canary)
        before = self.split(canary)
        differences = self._restore_annotations(canary, before, canary_entry["values"])
        if moves:
            differences += promotion.move(holder, state)
            self._pause(self.controller.propagation_seconds)
        return Change(before, self.observe(), differences)

    def wait_accepted(self, seconds: float) -> Live:
        return Live("written", 0.0, "an Ingress has no status that tells of its annotations; samples do")

    # writing

    def _attach(self, weight: Weight, matches: t.Sequence[Match], expect: Weight | None) -> Change:
        routes, before = self.stable_routes(), self.split(None)
        self.require_expected(before, expect, self.main)
        stable, canary = self.get_stable(None), self.get_canary_service()
        together = self.placement.together(self.target.namespace, before.stable, self.target.canary_service)
        if together and selector_of(stable) == selector_of(canary):
            raise Conflict(
                f"Service {self.target.namespace}/{before.stable} selects the pods of {self.target.canary_service} "
                f"already: {self.target.version} is the stable version. Nothing was changed."
            )
        annotated = self._resplit(Annotated.none(self.prefix), weight, matches)
        if self.repoints and self.controller.forgets_upstreams:
            # Both will name one Service, and the main Ingress has to be the older one of them then.
            self._pause(controllers.seconds_to_be_older(self.main, time.time()))
        service, bindings = self.target.canary_service, self.controller.bindings
        item = canary_ingress(self.canary_name, self.main, routes, service, annotated, bindings)
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

    def _require_own(self, entry: t.Mapping[str, t.Any], name: str) -> None:
        """Raise InvalidInput when an entry of a snapshot is of another object than the one that is meant here."""
        if (entry["namespace"], entry["name"]) != (self.target.namespace, name):
            raise InvalidInput(
                f"the snapshot has no {entry['kind']} {self.target.namespace}/{name} but {entry['namespace']}/"
                f"{entry['name']}; it is of another release. Nothing was changed; restore it with the options that it "
                "was taken with."
            )

    def _restore_annotations(
        self, canary: Object | None, before: Split, values: t.Mapping[str, t.Any]
    ) -> tuple[Difference, ...]:
        old = None if values["annotations"] is None else Annotated(self.prefix, values["annotations"])
        if old is not None and old.gives_traffic and (canary is None or values["service"] not in services_of(canary)):
            raise Conflict(
                f"the snapshot has a canary {values['service']} with traffic, and Ingress {self.target.namespace}/"
                f"{self.canary_name} does not lead to it any more. Nothing was changed; attach it with state split."
            )
        if canary is None:
            return ()
        wanted = old or self._resplit(Annotated.read(self.prefix, canary), NOTHING, ())
        return self._annotate(canary, before, wanted).differences

    def _resplit(self, annotated: Annotated, weight: Weight | None, matches: t.Sequence[Match] | None) -> Annotated:
        return annotated.with_split(weight, matches, self.controller.whole)

    def _require_possible(self, weight: Weight, matches: t.Sequence[Match]) -> None:
        self.controller.capabilities.require(weight, matches, f"{self.name} on {self.controller.name}")

    def _clear_up(self) -> tuple[Difference, ...]:
        """Delete what the promotion made for its own time only."""
        leftovers = self.promotion.leftovers()
        for item in leftovers:
            self.cluster.delete(item)
        return tuple(Difference(words(item), item, None) for item in leftovers)

    # waiting

    def _keep_apart(self, canary: Object) -> None:
        """Wait so that two changes of one canary Ingress are not within one second, where ingress-nginx loses one."""
        seconds = controllers.seconds_to_wait(canary, time.time())
        if seconds > 0 and self.controller.seconds_between_writes:
            self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        if not self.cluster.check_mode:
            time.sleep(seconds)


def _entry(kind: str, namespace: str, name: str, item: Object | None, values: t.Any) -> Object:
    uid = None if item is None else item["metadata"].get("uid")
    return {"kind": kind, "namespace": namespace, "name": name, "uid": uid, "values": values}
