# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins import: Ansible forks each task, so what is not there before is imported in every task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ACTIONS = Path(__file__).parents[2] / "plugins" / "action"
VERBS = sorted(path.stem for path in ACTIONS.glob("*.py") if path.stem != "__init__")
WITHOUT_CLUSTER = {"approval", "plan", "verify"}

_LIST = """
import importlib, json, sys
importlib.import_module("ansible_collections.gradual.canary.plugins.action." + sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""


def imported_by(verb: str) -> list[str]:
    """Return the modules in a new process after the import of a verb's action plugin."""
    done = subprocess.run(
        [sys.executable, "-c", _LIST, verb],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules: list[str] = json.loads(done.stdout)
    return modules


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_imports_the_typed_api(verb: str) -> None:
    typed = [
        name for name in imported_by(verb) if name.startswith(("kubernetes.client.models.", "kubernetes.client.api."))
    ]

    assert typed == []


@pytest.mark.parametrize("verb", sorted(WITHOUT_CLUSTER))
def test_a_verb_that_asks_no_cluster_does_not_import_the_client(verb: str) -> None:
    assert "kubernetes" not in imported_by(verb)


@pytest.mark.parametrize("verb", sorted(set(VERBS) - WITHOUT_CLUSTER))
def test_a_verb_that_asks_the_cluster_imports_the_client_before_its_tasks_fork(verb: str) -> None:
    modules = imported_by(verb)

    assert "ansible_collections.gradual.canary.plugins.module_utils._cluster" in modules
    assert "kubernetes.config" in modules
