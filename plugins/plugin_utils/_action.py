# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all action plugins: a verb in the controller's own process. Private to the gradual.canary collection.

A module costs a new Python and a new import of the Kubernetes client for each task, about 460 ms; in-process it is 26
(measured on 2 cores; the parent imports once, each task forks). With a connection that is not local, with ``async`` and
with ``become`` the verb runs as a module instead, and nothing else differs.
"""

from __future__ import annotations

import sys
import time
import typing as t

from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import filter_loader, test_loader
from ansible.utils.display import Display

from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Rehearsal
from ansible_collections.gradual.canary.plugins.module_utils._task import Task, Values, secrets_in
from ansible_collections.gradual.canary.plugins.module_utils._terminal import Terminal
from ansible_collections.gradual.canary.plugins.plugin_utils._locks import RUN, facts, with_holder

# Asked when the parent imports this file: a worker's own streams are not the user's.
_OUTPUT_IS_TERMINAL = bool(sys.stdout and sys.stdout.isatty())
_REHEARSAL_FACT = "gradual_canary_rehearsal"

# Ansible's own filters and tests are loaded in the parent: otherwise the worker of each task that uses one loads them
# afresh, which took 20 ms of a task (measured on 2 cores).
filter_loader.get("default")
test_loader.get("defined")


class Verb(t.Protocol):
    """What a file in plugins/modules offers."""

    ARGUMENTS: ArgumentSpec

    @staticmethod
    def run(task: Task) -> Values: ...


class VerbAction(ActionBase):
    """Runs the verb that a subclass names."""

    verb: t.ClassVar[t.Any]
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        result: dict[str, t.Any] = super().run(tmp, variables)
        arguments = with_holder(self.verb.ARGUMENTS, _plain(dict(self._task.args)), variables)
        if self._runs_elsewhere():
            wrap_async = bool(self._task.async_val)
            result.update(self._execute_module(module_args=arguments, task_vars=variables, wrap_async=wrap_async))
        else:
            result.update(self._in_process(arguments, variables))
        if "holder" in self.verb.ARGUMENTS.options and not result.get("failed") and not self._task.check_mode:
            result["ansible_facts"] = facts(arguments, result)
        return result

    def _runs_elsewhere(self) -> bool:
        return bool(self._connection.transport != "local" or self._task.async_val or self._play_context.become)

    def _in_process(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        spec: ArgumentSpec = self.verb.ARGUMENTS
        validation = ArgumentSpecValidator(**spec.keywords()).validate(arguments)
        if validation.errors.errors:
            # A module reports the first error only; so do we, in the same words.
            message = str(validation.errors.msg)
            if isinstance(validation.errors[0], UnsupportedError):
                message = f"Unsupported parameters for ({self._task.action}) module: {message}"
            return {"failed": True, "msg": message}
        params = validation.validated_parameters
        task = Task(
            params,
            check_mode=bool(self._task.check_mode),
            terminal=_DisplayTerminal(),
            variables=variables,
            rehearsal=_remembered(self._task.check_mode, variables),
        )
        values = task.perform(self.verb.run)
        for warning in task.warnings:
            Display().warning(warning)
        if task.check_mode and task.rehearsal.objects:
            values["ansible_facts"] = {_REHEARSAL_FACT: {"run": RUN, "objects": task.rehearsal.objects}}
        if Display().verbosity > 2:
            values["invocation"] = {"module_args": params}
        secrets = set(validation._no_log_values) | secrets_in(params)  # the validator offers no public name for them
        return t.cast("dict[str, t.Any]", remove_values(values, secrets))


class _DisplayTerminal(Terminal):
    """The user's terminal, reached through Ansible's display (which works from a worker process)."""

    interactive = _OUTPUT_IS_TERMINAL

    def show(self, text: str) -> None:
        Display().display(f"    {text}")

    def update(self, text: str) -> None:
        Display().display(f"\r    {text}\033[K", newline=False)

    def ask(self, text: str, seconds: float | None) -> str | None:
        started = time.monotonic()
        try:
            answer = Display().prompt_until(text, seconds=None if seconds is None else max(1, int(seconds)))
        except (AnsiblePromptNoninteractive, AnsiblePromptInterrupt):
            return None
        if seconds is not None and time.monotonic() - started >= seconds:
            raise TimeoutError  # what was typed so far was never confirmed with Enter
        return bytes(answer).decode(errors="replace").strip()


def _remembered(check_mode: bool, variables: dict[str, t.Any]) -> Rehearsal:
    known = variables.get("ansible_facts", {}).get(_REHEARSAL_FACT) or {}
    if not check_mode or known.get("run") != RUN:  # facts may be cached, and another run's rehearsal is over
        return Rehearsal()
    return Rehearsal(_plain(known["objects"]))


def _plain(value: t.Any) -> t.Any:
    """Return Ansible's tagged values as ordinary ones, as a module gets them through JSON."""
    if isinstance(value, t.Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    for kind in (bool, str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value
