# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verb sees of Ansible, and how it ends. Private to the gradual.canary collection.

A verb is a function ``run(task) -> values``. The same function serves its module and its action plugin, so both have
the same check mode, diff, errors and return values.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference, without_secrets
from ansible_collections.gradual.canary.plugins.module_utils._errors import Error
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Rehearsal
from ansible_collections.gradual.canary.plugins.module_utils._terminal import Terminal

if t.TYPE_CHECKING:
    from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster

Values = dict[str, t.Any]
SECRET_FIELDS = ("token", "password", "client-key-data", "client-certificate-data", "id-token", "refresh-token")


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

    @property
    def cluster(self) -> Cluster:
        if self._cluster is None:
            # Not at the top: verify, plan and approval need no client, whose import takes longer than all they do.
            # What needs it has imported it before, in the controller's process and not in each task's.
            from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster

            self._cluster = Cluster.connect(self.params, check_mode=self.check_mode, rehearsal=self.rehearsal)
        return self._cluster

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def note(self, *differences: Difference) -> None:
        """Add what was (or would be) changed: it is in the result even if the task fails later."""
        self.differences.extend(differences)

    def perform(self, run: t.Callable[[Task], Values]) -> Values:
        """Run a verb and return the task's result; the one place where an error becomes a failure."""
        try:
            values = run(self)
        except Error as error:
            values = {"failed": True, "msg": error.message, "failure": error.failure()}
        changes = [difference for difference in self.differences if difference.changed]
        result: Values = {"changed": bool(changes), **values}
        if changes:
            result["diff"] = [difference.as_diff() for difference in changes]
        if self._cluster is not None:
            result["cluster"] = self._cluster.identity()
            result["writes"] = [
                {"verb": write.verb, "path": write.path, "body": without_secrets(write.body)}
                for write in self._cluster.writes
            ]
            if values.get("failed") and self._cluster.writes:
                result["changed"] = True  # what failed was after a write, whose difference did not come this far
        return result


def secrets_in(params: t.Mapping[str, t.Any]) -> set[str]:
    """Return the secret strings inside an inline kubeconfig, which ``no_log`` cannot name one by one."""
    kubeconfig = params.get("kubeconfig")
    found: set[str] = set()

    def collect(value: t.Any) -> None:
        if isinstance(value, dict):
            found.update(str(value[field]) for field in SECRET_FIELDS if value.get(field))
            for child in value.values():
                collect(child)
        elif isinstance(value, list):
            for child in value:
                collect(child)

    collect(kubeconfig)
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
