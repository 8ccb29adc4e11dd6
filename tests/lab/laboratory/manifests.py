"""Manifest files, here or inside Go modules, as single YAML documents."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .catalogue import HERE, Catalogue, Manifest
from .errors import LabError
from .places import cache

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Document:
    """One object as it stands in a file, with what is needed to address it."""

    text: str
    version: str
    kind: str
    name: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


def fetch(catalogue: Catalogue, tiers: Sequence[str]) -> None:
    """Copy the manifests that lie in Go modules into the cache, unless they are there already."""
    for component in catalogue.components_of(tiers):
        for manifest in component.apply:
            if manifest.module and not _location(manifest).exists():
                print(f"fetching {manifest.path} of {manifest.module}", flush=True)
                _copy(module_folder(manifest.module) / manifest.path, _location(manifest))


def documents(manifest: Manifest) -> Iterator[Document]:
    """The objects of a manifest, file by file in the order of their names."""
    location = _location(manifest)
    files = sorted(location.iterdir()) if location.is_dir() else [location]
    for file in files:
        if file.suffix in SUFFIXES:
            for text in re.split(r"^---.*$", file.read_text(), flags=re.MULTILINE):
                document = _document(text)
                if document is not None:
                    yield document


def _document(text: str) -> Document | None:
    version = re.search(r"^apiVersion: *[\"']?([^\s\"']+)", text, re.MULTILINE)
    kind = re.search(r"^kind: *[\"']?(\w+)", text, re.MULTILINE)
    # A kustomization says how to put files together; it is no object.
    if version is None or kind is None or version[1].startswith("kustomize.config.k8s.io"):
        return None
    metadata = re.search(r"^metadata:\n((?:[ #].*\n|\n)+)", text + "\n", re.MULTILINE)
    if metadata is None:
        raise LabError(f"a {kind[1]} without metadata: {text[:200]}")
    return Document(text, version[1], kind[1], _field("name", metadata[1]), _field("namespace", metadata[1]))


def _field(name: str, metadata: str) -> str:
    found = re.search(rf"^  {name}: *[\"']?([^\s\"']+)", metadata, re.MULTILINE)
    return found[1] if found else ""


def _location(manifest: Manifest) -> Path:
    return cache() / "manifests" / manifest.module / manifest.path if manifest.module else HERE / manifest.path


def module_folder(module: str) -> Path:
    """Where Go keeps the files of PATH@VERSION; fetches them when they are not there yet."""
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return Path(json.loads(done.stdout)["Dir"])
    except (ValueError, KeyError):
        raise LabError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}") from None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=target.parent) as temporary:
        copied = Path(temporary) / target.name
        if source.is_dir():
            # The module's files are read-only; the cache must stay removable.
            shutil.copytree(source, copied, copy_function=shutil.copyfile)
            copied.chmod(0o755)
        else:
            shutil.copyfile(source, copied)
        copied.rename(target)
