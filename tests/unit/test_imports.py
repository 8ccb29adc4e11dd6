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
WITHOUT_CLUSTER = {"approval", "plan", "verify", "window"}

_LIST = """
import importlib, json, sys
importlib.import_module("ansible_collections.gradual.canary.plugins.action." + sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""

_LIST_COMPILED_BY_ANSIBLE = """
import importlib, json, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
importlib.import_module("ansible_collections.gradual.canary.plugins.action." + sys.argv[1])
ours = {name: module for name, module in sys.modules.items() if ".gradual.canary.plugins." in name}
files = {name: module for name, module in ours.items() if not hasattr(module, "__path__")}
print(json.dumps([name for name, module in files.items() if "Ansible" in type(module.__loader__).__name__]))
"""


def imported_by(verb: str, listing: str = _LIST) -> list[str]:
    """Return the modules in a new process after the import of a verb's action plugin."""
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", listing, verb],
        env=os.environ | {"PYTHONPATH": paths, "ANSIBLE_COLLECTIONS_PATH": paths},
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


def test_ansible_compiles_nothing_but_the_first_two_files_at_each_start() -> None:
    compiled = imported_by("traffic", _LIST_COMPILED_BY_ANSIBLE)

    start = "ansible_collections.gradual.canary.plugins"
    assert sorted(compiled) == [f"{start}.action.traffic", f"{start}.plugin_utils._load"]
