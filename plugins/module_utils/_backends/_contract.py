# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every traffic system must be able to do. Private to the gradual.canary collection.

A backend knows the objects of one traffic system and nothing else. One parametrised suite (tests/contract) holds every
backend to this contract on a real controller.
"""

from __future__ import annotations

import abc
import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_contract import RolloutControl
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import Workload
from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER, Cluster
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    Conflict,
    ForeignOwner,
    InvalidInput,
    Unsupported,
)
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, last_writer, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    NOTHING,
    Capabilities,
    Change,
    Finding,
    Match,
    Split,
    Weight,
)

Options = t.Mapping[str, t.Any]

_DEFAULT_GRACE: t.Final = 30  # seconds; what Kubernetes gives a pod that does not say

_DELIVERY_TOOLS: t.Final = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}


@dataclasses.dataclass(frozen=True)
class Target:
    """One application in one namespace, and the version that is to be its canary (None: only look)."""

    namespace: str
    app: str
    version: str | None = None

    def service_of(self, version: str) -> str:
        """Return the name of a version's Service, which is also that of its Deployment."""
        return f"{self.app}-{version}"

    @property
    def canary_service(self) -> str:
        if self.version is None:
            raise InvalidInput("this needs a version: the one that is to receive the traffic")
        return self.service_of(self.version)

    def is_service(self, name: str) -> bool:
        """Say whether a Service's name is one that this application's Services have."""
        return name == self.app or name.startswith(f"{self.app}-")


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Enough to restore the traffic from another process: plain JSON values, no secrets.

    objects: one entry for each object, ``{kind, namespace, name, uid, values}``; `values` belong to the backend.
    """

    backend: str
    objects: tuple[t.Mapping[str, t.Any], ...]
    schema: int = 1

    def as_result(self) -> dict[str, t.Any]:
        return {"schema": self.schema, "backend": self.backend, "objects": [dict(item) for item in self.objects]}

    @classmethod
    def parse(cls, value: t.Mapping[str, t.Any], backend: str) -> Snapshot:
        """Return the snapshot that ``as_result`` made; InvalidInput when it is of another backend or newer."""
        if value.get("schema") != 1:
            raise InvalidInput(f"snapshot has schema {value.get('schema')!r}; this version of the collection reads 1")
        if value.get("backend") != backend:
            raise InvalidInput(f"snapshot is of backend {value.get('backend')!r}, and this is {backend!r}")
        return cls(backend, tuple(value.get("objects") or ()))


class Live(t.NamedTuple):
    """How far a change got: ``written`` (no status exists), or ``accepted`` by the controller; after `seconds`."""

    level: str
    seconds: float
    detail: str


class Backend(abc.ABC):
    """One traffic system serving one application.

    All mutators are idempotent, send JSON patches with tests on everything they relied on, and never touch what is not
    theirs. In check mode the cluster turns every write into a dry run.
    """

    name: t.ClassVar[str]
    OPTIONS: t.ClassVar[dict[str, dict[str, t.Any]]]

    knows_versions: t.ClassVar[bool] = False
    """Whether `observe` knows the versions for sure; else their Services are asked, which know better."""

    in_place: t.ClassVar[bool] = False
    """Whether all versions are templates of one workload; else each has a Deployment and a Service of its own."""

    no_mirror: t.ClassVar[str] = "nothing in it does that"
    """Why the canary cannot be sent copies of requests, where it cannot: see `MirroringBackend`."""

    def __init__(self, cluster: Cluster, target: Target, options: Options) -> None:
        self.cluster = cluster
        self.target = target
        self.options = options

    @property
    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """What this traffic system, served by this controller, can do. May ask the cluster."""

    @abc.abstractmethod
    def observe(self) -> Split:
        """Return the split as the objects have it. Raises TargetNotFound, AmbiguousTarget, Unsupported."""

    @abc.abstractmethod
    def preflight(self) -> tuple[Finding, ...]:
        """Return everything that would break or falsify a split with this canary. Only reads, as much as it needs."""

    @abc.abstractmethod
    def set(
        self, *, weight: Weight | None = None, matches: t.Sequence[Match] | None = None, expect: Weight | None = None
    ) -> Change:
        """Give the canary this weight and these match routes (the full wanted list), as one state in one write.

        None leaves a part as it is. A canary that is not attached yet is attached (weight 0 unless given).
        Raises Conflict when the weight is not `expect` any more, InvalidSplit when it cannot be represented.
        """

    @abc.abstractmethod
    def promote(self) -> Change:
        """Make the canary's version the stable one. The canary must have all traffic (weight 100), else Conflict."""

    @abc.abstractmethod
    def detach(self) -> Change:
        """Take the canary out of the traffic system. Raises StillServing while users can reach a version by it."""

    @abc.abstractmethod
    def serves(self, service: str) -> bool:
        """Say whether any user's request can reach this Service through the traffic system."""

    @abc.abstractmethod
    def snapshot(self) -> Snapshot:
        """Return what `restore` needs. Reads only."""

    @abc.abstractmethod
    def restore(self, snapshot: Snapshot) -> Change:
        """Put weights and match routes back as they were: match routes off first. Deletes nothing."""

    @abc.abstractmethod
    def wait_accepted(self, seconds: float) -> Live:
        """Wait until the controller says that it took the objects as they are. A hint: only sampling is proof.

        Raises Degraded when the controller refuses them, NotLive when it says nothing in time.
        """

    def require_reachable(self, weights: t.Sequence[Weight], replicas: int | None = None) -> None:
        """Raise InvalidSplit, naming what can be had, when one of a release's weights cannot. Reads at most.

        replicas: how many pods the new version is going to be deployed with; None when that is left as it is.
        """
        for weight in weights:
            self.capabilities.require(weight, (), self.name)

    @property
    def workload_name(self) -> str:
        """The workload of a backend that is `in_place`: the one of the option, else that of the application's name."""
        return str(self.options.get("workload") or self.target.app)

    def workload(self) -> Workload:
        """Return the workload whose templates are the versions, for a backend that is `in_place`."""
        raise Unsupported(f"with backend {self.name} each version has a Deployment of its own")

    def create(self, deployment: Object) -> Difference:
        """Make the workload, of this Deployment, where there is none yet. For a backend that is `in_place`."""
        raise Unsupported(f"with backend {self.name} a first workload is not made of a Deployment; apply it yourself")

    def stage(
        self, template: Object, *, replicas: int | None = None, annotations: t.Mapping[str, str | None] | None = None
    ) -> Difference:
        """Give the workload this template, and pause it in the same write, so that no pod is touched.

        For a backend that is `in_place`. Nothing is written when it has that template already. annotations: those of
        the workload that go with the template; None takes one away. Raises Conflict while another release is under way.
        """
        raise Unsupported(f"with backend {self.name} each version has a Deployment of its own")

    def unstage(self) -> Difference:
        """Take this version's template away again when it is only staged: no pod is touched. Else write nothing."""
        raise Unsupported(f"with backend {self.name} each version has a Deployment of its own")

    def control(self) -> RolloutControl:
        """Return what the verb ``rollout`` acts on. Raises Unsupported."""
        raise Unsupported(
            f"backend {self.name} has no rollout of one workload: each version has a Deployment of its own. Move "
            "traffic with gradual.canary.traffic, deploy and remove versions with gradual.canary.version."
        )

    def require_expected(self, split: Split, expect: Weight | None, item: Object, field: t.Sequence[str] = ()) -> None:
        """Raise Conflict, naming who wrote `field` (the path of the weight in `item`), when the split is another."""
        if expect is None or split.weight == expect:
            return
        writer = last_writer(item, other_than=FIELD_MANAGER, field=field)
        raise Conflict(
            f"{words(item)} gives {split.weight} to the canary and not {expect} as expected"
            f"{f'; last written by {writer}' if writer else ''}. Nothing was changed. "
            "Look at it with the playbook gradual.canary.status; if the weight is right, expect it and run again.",
            expected=expect.as_percent(),
            found=split.weight.as_percent(),
            writer=writer,
        )


class MirroringBackend(Backend):
    """A traffic system that can send the canary copies of requests and throw the answers away."""

    @abc.abstractmethod
    def set(
        self,
        *,
        weight: Weight | None = None,
        matches: t.Sequence[Match] | None = None,
        expect: Weight | None = None,
        mirror: Weight | None = None,
    ) -> Change:
        """Give the canary weight, match routes and copies of this share of all requests, as one state in one write.

        Requests of match routes are not copied: the canary has them. Promotion and detaching end the copies.
        Raises Unsupported when the controller cannot copy this share.
        """


def set_split(
    backend: Backend,
    *,
    weight: Weight | None,
    matches: t.Sequence[Match] | None,
    mirror: Weight | None,
    expect: Weight | None,
) -> Change:
    """Set the split of any backend; Unsupported when copies are wanted of one that makes none. None: left as it is."""
    if isinstance(backend, MirroringBackend):
        return backend.set(weight=weight, matches=matches, mirror=mirror, expect=expect)
    backend.capabilities.require_mirror(mirror or NOTHING, f"backend {backend.name}", backend.no_mirror)
    return backend.set(weight=weight, matches=matches, expect=expect)


def ownership(item: Object, *, allowed_kinds: t.Container[str] = ()) -> tuple[Finding, ...]:
    """Return findings about who else writes this object: a controller that owns it, or a delivery tool."""
    metadata = item["metadata"]
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller") and owner.get("kind") not in allowed_kinds:
            return (
                Finding(
                    "error",
                    ForeignOwner.code,
                    f"{words(item)} is controlled by {owner['kind']} {owner['name']}, which would undo our writes",
                    f"Release through {owner['kind']}, or let it give the object up.",
                ),
            )
    marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    tools = sorted({tool for key, tool in _DELIVERY_TOOLS.items() if key in marks})
    return tuple(
        Finding(
            "warning",
            ForeignOwner.code,
            f"{words(item)} is delivered by {tool}, which may revert weights during the release",
            "Suspend its synchronisation for the time of the release, or make it ignore the weights.",
        )
        for tool in tools
    )


def endings(name: str, template: Object, propagation_seconds: float) -> t.Iterator[Finding]:
    """Warn of pods that end before those who send to them know, where a split changes by pods ending.

    name: whose pods they are, in a user's words. propagation_seconds: until nobody sends to a pod that is to end.
    """
    pod = template["spec"]
    asked = [container for container in pod["containers"] if container.get("ports")] or pod["containers"]
    hooks = [(container.get("lifecycle") or {}).get("preStop") for container in asked]
    if not all(hooks):
        yield Finding(
            "warning",
            "no_pre_stop",
            f"the pods of {name} have no preStop hook: each stage ends pods, and connections that reach them "
            "before every node knows are refused",
            "Give them pre_stop_sleep: 5 and a termination_grace_period above that and the longest request.",
        )
        return
    sleeps = [int(hook["sleep"]["seconds"]) for hook in hooks if hook and hook.get("sleep")]
    if sleeps and min(sleeps) < propagation_seconds:
        yield Finding(
            "warning",
            "short_pre_stop",
            f"the pods of {name} sleep for {min(sleeps)} s before they are told to end, and it takes up to "
            f"{propagation_seconds:g} s until every node knows that they end: connections in between are refused",
            f"Give them a pre_stop_sleep above {propagation_seconds:g}; 5 leaves room.",
        )
    grace = int(pod.get("terminationGracePeriodSeconds", _DEFAULT_GRACE))
    if sleeps and grace <= max(sleeps):
        yield Finding(
            "warning",
            "short_grace",
            f"the pods of {name} have {grace} s for ending and sleep for {max(sleeps)} of them: requests that "
            "are under way then are cut",
            "Give them a termination_grace_period above that sleep and the longest request.",
        )
