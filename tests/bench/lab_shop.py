"""An application at 90/10 behind the lab's own gateway, for as long as standard input is open. Run inside the lab.

Prints one line of JSON when clients see the split: where it is, and how many requests of its API a stage took.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.shop.operators import install
from tests.shop.shop import Shop


def main() -> None:
    """Open, split, say so, wait, close."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        install(home)
        with Shop("gateway_api", home, namespace="bench") as shop:
            shop.open()
            playbook = home / "split.yml"
            playbook.write_text(yaml.safe_dump([_play()], sort_keys=False))
            run = shop.operator.run(str(playbook), canary_version="v2").require()
            last = [result for result in run.results if result["action"] == "gradual.canary.traffic"][-1]["result"]
            place = {"hostname": shop.hostname, "address": shop.system.address}
            print(json.dumps({**place, "requests": last["cluster"]["requests"]}), flush=True)
            sys.stdin.read()


def _play() -> dict[str, Any]:
    def move(weight: int) -> dict[str, Any]:
        options = {
            "namespace": "{{ canary_namespace }}",
            "app": "{{ canary_app }}",
            "version": "v2",
            "backend": "{{ canary_backend }}",
            "weight": weight,
        }
        return {"name": f"Give v2 {weight} percent", "gradual.canary.traffic": options}

    prove = {
        "name": "Prove it",
        "gradual.canary.verify": {"stable": "v1", "canary": "v2", "weight": 10},
        "module_defaults": {"gradual.canary.verify": "{{ canary_client }}"},
    }
    return {
        "name": "Split the shop",
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "module_defaults": {"group/gradual.canary.cluster": "{{ canary_cluster }}"},
        "tasks": [
            {"name": "Deploy v2", "ansible.builtin.include_role": {"name": "gradual.canary.deploy"}},
            move(5),
            move(10),
            prove,
        ],
    }


if __name__ == "__main__":
    main()
