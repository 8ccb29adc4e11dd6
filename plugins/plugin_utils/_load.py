# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugins made from verbs. Private to the gradual.canary collection.

Ansible's loader compiles every file of a collection each time it starts, and keeps nothing: 230 ms for the hundred
files behind a verb, against 85 with Python's own cache of compiled files, which is used here (measured on 2 cores, once
for each start of a playbook).
"""

from __future__ import annotations

import importlib
import sys
import typing as t
from contextlib import contextmanager
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader

_PLUGINS = __name__.rsplit(".", 2)[0]


def load_action(verb: str) -> type:
    """Return the action plugin of a verb: VerbAction around the file of that name in plugins/modules."""
    with _python_finds_files():
        module = importlib.import_module(f"{_PLUGINS}.modules.{verb}")
        action = importlib.import_module(f"{_PLUGINS}.plugin_utils._action")
    return type("ActionModule", (action.VerbAction,), {"verb": module, "__doc__": f"Runs {verb}."})


class _Finder:
    """Finds files of the collection the way Python finds all others; folders are left to Ansible's finder."""

    @staticmethod
    def find_spec(name: str, path: t.Sequence[str] | None = None, target: t.Any = None) -> ModuleSpec | None:
        if not name.startswith(f"{_PLUGINS}."):
            return None
        for folder in path or ():
            spec = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name)
            if spec and spec.loader:
                return spec
        return None


@contextmanager
def _python_finds_files() -> t.Iterator[None]:
    """Look there first, for as long as the block runs."""
    finder = t.cast("t.Any", _Finder)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
