# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the built collection into an empty folder, and read every verb and role from there.

    tests/checks/installed.py TARBALL

Runs with the Ansible of the Python it runs on. Nothing of the checkout is on the search path, so this shows that the
tarball alone is enough.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

COLLECTION = "gradual.canary"
CHECKOUT = Path(__file__).resolve().parents[2]
# ansible-core 2.21 warns that a collection it carries itself has no version.
OWN_COLLECTION_OF_ANSIBLE = "ansible/_internal/ansible_collections/"
BIN = Path(sys.executable).parent


class Installed:
    """The collection as a user has it: installed below an empty folder and nothing else to be found."""

    def __init__(self, folder: Path, tarball: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        }
        self.run(
            "ansible-galaxy", "collection", "install", "--offline", "-p", str(folder / "collections"), str(tarball)
        )

    def run(self, command: str, *arguments: str) -> str:
        """Run one of Ansible's commands in the empty folder and return what it printed."""
        done = subprocess.run(
            [str(BIN / command), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{command} {' '.join(arguments)}: exit status {done.returncode}\n{done.stderr}{done.stdout}")
        complaints = [
            line
            for line in done.stderr.splitlines()
            if line.startswith(("[WARNING]", "[DEPRECATION", "[ERROR]")) and OWN_COLLECTION_OF_ANSIBLE not in line
        ]
        if complaints:
            sys.exit(f"{command} {' '.join(arguments)}: succeeds, but complains\n{done.stderr}")
        return done.stdout

    def documented(self, kind: str) -> set[str]:
        """Return the short names of all plugins of a kind that ansible-doc can show in full."""
        listed = json.loads(self.run("ansible-doc", "-t", kind, "--list", "--json", COLLECTION))
        names = sorted(name for name in listed if name.startswith(f"{COLLECTION}."))
        shown = json.loads(self.run("ansible-doc", "-t", kind, "--json", *names)) if names else {}
        return {name.removeprefix(f"{COLLECTION}.") for name in shown}


def expected(kind: str) -> set[str]:
    """Return what the checkout has of a kind."""
    if kind == "role":
        return {path.name for path in (CHECKOUT / "roles").glob("*") if path.is_dir()}
    folder = CHECKOUT / "plugins" / ("modules" if kind == "module" else kind)
    return {path.stem for path in folder.glob("*.py") if not path.name.startswith("_")}


def main() -> int:
    """Install the tarball named on the command line and compare it with the checkout."""
    tarball = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="canary-installed-") as folder:
        installed = Installed(Path(folder), tarball)
        counts = []
        for kind in ("module", "role", "filter", "test", "callback"):
            wanted, found = expected(kind), installed.documented(kind)
            if kind in ("module", "role") and not wanted:
                sys.exit(f"installed: the checkout has no {kind}")
            # A file of filters or tests may hold several, each documented by itself.
            if (wanted - found) if kind in ("filter", "test") else (wanted != found):
                sys.exit(f"installed: {kind}s in the checkout {sorted(wanted)}, by ansible-doc {sorted(found)}")
            counts += [f"{len(found)} {kind}s"] if found else []
        playbooks = sorted((CHECKOUT / "playbooks").glob("*.yml"))
        if not playbooks:
            sys.exit("installed: the checkout has no playbook")
        for playbook in playbooks:
            installed.run("ansible-playbook", "--syntax-check", "-i", "localhost,", f"{COLLECTION}.{playbook.stem}")
        counts.append(f"{len(playbooks)} playbooks")
    print(f"installed: {tarball.name} shows {', '.join(counts)} from an empty folder")
    return 0


if __name__ == "__main__":
    sys.exit(main())
