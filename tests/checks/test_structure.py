# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The structure check finds what it is there to find."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("structure", Path(__file__).with_name("structure.py"))
assert _SPEC
assert _SPEC.loader
structure = importlib.util.module_from_spec(_SPEC)
sys.modules["structure"] = structure
_SPEC.loader.exec_module(structure)

HEADER = "\n".join([*structure.HEADER, ""])
VERB = f'''{HEADER}DOCUMENTATION = """
module: traffic
extends_documentation_fragment:
  - gradual.canary.cluster
  - gradual.canary.attributes
"""
'''


class Checkout:
    """A small checkout in which everything is as it should be, until a file is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
        self.write("meta/runtime.yml", "action_groups: {cluster: [traffic]}\n")
        self.write("plugins/modules/traffic.py", VERB)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def findings(self) -> list[str]:
        return [str(finding) for finding in structure.check(self.folder)]


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def test_a_checkout_as_it_should_be_has_no_finding(checkout):
    checkout.write("plugins/module_utils/_plan.py", f"{HEADER}import dataclasses\n")
    checkout.write("plugins/module_utils/_connection.py", f"{HEADER}from kubernetes import client, config\n")
    checkout.write("plugins/module_utils/_task.py", f"{HEADER}from ansible.module_utils.basic import AnsibleModule\n")
    checkout.write("tests/sanity/ignore-2.21.txt", "")
    assert checkout.findings() == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("plugins/module_utils/_plan.py", "from ansible.module_utils.basic import AnsibleModule"),
        ("plugins/module_utils/_backends/gateway_api.py", "import ansible.errors"),
        ("plugins/module_utils/_plan.py", "def later():\n    from ansible import errors"),
    ],
)
def test_a_domain_that_knows_ansible_is_found(checkout, name, line):
    checkout.write(name, f"{HEADER}{line}\n")
    assert [finding.split(":")[0] for finding in checkout.findings()] == [name]
    assert "the domain does not know Ansible" in checkout.findings()[0]


@pytest.mark.parametrize("line", ["import kubernetes", "from kubernetes.client import Configuration"])
@pytest.mark.parametrize("name", ["plugins/module_utils/_traffic.py", "plugins/action/traffic.py"])
def test_a_second_importer_of_the_kubernetes_client_is_found(checkout, name, line):
    checkout.write(name, f"{HEADER}{line}\n")
    (finding,) = checkout.findings()
    assert finding.startswith(f"{name}:4: only plugins/module_utils/_connection.py may import")


@pytest.mark.parametrize(
    "code",
    [
        "from kubernetes.client import AppsV1Api",
        "from kubernetes.client.models import V1Pod",
        "import kubernetes.dynamic",
        "from kubernetes import client\nclient.CoreV1Api()",
    ],
)
def test_use_of_the_typed_api_is_found(checkout, code):
    checkout.write("plugins/module_utils/_connection.py", f"{HEADER}{code}\n")
    assert any("typed API" in finding for finding in checkout.findings())


def test_a_file_of_401_lines_is_found_and_one_of_400_is_not(checkout):
    checkout.write("plugins/module_utils/_long.py", HEADER + "\n" * 397)
    assert checkout.findings() == []
    checkout.write("plugins/module_utils/_long.py", HEADER + "\n" * 398)
    assert checkout.findings() == [
        "plugins/module_utils/_long.py:401: 401 lines, 400 are allowed; split the file by what it knows"
    ]


def test_a_plugin_without_licence_header_is_found(checkout):
    checkout.write("plugins/filter/percent.py", "import json\n")
    (finding,) = checkout.findings()
    assert finding.startswith("plugins/filter/percent.py:1: the file must open with these lines")


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("[]", "traffic extends gradual.canary.cluster and is not in group cluster"),
        ("[traffic, verify]", "verify is in group cluster and does not extend gradual.canary.cluster"),
        ("[traffic, traffic]", "sorted and without repetition"),
    ],
)
def test_an_action_group_that_differs_from_the_documentation_is_found(checkout, group, message):
    checkout.write("meta/runtime.yml", f"action_groups: {{cluster: {group}}}\n")
    (finding,) = checkout.findings()
    assert message in finding


def test_an_exemption_from_sanity_is_found(checkout):
    checkout.write("tests/sanity/ignore-2.21.txt", "plugins/modules/traffic.py validate-modules:some-code\n")
    (finding,) = checkout.findings()
    assert "nothing is exempt" in finding
