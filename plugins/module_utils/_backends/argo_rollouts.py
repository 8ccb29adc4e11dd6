# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives an Argo Rollout, whose own controller splits. Private to the gradual.canary collection.

A Rollout's steps say which weights there are; a weight is set by going on to the stop that holds it, and 0 by
aborting. The controller writes the traffic router's objects and tells what it wrote, not what is served, so every
weight is proven from the client's side as with any other backend. A new version is first staged: its template is there,
held by ``spec.paused``, and no pod of it runs before the first weight.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _rollout_writes as writes
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Live, Snapshot
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_contract import RolloutControl
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_control import ArgoControl
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_driver import RolloutDriver
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_matches import require_there
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_preflight import Preflight, router_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_steps import Stop
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_template import (
    is_same_template,
    require_stageable,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import CHANGE_CAUSE, Workload
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    Conflict,
    Error,
    InvalidInput,
    Refused,
    StillServing,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._manifests import REPLACES
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    EVERYTHING,
    NOTHING,
    WHOLE,
    Capabilities,
    Change,
    Finding,
    Match,
    Split,
    Weight,
)

_ATTEMPTS: t.Final = 4


class ArgoRollouts(Backend):
    """One Rollout with a canary strategy in the application's namespace."""

    name = "argo_rollouts"
    knows_versions = True
    in_place = True
    no_mirror = "a Rollout's mirrors are steps of its own (setMirrorRoute)"
    OPTIONS: t.ClassVar[dict[str, dict[str, t.Any]]] = {
        "workload": {"type": "str"},
        "service": {"type": "str"},
        "ready_timeout": {"type": "int", "default": 300},
    }

    @property
    def capabilities(self) -> Capabilities:
        rollout = self._driver.look()
        router = router_of(rollout.routing)
        return Capabilities(
            resolution=max(1, WHOLE // rollout.steps.most),
            match_kinds=frozenset(),  # its spec may have some of its own; no others can be asked for
            match_operators=frozenset(),
            match_with_weight=True,
            most_matches=0,
            per=router.per,
            law="random",
            zero_canary_endpoints="no_share",
            zero_stable_endpoints="5xx",
            propagation_seconds=router.propagation_seconds,
            weights="steps",
            in_place=True,
            # No request can be made up for a regular expression, so it is no way to prove anything by.
            own_matches=tuple(match for match in rollout.matches_before_weight if match.operator != "regex"),
        )

    def observe(self) -> Split:
        return self._split(self._driver.look())

    def preflight(self) -> tuple[Finding, ...]:
        try:
            rollout = self._driver.look()
        except Error as error:
            return (Finding("error", error.code, error.message, "Without it nothing else can be looked at."),)
        return tuple(Preflight(self.cluster, self.target, rollout).findings())

    def require_reachable(self, weights: t.Sequence[Weight], replicas: int | None = None) -> None:
        rollout = self._driver.look()
        rollout.steps.require([weight for weight in weights if weight > NOTHING], rollout.where)

    def set(
        self, *, weight: Weight | None = None, matches: t.Sequence[Match] | None = None, expect: Weight | None = None
    ) -> Change:
        """Go on to the stop that holds the weight; to 0 by aborting. See the contract."""
        rollout = self._driver.look()
        before = self._split(rollout)
        self.require_expected(before, expect, rollout.item)
        if not rollout.has_canary or (rollout.is_staged and rollout.canary_version != self.target.version):
            return self._without_canary(before, weight)
        self._require_own_version(rollout)
        wanted = rollout.weight if weight is None else weight
        if wanted == NOTHING:
            require_there(matches or (), rollout.matches_then(_first(rollout)), rollout.canary, rollout.where)
            return self._change(before, rollout, self._to_nothing(rollout))
        stop = rollout.steps.stop_for(wanted, 0 if rollout.aborted else rollout.index, rollout.where)
        require_there(matches or (), rollout.matches_then(stop), rollout.canary, rollout.where)
        if weight is None or rollout.stop == stop:
            return Change(before, before)
        return self._change(before, rollout, self._to(rollout, stop))

    def promote(self) -> Change:
        rollout = self._driver.look()
        before = self._split(rollout)
        if not rollout.has_canary and rollout.stable_version == self.target.version:
            return Change(before, before)
        self._require_own_version(rollout)
        if rollout.weight != EVERYTHING:
            raise Conflict(
                f"{rollout.where} can be promoted to {self.target.version} when that has all traffic, and it has "
                f"{rollout.weight}. Nothing was changed; give it a weight of 100 first.",
                found=rollout.weight.as_percent(),
            )
        return self._change(before, rollout, self._to(rollout, _end(rollout)))

    def detach(self) -> Change:
        """Give the stable template back, so that the Rollout is healthy and no later write starts the canary again."""
        rollout = self._driver.look()
        before = self._split(rollout)
        if not rollout.has_canary:
            operations = writes.unlabelling(rollout.item)
            if not operations:
                return Change(before, before)
            return self._change(before, rollout, self._driver.write(rollout, writes.Writing(operations)))
        if before.canary is None:
            return Change(before, before)  # staged, and in no release
        self._require_own_version(rollout)
        if before.weight > NOTHING:
            raise StillServing(
                f"{rollout.where} still sends traffic to {self.target.canary_service}: {before}. Nothing was changed; "
                "give it weight 0 first (gradual.canary.rollback does), and let what is under way end.",
                weight=before.weight.as_percent(),
            )
        if before.matches:
            # Testers that the Rollout's own header leads to it go first; the weight of users is 0 already.
            rollout = self._abort(rollout)
        return self._change(before, rollout, self._give_back(rollout))

    def serves(self, service: str) -> bool:
        rollout = self._driver.look()
        versions, services = [rollout.stable_version], [self.service, rollout.canary.get("stableService")]
        if rollout.weight > NOTHING or rollout.matches:
            versions.append(rollout.canary_version)
            services.append(rollout.canary.get("canaryService"))
        return service in services or service in [self.target.service_of(one) for one in versions if one]

    def snapshot(self) -> Snapshot:
        rollout = self._driver.look()
        split, metadata = self._split(rollout), rollout.item["metadata"]
        values = {
            "weight": split.weight.as_percent(),
            "attached": split.canary is not None,
            "stable": rollout.stable_version,
            "canary": split.canary_version,
        }
        place = {"kind": "Rollout", "namespace": metadata["namespace"], "name": metadata["name"]}
        return Snapshot(self.name, ({**place, "uid": metadata.get("uid"), "values": values},))

    def restore(self, snapshot: Snapshot) -> Change:
        """Go back to the snapshot's weight: to 0 always, forward as far as steps go, and never back to another."""
        rollout = self._driver.look()
        saved = next((item for item in snapshot.objects if item["name"] == rollout.workload.name), None)
        if saved is None:
            raise InvalidInput(f"the snapshot has no Rollout {rollout.workload.name!r}; it is of another release")
        if rollout.item["metadata"].get("uid", saved["uid"]) != saved["uid"]:
            raise Conflict(f"{rollout.where} is not the one of the snapshot; it was made anew. Nothing was changed.")
        before, values = self._split(rollout), saved["values"]
        if values["attached"]:
            if values["canary"] != before.canary_version:
                raise Conflict(
                    f"the snapshot is of the release of {values['canary']}, and {rollout.where} has {before}. Nothing "
                    "was changed; release that version again."
                )
            return self.set(weight=Weight.percent(values["weight"]))
        if not rollout.has_canary or before.canary is None:
            return Change(before, before)
        return self._change(before, rollout, self._give_back(self._to_nothing(rollout)))

    def wait_accepted(self, seconds: float) -> Live:
        if self.cluster.check_mode:
            return Live("written", 0.0, "in check mode no controller follows")
        started = time.monotonic()

        def rests(one: ArgoRollout) -> bool:
            return one.stop is not None or one.aborted or one.paused

        rollout = self._driver.look()
        reached = self._driver.wait(rollout, rests, seconds) or self._driver.look()
        detail = f"{reached.where} is {reached.judged}"
        return Live("accepted", round(time.monotonic() - started, 3), detail)

    # in place

    def workload(self) -> Workload:
        return self._driver.look().workload

    def create(self, deployment: Object) -> Difference:
        raise TargetNotFound(
            f"there is no Rollout {self.target.namespace}/{self.workload_name}, and it is not made of a Deployment: "
            "its steps and its traffic router are yours to say. Apply it with the first version, then release the next."
        )

    def stage(
        self, template: Object, *, replicas: int | None = None, annotations: t.Mapping[str, str | None] | None = None
    ) -> Difference:
        for attempt in range(1, _ATTEMPTS + 1):
            rollout = self._driver.look()
            if is_same_template(rollout.workload.template, template):
                return self._difference(rollout, rollout, "")
            require_stageable(rollout, template, self._split(rollout))
            try:
                rollout = self._driver.scaled(rollout, replicas)
                writing = writes.with_template(rollout, template, paused=True, annotations=annotations or {})
                written = self._driver.write(rollout, writing)
                break
            except Conflict:
                if attempt == _ATTEMPTS:
                    raise
        staged = self._driver.staged(rollout, written)
        if staged.paused and not staged.has_canary and staged.workload.version == rollout.stable_version:
            # The controller finds it to be the stable template, written anew.
            staged = self._seen(self._driver.write(staged, writes.holding(staged, paused=False)))
        return self._difference(rollout, staged, f"{rollout.stable_version} -> {staged.workload.version}, held")

    def unstage(self) -> Difference:
        rollout = self._driver.look()
        if not rollout.is_staged or rollout.workload.version != self.target.version:
            return self._difference(rollout, rollout, "")
        returned = self._give_back(rollout)
        return self._difference(rollout, returned, f"{rollout.workload.version} -> {returned.workload.version}")

    def control(self) -> RolloutControl:
        return ArgoControl(self._driver)

    @property
    def workload_name(self) -> str:
        """The name of the Rollout."""
        return str(self.options.get("workload") or self.target.app)

    @property
    def service(self) -> str:
        """The Service that clients use, as far as anybody said."""
        return str(self.options.get("service") or self.target.app)

    # from here to there

    @property
    def _driver(self) -> RolloutDriver:
        seconds = float(self.options.get("ready_timeout") or self.OPTIONS["ready_timeout"]["default"])
        return RolloutDriver(self.cluster, self.target.namespace, self.workload_name, seconds)

    def _split(self, rollout: ArgoRollout) -> Split:
        stable = str(rollout.canary.get("stableService") or self.service)
        version = rollout.canary_version
        if version is None or rollout.is_staged:
            return Split(stable, None, NOTHING, stable_version=rollout.stable_version)
        return Split(
            stable=stable,
            canary=self.target.service_of(version),
            weight=rollout.weight,
            matches=rollout.matches,
            stable_version=rollout.stable_version,
            canary_version=version,
        )

    def _without_canary(self, before: Split, weight: Weight | None) -> Change:
        if before.stable_version == self.target.version:
            if weight in (None, EVERYTHING):
                return Change(before, before)  # past the last step it is the stable version already
            raise Conflict(f"{self.target.version} is the stable version already ({before}). Nothing was changed.")
        raise Refused(
            f"the Rollout has the template of {before.stable_version} and none of {self.target.canary_service}. "
            "Nothing was changed; deploy that version first, with gradual.canary.version or gradual.canary.deploy."
        )

    def _to_nothing(self, rollout: ArgoRollout) -> ArgoRollout:
        """Take all traffic away, and what is on its way; a staged canary is attached, with pods if the steps can.

        One that is attached and has no traffic is left alone, whatever it lacks: the way back must not wait for it.
        """
        if rollout.is_staged:
            first = _first(rollout)
            if first.weight == NOTHING:
                return self._to(rollout, first)
            labels = writes.release_labels(rollout)
            written = self._driver.write(rollout, writes.holding(rollout, paused=True, labels=labels))
            return self._seen(written.predicted(rollout.status, written.item))
        if rollout.aborted or not rollout.is_heading_for_traffic:
            return rollout
        return self._abort(rollout)

    def _abort(self, rollout: ArgoRollout) -> ArgoRollout:
        written = self._driver.write(rollout, writes.aborting(rollout))
        if self.cluster.check_mode:
            return self._driver.remember(written.predicted_aborted())
        return self._driver.wait_for_end(written)

    def _to(self, rollout: ArgoRollout, stop: Stop) -> ArgoRollout:
        """Go to a stop, from wherever it is; Conflict when the controller went past it by itself."""
        if rollout.aborted:
            rollout = self._driver.write(rollout, writes.trying_again(rollout))
        if rollout.paused:
            labels = writes.release_labels(rollout)
            rollout = self._seen(self._driver.write(rollout, writes.holding(rollout, paused=False, labels=labels)))
        reached = self._driver.reach(rollout, stop)
        if reached.index > stop.index and stop.weight != EVERYTHING:
            raise Conflict(
                f"{reached.where} went past {stop.weight}, to {self._split(reached)}: somebody promoted it, or its "
                "rollbackWindow lets it skip its steps. Look at it with gradual.canary.status."
            )
        return reached

    def _give_back(self, rollout: ArgoRollout) -> ArgoRollout:
        """Revert the template; with it the controller ends an abort and is healthy."""
        if rollout.stable is None:
            raise Conflict(
                f"the ReplicaSet of the stable version of {rollout.where} is gone, so its template is not known. "
                "Nothing was changed; apply the Rollout with that version's template."
            )
        known = rollout.stable.annotations
        told = {key: known.get(key) for key in (REPLACES, CHANGE_CAUSE)}
        writing = writes.with_template(rollout, rollout.stable.template, paused=False, annotations=told)
        written = self._driver.write(rollout, writing)
        if self.cluster.check_mode:
            return self._driver.remember(self._predicted_back(rollout, written))
        return self._driver.reach(self._seen(written), _end(rollout))

    def _seen(self, rollout: ArgoRollout) -> ArgoRollout:
        """Return it as the controller has seen it; in check mode as it is predicted, for later reads too."""
        return self._driver.remember(rollout) if self.cluster.check_mode else self._driver.seen(rollout)

    @staticmethod
    def _predicted_back(rollout: ArgoRollout, written: ArgoRollout) -> ArgoRollout:
        status = {**rollout.status, "currentPodHash": rollout.stable_hash}
        return written.predicted(status).predicted_at(_end(rollout))

    # telling and refusing

    def _change(self, before: Split, first: ArgoRollout, then: ArgoRollout) -> Change:
        after = self._split(then)
        return Change(before, after, (self._difference(first, then, f"{before} -> {after}"),))

    @staticmethod
    def _difference(first: ArgoRollout, then: ArgoRollout, said: str) -> Difference:
        return Difference(words(first.item), first.shown(), then.shown(), said)

    def _require_own_version(self, rollout: ArgoRollout) -> None:
        if rollout.canary_version != self.target.version:
            raise Conflict(
                f"the canary of {rollout.where} is {rollout.canary_version} and not {self.target.version}: another "
                "version is being released. Nothing was changed; finish that release with gradual.canary.release, or "
                "take it back with gradual.canary.rollback, first."
            )


def _first(rollout: ArgoRollout) -> Stop:
    return rollout.steps.next_stop(0)


def _end(rollout: ArgoRollout) -> Stop:
    return Stop(rollout.steps.end, EVERYTHING)
