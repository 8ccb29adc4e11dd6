"""Warnings about pods that end while others still send to them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import endings

Object = dict[str, Any]


def hook(seconds: int) -> Object:
    return {"lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}}


def deployment(*containers: Object, **pod: Any) -> Object:
    named = [{"name": f"container-{number}", **container} for number, container in enumerate(containers)]
    return {
        "kind": "Deployment",
        "metadata": {"namespace": "shop", "name": "web-v1"},
        "spec": {"template": {"spec": {"containers": named, **pod}}},
    }


PORT = {"ports": [{"containerPort": 8080}]}


@pytest.mark.parametrize(
    ("item", "codes"),
    [
        (deployment({}), ["no_pre_stop"]),
        (deployment(hook(5)), []),
        (deployment(hook(2)), []),
        (deployment(hook(1)), ["short_pre_stop"]),
        (deployment({"lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}}}), []),
        (deployment(hook(5), terminationGracePeriodSeconds=5), ["short_grace"]),
        (deployment(hook(1), terminationGracePeriodSeconds=1), ["short_pre_stop", "short_grace"]),
        (deployment(hook(5), terminationGracePeriodSeconds=10), []),
        (deployment(hook(30)), ["short_grace"]),
        (deployment({**PORT, **hook(5)}, {}), []),
        (deployment(PORT, hook(5)), ["no_pre_stop"]),
        (deployment({}, hook(5)), ["no_pre_stop"]),
    ],
)
def test_pods_need_a_sleep_as_long_as_others_send_to_them_and_time_after_it(item: Object, codes: list[str]) -> None:
    found = endings([item], 1.5)
    assert [finding.code for finding in found] == codes
    assert {finding.level for finding in found} <= {"warning"}
    assert all("Deployment shop/web-v1" in finding.message for finding in found)


def test_each_workload_is_looked_at() -> None:
    assert len(endings([deployment({}), deployment({}), deployment(hook(5))], 1.0)) == 2
