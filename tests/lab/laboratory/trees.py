"""Folders put together from Debian packages, Go modules and the lab's own files, kept in the cache as programs are."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from .builds import Program, digest, kept, sources
from .catalogue import HERE, Catalogue, Edit, Tree
from .errors import LabError
from .manifests import module_folder
from .packages import run, unpack

LAB = "lab"
PACKAGES = "packages"


def trees(catalogue: Catalogue, tiers: Sequence[str]) -> list[Program]:
    """The folders of these tiers, put together or not."""
    return [_tree(tree) for tree in catalogue.trees if tree.tier in tiers]


def _tree(tree: Tree) -> Program:
    own = [HERE / part.path for part in tree.parts if part.of == LAB]
    content = [piece for folder in own for piece in sources(folder)]

    def make(temporary: Path, log: Path) -> None:
        unpacked = temporary / PACKAGES
        unpack(tree.packages, unpacked)
        target = temporary / tree.name
        for part in tree.parts:
            source = {LAB: HERE, PACKAGES: unpacked}.get(part.of) or module_folder(part.of)
            _copy(source / part.path, target / part.to)
        for edit in tree.edits:
            _edit(target / edit.file, edit)
        listing = (str(path.relative_to(target)) for path in sorted(target.rglob("*")))
        log.write_text("\n".join(listing) + "\n")

    key = digest(repr(tree), platform.machine(), *content)
    return Program(tree.name, tree.tier, (tree.name,), kept(tree.name, key), make)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not source.is_dir():
        shutil.copyfile(source, target)
        return
    run("cp", "--recursive", "--no-target-directory", str(source), str(target))
    # A Go module's files are read-only.
    run("chmod", "--recursive", "u+w", str(target))


def _edit(file: Path, edit: Edit) -> None:
    # The pattern has to match once: a newer version of the file may have become another.
    text, count = re.subn(
        edit.pattern, lambda match: edit.replacement, file.read_text(), flags=re.DOTALL | re.MULTILINE
    )
    if count != 1:
        raise LabError(f"{file.name} was to be edited in one place, but {edit.pattern!r} matches it {count} times")
    file.write_text(text)
