# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split by the weights of an Istio VirtualService. Private to the gradual.canary collection.

The split is one entry of ``http`` with a destination for the stable and for the canary version: two Services, or two
subsets of one Service, which a DestinationRule defines. Match routes are entries of their own before it. Each change is
one read and one guarded JSON patch of each object: the entries are one atomic list, so server-side apply would take it
all. Istio says nothing of what its proxies have; only samples prove it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Live, Snapshot
from ansible_collections.gradual.canary.plugins.module_utils._backends._istio_objects import ATTEMPTS, IstioObjects
from ansible_collections.gradual.canary.plugins.module_utils._backends._istio_preflight import (
    Preflight,
    validation_words,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._istio_surroundings import require_joined
from ansible_collections.gradual.canary.plugins.module_utils._backends._refusals import (
    overtaken,
    require_same_object,
    require_unserved,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import selector_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service import SplitEntry, State
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import (
    Destination,
    everywhere,
    hosts_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    InvalidInput,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    NOTHING,
    Capabilities,
    Change,
    Finding,
    Match,
    Split,
    Weight,
)

_FIELD: t.Final = ("spec", "http")
"""The part of the object with the weights, as managedFields has it: the list is atomic."""

_CAPABILITIES: t.Final = Capabilities(
    resolution=1,
    match_kinds=frozenset({"header", "cookie"}),
    match_operators=frozenset({"exact", "regex"}),
    match_with_weight=True,
    most_matches=64,  # Istio sets no limit; as many as an HTTPRoute may have in a rule
    per="request",
    law="random",
    zero_canary_endpoints="5xx",
    zero_stable_endpoints="5xx",
    mirror="any",
    propagation_seconds=1.1,  # the last old answer after a PATCH with 200 more VirtualServices
)


class Istio(IstioObjects):
    """A VirtualService that serves one application."""

    name: t.ClassVar[str] = "istio"

    _latest: Object | None = None
    """The VirtualService as it was last read or written."""

    _observed: SplitEntry | None = None
    """The entry as it was observed, until a change or a preflight follows."""

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    def observe(self) -> Split:
        self._observed = self._find()
        return self._observed.split

    def preflight(self) -> tuple[Finding, ...]:
        self._observed = None
        try:
            item = self.read()
            subsets = self.subsets_for([item])
        except (TargetNotFound, AmbiguousTarget) as error:
            return (Finding("error", error.code, error.message, "Without it nothing else can be looked at."),)
        return tuple(Preflight(self.cluster, self.target).findings(item, subsets, self.options.get("rule")))

    def set(
        self,
        *,
        weight: Weight | None = None,
        matches: t.Sequence[Match] | None = None,
        expect: Weight | None = None,
        mirror: Weight | None = None,
    ) -> Change:
        """Write weight, match routes and copies in one patch; a missing subset is added before. See the contract.

        Without hosts, it is asked first who delegates to it, since Istio joins the conditions of both.
        """

        def plan(entry: SplitEntry) -> State:
            self.require_expected(entry.split, expect, entry.item, _FIELD)
            self.capabilities.require(weight or NOTHING, matches or (), entry.where)
            wanted = entry.sharing(weight, matches, mirror)
            if matches and not hosts_of(entry.item):
                require_joined(self.cluster, entry, zip(matches, wanted.match_entries, strict=True))
            return wanted

        return self._reach(plan)

    def promote(self) -> Change:
        return self._reach(SplitEntry.promoted)

    def detach(self) -> Change:
        """Remove the canary's destination, then the subsets that releases added and nothing uses. See the contract."""
        change = self._reach(_detached)
        differences = self.remove_unused_subsets(self._find(self._latest))
        return Change(change.before, change.after, (*change.differences, *differences))

    def serves(self, service: str) -> bool:
        """Say whether any VirtualService in the application's or its own namespace sends requests to these pods."""
        items = self.virtual_services()
        subsets = self.subsets_for(items)
        reached = [each for item in items for each in everywhere(item) if each.weight]
        own = [each for each in reached if each.namespace == self.target.namespace]
        if any(self.target.service_of(subsets.version(each)) == service for each in own if each.subset):
            return True
        names = {each.service for each in own if not each.subset}
        return service in names or self._shares_pods(service, names)

    def snapshot(self) -> Snapshot:
        entry = self._find()
        state, metadata = entry.state, entry.item["metadata"]
        used = [
            subset
            for each in (*entry.destinations, *self._matched(entry))
            if each.subset and (subset := entry.subsets.find(each))
        ]
        subsets = list({subset["name"]: subset for subset in used}.values())
        values = {
            "route": state.route,
            "match_entries": state.match_entries,
            "copies": state.copies,
            "subsets": subsets,
        }
        place = {"kind": "VirtualService", "namespace": metadata["namespace"], "name": metadata["name"]}
        return Snapshot(self.name, ({**place, "uid": metadata.get("uid"), "values": values},))

    def restore(self, snapshot: Snapshot) -> Change:
        name = self.options["virtual_service"]
        saved = next((item for item in snapshot.objects if item["name"] == name), None)
        if saved is None:
            raise InvalidInput(f"the snapshot has no VirtualService {name!r}; it is of another release")
        values = saved["values"]
        wanted = State(list(values["route"]), list(values["match_entries"]), list(values.get("copies") or ()))

        def plan(entry: SplitEntry) -> State:
            require_same_object(entry.item, saved)
            return wanted

        return self._reach(plan, saved["values"]["subsets"])

    def wait_accepted(self, seconds: float) -> Live:
        item = self._latest or self.read()
        messages = (item.get("status") or {}).get("validationMessages") or []
        said = "; ".join(map(validation_words, messages))
        return Live("written", 0.0, said or "Istio does not say what its proxies have; samples do")

    # reading and writing

    def _find(self, item: Object | None = None) -> SplitEntry:
        entry = self.find(item)
        self._latest = entry.item
        return entry

    def _reach(self, plan: t.Callable[[SplitEntry], State], definitions: t.Sequence[Object] = ()) -> Change:
        """Bring the VirtualService to the planned state: one read, one patch; both again while other parts changed.

        Who has just observed it decided by that, so the change starts from there: the patch tests that it is so.
        definitions: subsets as they were, for a state that needs one which is not there any more.
        """
        first = entry = self._observed or self._find()
        self._observed = None
        before = first.split
        differences: tuple[Difference, ...] = ()
        for attempt in range(1, ATTEMPTS + 1):
            wanted = plan(entry)
            missing = self._missing_subsets(entry, wanted, definitions)
            if missing:
                differences = (self.add_subsets(entry, missing),)
                entry = self._find(entry.item)
            operations = entry.operations(wanted)
            if not operations:
                return self._change(before, differences, first.item, entry)
            try:
                written = self.cluster.patch(entry.item, operations)
                return self._change(before, differences, first.item, self._find(written))
            except Conflict as conflict:
                entry = self._find()
                if entry.state == wanted:
                    # A patch whose answer was lost is sent again, and then fails on its own success.
                    return self._change(before, differences, first.item, entry)
                if entry.split != before or attempt == ATTEMPTS:
                    raise overtaken(before, entry.split, entry.item, _FIELD) from conflict
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def _change(before: Split, differences: tuple[Difference, ...], item: Object, entry: SplitEntry) -> Change:
        after = entry.split
        return Change(before, after, (*differences, Difference(words(item), item, entry.item, f"{before} -> {after}")))

    def _missing_subsets(self, entry: SplitEntry, wanted: State, definitions: t.Sequence[Object]) -> list[Object]:
        """Return the subsets that the wanted state sends to and no DestinationRule defines."""
        stable = entry.stable
        names = sorted(wanted.subsets()) if stable.subset else []
        missing = [
            name for name in names if not entry.subsets.find(Destination(stable.service, stable.namespace, name, 0))
        ]
        known = {str(subset["name"]): subset for subset in definitions}
        return [known.get(name) or entry.subsets.definition(stable, str(self.target.version)) for name in missing]

    def _matched(self, entry: SplitEntry) -> list[Destination]:
        """Return where the match routes lead: the subset of the canary, attached or not."""
        stable = entry.stable
        return [
            Destination(stable.service, stable.namespace, name, 0)
            for name in sorted(entry.state.subsets())
            if name != stable.subset
        ]

    def _shares_pods(self, service: str, names: t.Collection[str]) -> bool:
        """Say whether one of these Services has the pods of another: it asks for nothing that they lack."""
        item = self.cluster.find("Service", service, self.target.namespace) if names else None
        if item is None:
            return False
        others = (self.cluster.find("Service", name, self.target.namespace) for name in sorted(names))
        asked = [selector_of(other) for other in others if other is not None]
        return any(selector and selector.items() <= selector_of(item).items() for selector in asked)


def _detached(entry: SplitEntry) -> State:
    require_unserved(entry.split, entry.where)
    return entry.detached()
