"""Writes each task's result as a line of JSON to the file that CANARY_RECORD names."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: notification
short_description: Keep task results as JSON lines
description: Keep task results as JSON lines, for the project's own tests.
"""


class CallbackModule(CallbackBase):
    """One line a result, in order."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def _keep(self, result: Any, *, failed: bool = False) -> None:
        line = {
            "at": time.time(),
            "task": result.task_name if hasattr(result, "task_name") else str(result._task.get_name()),
            "action": (result.task if hasattr(result, "task") else result._task).action,
            "failed": failed,
            "result": result.result if hasattr(result, "result") else result._result,
        }
        with open(os.environ["CANARY_RECORD"], "a", encoding="utf-8") as record:
            record.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._keep(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._keep(result, failed=True)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._keep(result, failed=True)
