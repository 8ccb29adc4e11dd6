# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A version as a template of a workload that changes in place. Private to the gradual.canary collection.

Deploying one only stages it: the workload is paused with the new template, and no pod is touched before traffic is.
Nothing is ever scaled down or removed here, for old templates and their pods are the workload's controller's.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._adoption import require_ours
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import (
    CHANGE_CAUSE,
    ROLLOUT,
    Revision,
    Workload,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    InvalidInput,
    NotFound,
    StillServing,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._manifests import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NAME_LABEL,
    REPLACES,
    VERSION_LABEL,
    Identity,
    Manifests,
)
from ansible_collections.gradual.canary.plugins.module_utils._merge import merged
from ansible_collections.gradual.canary.plugins.module_utils._readiness import Rollout, unprobed
from ansible_collections.gradual.canary.plugins.module_utils._replicas import autoscaler_of, dispute
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object
from ansible_collections.gradual.canary.plugins.module_utils._rollout import Wait
from ansible_collections.gradual.canary.plugins.module_utils._workloads import Journal


@dataclasses.dataclass(frozen=True)
class VersionInPlace:
    """A version of a workload: its newest template of that version, and the pods it has.

    revision: None while it is only staged.
    """

    version: str
    workload: Workload
    template: Object
    revision: Revision | None
    autoscaler: Object | None = None

    @property
    def rollout(self) -> Rollout:
        """Its pods. One that is ready counts as available: what holds a share back is how long it must be so."""
        one = self.revision
        if one is None:
            return Rollout(0, 0, 0, 0, 0, True)
        return Rollout(one.replicas, one.pods, one.pods, one.ready, one.ready, True)

    @property
    def grace(self) -> int:
        """Return the seconds a pod of this version may take to end."""
        return int(self.template["spec"].get("terminationGracePeriodSeconds", 30))

    @property
    def deployment(self) -> Object:
        """Return the workload, of which this is one template."""
        return self.workload.item

    @property
    def created(self) -> str:
        return self.revision.created if self.revision else "~"  # after all that there is

    def as_result(self) -> dict[str, t.Any]:
        is_current = self.workload.version == self.version
        own = self.workload.item["metadata"].get("annotations") or {}
        annotations = own if is_current else self.revision.annotations if self.revision else {}
        return {
            "name": self.version,
            "deployment": self.workload.name,
            "service": None,
            "port": None,
            "replicas": self.rollout.wanted,
            "ready": self.rollout.ready,
            "image": self.template["spec"]["containers"][0].get("image"),
            "replaces": annotations.get(REPLACES),
        }

    def as_info(self) -> dict[str, t.Any]:
        containers = self.template["spec"]["containers"]
        return {
            **self.as_result(),
            "complete": self.rollout.done,
            "created": self.revision.created if self.revision else None,
            "keep_until": None,
            "autoscaler": self.autoscaler["metadata"]["name"] if self.autoscaler else None,
            "termination_grace_period": self.grace,
            "pre_stop": any((container.get("lifecycle") or {}).get("preStop") for container in containers),
        }


def versions_in_place(cluster: Cluster, backend: Backend) -> list[VersionInPlace]:
    """Return the versions that a workload has or remembers, oldest first; none where there is no workload."""
    try:
        workload = backend.workload()
    except TargetNotFound:
        return []
    autoscalers = cluster.search("HorizontalPodAutoscaler", backend.target.namespace)
    autoscaler = autoscaler_of(workload.name, autoscalers)
    names = dict.fromkeys(one.version for one in workload.revisions if one.version)
    if workload.version:
        names.setdefault(workload.version)
    found = []
    for name in names:
        revision = workload.of_version(name)
        template = revision.template if revision else workload.template
        found.append(VersionInPlace(name, workload, template, revision, autoscaler))
    return sorted(found, key=lambda one: (one.created, one.revision.number if one.revision else 0))


class Outcome(t.NamedTuple):
    """What became of a version, in a sentence, and the version as it is now (None: it never was)."""

    words: str
    deployed: VersionInPlace | None


class InPlaceLifecycle:
    """Brings one version of a workload into a state. waits: whether to wait for pods; never in check mode."""

    def __init__(
        self, cluster: Cluster, journal: Journal, backend: Backend, identity: Identity, wait: Wait, *, waits: bool
    ) -> None:
        self._cluster = cluster
        self._journal = journal
        self._backend = backend
        self._identity = identity
        self._wait = wait
        self._waits = waits and not cluster.check_mode
        self._becomes = "would be" if cluster.check_mode else "is"

    def keep(self, seconds: int) -> Outcome | None:
        """Refuse to keep a version: the pods of a template before are its controller's to end."""
        if seconds:
            raise InvalidInput(
                f"keep: {self._identity} has no pods of its own to keep; {self._backend.name} changes one workload in "
                "place. Nothing was changed. Leave keep out; verb rollout with undo returns to the template before"
            )
        return None

    def deploy(self, wanted: Manifests, *, adopt: bool) -> Outcome:
        """Stage the version's template; where there is no workload yet, make it and wait for its pods."""
        containers = ", ".join(unprobed(wanted.deployment))
        if containers:
            self._journal.warn(
                f"{containers} of {self._identity} has no readiness probe: a pod gets requests as soon as it runs, "
                "whether it can answer or not. Give it one."
            )
        try:
            workload = self._backend.workload()
        except TargetNotFound:
            return self._create(wanted)
        adopt = adopt or workload.kind is ROLLOUT  # which is always made by somebody else: no backend makes one
        self._require_ours(workload, adopt=adopt)
        for other in wanted.others:
            self._journal.note(self._cluster.apply(other))
        template = self._template(workload, wanted, keeps_rest=adopt and not is_ours(workload.item))
        annotations = wanted.deployment["metadata"].get("annotations") or {}
        stated = {key: annotations.get(key) for key in (REPLACES, CHANGE_CAUSE)}
        replicas = self._replicas(workload, wanted.replicas)
        self._journal.note(self._backend.stage(template, replicas=replicas, annotations=stated))
        return self._staged()

    def scale(self, replicas: int | None) -> Outcome:
        """Stage a version that the workload remembers. Raises NotFound, naming those there are."""
        workload = self._backend.workload()
        version = self._identity.version
        if workload.version == version:
            return self._staged()
        revision = workload.of_version(version)
        if revision is None:
            known = ", ".join(dict.fromkeys(str(one.version) for one in workload.revisions)) or "none"
            raise NotFound(
                f"{workload.kind.kind} {self._identity.namespace}/{workload.name} has no template of {version}; those "
                f"it has or remembers: {known}. To deploy it, give image or manifests",
                name=version,
            )
        stated = {key: revision.annotations.get(key) for key in (REPLACES, CHANGE_CAUSE)}
        self._journal.note(
            self._backend.stage(
                copy.deepcopy(revision.template),
                replicas=self._replicas(workload, replicas or None),
                annotations=stated,
            )
        )
        return self._staged()

    def scale_down(self, serves: t.Callable[[str], bool], *, drain: float) -> Outcome:
        """Take a staged template away again. A version that was left has no pods already. `drain` has nothing to do."""
        return self._end(serves)

    def remove(self, serves: t.Callable[[str], bool], *, drain: float) -> Outcome:
        """The same: the workload's controller forgets old templates by itself (revisionHistoryLimit)."""
        return self._end(serves)

    def _create(self, wanted: Manifests) -> Outcome:
        for other in wanted.others:
            self._journal.note(self._cluster.apply(other))
        identity = self._identity
        deployment = copy.deepcopy(wanted.deployment)
        metadata, spec = deployment["metadata"], deployment["spec"]
        metadata["name"] = self._backend.workload_name
        metadata["labels"].pop(VERSION_LABEL)
        metadata.get("annotations", {}).pop(REPLACES, None)
        spec["selector"] = {"matchLabels": {NAME_LABEL: identity.app}}
        spec["replicas"] = 1 if wanted.replicas is None else wanted.replicas
        self._journal.note(self._backend.create(deployment))
        if not self._waits:
            return Outcome(f"{identity} {self._becomes} deployed, replicas: {spec['replicas']}", self._find())
        self._wait.start()
        rollout = self._wait.for_rollout()
        return Outcome(f"{identity} is ready: {rollout.available} of {rollout.wanted} pods", self._find())

    def _staged(self) -> Outcome:
        deployed = self._find()
        if deployed and deployed.rollout.wanted:
            return Outcome(f"{self._identity} is there: {deployed.rollout}", deployed)
        return Outcome(f"{self._identity} {self._becomes} staged: the next weight gives it its first pods", deployed)

    def _end(self, serves: t.Callable[[str], bool]) -> Outcome:
        identity = self._identity
        deployed = self._find()
        if deployed is None:
            return Outcome(f"{identity} is not there", None)
        name = f"{identity.app}-{identity.version}"
        if serves(name):
            raise StillServing(
                f"{identity} still receives traffic: pods of {deployed.workload.name} are of it. Nothing was removed. "
                "Take its weight away first: promote the other version, or run the playbook gradual.canary.rollback",
                service=name,
            )
        difference = self._backend.unstage()
        self._journal.note(difference)
        what = f"{self._becomes} taken away again, before it had a pod" if difference.changed else "has no pods"
        return Outcome(f"{identity} {what}", self._find())

    def _find(self) -> VersionInPlace | None:
        found = versions_in_place(self._cluster, self._backend)
        return next((one for one in found if one.version == self._identity.version), None)

    def _template(self, workload: Workload, wanted: Manifests, *, keeps_rest: bool) -> Object:
        """Return the wanted template with the server's defaults, as it is stored."""
        template = copy.deepcopy(wanted.deployment["spec"]["template"])
        match = (workload.item["spec"].get("selector") or {}).get("matchLabels") or {}
        labels = template["metadata"]["labels"]
        if VERSION_LABEL in match:
            raise InvalidInput(
                f"{workload.kind.kind} {workload.name} selects its pods by {VERSION_LABEL}, which cannot be changed, "
                "so it can never have another version. Make it anew without, or use a backend with a Deployment for "
                "each version"
            )
        if keeps_rest:
            template = merged(workload.template, template)
            template["metadata"]["labels"].update(labels)
        template["metadata"]["labels"].update(match)
        operations = [{"op": "replace", "path": "/spec/template", "value": template}]
        return t.cast(Object, self._cluster.preview(workload.item, operations)["spec"]["template"])

    def _replicas(self, workload: Workload, asked: int | None) -> int | None:
        autoscalers = self._cluster.search("HorizontalPodAutoscaler", self._identity.namespace)
        autoscaler = autoscaler_of(workload.name, autoscalers)
        if autoscaler is None:
            return asked
        warning = dispute(workload.item, autoscaler, asked)
        if warning:
            self._journal.warn(warning)
        return None

    def _require_ours(self, workload: Workload, *, adopt: bool) -> None:
        if not is_ours(workload.item):
            require_ours(self._identity, workload.item, adopt=adopt)


def is_ours(item: Object) -> bool:
    """Say whether this collection made a workload, so that its templates are exactly those it was given."""
    return bool((item["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY)
