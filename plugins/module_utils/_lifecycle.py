# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One version through its states: present, scaled down, absent. Private to the gradual.canary collection.

The order is the lossless one: pods, then the Service that selects them; and back, nothing is taken away before the
traffic system says that no request can reach it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import StillServing
from ansible_collections.gradual.canary.plugins.module_utils._keep import Keeping, end_after, is_over, now, recorded
from ansible_collections.gradual.canary.plugins.module_utils._manifests import Identity, Manifests
from ansible_collections.gradual.canary.plugins.module_utils._readiness import unprobed
from ansible_collections.gradual.canary.plugins.module_utils._rollout import Wait
from ansible_collections.gradual.canary.plugins.module_utils._workloads import Deployed, Journal, Workloads


class Outcome(t.NamedTuple):
    """What became of a version, in a sentence, and the version as it is now (None: absent)."""

    words: str
    deployed: Deployed | None


class Lifecycle:
    """Brings one version into a state and waits for it.

    waits: whether to wait for pods and endpoints; never in check mode.
    """

    def __init__(self, cluster: Cluster, journal: Journal, identity: Identity, wait: Wait, *, waits: bool) -> None:
        self._workloads = Workloads(cluster, journal)
        self._keeping = Keeping(cluster, journal)
        self._journal = journal
        self._identity = identity
        self._wait = wait
        self._waits = waits and not cluster.check_mode
        self._rehearses = cluster.check_mode
        self._becomes = "would be" if cluster.check_mode else "is"

    def deploy(self, wanted: Manifests, *, adopt: bool) -> Outcome:
        """Apply the version's objects. Raises ForeignOwner, Rejected, and NotReady once its pods cannot be ready."""
        containers = ", ".join(unprobed(wanted.deployment))
        if containers:
            self._journal.warn(
                f"{containers} of {self._identity} has no readiness probe: a pod gets requests as soon as it runs, "
                "whether it can answer or not. Give it one."
            )
        self._workloads.apply_pods(wanted, adopt=adopt)
        pods = self._rolled_out()
        self._workloads.apply_service(wanted)
        return self._present(pods)

    def scale(self, replicas: int | None) -> Outcome:
        """Give an existing version this many pods; None leaves them, but never at 0. Raises NotFound, NotReady."""
        self._workloads.scale(self._workloads.get(self._identity), replicas)
        return self._present(self._rolled_out())

    def keep(self, seconds: int) -> Outcome | None:
        """Leave a version at full size until its time is over; None when it is, or when it has no pods.

        seconds: how long from now, for a version of which nothing is recorded yet. One that is kept keeps its time.
        """
        deployed = self._workloads.find(self._identity)
        if deployed is None or not deployed.rollout.wanted or not seconds:
            return None
        until = recorded(deployed.deployment)
        if until is None:
            until = end_after(seconds, now())
            self._keeping.record(deployed.deployment, until)
            deployed = self._workloads.get(self._identity)
        elif is_over(until, now()):
            return None
        return Outcome(f"{self._identity} stays at full size until {until}: {deployed.rollout}", deployed)

    def scale_down(self, serves: t.Callable[[str], bool], *, drain: float) -> Outcome:
        """Take away the pods of a version that `serves` no request any more; StillServing when it does.

        serves: says whether any request can reach a Service. drain: seconds to let requests end before.
        """
        deployed = self._workloads.get(self._identity)
        self._require_idle(serves)
        self._take_pods_away(deployed, serves, drain)
        self._keeping.forget(deployed.deployment)
        return Outcome(f"{self._identity} {self._becomes} scaled down", self._workloads.get(self._identity))

    def remove(self, serves: t.Callable[[str], bool], *, drain: float) -> Outcome:
        """Scale down, then delete the version's objects. One that is not there is no error."""
        deployed = self._workloads.find(self._identity)
        self._require_idle(serves)
        if deployed:
            self._take_pods_away(deployed, serves, drain)
        removed = self._workloads.remove_objects(self._identity)
        return Outcome(f"{self._identity} {f'{self._becomes} removed' if removed else 'is not there'}", None)

    def _rolled_out(self) -> int | None:
        """Wait for the pods; return how many there are, or None when that was not waited for."""
        if not self._waits:
            return None
        self._wait.start()
        return self._wait.for_rollout().wanted

    def _present(self, pods: int | None) -> Outcome:
        deployed = self._workloads.get(self._identity)
        if self._keeping.forget(deployed.deployment):  # it is wanted again, and without an end
            deployed = self._workloads.get(self._identity)
        if pods is None:
            return Outcome(f"{self._identity} {self._becomes} deployed, replicas: {deployed.rollout.wanted}", deployed)
        if deployed.service:
            self._wait.for_endpoints(deployed.service, pods)
        return Outcome(f"{self._identity} is ready: {deployed.rollout.available} of {pods} pods", deployed)

    def _take_pods_away(self, deployed: Deployed, serves: t.Callable[[str], bool], drain: float) -> None:
        if drain and not self._rehearses and deployed.rollout.wanted:
            self._wait.for_drain(drain)
            self._require_idle(serves)  # somebody may have sent traffic there meanwhile
        self._workloads.scale_to_zero(self._identity)
        if self._waits:
            self._wait.start()
            self._wait.for_no_pods()

    def _require_idle(self, serves: t.Callable[[str], bool]) -> None:
        name = self._identity.name
        if serves(name):
            raise StillServing(
                f"{self._identity} still receives traffic: the traffic system sends requests to Service {name}. "
                "Nothing was removed. Take its weight and its match routes away first: promote the other version, or "
                "run the playbook gradual.canary.rollback",
                service=name,
            )
