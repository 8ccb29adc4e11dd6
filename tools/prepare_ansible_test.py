# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let ansible-test make its own virtual environments without the network address it hard-codes.

ansible-test downloads a script that installs pip into each environment it makes, and looks in the user's cache first
(``bootstrap`` in ansible_test/_util/target/setup/requirements.py). Where that script is absent from the cache, this
writes one that installs the pip which Python itself carries. The version is part of the file's name and differs from
one ansible-core to the next, so ansible-test is asked for it.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

from ansible_test._internal.python_requirements import get_venv_packages

SCRIPT = '''\
"""Install the pip that Python carries. Stands in for the get-pip script that ansible-test would download."""
import ensurepip

ensurepip.bootstrap(upgrade=True)
'''


def main() -> int:
    """Write the script for the Python this runs on, unless there is one."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pip = get_venv_packages(types.SimpleNamespace(version=version))["pip"]
    cached = Path.home() / ".ansible" / "test" / "cache" / f"get_pip_{pip.replace('.', '_')}.py"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_text(SCRIPT, encoding="utf-8")
        print(f"wrote {cached}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
