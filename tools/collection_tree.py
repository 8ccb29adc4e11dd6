# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the checkout to where Ansible's tools insist a collection lies, and print that folder.

    tools/collection_tree.py PARENT

ansible-test wants ``ansible_collections/NAMESPACE/NAME`` in the path and a git repository around the files, and looks
at no link. The copy below PARENT holds what git tracks or would track; a file that did not change is not copied again.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path


def content(checkout: Path) -> set[str]:
    """Return the paths that git tracks or would track, and that exist."""
    command = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    return {name for name in names if name and os.path.lexists(checkout / name)}


def update(checkout: Path, copy: Path) -> None:
    """Make ``copy`` equal to the content of ``checkout``."""
    wanted = content(checkout)
    copy.mkdir(parents=True, exist_ok=True)
    if not (copy / ".git").is_dir():
        subprocess.run(["git", "init", "--quiet", str(copy)], check=True)
    for path in sorted(copy.rglob("*"), reverse=True):
        name = path.relative_to(copy)
        if name.parts[0] == ".git":
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif str(name) not in wanted:
            path.unlink()
    for name in sorted(wanted):
        source, target = checkout / name, copy / name
        if source.is_file() and target.is_file() and not source.is_symlink() and filecmp.cmp(source, target):
            shutil.copymode(source, target)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        # An editor may have removed the file since git listed it.
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(source, target, follow_symlinks=False)


def main() -> int:
    """Copy the checkout this file is in below the folder named on the command line."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    checkout = Path(__file__).resolve().parent.parent
    copy = Path(sys.argv[1]).resolve() / "ansible_collections" / "gradual" / "canary"
    update(checkout, copy)
    print(copy)
    return 0


if __name__ == "__main__":
    sys.exit(main())
