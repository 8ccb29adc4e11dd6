"""The verbs in this process, as their action plugins run them: for what has to be there before a test begins."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.gradual.canary.plugins.module_utils._task import Task


def perform(verb: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Run a verb, a file of plugins/modules, with these options; return what its task would."""
    return Task(validated(verb.ARGUMENTS, given)).perform(verb.run)


def validated(spec: ArgumentSpec, given: dict[str, Any]) -> dict[str, Any]:
    """Return options as a verb gets them, with the defaults."""
    found = ArgumentSpecValidator(**spec.keywords()).validate(given)
    assert not found.error_messages, found.error_messages
    params: dict[str, Any] = found.validated_parameters
    return params
