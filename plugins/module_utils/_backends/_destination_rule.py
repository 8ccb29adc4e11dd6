# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subsets of a DestinationRule: the versions behind one Service. Private to the gradual.canary collection.

Pure: DestinationRules come in as the API gives them, operations go out. A subset of ours is recorded in an annotation,
since a subset itself has no place for a mark; nobody else's is ever removed.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._versions import VERSION_LABELS
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import (
    Destination,
    service_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    ForeignOwner,
    TargetNotFound,
    Unsupported,
)
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation
from ansible_collections.gradual.canary.plugins.module_utils._resources import words

Object = dict[str, t.Any]

OURS: t.Final = "gradual.canary/subsets"
"""Annotation with the names of the subsets that were added by releases, joined by commas."""

_OURS_PATH: t.Final = "/metadata/annotations/" + OURS.replace("/", "~1")


@dataclasses.dataclass(frozen=True)
class Subsets:
    """The DestinationRules that may define an application's subsets."""

    rules: tuple[Object, ...] = ()

    def find(self, destination: Destination) -> Object | None:
        """Return the subset that a destination names, None when no DestinationRule of its Service defines it."""
        found = [subset for rule in self._of(destination) for subset in _named(rule, destination.subset)]
        return found[0] if found else None

    def version(self, destination: Destination) -> str:
        """Return the version of the pods that a destination's subset selects: by their label, else by its name."""
        subset = self.find(destination)
        return (_version_of(subset) if subset else None) or str(destination.subset)

    def rule_of(self, destination: Destination) -> Object:
        """Return the DestinationRule that defines a destination's subset. TargetNotFound and AmbiguousTarget."""
        found = [rule for rule in self._of(destination) if any(_named(rule, destination.subset))]
        if not found:
            raise TargetNotFound(
                f"no DestinationRule in namespace {destination.namespace} defines the subset {destination.subset} of "
                f"Service {destination.service}, to which requests are sent, so they get 503. Name the one that "
                "should with backend.destination_rule, or add the subset."
            )
        if len(found) > 1:
            raise AmbiguousTarget(
                f"{', '.join(map(words, found))} define the subset {destination.subset} of Service "
                f"{destination.service}; name one with backend.destination_rule. Nothing was changed."
            )
        return found[0]

    def name_for(self, stable: Destination, version: str) -> str:
        """Return the name of the subset for a version: one that selects it already, else the version's own.

        ForeignOwner when that name is taken by a subset of something else.
        """
        rule = self.rule_of(stable)
        for subset in rule["spec"].get("subsets") or []:
            if _version_of(subset) == version:
                return str(subset["name"])
        for subset in _named(rule, version):
            raise ForeignOwner(
                f"{words(rule)} has a subset {version} that selects {subset.get('labels') or 'everything'} and not "
                f"version {version}. Nothing was changed; correct its labels, or give the version another name."
            )
        return version

    def definition(self, stable: Destination, version: str) -> Object:
        """Return the subset for a version: what stable's has, with the version's name and label."""
        subset = next(iter(_named(self.rule_of(stable), stable.subset)))
        labels = subset.get("labels") or {}
        label = next((each for each in VERSION_LABELS if each in labels), None)
        if label is None:
            raise Unsupported(
                f"subset {stable.subset} of Service {stable.service} selects by {', '.join(labels) or 'no label'}, so "
                f"it cannot be told how to select version {version}; let it select by {VERSION_LABELS[0]}"
            )
        return {**copy.deepcopy(subset), "name": version, "labels": {**labels, label: version}}

    def added_by_us(self, stable: Destination) -> tuple[str, ...]:
        """Return the names of our subsets beside stable's."""
        rule = self.rule_of(stable)
        return tuple(name for name in recorded(rule) if any(_named(rule, name)))

    def _of(self, destination: Destination) -> list[Object]:
        meant = (destination.service, destination.namespace)
        return [
            rule
            for rule in self.rules
            if service_of(str(rule["spec"].get("host") or ""), str(rule["metadata"]["namespace"])) == meant
        ]


def recorded(rule: Object) -> list[str]:
    """Return the names of the subsets that releases added, as the annotation has them."""
    value = (rule["metadata"].get("annotations") or {}).get(OURS) or ""
    return [name for name in value.split(",") if name]


def adding(rule: Object, subsets: t.Sequence[Object]) -> list[Operation]:
    """Return the JSON patch that adds these subsets and records them as ours, guarded."""
    names = [*recorded(rule), *(str(subset["name"]) for subset in subsets)]
    changes: list[Operation] = [{"op": "add", "path": "/spec/subsets/-", "value": subset} for subset in subsets]
    if not rule["spec"].get("subsets"):
        changes = [{"op": "add", "path": "/spec/subsets", "value": list(subsets)}]
    return _guards(rule) + changes + _recording(rule, sorted(set(names)))


def removing(rule: Object, names: t.Collection[str]) -> list[Operation]:
    """Return the JSON patch that removes subsets of ours and the record of them, guarded."""
    numbered = list(enumerate(rule["spec"].get("subsets") or []))
    changes: list[Operation] = [
        {"op": "remove", "path": f"/spec/subsets/{index}"}
        for index, subset in reversed(numbered)
        if subset["name"] in names
    ]
    return _guards(rule) + changes + _recording(rule, [name for name in recorded(rule) if name not in names])


def _recording(rule: Object, names: list[str]) -> list[Operation]:
    value = ",".join(names)
    annotations = rule["metadata"].get("annotations") or {}
    if not annotations:
        return [{"op": "add", "path": "/metadata/annotations", "value": {OURS: value}}] if names else []
    if not names:
        return [{"op": "remove", "path": _OURS_PATH}] if OURS in annotations else []
    return [{"op": "add", "path": _OURS_PATH, "value": value}]


def _guards(rule: Object) -> list[Operation]:
    guards: list[Operation] = []
    generation = rule["metadata"].get("generation")  # a rehearsed object may have none
    if generation is not None:
        guards.append({"op": "test", "path": "/metadata/generation", "value": generation})
    if rule["spec"].get("subsets"):
        guards.append({"op": "test", "path": "/spec/subsets", "value": rule["spec"]["subsets"]})
    annotations = rule["metadata"].get("annotations") or {}
    # Annotations do not count in the generation; null is what the API finds where there are none.
    if OURS in annotations:
        guards.append({"op": "test", "path": _OURS_PATH, "value": annotations[OURS]})
    elif not annotations:
        guards.append({"op": "test", "path": "/metadata/annotations", "value": None})
    return guards


def _named(rule: Object, name: str | None) -> list[Object]:
    return [subset for subset in rule["spec"].get("subsets") or [] if subset.get("name") == name]


def _version_of(subset: Object) -> str | None:
    labels = subset.get("labels") or {}
    return next((str(labels[label]) for label in VERSION_LABELS if labels.get(label)), None)
