# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying, scaling and removing the versions of an application. Private to the gradual.canary collection."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _replicas as replica_rules
from ansible_collections.gradual.canary.plugins.module_utils._adoption import (
    keep_containers,
    keep_selector,
    require_ours,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    Conflict,
    NotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._keep import recorded as recorded_end
from ansible_collections.gradual.canary.plugins.module_utils._manifests import (
    COMPANIONS,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NAME_LABEL,
    OTHERS,
    REPLACES,
    VERSION_LABEL,
    Identity,
    Manifests,
)
from ansible_collections.gradual.canary.plugins.module_utils._readiness import Rollout
from ansible_collections.gradual.canary.plugins.module_utils._replicas import autoscaler_of
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words

_ATTEMPTS = 3  # at a write that an autoscaler may get in before


class Journal(t.Protocol):
    """Where changes and warnings are noted as they happen, so that a later failure does not lose them."""

    def note(self, *differences: Difference) -> None: ...

    def warn(self, text: str) -> None: ...


@dataclasses.dataclass(frozen=True)
class Deployed:
    """A version as the cluster has it: its Deployment, its Service and what scales it (None: none)."""

    identity: Identity
    deployment: Object
    service: Object | None
    autoscaler: Object | None = None

    @property
    def created(self) -> str:
        return str(self.deployment["metadata"].get("creationTimestamp") or "")

    @property
    def rollout(self) -> Rollout:
        return Rollout.of(self.deployment)

    def as_result(self) -> dict[str, t.Any]:
        pod = self.deployment["spec"]["template"]["spec"]
        annotations = self.deployment["metadata"].get("annotations") or {}
        ports = self.service["spec"].get("ports") or [] if self.service else []
        return {
            "name": self.identity.version,
            "deployment": self.identity.name,
            "service": self.identity.name if self.service else None,
            "port": ports[0]["port"] if ports else None,
            "replicas": self.rollout.wanted,
            "ready": self.rollout.ready,
            "image": pod["containers"][0].get("image"),
            "replaces": annotations.get(REPLACES),
            "keep_until": recorded_end(self.deployment),
        }

    def as_info(self) -> dict[str, t.Any]:
        pod = self.deployment["spec"]["template"]["spec"]
        return {
            **self.as_result(),
            "complete": self.rollout.done,
            "created": self.created,
            "autoscaler": self.autoscaler["metadata"]["name"] if self.autoscaler else None,
            "termination_grace_period": self.grace,
            "pre_stop": any((container.get("lifecycle") or {}).get("preStop") for container in pod["containers"]),
        }

    @property
    def grace(self) -> int:
        """Return the seconds a pod of this version may take to end."""
        return int(self.deployment["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30))


class Workloads:
    """The versions of one application. Every write is a server-side apply of our own objects or a tested JSON patch."""

    def __init__(self, cluster: Cluster, journal: Journal) -> None:
        self._cluster = cluster
        self._journal = journal

    # reading

    def versions(self, namespace: str, app: str) -> list[Deployed]:
        """Return all versions of an application that this collection deployed, oldest first."""
        labels = {NAME_LABEL: app, MANAGED_BY_LABEL: MANAGED_BY}
        services = self._cluster.search("Service", namespace, labels=labels)
        named = {item["metadata"]["name"]: item for item in services}
        autoscalers = self._cluster.search("HorizontalPodAutoscaler", namespace)
        found = []
        for item in self._cluster.search("Deployment", namespace, labels=labels):
            name, version = item["metadata"]["name"], item["metadata"]["labels"].get(VERSION_LABEL)
            if version and name == f"{app}-{version}":
                identity = Identity(namespace, app, version)
                found.append(Deployed(identity, item, named.get(name), autoscaler_of(name, autoscalers)))
        return sorted(found, key=lambda one: (one.created, one.identity.name))

    def find(self, identity: Identity) -> Deployed | None:
        """Return one version, or None when it has no Deployment. Raises ForeignOwner when its name is not ours."""
        deployment = self._cluster.find("Deployment", identity.name, identity.namespace)
        service = self._cluster.find("Service", identity.name, identity.namespace)
        for item in (deployment, service):
            if item is not None:
                require_ours(identity, item)
        if deployment is None:
            return None
        return Deployed(identity, deployment, service, self._autoscaler(identity))

    def get(self, identity: Identity) -> Deployed:
        """Return one version; NotFound, naming those that exist, when there is none. Raises ForeignOwner as `find`."""
        deployed = self.find(identity)
        if deployed is None:
            known = ", ".join(one.identity.version for one in self.versions(identity.namespace, identity.app)) or "none"
            raise NotFound(
                f"there is no Deployment {identity.name} in namespace {identity.namespace}; versions of {identity.app} "
                f"there: {known}. To deploy it, give image or manifests",
                name=identity.name,
            )
        return deployed

    # present

    def apply_pods(self, wanted: Manifests, *, adopt: bool) -> None:
        """Apply everything but the Service. Raises ForeignOwner, before any write, unless told to adopt."""
        identity = wanted.identity
        live = self._cluster.find("Deployment", identity.name, identity.namespace)
        service = self._cluster.find("Service", identity.name, identity.namespace)
        for item in (live, service):
            if item is not None:
                require_ours(identity, item, adopt=adopt)
        if live is None:
            self._warn_of_shared_services(wanted)
        for other in wanted.others:
            self._journal.note(self._cluster.apply(other))
        autoscaler = wanted.autoscaler or self._autoscaler(identity)
        deployment = copy.deepcopy(wanted.deployment)
        number: int | None
        if live is None:
            number = replica_rules.first_number(autoscaler, wanted.replicas)
        else:
            number = replica_rules.applied_number(live, autoscaler)
            keep_selector(deployment, live)
            keep_containers(deployment, live)
            _keep_record(deployment, live)
        deployment["spec"].pop("replicas", None)
        if number is not None:
            deployment["spec"]["replicas"] = number
        self._journal.note(self._cluster.apply(deployment, force=live is not None and not identity.owns(live)))
        if live is not None:
            self._scale(identity, autoscaler, wanted.replicas)

    def apply_service(self, wanted: Manifests) -> None:
        """Apply the Service. Comes after the pods are ready: one taken over must not select pods that are not there."""
        identity = wanted.identity
        live = self._cluster.find("Service", identity.name, identity.namespace)
        self._journal.note(self._cluster.apply(wanted.service, force=live is not None and not identity.owns(live)))

    def scale(self, deployed: Deployed, replicas: int | None) -> None:
        """Give a live version this many pods; None leaves them, but never at 0. An autoscaler's number is its own."""
        self._scale(deployed.identity, deployed.autoscaler, replicas)

    def _scale(self, identity: Identity, autoscaler: Object | None, asked: int | None) -> None:
        live = self._cluster.get("Deployment", identity.name, identity.namespace)
        warning = replica_rules.dispute(live, autoscaler, asked) if autoscaler else None
        if warning:
            self._journal.warn(warning)
        self._set_replicas(identity, lambda live: replica_rules.wanted_number(live, autoscaler, asked))

    # scaled down, absent

    def scale_to_zero(self, identity: Identity) -> None:
        """Take all pods away. An autoscaler rests while a Deployment has 0 replicas."""
        self._set_replicas(identity, lambda _live: 0)

    def remove_objects(self, identity: Identity) -> bool:
        """Delete the version's objects; say whether there were any. The Deployment goes last: it records the others."""
        live = self._cluster.find("Deployment", identity.name, identity.namespace)
        service = self._cluster.find("Service", identity.name, identity.namespace)
        items = [service, *(self._companions(identity, live) if live else []), live]
        for item in items:
            if item is not None:
                require_ours(identity, item)
        for item in items:
            if item is not None:
                self._cluster.delete(item)
                self._journal.note(Difference(words(item), item, None))
        return any(item is not None for item in items)

    def _companions(self, identity: Identity, deployment: Object) -> list[Object]:
        """Return the objects that were applied with the version and carry its labels; others may be shared."""
        found = []
        for entry in _recorded(deployment):
            kind, _slash, name = entry.partition("/")
            if kind in COMPANIONS:
                item = self._cluster.find(kind, name, identity.namespace)
                if item is not None and identity.owns(item):
                    found.append(item)
        return found

    def _set_replicas(self, identity: Identity, decide: t.Callable[[Object], int]) -> None:
        """Write the number that `decide` gives for the live Deployment, again when it was changed meanwhile."""
        for attempt in range(1, _ATTEMPTS + 1):
            live = self._cluster.get("Deployment", identity.name, identity.namespace)
            before, wanted = replica_rules.number_of(live), decide(live)
            if before == wanted:
                return
            test = {"op": "test", "path": "/spec/replicas", "value": before}
            replace = {"op": "replace", "path": "/spec/replicas", "value": wanted}
            try:
                after = self._cluster.patch(live, [test, replace])
            except Conflict:
                if attempt == _ATTEMPTS:
                    raise
            else:
                self._journal.note(Difference(words(live), live, after, f"{before} -> {wanted} replicas"))
                return

    def _autoscaler(self, identity: Identity) -> Object | None:
        return autoscaler_of(identity.name, self._cluster.search("HorizontalPodAutoscaler", identity.namespace))

    def _warn_of_shared_services(self, wanted: Manifests) -> None:
        """Warn of Services that would send this version requests past the traffic system."""
        labels = wanted.deployment["spec"]["template"]["metadata"]["labels"]
        for item in self._cluster.search("Service", wanted.identity.namespace):
            selector = item.get("spec", {}).get("selector") or {}
            if selector and VERSION_LABEL not in selector and selector.items() <= labels.items():
                chosen = ", ".join(f"{key}={value}" for key, value in sorted(selector.items()))
                self._journal.warn(
                    f"{words(item)} selects pods of every version ({chosen}): {wanted.identity.version} gets a share "
                    f"of its requests as soon as its pods are ready. Add {VERSION_LABEL} to that selector."
                )


def _recorded(deployment: Object) -> list[str]:
    """Return the objects that were applied with a version, each as ``Kind/name``."""
    text = (deployment["metadata"].get("annotations") or {}).get(OTHERS, "")
    return [entry for entry in str(text).split(",") if entry]


def _keep_record(deployment: Object, live: Object) -> None:
    """Keep objects of earlier manifests in the record, so that they are still removed with the version."""
    entries = dict.fromkeys([*_recorded(live), *_recorded(deployment)])
    if entries:
        deployment["metadata"]["annotations"][OTHERS] = ",".join(entries)
