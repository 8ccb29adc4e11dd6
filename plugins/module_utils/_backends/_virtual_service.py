# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VirtualService read as a split, and the JSON patch to another one. Private to the gradual.canary collection.

Pure: objects come in as the API gives them, operations go out. The versions of one split are Services of their own, or
subsets of one Service. Entries of ours are recognised by their names (``<app>-canary-match-N``) and are never the entry
that splits.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _virtual_service_matches as match_entries
from ansible_collections.gradual.canary.plugins.module_utils._backends import _virtual_service_mirrors as mirrors
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._destination_rule import Subsets
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_references import has_share, share
from ansible_collections.gradual.canary.plugins.module_utils._backends._match_expressions import is_ours, name_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import (
    Destination,
    destination_of,
    destinations_of,
    with_service,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_support import (
    require_http,
    require_split,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    TargetNotFound,
    Unsupported,
)
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation
from ansible_collections.gradual.canary.plugins.module_utils._resources import words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, WHOLE, Match, Split, Weight

Object = dict[str, t.Any]

_HUNDRED: t.Final = 100


@dataclasses.dataclass(frozen=True)
class State:
    """What of a VirtualService is ours to write, as it has it.

    route and copies are the split entry's: its route, and those items of its ``mirrors`` that lead to the canary.
    """

    route: list[Object]
    match_entries: list[Object]
    copies: list[Object] = dataclasses.field(default_factory=list)

    def subsets(self) -> set[str]:
        """Return the names of the subsets that requests are sent to."""
        items = [
            *self.route,
            *self.copies,
            *(item for entry in self.match_entries for item in entry.get("route") or []),
        ]
        return {str(item["destination"]["subset"]) for item in items if item["destination"].get("subset")}


@dataclasses.dataclass(frozen=True)
class SplitEntry:
    """The entry of ``http`` that splits an application's traffic, inside the VirtualService it was read from."""

    item: Object
    target: Target
    index: int
    subsets: Subsets

    @classmethod
    def find(
        cls, item: Object, target: Target, option: str | None = None, subsets: Subsets | None = None
    ) -> SplitEntry:
        """Return the entry that `option` names or numbers, else the one that must be meant.

        That is the entry which splits the canary and another; else the one whose destinations are all the
        application's; else the only entry with destinations. Numbers leave out our match entries, so that an entry
        keeps its number while match routes come and go. Raises TargetNotFound, AmbiguousTarget and Unsupported.
        """
        require_http(item)
        entries = [cls(item, target, index, subsets or Subsets()) for index, _entry in _foreign_entries(item, target)]
        found = _named(entries, option, item) if option else _meant(entries)
        if not found:
            raise TargetNotFound(
                f"{words(item)} has no http entry for {target.app!r} in namespace {target.namespace}; "
                f"it has {_listed(entries)}. Name one with backend.rule."
            )
        if len(found) > 1:
            raise AmbiguousTarget(
                f"{words(item)} has {len(found)} http entries that could split {target.app!r}: "
                f"{_listed(entries, found)}. Name one with backend.rule. Nothing was changed.",
                rules=[entry.label for entry in found],
            )
        entry = found[0]
        require_split(entry.entry, entry.destinations, entry.where)
        entry.require_own_canary()
        return entry

    # what it is

    @property
    def entry(self) -> Object:
        return t.cast("Object", self.item["spec"]["http"][self.index])

    @property
    def number(self) -> int:
        """Return the entry's index among those that are not match entries of ours."""
        return [index for index, _entry in _foreign_entries(self.item, self.target)].index(self.index)

    @property
    def label(self) -> str:
        return f"http entry {self.number}" + (f" {self.entry['name']!r}" if self.entry.get("name") else "")

    @property
    def where(self) -> str:
        return f"{words(self.item)} {self.label}"

    @property
    def home(self) -> str:
        return str(self.item["metadata"]["namespace"])

    @property
    def state(self) -> State:
        entries = [entry for _index, entry in self._match_entries()]
        return State(list(self.entry.get("route") or []), entries, mirrors.copies_to(self.entry, self._leads_to_canary))

    @property
    def destinations(self) -> list[Destination]:
        return destinations_of(self.entry, self.home)

    @property
    def canary(self) -> Destination | None:
        """Return where the canary's share goes. Without a version to look for it is the second: `set` puts it there."""
        found = self.destinations
        if len(found) < 2:
            return None
        if self.target.version is None:
            return found[1]
        return next((each for each in found if self.is_canary(each)), None)

    @property
    def stable(self) -> Destination:
        canary = self.canary
        return next(each for each in self.destinations if each != canary)

    @property
    def split(self) -> Split:
        """Return the split in basis points of the sum of the weights.

        Other sums than 100 or 10000 may not divide evenly: the share is rounded to the nearest basis point, but never
        to 0 or 10000 while both sides have weight; `raw` has the numbers themselves. When nobody has weight (Istio
        then keeps what it had before) the canary's share is 0.
        """
        canary, stable = self.canary, self.stable
        weight = NOTHING if canary is None else share(canary.weight, stable.weight)
        return Split(
            stable=self.service_name(stable),
            canary=None if canary is None else self.service_name(canary),
            weight=weight,
            matches=tuple(match_entries.match_of(entry, self.entry) for entry in self.state.match_entries),
            stable_version=self.version_of(stable),
            canary_version=None if canary is None else self.version_of(canary),
            raw=tuple((self.service_name(each), each.weight) for each in self.destinations),
            mirror=NOTHING if canary is None else mirrors.share_of(self.state.copies),
        )

    def service_name(self, destination: Destination) -> str:
        """Return the name of a version's own Service, whether requests are sent to it or to a subset of another."""
        version = self.version_of(destination)
        return self.target.service_of(version) if destination.subset and version else destination.service

    def version_of(self, destination: Destination) -> str | None:
        if destination.subset:
            return self.subsets.version(destination)
        prefix = f"{self.target.app}-"
        own = destination.namespace == self.target.namespace and destination.service.startswith(prefix)
        return destination.service.removeprefix(prefix) if own else None

    # what it is to be

    def sharing(self, weight: Weight | None, matches: t.Sequence[Match] | None, mirror: Weight | None = None) -> State:
        """Return the state with this weight, these match routes and copies; None leaves a part as it is.

        Conflict when the canary is the stable version already, InvalidInput when the target has no version.
        """
        canary_service = self.target.canary_service
        if self.is_canary(self.stable):
            raise Conflict(
                f"{self.where} already sends everything to {canary_service}: it is the stable version. "
                "Nothing was changed; release another version, or restore the one before."
            )
        route = self._route(weight)
        canary = route[self._place_of_canary(route)]
        copies = self._copies(mirror, canary["destination"])
        if matches is None:
            return State(route, self.state.match_entries, copies)
        treated = mirrors.without_copies(self.entry, self._leads_to_canary)  # what reaches the canary is not copied too
        entries = [
            match_entries.entry_for(match, name_of(self.target.app, number), treated, canary)
            for number, match in enumerate(matches, start=1)
        ]
        return State(route, entries, copies)

    def promoted(self) -> State:
        """Return the state in which requests go to the canary alone; Conflict while the other has weight."""
        canary_service, canary, stable = self.target.canary_service, self.canary, self.stable
        if canary is None and self.is_canary(stable):
            return State(self.state.route, [])
        if canary is None or stable.weight or not canary.weight:
            raise Conflict(
                f"{self.where} gives {self.split.weight} to {canary_service}; it must be 100 % before it "
                f"becomes the stable version. Nothing was changed. Split: {self.split}.",
                found=self.split.weight.as_percent(),
            )
        return State(self._alone(canary), [])

    def detached(self) -> State:
        """Return the state without the canary's destination and without copies to it: that of stable alone."""
        if self.canary is None:
            return State(self.state.route, self.state.match_entries)
        return State(self._alone(self.stable), self.state.match_entries)

    def operations(self, wanted: State) -> list[Operation]:
        """Return the JSON patch from this state to the wanted one, guarded; empty when there is nothing to do."""
        current = self.state
        place = f"/spec/http/{self.index}"
        changes: list[Operation] = []
        if wanted.route != current.route:
            changes.append({"op": "replace", "path": f"{place}/route", "value": wanted.route})
        changes += self._mirror_changes(wanted, place)
        asked = ("name", "match", *(mirrors.FIELDS if wanted.copies != current.copies else ()))
        guards = [_test(f"{place}/{field}", self.entry[field]) for field in asked if field in self.entry]
        guards.append(_test(f"{place}/route", current.route))
        if wanted.match_entries != current.match_entries:
            # Indexes move: rely on the whole list, and leave the split entry's own change before any move.
            guards = [_test("/spec/http", self.item["spec"]["http"])]
            old = [index for index, _entry in self._match_entries()]
            changes += [{"op": "remove", "path": f"/spec/http/{index}"} for index in reversed(old)]
            first = self.index - sum(index < self.index for index in old)
            changes += [
                {"op": "add", "path": f"/spec/http/{first + offset}", "value": entry}
                for offset, entry in enumerate(wanted.match_entries)
            ]
        if not changes:
            return []
        generation = self.item["metadata"].get("generation")  # a rehearsed object may have none
        if generation is not None:
            guards.insert(0, _test("/metadata/generation", generation))
        return guards + changes

    # parts

    def require_own_canary(self) -> None:
        """Raise Unsupported when the second destination is another version than the one that is meant."""
        names = [self.service_name(each) for each in self.destinations]
        if len(names) > 2 or (len(names) == 2 and self.target.version is not None and self.canary is None):
            raise Unsupported(
                f"{self.where} splits {', '.join(names)}: another canary is under way there. Finish it with "
                "gradual.canary.release, take it back with gradual.canary.rollback, or remove its destination, so "
                "that one stable version is left. Nothing was changed.",
                services=names,
            )

    def is_apps(self, destination: Destination) -> bool:
        """Say whether a destination is a Service of the application."""
        return destination.namespace == self.target.namespace and self.target.is_service(destination.service)

    def is_canary(self, destination: Destination) -> bool:
        if self.target.version is None or destination.namespace != self.target.namespace:
            return False
        return self.service_name(destination) == self.target.canary_service

    def _leads_to_canary(self, destination: Object) -> bool:
        meant = destination_of(destination, self.home)
        if self.target.version is not None:
            return self.is_canary(meant)
        canary = self.canary
        return canary is not None and (meant.service, meant.namespace, meant.subset) == (
            canary.service,
            canary.namespace,
            canary.subset,
        )

    def _copies(self, mirror: Weight | None, canary: Object) -> list[Object]:
        copies = self.state.copies
        if mirror is None or (copies and mirror == mirrors.share_of(copies)):
            return copies
        foreign = mirrors.foreign_single(self.entry, self._leads_to_canary) if mirror > NOTHING else None
        if foreign is not None:
            raise Unsupported(
                f"{self.where} has a mirror to {foreign.get('host')}, and Istio takes no second one beside that form. "
                "Nothing was changed; write it as an item of mirrors, with a percentage, and run again."
            )
        return mirrors.copies_for(mirror, canary)

    def _mirror_changes(self, wanted: State, place: str) -> list[Operation]:
        if wanted.copies == self.state.copies:
            return []
        fields = mirrors.fields_with(self.entry, wanted.copies, self._leads_to_canary)
        gone: list[Operation] = [
            {"op": "remove", "path": f"{place}/{field}"}
            for field in mirrors.FIELDS
            if field in self.entry and field not in fields
        ]
        return gone + [{"op": "add", "path": f"{place}/{field}", "value": value} for field, value in fields.items()]

    def _match_entries(self) -> list[tuple[int, Object]]:
        entries = enumerate(self.item["spec"].get("http") or [])
        return [(index, entry) for index, entry in entries if is_ours(entry, self.target.app)]

    def _route(self, weight: Weight | None) -> list[Object]:
        canary = self.canary
        route = copy.deepcopy(self.state.route)
        if canary is None:
            # The same port and headers as stable: the canary gets the same treatment.
            (stable,) = route
            route = [stable, {**copy.deepcopy(stable), "destination": self._canary_destination(stable["destination"])}]
            return _weighed(route, 1, weight or NOTHING)
        if weight is None or has_share(weight, canary.weight, self.stable.weight):
            return route
        return _weighed(route, self._place_of_canary(route), weight)

    def _canary_destination(self, stable: Object) -> Object:
        if not self.stable.subset:
            return {**copy.deepcopy(stable), "host": with_service(str(stable["host"]), self.target.canary_service)}
        return {**copy.deepcopy(stable), "subset": self.subsets.name_for(self.stable, str(self.target.version))}

    def _place_of_canary(self, route: list[Object]) -> int:
        canary = self.canary
        return len(route) - 1 if canary is None else self.destinations.index(canary)

    def _alone(self, kept: Destination) -> list[Object]:
        """Return the route to one destination, which gets everything and needs no weight."""
        item = self.state.route[self.destinations.index(kept)]
        return [{key: copy.deepcopy(value) for key, value in item.items() if key != "weight"}]


def _weighed(route: list[Object], canary: int, weight: Weight) -> list[Object]:
    """Return the route with this share: in percent where that is whole, as people and other tools write it.

    Istio takes any sum; with 10000 the smallest step is a basis point.
    """
    step = WHOLE // _HUNDRED if weight.points % (WHOLE // _HUNDRED) == 0 else 1
    for place, item in enumerate(route):
        item["weight"] = (weight.points if place == canary else weight.rest) // step
    return route


def _foreign_entries(item: Object, target: Target) -> list[tuple[int, Object]]:
    entries = enumerate(item["spec"].get("http") or [])
    return [(index, entry) for index, entry in entries if not is_ours(entry, target.app)]


def _named(entries: list[SplitEntry], option: str, item: Object) -> list[SplitEntry]:
    found = [entry for entry in entries if entry.entry.get("name") == option]
    if not found and option.isdigit():
        found = [entry for entry in entries if entry.number == int(option)]
    if not found:
        raise TargetNotFound(f"{words(item)} has no http entry {option!r}; backend.rule can name {_listed(entries)}")
    return found


def _meant(entries: list[SplitEntry]) -> list[SplitEntry]:
    # An entry with the canary alone is not taken for its sake: it may be a preview that somebody made.
    splitting = [one for one in entries if len(one.destinations) > 1 and any(map(one.is_canary, one.destinations))]
    apps = [one for one in entries if one.destinations and all(map(one.is_apps, one.destinations))]
    return splitting or apps or (entries if len(entries) == 1 else [])


def _listed(entries: list[SplitEntry], found: t.Sequence[SplitEntry] = ()) -> str:
    shown = [
        f"{entry.label} ({', '.join(map(str, entry.destinations)) or 'no destinations'})"
        for entry in (found or entries)
    ]
    return ", ".join(shown) or "none"


def _test(path: str, value: t.Any) -> Operation:
    return {"op": "test", "path": path, "value": value}
