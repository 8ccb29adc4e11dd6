# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VirtualService and the DestinationRules of one split, read and patched. Private to the gradual.canary collection.

A subset is there before a VirtualService sends to it, and goes after none does: Istio hands the two kinds out
separately, and a request to a subset that a proxy does not know gets 503.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import MirroringBackend
from ansible_collections.gradual.canary.plugins.module_utils._backends._destination_rule import (
    Subsets,
    adding,
    removing,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service import SplitEntry
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import (
    Destination,
    everywhere,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, TargetNotFound
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, last_writer, words

ATTEMPTS: t.Final = 4
"""Patches of one change when others keep writing to the object without touching what is meant."""

_SETTLING_SECONDS: t.Final = 5.0
"""From a change of subsets until every proxy can be expected to have it: the slowest change of a VirtualService took
1.1 s on the lab with 200 more, where 5 of 6,733 requests got 503 without this time. Nothing in the cluster tells when
it is so."""


class IstioObjects(MirroringBackend):
    """What the options name."""

    OPTIONS: t.ClassVar[dict[str, dict[str, t.Any]]] = {
        "virtual_service": {"type": "str", "required": True},
        "virtual_service_namespace": {"type": "str"},
        "destination_rule": {"type": "str"},
        "rule": {"type": "str"},
    }

    @property
    def home(self) -> str:
        """The namespace of the VirtualService."""
        return str(self.options.get("virtual_service_namespace") or self.target.namespace)

    def read(self) -> Object:
        """Return the VirtualService; TargetNotFound when it is not there."""
        name = str(self.options["virtual_service"])
        item = self.cluster.find("VirtualService", name, self.home)
        if item is None:
            raise TargetNotFound(
                f"there is no VirtualService {name!r} in namespace {self.home} on {self.cluster.server}; "
                "backend.virtual_service and backend.virtual_service_namespace say which one serves the application"
            )
        return item

    def subsets_for(self, items: t.Iterable[Object]) -> Subsets:
        """Return the DestinationRules that define the subsets of VirtualServices; none are read when none is used."""
        if not any(destination.subset for item in items for destination in everywhere(item)):
            return Subsets()
        name, namespace = self.options.get("destination_rule"), self.target.namespace
        if not name:
            return Subsets(tuple(self.cluster.search("DestinationRule", namespace)))
        rule = self.cluster.find("DestinationRule", str(name), namespace)
        if rule is None:
            raise TargetNotFound(
                f"there is no DestinationRule {name!r} in namespace {namespace} on {self.cluster.server}; "
                "backend.destination_rule says which one defines the subsets of the versions"
            )
        return Subsets((rule,))

    def find(self, item: Object | None = None) -> SplitEntry:
        """Return the entry that splits, of the VirtualService as it is now or as it is given."""
        item = item or self.read()
        return SplitEntry.find(item, self.target, self.options.get("rule"), self.subsets_for([item]))

    def add_subsets(self, entry: SplitEntry, wanted: t.Sequence[Object]) -> Difference:
        """Add subsets to the DestinationRule that has stable's, and wait until proxies can know them."""
        names = ", ".join(str(subset["name"]) for subset in wanted)

        def plan(rule: Object) -> list[Object]:
            there = {subset["name"] for subset in rule["spec"].get("subsets") or []}
            missing = [subset for subset in wanted if subset["name"] not in there]
            return adding(rule, missing) if missing else []

        difference = self._patch_rule(entry.subsets.rule_of(entry.stable), plan, f"subset {names} added")
        self.pause(_SETTLING_SECONDS)
        return difference

    def remove_unused_subsets(self, entry: SplitEntry) -> tuple[Difference, ...]:
        """Remove the subsets that releases added and nothing sends to, once proxies can be expected to know."""
        stable = entry.stable
        if not stable.subset:
            return ()
        in_use = {each.subset for each in self.reached(stable)} | {stable.subset}
        unused = sorted(set(entry.subsets.added_by_us(stable)) - in_use)
        if not unused:
            return ()
        self.pause(_SETTLING_SECONDS)

        def plan(rule: Object) -> list[Object]:
            there = {subset["name"] for subset in rule["spec"].get("subsets") or []}
            return removing(rule, set(unused)) if there & set(unused) else []

        rule = entry.subsets.rule_of(stable)
        return (self._patch_rule(rule, plan, f"subset {', '.join(unused)} removed"),)

    def virtual_services(self) -> list[Object]:
        """Return the VirtualServices of the application's namespace and of the one that splits."""
        namespaces = sorted({self.target.namespace, self.home})
        return [item for namespace in namespaces for item in self.cluster.search("VirtualService", namespace)]

    def reached(self, stable: Destination) -> list[Destination]:
        """Return every destination in the Service of `stable` that a VirtualService names, also with weight 0."""
        place = (stable.service, stable.namespace)
        items = self.virtual_services()
        found = [each for item in items for each in everywhere(item)]
        return [each for each in found if (each.service, each.namespace) == place]

    def pause(self, seconds: float) -> None:
        if not self.cluster.check_mode:
            time.sleep(seconds)

    def _patch_rule(self, rule: Object, plan: t.Callable[[Object], list[Object]], said: str) -> Difference:
        first = rule
        for attempt in range(1, ATTEMPTS + 1):
            operations = plan(rule)
            if not operations:
                break
            try:
                rule = self.cluster.patch(rule, operations)
                break
            except Conflict as conflict:
                if attempt == ATTEMPTS:
                    writer = last_writer(rule, other_than=FIELD_MANAGER)
                    raise Conflict(
                        f"{words(rule)} keeps being changed{f' by {writer}' if writer else ''} while it is written. "
                        "Nothing was changed; run again when it rests.",
                        writer=writer,
                    ) from conflict
                rule = self.cluster.get("DestinationRule", rule["metadata"]["name"], rule["metadata"]["namespace"])
        return Difference(words(first), first, rule, said)
