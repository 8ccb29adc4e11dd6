# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Service and the two Deployments of a split by numbers of pods, as they are read. Private to gradual.canary.

Between releases the Service's selector names the version that serves. That is what keeps a version that is only
deployed from its users: its pods carry the label of their version from the first moment, and no template or pod is
edited to let it in. For the time of a split the version is taken out of the selector, which then fits both.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_ratio import Layout, Selected
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import selector_of, selector_words
from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER, Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import AmbiguousTarget, Conflict, TargetNotFound
from ansible_collections.gradual.canary.plugins.module_utils._manifests import NAME_LABEL, VERSION_LABEL
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation
from ansible_collections.gradual.canary.plugins.module_utils._replicas import number_of
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, last_written, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Split

_STABLE: t.Final = "gradual.canary/stable-version"
_CANARY: t.Final = "gradual.canary/canary-version"
_STABLE_REPLICAS: t.Final = "gradual.canary/stable-replicas"
_CANARY_REPLICAS: t.Final = "gradual.canary/canary-replicas"
RECORD_KEYS: t.Final = (_STABLE, _CANARY, _STABLE_REPLICAS, _CANARY_REPLICAS)


@dataclasses.dataclass(frozen=True)
class Record:
    """Who the canary is, as the Service's annotations say while one is attached.

    stable, canary: versions. *_replicas: how many pods each had when the canary was attached: its full size.
    """

    stable: str
    canary: str
    stable_replicas: int
    canary_replicas: int

    @property
    def promoted(self) -> bool:
        return self.stable == self.canary

    @classmethod
    def of(cls, service: Object) -> Record | None:
        """Return what the annotations say; None without a canary. Raises Conflict when they make no sense."""
        values = {key: value for key, value in _annotations(service).items() if key in RECORD_KEYS}
        if not values:
            return None
        try:
            return cls(values[_STABLE], values[_CANARY], int(values[_STABLE_REPLICAS]), int(values[_CANARY_REPLICAS]))
        except (KeyError, ValueError):
            found = ", ".join(f"{key}: {value}" for key, value in sorted(values.items()))
            raise Conflict(
                f"the annotations of {words(service)} were changed by somebody and do not say any more which release "
                f"is under way ({found}). Nothing was changed; let the selector name the version that is to serve and "
                f"remove all of {', '.join(RECORD_KEYS)}."
            ) from None

    def annotations(self) -> dict[str, str]:
        return {
            _STABLE: self.stable,
            _CANARY: self.canary,
            _STABLE_REPLICAS: str(self.stable_replicas),
            _CANARY_REPLICAS: str(self.canary_replicas),
        }


@dataclasses.dataclass(frozen=True)
class Scene:
    """The Service, the versions that it is about, and their Deployments (None: there is none).

    record: None when no canary is attached; `canary` then is the version that is meant (None: none).
    """

    service: Object
    record: Record | None
    stable: str
    canary: str | None
    stable_deployment: Object | None
    canary_deployment: Object | None

    @classmethod
    def look(cls, cluster: Cluster, target: Target, name: str) -> Scene:
        """Read everything. Raises TargetNotFound and AmbiguousTarget."""
        service = cluster.find("Service", name, target.namespace)
        if service is None:
            raise TargetNotFound(
                f"replicas: there is no Service {target.namespace}/{name} on {cluster.server}; name the one that "
                "clients of the application use with backend.service"
            )
        record = Record.of(service)
        stable = record.stable if record else _named_version(service, target)
        return cls.of(cluster, target, service, stable, record.canary if record else target.version)

    @classmethod
    def of(cls, cluster: Cluster, target: Target, service: Object, stable: str, canary: str | None) -> Scene:
        """Read the Deployments of these two versions."""

        def deployment(version: str | None) -> Object | None:
            return cluster.find("Deployment", target.service_of(version), target.namespace) if version else None

        found = deployment(stable)
        other = found if canary == stable else deployment(canary)
        return cls(service, Record.of(service), stable, canary, found, other)

    @property
    def selected(self) -> Selected:
        """Whose pods the Service selects. Raises Conflict when somebody made it another version's."""
        named = selector_of(self.service).get(VERSION_LABEL)
        if named is None:
            return Selected.BOTH
        if named == self.stable:
            return Selected.STABLE
        if named == self.canary:
            return Selected.CANARY
        raise Conflict(
            f"{words(self.service)} selects version {named}, and the release under way is from {self.stable} to "
            f"{self.canary}. Nothing was changed; set {VERSION_LABEL} of its selector to one of these two."
        )

    @property
    def layout(self) -> Layout:
        return Layout(_number(self.stable_deployment), _number(self.canary_deployment), self.selected)

    def split(self, target: Target) -> Split:
        """Return the split as these objects make it."""
        return self.split_as(target, self.record, self.layout)

    def split_as(self, target: Target, record: Record | None, layout: Layout) -> Split:
        """Return the split that this record and this layout make."""
        name = str(self.service["metadata"]["name"])
        if record is None:
            return Split(name, None, NOTHING, stable_version=self.stable)
        return Split(
            stable=name,
            canary=target.service_of(record.canary),
            weight=EVERYTHING if record.promoted else layout.weight,
            stable_version=record.stable,
            canary_version=record.canary,
            raw=() if record.promoted else (("stable pods", layout.stable), ("canary pods", layout.canary)),
        )

    @property
    def last_changed(self) -> tuple[Object, tuple[str, ...]]:
        """Return the object whose part in the split somebody else wrote last, and the path of that part."""
        replicas = ("spec", "replicas")
        deployments = [item for item in (self.stable_deployment, self.canary_deployment) if item is not None]
        parts = [*((item, replicas) for item in deployments), (self.service, ("spec", "selector"))]
        return max(parts, key=lambda part: last_written(part[0], other_than=FIELD_MANAGER, field=part[1]))

    def selector(self, selected: Selected) -> dict[str, str]:
        """Return the Service's selector for these pods."""
        common = {key: value for key, value in selector_of(self.service).items() if key != VERSION_LABEL}
        if selected is Selected.BOTH:
            return common
        return {**common, VERSION_LABEL: self.stable if selected is Selected.STABLE else str(self.canary)}

    def operations(self, selector: dict[str, str], record: Record | None) -> list[Operation]:
        """Return a JSON patch of the Service: tests of what was read, then what differs; empty when nothing does."""
        old, new = _annotations(self.service), record.annotations() if record else {}
        edits: list[Operation] = []
        if selector != selector_of(self.service):
            # The whole map: a merge would not take a label away.
            edits.append({"op": "replace", "path": "/spec/selector", "value": selector})
        if new and self.service["metadata"].get("annotations") is None:
            edits.append({"op": "add", "path": "/metadata/annotations", "value": new})
            new = {}
        for key in RECORD_KEYS:
            if key in new and new[key] != old.get(key):
                edits.append({"op": "add", "path": _path(key), "value": new[key]})
            elif key in old and not record:
                edits.append({"op": "remove", "path": _path(key)})
        if not edits:
            return []
        # A test for null passes on an absent member (measured on the API server), but not below an absent one.
        tests: list[Operation] = [{"op": "test", "path": "/spec/selector", "value": selector_of(self.service)}]
        if self.service["metadata"].get("annotations") is None:
            tests.append({"op": "test", "path": "/metadata/annotations", "value": None})
        else:
            tests += [{"op": "test", "path": _path(key), "value": old.get(key)} for key in RECORD_KEYS]
        return [*tests, *edits]


def pod_labels(deployment: Object) -> dict[str, str]:
    return dict(deployment["spec"]["template"]["metadata"].get("labels") or {})


def _named_version(service: Object, target: Target) -> str:
    """Return the version that serves; AmbiguousTarget when the selector does not say."""
    selector = selector_of(service)
    version = selector.get(VERSION_LABEL)
    if version and len(selector) > 1:
        return version
    place = f"-n {target.namespace} patch service {service['metadata']['name']}"
    body = json.dumps({"spec": {"selector": {NAME_LABEL: target.app, VERSION_LABEL: "VERSION"}}})
    raise AmbiguousTarget(
        f"{words(service)} selects pods of every version ({selector_words(selector) or 'no selector'}), so that a new "
        f"one would get a share as soon as its pods are ready. Its selector must name the application and, with "
        f"{VERSION_LABEL}, the version that serves now: kubectl {place} -p '{body}'"
    )


def _number(deployment: Object | None) -> int:
    return number_of(deployment) if deployment else 0


def _annotations(item: Object) -> dict[str, str]:
    return dict(item["metadata"].get("annotations") or {})


def _path(key: str) -> str:
    return "/metadata/annotations/" + key.replace("~", "~0").replace("/", "~1")
