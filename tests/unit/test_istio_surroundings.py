"""What stands between users and a VirtualService, as far as objects alone tell."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._istio_surroundings import (
    same_host,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service import SplitEntry

Object = dict[str, Any]


def split(**spec: Any) -> SplitEntry:
    http = [{"route": [{"destination": {"host": "web-v1"}}]}]
    item = {
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"hosts": ["shop.example.com"], "http": http, **spec},
    }
    return SplitEntry.find(item, Target("shop", "web", "v2"))


def http_route(controller: str | None, **spec: Any) -> Object:
    parents = [{"controllerName": controller}] if controller else []
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": spec,
        "status": {"parents": parents},
    }


@pytest.mark.parametrize(
    ("route", "refused"),
    [
        (http_route("istio.io/gateway-controller", hostnames=["shop.example.com"]), True),
        (http_route("istio.io/gateway-controller", hostnames=["other.example.com"]), False),
        (http_route("projectcontour.io/gateway-controller", hostnames=["shop.example.com"]), False),
        (http_route(None, hostnames=["shop.example.com"]), False),
    ],
)
def test_an_http_route_for_the_same_host_is_refused_when_istio_serves_it(route: Object, refused: bool) -> None:
    assert [finding.level for finding in same_host(split().item, [route])] == (["error"] if refused else [])


def test_in_the_mesh_an_http_route_belongs_to_a_service() -> None:
    route = http_route("istio.io/mesh-controller", parentRefs=[{"group": "", "kind": "Service", "name": "web"}])
    (finding,) = same_host(split(hosts=["web"]).item, [route])
    assert "gateway_api" in finding.remedy
    assert not list(same_host(split(hosts=["other"]).item, [route]))
