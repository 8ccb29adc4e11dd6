"""What the preflight says of an HTTPRoute that others may take requests from, as far as it may look."""

from __future__ import annotations

from typing import Any

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._gateway_preflight import Preflight
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding
from tests.unit.known_cluster import known

Object = dict[str, Any]


def route(name: str, namespace: str, service: str) -> Object:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": "public", "namespace": "gateways"}],
            "hostnames": ["shop.example"],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [{"name": service, "port": 80, "weight": 1}],
                }
            ],
        },
    }


MAIN, NEAR, FAR = route("web", "shop", "web-v1"), route("near", "shop", "near"), route("far", "elsewhere", "far")


def said(code: str, **limits: Any) -> list[Finding]:
    findings = Preflight(known(MAIN, NEAR, FAR, **limits), Target("shop", "web", "v2")).findings(MAIN, None)
    return [finding for finding in findings if finding.code == code]


def test_routes_of_every_namespace_are_looked_at() -> None:
    assert said("forbidden") == []
    far, near = sorted(finding.message for finding in said("shadowed"))
    assert ("elsewhere/far" in far, "shop/near" in near) == (True, True)


def test_a_list_of_all_namespaces_that_is_forbidden_is_told_and_the_routes_own_is_looked_at() -> None:
    (unseen,) = said("forbidden", namespaced={"HTTPRoute"})
    assert unseen.level == "warning"
    assert "only the HTTPRoutes of namespace shop" in unseen.message
    assert "httproutes.gateway.networking.k8s.io" in unseen.remedy
    (shadow,) = said("shadowed", namespaced={"HTTPRoute"})
    assert "shop/near" in shadow.message
