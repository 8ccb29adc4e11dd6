# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verb sees of Ansible, and how it ends. Private to the gradual.canary collection.

A verb is a function ``run(task) -> values``. The same function serves its module and its action plugin, so both have
the same check mode, diff, errors and return values.
"""

from __future__ import annotations

import contextlib
import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gradual.canary.plugins.module_utils._arguments import (
    ArgumentSpec,
    validated,
    version_clusters,
)
from ansible_collections.gradual.canary.plugins.module_utils._arguments import cluster as cluster_options
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference, without_secrets
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    Error,
    InvalidInput,
    MissingLibrary,
    Unreachable,
)
from ansible_collections.gradual.canary.plugins.module_utils._lock import Lock
from ansible_collections.gradual.canary.plugins.module_utils._lock_keeper import Keeper
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Rehearsal
from ansible_collections.gradual.canary.plugins.module_utils._terminal import Attentive, Terminal

if t.TYPE_CHECKING:
    from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
    from ansible_collections.gradual.canary.plugins.module_utils._placement import Placement

Values = dict[str, t.Any]
SECRET_FIELDS = (
    "token",
    "password",
    "client-key-data",
    "client-certificate-data",
    "id-token",
    "refresh-token",
    "api_key",
)


class Task:
    """One task: its parameters, its modes, its cluster (connected at first use), and what it noted on the way."""

    def __init__(
        self,
        params: t.Mapping[str, t.Any],
        *,
        check_mode: bool = False,
        terminal: Terminal | None = None,
        variables: t.Mapping[str, t.Any] | None = None,
        rehearsal: Rehearsal | None = None,
    ) -> None:
        self.params = params
        self.check_mode = check_mode
        self.terminal = terminal or Terminal()
        self.variables = variables or {}
        self.rehearsal = rehearsal or Rehearsal()
        self.warnings: list[str] = []
        self.differences: list[Difference] = []
        self._cluster: Cluster | None = None
        self._placement: Placement | None = None
        self._keeper: Keeper | None = None

    @property
    def cluster(self) -> Cluster:
        if self._cluster is None:
            # Not at the top: verify, plan and approval need no client, whose import takes longer than all they do.
            # What needs it has imported it before, in the controller's process and not in each task's.
            from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster

            self._cluster = Cluster.connect(self.params, check_mode=self.check_mode, rehearsal=self.rehearsal)
            self._guard(self._cluster)
        return self._cluster

    @property
    def placement(self) -> Placement:
        """The clusters that the application's versions run in: its own, unless version_clusters names others."""
        if self._placement is None:
            from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
            from ansible_collections.gradual.canary.plugins.module_utils._placement import Placement

            others = [
                Cluster.connect(params, check_mode=self.check_mode, rehearsal=self.rehearsal)
                for params in version_clusters(self.params)
            ]
            for other in others:
                self._guard(other)
                if other.server != self.cluster.server:
                    other.rehearsal = self.rehearsal.of(other.server)
            self._placement = Placement(self.cluster, others)
        return self._placement

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def note(self, *differences: Difference) -> None:
        """Add what was (or would be) changed: it is in the result even if the task fails later."""
        self.differences.extend(differences)

    @contextlib.contextmanager
    def keeping_lock(self) -> t.Iterator[None]:
        """Keep the lock that `params` name as long as the block lasts; without one, and in check mode, do nothing."""
        named = self.params.get("lock")
        if not named or self.check_mode:
            yield
            return
        if isinstance(named, str):
            holder, place, options = named, self.params, self.params
        else:
            holder, place = named["holder"], named
            options = validated(cluster_options(), named["cluster"], "lock: cluster")

        def lock() -> Lock:
            from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster

            # A cluster of its own: this one is not guarded, and its requests are not those of the task.
            return Lock(Cluster.connect(options), place["namespace"], place["app"])

        with Keeper(lock, holder) as self._keeper:
            # A proof that bakes for an hour is not to go on for nothing.
            self.terminal = Attentive(self.terminal, functools.partial(self._keeper.report_loss, ask=False))
            try:
                yield
            except (Unreachable, InvalidInput, MissingLibrary):
                raise
            except Error:
                self._keeper.report_loss(ask=True)
                raise

    def _guard(self, cluster: Cluster) -> None:
        if self._keeper is not None:
            cluster.before_write = self._keeper.require

    def perform(self, run: t.Callable[[Task], Values]) -> Values:
        """Run a verb and return the task's result; the one place where an error becomes a failure."""
        try:
            with self.keeping_lock():
                values = run(self)
                if self._keeper is not None:
                    self._keeper.report_loss(ask=bool(values.get("failed")))
        except Error as error:
            values = {"failed": True, "msg": error.message, "failure": error.failure()}
        changes = [difference for difference in self.differences if difference.changed]
        result: Values = {"changed": bool(changes), **values}
        if changes:
            result["diff"] = [difference.as_diff() for difference in changes]
        if self._cluster is not None:
            clusters = self._placement.clusters if self._placement else (self._cluster,)
            requests = sum(cluster.requests for cluster in clusters)
            result["cluster"] = {**self._cluster.identity(), "requests": requests}
            result["writes"] = [
                {
                    "verb": write.verb,
                    "path": write.path,
                    "body": without_secrets(write.body),
                    "server": cluster.server,
                }
                for cluster in clusters
                for write in cluster.writes
            ]
            if values.get("failed") and result["writes"]:
                result["changed"] = True  # what failed was after a write, whose difference did not come this far
        return result


def secrets_in(params: t.Mapping[str, t.Any]) -> set[str]:
    """Return the secret strings inside of structured options, which ``no_log`` cannot name one by one."""
    found: set[str] = set()

    def collect(value: t.Any) -> None:
        if isinstance(value, dict):
            found.update(str(value[field]) for field in SECRET_FIELDS if value.get(field))
            for child in value.values():
                collect(child)
        elif isinstance(value, list):
            for child in value:
                collect(child)

    collect([params.get("kubeconfig"), params.get("version_clusters")])
    return found


def main(arguments: ArgumentSpec, run: t.Callable[[Task], Values]) -> None:
    """Run a verb as a module: on a bastion, or wherever the action plugin hands over to."""
    module = AnsibleModule(supports_check_mode=True, **arguments.keywords())
    module.no_log_values.update(secrets_in(module.params))
    task = Task(module.params, check_mode=module.check_mode)
    result = task.perform(run)
    for warning in task.warnings:
        module.warn(warning)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
