"""The roles that docs/rbac shows are enough for everything a release does."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import OpenShop
from tests.e2e.steps import all_on, own, release, serving
from tests.shop.operators import ROOT
from tests.shop.permissions import Permissions
from tests.shop.systems import SYSTEMS, chosen


def role_of(backend: str) -> str:
    """Return the file of docs/rbac for a traffic system: that of its backend."""
    example = ROOT / "inventories" / (SYSTEMS[backend].example or backend) / "hosts.yml"
    return str(yaml.safe_load(example.read_text())["all"]["hosts"]["shop"]["canary_backend"]["type"])


@pytest.mark.parametrize("backend", chosen(SYSTEMS))
def test_a_release_a_way_back_and_a_cleanup_need_no_more_than_the_documented_role(
    backend: str, open_shop: OpenShop
) -> None:
    shop = open_shop(backend)
    assert Path(ROOT / "docs" / "rbac" / f"{role_of(backend)}.yml").exists()
    with Permissions(shop.access, role_of(backend), shop.namespace) as permissions:
        user = {"canary_cluster": permissions.options()}
        shop.run("status", **user).require()
        run = release(shop, "v2", **user).require()
        assert "may not" not in run.output
        shop.run("rollback", **user).require()
        shop.run("cleanup", **user).require()
    all_on(shop, "v1")
    assert set(serving(shop)) == {"v1"}
    assert not own(shop, "v2") & set(shop.objects()), "the cleanup was allowed to remove it"
