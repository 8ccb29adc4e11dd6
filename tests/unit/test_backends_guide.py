"""What the guide to the backends shows is what there is: its permissions those of docs/rbac, its Ingresses ours."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    Annotated,
    canary_ingress,
    routes_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import APIG_INSTANCE, named
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_promotion import keeper
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Match, Weight

Object = dict[str, Any]

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "docsite" / "rst" / "backends.rst").read_text()
PREFIX = "nginx.ingress.kubernetes.io"
GATEWAY_API, INGRESSES = "gateway.networking.k8s.io", "networking.k8s.io"


def blocks(text: str) -> Iterator[Any]:
    """Yield what the YAML blocks of a text say, in order."""
    for block in re.findall(r"^\.\. code-block:: yaml\n\n((?: {4}.*\n|\n)+)", text, re.MULTILINE):
        yield yaml.safe_load(textwrap.dedent(block))


# permissions

_PERMISSIONS = GUIDE.partition("\nPermissions\n-----------\n")[2]
SHOWN = {part.partition("``")[0]: part for part in re.split(r"^For ``(?=\w+``)", _PERMISSIONS, flags=re.MULTILINE)[1:]}
"""What the guide says of the permissions of each backend."""

FILES = sorted(path.stem for path in (DOCS / "rbac").glob("*.yml") if not path.stem.startswith("across_clusters"))
"""Those of the backends; versions in clusters of their own need the two others."""


def there(name: str, kind: str) -> Object:
    """Return the Role or ClusterRole of a file of docs/rbac."""
    items = yaml.safe_load((DOCS / "rbac" / f"{name}.yml").read_text())["items"]
    (found,) = [item for item in items if item["kind"] == kind]
    return dict(found)


def rules(name: str, kind: str = "Role", *, without: str | None = None) -> list[Object]:
    """Return the rules of a file of docs/rbac, but those for the API group `without`."""
    return [rule for rule in there(name, kind)["rules"] if without not in rule["apiGroups"]]


def in_any_order(given: list[Object]) -> list[str]:
    return sorted(yaml.safe_dump(rule) for rule in given)


def test_each_backend_has_its_permissions_in_the_guide() -> None:
    assert sorted(SHOWN) == FILES


@pytest.mark.parametrize("name", SHOWN)
def test_a_role_that_is_shown_whole_is_that_of_the_file(name: str) -> None:
    for shown in blocks(SHOWN[name]):
        if "kind" in shown:
            assert shown == there(name, shown["kind"])


@pytest.mark.parametrize("name", ["gateway_api", "ingress_nginx", "argo_rollouts"])
def test_the_roles_that_other_backends_refer_to_are_shown_whole(name: str) -> None:
    assert "Role" in [shown.get("kind") for shown in blocks(SHOWN[name])]


def test_the_rules_of_deployment_are_those_of_the_file() -> None:
    (shown,) = blocks(SHOWN["deployment"])
    assert shown == {"rules": rules("deployment")}


def test_the_role_of_istio_is_what_the_guide_makes_it_of() -> None:
    assert "that of ``gateway_api`` with this rule in place of the two for the Gateway" in SHOWN["istio"]
    replaced = [rule for rule in rules("gateway_api") if rule["apiGroups"] == [GATEWAY_API]]
    assert len(replaced) == 2
    own, whole = blocks(SHOWN["istio"])
    assert rules("gateway_api", without=GATEWAY_API) + own == rules("istio")
    assert whole["rules"] == rules("istio", "ClusterRole")


def test_the_role_of_replicas_is_what_the_guide_makes_it_of() -> None:
    assert "that of ``ingress_nginx`` without the rule for Ingresses" in SHOWN["replicas"]
    assert rules("ingress_nginx", without=INGRESSES) == rules("replicas")


def test_what_argo_rollouts_reads_in_the_whole_cluster_is_what_its_routers_need() -> None:
    assert "what ``ingress_nginx`` or ``istio`` needs there" in SHOWN["argo_rollouts"]
    routers = rules("ingress_nginx", "ClusterRole") + rules("istio", "ClusterRole")
    assert in_any_order(routers) == in_any_order(rules("argo_rollouts", "ClusterRole"))


# Ingresses

INGRESS = [shown for shown in blocks(GUIDE) if isinstance(shown, dict) and shown.get("kind") == "Ingress"]


def main(ingress_class: str, service: str, **annotations: str) -> Object:
    """Return the main Ingress that the guide takes for granted."""
    backend = {"service": {"name": service, "port": {"number": 8080}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
        "spec": {"ingressClassName": ingress_class, "rules": [{"host": "shop.example.com", "http": {"paths": paths}}]},
    }


def written(item: Object, controller: str, weight: Weight, *matches: Match) -> Object:
    """Return the canary Ingress that is made for a main one."""
    profile = named(controller)
    annotated = Annotated.none(PREFIX).with_split(weight, matches, profile.whole)
    return canary_ingress("web-canary", item, routes_of(item), "web-v2", annotated, profile.bindings)


APIG = main("apig", "web", **{APIG_INSTANCE: "shop-gateway"})


def test_the_ingresses_of_the_guide_are_what_is_written() -> None:
    old = main("nginx", "web-v1")
    split, kept, tested = INGRESS
    assert split == written(main("nginx", "web"), "ingress-nginx", Weight.percent(10))
    assert kept == keeper("web-canary-keeper", old, routes_of(old))
    assert tested == written(APIG, "apig", NOTHING, Match("header", "X-Canary", "exact", "v2"))


def test_the_annotations_of_a_weight_for_apig_are_what_is_written() -> None:
    (shown,) = [block for block in blocks(GUIDE) if isinstance(block, dict) and f"{PREFIX}/canary" in block]
    assert shown == written(APIG, "apig", Weight.percent(30))["metadata"]["annotations"]


def test_the_pauses_of_the_guide_are_those_of_the_controllers() -> None:
    said = re.search(r"(\d+) for ingress-nginx, (\d+) for Traefik, (\d+) for ``apig`` unless", GUIDE)
    assert said
    pauses = [named(name).propagation_seconds for name in ("ingress-nginx", "traefik", "apig")]
    assert [float(pause) for pause in said.groups()] == pauses
