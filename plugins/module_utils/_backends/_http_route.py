# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTPRoute read as a split, and the JSON patch that makes it another one. Private to the gradual.canary collection.

Pure: routes come in as the API gives them, operations go out. Rules of ours are recognised by their names
(``<app>-canary-match-N``) and are never the rule that splits.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _http_route_matches as match_rules
from ansible_collections.gradual.canary.plugins.module_utils._backends import _http_route_mirrors as mirror_filters
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_references import (
    has_share,
    is_service,
    share,
    weight_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._match_expressions import is_ours, name_of
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    InvalidSplit,
    TargetNotFound,
    Unsupported,
)
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation
from ansible_collections.gradual.canary.plugins.module_utils._resources import words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Match, Split, Weight

Object = dict[str, t.Any]

MOST_RULES: t.Final = 16
MOST_MATCHES: t.Final = 64
MOST_MATCHES_IN_ALL: t.Final = 128


@dataclasses.dataclass(frozen=True)
class State:
    """What of a route is ours to write, as the object has it.

    references and mirrors are the split rule's: its references, and those of its filters that copy to the canary.
    """

    references: list[Object]
    match_rules: list[Object]
    mirrors: list[Object] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class SplitRule:
    """The rule that splits an application's traffic, inside the route it was read from."""

    route: Object
    target: Target
    index: int

    @classmethod
    def find(cls, route: Object, target: Target, option: str | None = None) -> SplitRule:
        """Return the rule that `option` names or numbers, else the one that must be meant.

        That is the rule which splits the canary's Service and another; else the one whose Services are all the
        application's; else the only rule. Numbers leave out our match rules, so that a rule keeps its number while
        match routes come and go. Raises TargetNotFound, AmbiguousTarget and Unsupported.
        """
        rules = [cls(route, target, index) for index, _rule in _foreign_rules(route, target)]
        found = _named(rules, option, route) if option else _meant(rules)
        if not found:
            raise TargetNotFound(
                f"{words(route)} has no rule for {target.app!r} in namespace {target.namespace}; "
                f"it has {_listed(rules)}. Name one with backend.rule."
            )
        if len(found) > 1:
            raise AmbiguousTarget(
                f"{words(route)} has {len(found)} rules that could split {target.app!r}: {_listed(rules, found)}. "
                "Name one with backend.rule. Nothing was changed.",
                rules=[rule.label for rule in found],
            )
        found[0].require_supported()
        return found[0]

    # what it is

    @property
    def rule(self) -> Object:
        return t.cast("Object", self.route["spec"]["rules"][self.index])

    @property
    def number(self) -> int:
        """Return the rule's index among those that are not match rules of ours."""
        return [index for index, _rule in _foreign_rules(self.route, self.target)].index(self.index)

    @property
    def label(self) -> str:
        return f"rule {self.number}" + (f" {self.rule['name']!r}" if self.rule.get("name") else "")

    @property
    def where(self) -> str:
        return f"{words(self.route)} {self.label}"

    @property
    def state(self) -> State:
        rules = [rule for _index, rule in self._match_rules()]
        mirrors = [each for each in self._filters if self._copies_to_canary(each)]
        return State(list(self.rule.get("backendRefs") or []), rules, mirrors)

    @property
    def services(self) -> list[Object]:
        return [ref for ref in self.rule.get("backendRefs") or [] if is_service(ref)]

    @property
    def canary(self) -> Object | None:
        """Return the canary's reference. Without a version to look for it is the second one: `set` puts it there."""
        services = self.services
        if len(services) < 2:
            return None
        if self.target.version is None:
            return services[1]
        return next((ref for ref in services if self._is_canary(ref)), None)

    @property
    def stable(self) -> Object:
        canary = self.canary
        return next(ref for ref in self.services if ref is not canary)

    @property
    def split(self) -> Split:
        """Return the split in basis points of the sum of the weights.

        Other sums than 10000 may not divide evenly: the share is rounded to the nearest basis point, but never to 0
        or 10000 while both sides have weight; `raw` has the numbers themselves. When nobody has weight (the gateways
        then answer 500) the canary's share is 0.
        """
        canary, stable = self.canary, self.stable
        weight = NOTHING if canary is None else share(weight_of(canary), weight_of(stable))
        return Split(
            stable=str(stable["name"]),
            canary=None if canary is None else str(canary["name"]),
            weight=weight,
            matches=tuple(match_rules.match_of(rule) for rule in self.state.match_rules),
            stable_version=self._version(stable),
            canary_version=None if canary is None else self._version(canary),
            raw=tuple((str(ref["name"]), weight_of(ref)) for ref in self.services),
            mirror=NOTHING if canary is None else mirror_filters.share_of(self.state.mirrors),
        )

    # what it is to be

    def sharing(self, weight: Weight | None, matches: t.Sequence[Match] | None, mirror: Weight | None = None) -> State:
        """Return the state with this weight, these match routes and copies; None leaves a part as it is.

        Conflict when the canary's Service is the stable one already, InvalidInput when the target has no version.
        """
        canary_service = self.target.canary_service
        if self._is_canary(self.stable):
            raise Conflict(
                f"{self.where} already sends everything to {canary_service}: it is the stable version. "
                "Nothing was changed; release another version, or restore the one before."
            )
        references = self._references(weight)
        canary = next(ref for ref in references if is_service(ref) and self._is_canary(ref))
        state = self.state
        if mirror is None or (state.mirrors and mirror == mirror_filters.share_of(state.mirrors)):
            mirrors = state.mirrors
        else:
            mirrors = mirror_filters.filters_for(mirror, canary)
        if matches is None:
            return State(references, state.match_rules, mirrors)
        rules = [
            match_rules.rule_for(match, name_of(self.target.app, number), self._without_mirrors(), canary)
            for number, match in enumerate(matches, start=1)
        ]
        self._require_room(rules)
        return State(references, rules, mirrors)

    def promoted(self) -> State:
        """Return the state in which the canary's Service is the only one; Conflict while the other has weight."""
        canary_service, canary, stable = self.target.canary_service, self.canary, self.stable
        if canary is None and self._is_canary(stable):
            return State(self.state.references, [])
        if canary is None or weight_of(stable) or not weight_of(canary):
            raise Conflict(
                f"{self.where} gives {self.split.weight} to {canary_service}; it must be 100 % before it "
                f"becomes the stable version. Nothing was changed. Split: {self.split}.",
                found=self.split.weight.as_percent(),
            )
        return State(self._alone(canary, without=stable), [])

    def detached(self) -> State:
        """Return the state without the canary's reference and without copies to it: that of stable alone."""
        canary = self.canary
        if canary is None:
            return State(self.state.references, self.state.match_rules)
        return State(self._alone(self.stable, without=canary), self.state.match_rules)

    def operations(self, wanted: State) -> list[Operation]:
        """Return the JSON patch from this state to the wanted one, guarded; empty when there is nothing to do."""
        current = self.state
        place = f"/spec/rules/{self.index}"
        changes: list[Operation] = []
        if wanted.references != current.references:
            changes.append({"op": "replace", "path": f"{place}/backendRefs", "value": wanted.references})
        changes += self._filter_changes(wanted, place)
        asked = ("name", "matches", *(["filters"] if wanted.mirrors != current.mirrors else []))
        guards = [_test(f"{place}/{field}", self.rule[field]) for field in asked if field in self.rule]
        guards.append(_test(f"{place}/backendRefs", current.references))
        if wanted.match_rules != current.match_rules:
            # Indexes move: rely on the whole list, and leave the split rule's own change before any move.
            guards = [_test("/spec/rules", self.route["spec"]["rules"])]
            old = [index for index, _rule in self._match_rules()]
            changes += [{"op": "remove", "path": f"/spec/rules/{index}"} for index in reversed(old)]
            first = self.index - sum(index < self.index for index in old)
            changes += [
                {"op": "add", "path": f"/spec/rules/{first + offset}", "value": rule}
                for offset, rule in enumerate(wanted.match_rules)
            ]
        if not changes:
            return []
        generation = self.route["metadata"].get("generation")  # a rehearsed route has none
        if generation is not None:
            guards.insert(0, _test("/metadata/generation", generation))
        return guards + changes

    # checks

    def require_supported(self) -> None:
        """Raise Unsupported, with what to do, when this is no split of one stable and one canary Service."""
        if not self.services:
            raise Unsupported(
                f"{self.where} has no backendRefs to a Service, so there is nothing to split; "
                "name a rule that serves users with backend.rule"
            )
        names = [str(ref["name"]) for ref in self.services]
        foreign = [ref for ref in self.rule["backendRefs"] if not is_service(ref) and weight_of(ref)]
        if foreign:
            kinds = ", ".join(f"{ref.get('kind')} {ref['name']}" for ref in foreign)
            raise Unsupported(
                f"{self.where} also gives weight to {kinds}; only Services can be split. Give it weight 0."
            )
        if len(names) > 2 or (len(names) == 2 and self.target.version is not None and self.canary is None):
            raise Unsupported(
                f"{self.where} splits {', '.join(names)}: another canary is under way there. Finish it with "
                "gradual.canary.release, take it back with gradual.canary.rollback, or remove its reference, so that "
                "one stable Service is left. Nothing was changed.",
                services=names,
            )
        if len(names) == 2 and names[0] == names[1]:
            raise Unsupported(f"{self.where} refers twice to Service {names[0]}; leave one reference")

    def _require_room(self, rules: list[Object]) -> None:
        others = [rule for _index, rule in _foreign_rules(self.route, self.target)]
        most = max((len(rule["matches"]) for rule in rules), default=0)
        total = sum(len(rule.get("matches") or [{}]) for rule in [*others, *rules])
        if len(others) + len(rules) > MOST_RULES or most > MOST_MATCHES or total > MOST_MATCHES_IN_ALL:
            raise InvalidSplit(
                f"{words(self.route)} has no room for {len(rules)} match routes: with them it would have "
                f"{len(others) + len(rules)} rules (of {MOST_RULES}) and {total} matches (of {MOST_MATCHES_IN_ALL})"
            )

    # parts

    @property
    def _filters(self) -> list[Object]:
        return self.rule.get("filters") or []

    def _copies_to_canary(self, each: Object) -> bool:
        ref = mirror_filters.reference_of(each)
        if ref is None or not is_service(ref) or not self._in_namespace(ref):
            return False
        canary = self.canary
        meant = self.target.canary_service if self.target.version else canary and canary["name"]
        return bool(meant) and ref["name"] == meant

    def _others_filters(self) -> list[Object]:
        return [each for each in self._filters if not self._copies_to_canary(each)]

    def _without_mirrors(self) -> Object:
        """Return the rule as a match route is to treat requests: what reaches the canary is not copied to it too."""
        rest = {key: value for key, value in self.rule.items() if key != "filters"}
        filters = self._others_filters()
        return {**rest, "filters": filters} if filters else rest

    def _filter_changes(self, wanted: State, place: str) -> list[Operation]:
        if wanted.mirrors == self.state.mirrors:
            return []
        filters = [*self._others_filters(), *wanted.mirrors]
        path = f"{place}/filters"
        if not filters:
            return [{"op": "remove", "path": path}]
        return [{"op": "replace" if "filters" in self.rule else "add", "path": path, "value": filters}]

    def _match_rules(self) -> list[tuple[int, Object]]:
        rules = enumerate(self.route["spec"].get("rules") or [])
        return [(index, rule) for index, rule in rules if is_ours(rule, self.target.app)]

    def is_apps(self, ref: Object) -> bool:
        """Say whether a reference is to a Service of the application."""
        return self._in_namespace(ref) and self.target.is_service(str(ref["name"]))

    def _is_canary(self, ref: Object) -> bool:
        if self.target.version is None:
            return False
        return self._in_namespace(ref) and ref["name"] == self.target.canary_service

    def _in_namespace(self, ref: Object) -> bool:
        return str(ref.get("namespace") or self.route["metadata"]["namespace"]) == self.target.namespace

    def _version(self, ref: Object) -> str | None:
        prefix = f"{self.target.app}-"
        name = str(ref["name"])
        return name.removeprefix(prefix) if self._in_namespace(ref) and name.startswith(prefix) else None

    def _references(self, weight: Weight | None) -> list[Object]:
        stable, canary = self.stable, self.canary
        references = copy.deepcopy(self.state.references)
        if canary is None:
            # The same port, filters and namespace as stable: the canary gets the same treatment.
            references.append({**copy.deepcopy(stable), "name": self.target.canary_service})
            return self._weighed(references, weight or NOTHING)
        if weight is None or has_share(weight, weight_of(canary), weight_of(stable)):
            return references
        return self._weighed(references, weight)

    def _weighed(self, references: list[Object], weight: Weight) -> list[Object]:
        for ref in references:
            if is_service(ref):
                ref["weight"] = weight.points if self._is_canary(ref) else weight.rest
        return references

    def _alone(self, kept: Object, *, without: Object) -> list[Object]:
        """Return the references without one of them; weight 1 is what the API gives a reference by default."""
        return [
            {**copy.deepcopy(ref), "weight": 1} if ref is kept else copy.deepcopy(ref)
            for ref in self.rule["backendRefs"]
            if ref is not without
        ]


def _foreign_rules(route: Object, target: Target) -> list[tuple[int, Object]]:
    rules = enumerate(route["spec"].get("rules") or [])
    return [(index, rule) for index, rule in rules if not is_ours(rule, target.app)]


def _named(rules: list[SplitRule], option: str, route: Object) -> list[SplitRule]:
    found = [rule for rule in rules if rule.rule.get("name") == option]
    if not found and option.isdigit():
        found = [rule for rule in rules if rule.number == int(option)]
    if not found:
        raise TargetNotFound(f"{words(route)} has no rule {option!r}; backend.rule can name {_listed(rules)}")
    return found


def _meant(rules: list[SplitRule]) -> list[SplitRule]:
    # A rule with the canary alone is not taken for its sake: it may be a preview that somebody made.
    splitting = [rule for rule in rules if len(rule.services) > 1 and any(map(rule._is_canary, rule.services))]
    apps = [rule for rule in rules if rule.services and all(map(rule.is_apps, rule.services))]
    return splitting or apps or (rules if len(rules) == 1 else [])


def _listed(rules: list[SplitRule], found: t.Sequence[SplitRule] = ()) -> str:
    shown = [
        f"{rule.label} ({', '.join(str(ref['name']) for ref in rule.services) or 'no Services'})"
        for rule in (found or rules)
    ]
    return ", ".join(shown) or "no rules"


def _test(path: str, value: t.Any) -> Operation:
    return {"op": "test", "path": path, "value": value}
