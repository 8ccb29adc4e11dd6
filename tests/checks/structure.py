# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what no general linter knows about this collection, and print every finding as ``path:line: what is wrong``.

    tests/checks/structure.py [CHECKOUT]

- The layers: the domain (private files of plugins/module_utils) does not know Ansible; one file knows the Kubernetes
  client, and none uses its typed API, which costs most of a second to import.
- No file in plugins/ has more than 400 lines.
- Every Python file in plugins/ opens with the licence header.
- The action group holds exactly the verbs that take the cluster options.
- Nothing is exempt from ansible-test sanity.
"""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import yaml

MAX_LINES = 400
ACTION_GROUP = "cluster"
CLUSTER_FRAGMENT = "gradual.canary.cluster"

HEADER = [
    "# Copyright (c) 2026, the gradual.canary authors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
]

MODULE_UTILS = PurePosixPath("plugins/module_utils")
KUBERNETES_CLIENT = MODULE_UTILS / "_connection.py"  # the part of the transport that connects
KNOW_ANSIBLE = {
    MODULE_UTILS / "_task.py",  # runs a verb for Ansible
    MODULE_UTILS / "_arguments.py",  # states options in Ansible's terms
}
# The parts of the client that build or need a class for every kind there is.
TYPED_API = ("kubernetes.client.api", "kubernetes.client.apis", "kubernetes.client.models", "kubernetes.dynamic")


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """Something wrong, and where."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def content(checkout: Path) -> list[PurePosixPath]:
    """Return the files that git tracks or would track."""
    command = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    return sorted(PurePosixPath(name) for name in names if name and (checkout / name).is_file())


def imported_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, full dotted name) of everything that is imported anywhere in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def within(name: str, package: str) -> bool:
    """Tell whether the dotted ``name`` is ``package`` or something inside it."""
    return name == package or name.startswith(f"{package}.")


def layers(path: PurePosixPath, tree: ast.AST) -> Iterator[Finding]:
    """Find imports that cross the layers."""
    is_domain = path.is_relative_to(MODULE_UTILS) and path not in KNOW_ANSIBLE
    for line, name in imported_names(tree):
        if is_domain and within(name, "ansible"):
            yield Finding(str(path), line, f"the domain does not know Ansible, but this imports {name}")
        if within(name, "kubernetes") and path != KUBERNETES_CLIENT:
            yield Finding(str(path), line, f"only {KUBERNETES_CLIENT} may import the Kubernetes client ({name})")
        if any(within(name, package) for package in TYPED_API) or is_typed_api(name):
            yield Finding(str(path), line, f"{name} loads the typed API; send the request through rest_client")
    if path == KUBERNETES_CLIENT:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and is_typed_api(f"kubernetes.client.{node.attr}"):
                yield Finding(str(path), node.lineno, f"{node.attr} is typed API; send the request through rest_client")


def is_typed_api(name: str) -> bool:
    """Tell whether a name is a class like ``kubernetes.client.AppsV1Api`` or a model like ``V1Pod``."""
    package, _dot, last = name.rpartition(".")
    return package == "kubernetes.client" and (last.endswith("Api") or last[:2] in ("V1", "V2"))


def length(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """Find files that have grown too long to read."""
    count = text.count("\n")
    if path.is_relative_to("plugins") and count > MAX_LINES:
        yield Finding(str(path), count, f"{count} lines, {MAX_LINES} are allowed; split the file by what it knows")


def header(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """Find plugin files without the licence header on top."""
    if path.is_relative_to("plugins") and path.suffix == ".py" and text.strip():
        lines = text.splitlines()
        start = 1 if lines[0].startswith("#!") else 0
        if lines[start : start + len(HEADER)] != HEADER:
            yield Finding(str(path), start + 1, "the file must open with these lines:\n    " + "\n    ".join(HEADER))


def documented_fragments(tree: ast.Module) -> list[str]:
    """Return the documentation fragments a module's DOCUMENTATION extends; empty when it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(name, "id", "") for name in node.targets] == ["DOCUMENTATION"]:
            fragments = (yaml.safe_load(ast.literal_eval(node.value)) or {}).get("extends_documentation_fragment", [])
            return [fragments] if isinstance(fragments, str) else list(fragments)
    return []


def action_group(checkout: Path, modules: dict[PurePosixPath, ast.Module]) -> Iterator[Finding]:
    """Find verbs that are in the action group without taking its options, or the other way round."""
    runtime = yaml.safe_load((checkout / "meta/runtime.yml").read_text(encoding="utf-8"))
    group = runtime.get("action_groups", {}).get(ACTION_GROUP, [])
    takes = {path.stem for path, tree in modules.items() if CLUSTER_FRAGMENT in documented_fragments(tree)}
    for verb in sorted(set(group) - takes):
        yield Finding(
            "meta/runtime.yml", 1, f"{verb} is in group {ACTION_GROUP} and does not extend {CLUSTER_FRAGMENT}"
        )
    for verb in sorted(takes - set(group)):
        yield Finding("meta/runtime.yml", 1, f"{verb} extends {CLUSTER_FRAGMENT} and is not in group {ACTION_GROUP}")
    if sorted(set(group)) != group:
        yield Finding("meta/runtime.yml", 1, f"group {ACTION_GROUP} must be sorted and without repetition")


def exemptions(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """Find entries that keep a file out of a sanity test."""
    if path.is_relative_to("tests/sanity") and path.match("ignore-*.txt") and text.strip():
        yield Finding(str(path), 1, "nothing is exempt from ansible-test sanity; mend the file instead")


def check(checkout: Path) -> list[Finding]:
    """Return all findings in the checkout."""
    found: list[Finding] = []
    modules: dict[PurePosixPath, ast.Module] = {}
    for path in content(checkout):
        if path.suffix not in {".py", ".txt", ".yml", ".yaml"}:
            continue
        text = (checkout / path).read_text(encoding="utf-8")
        found += [*length(path, text), *header(path, text), *exemptions(path, text)]
        if path.suffix == ".py" and path.is_relative_to("plugins"):
            tree = ast.parse(text, str(path))
            found += layers(path, tree)
            if path.parent == PurePosixPath("plugins/modules"):
                modules[path] = tree
    found += action_group(checkout, modules)
    return sorted(found)


def main() -> int:
    """Check the checkout this file is in, or the one named on the command line."""
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    found = check(checkout)
    for finding in found:
        print(finding)
    print(f"structure: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
