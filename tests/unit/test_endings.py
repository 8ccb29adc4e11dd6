"""Warnings about pods that end while others still send to them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import endings

Object = dict[str, Any]


def hook(seconds: int) -> Object:
    return {"lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}}


def template(*containers: Object, **pod: Any) -> Object:
    named = [{"name": f"container-{number}", **container} for number, container in enumerate(containers)]
    return {"spec": {"containers": named, **pod}}


PORT = {"ports": [{"containerPort": 8080}]}


@pytest.mark.parametrize(
    ("pods", "codes"),
    [
        (template({}), ["no_pre_stop"]),
        (template(hook(5)), []),
        (template(hook(2)), []),
        (template(hook(1)), ["short_pre_stop"]),
        (template({"lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}}}), []),
        (template(hook(5), terminationGracePeriodSeconds=5), ["short_grace"]),
        (template(hook(1), terminationGracePeriodSeconds=1), ["short_pre_stop", "short_grace"]),
        (template(hook(5), terminationGracePeriodSeconds=10), []),
        (template(hook(30)), ["short_grace"]),
        (template({**PORT, **hook(5)}, {}), []),
        (template(PORT, hook(5)), ["no_pre_stop"]),
        (template({}, hook(5)), ["no_pre_stop"]),
    ],
)
def test_pods_need_a_sleep_as_long_as_others_send_to_them_and_time_after_it(pods: Object, codes: list[str]) -> None:
    found = list(endings("Deployment shop/web-v1", pods, 1.5))
    assert [finding.code for finding in found] == codes
    assert {finding.level for finding in found} <= {"warning"}
    assert all("Deployment shop/web-v1" in finding.message for finding in found)
