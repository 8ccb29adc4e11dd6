"""Versions come and go on every traffic system: with few permissions, as foretold, and nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import OpenShop
from tests.e2e.steps import (
    ASKING,
    HELD_AT_ALL,
    all_on,
    foretold,
    held,
    nothing_changes,
    own,
    release,
    released,
    said,
    serving,
    stored,
    users_part,
    words,
)
from tests.shop.operators import ROOT
from tests.shop.permissions import Permissions
from tests.shop.shop import Shop
from tests.shop.systems import SYSTEMS, chosen

# Argo Rollouts makes it, and writes it with each weight.
ARGOS_OWN = "Ingress/web-web-canary"


def role_of(backend: str) -> str:
    """Return the file of docs/rbac for a traffic system: that of its backend."""
    example = ROOT / "inventories" / (SYSTEMS[backend].example or backend) / "hosts.yml"
    return str(yaml.safe_load(example.read_text())["all"]["hosts"]["shop"]["canary_backend"]["type"])


@pytest.fixture(params=chosen(SYSTEMS))
def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Iterator[Shop]:
    """A shop on each traffic system, in which somebody has an object of their own.

    Who releases there may do what the Role in docs/rbac allows, and no more.
    """
    opened = open_shop(request.param)
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": opened.namespace, "labels": {"app.kubernetes.io/name": "web"}},
        "data": {"greeting": "hello"},
    }
    opened.access.operator().create(settings)
    with Permissions(opened.access, role_of(request.param), opened.namespace) as permissions:
        opened.inventory["canary_cluster"] = permissions.options()
        opened.operator.inventory.write_text(json.dumps({"all": {"hosts": {"shop": opened.inventory}}}))
        yield opened


def test_versions_come_and_go_as_foretold_and_leave_nothing_behind(shop: Shop) -> None:
    before = shop.objects()
    _a_release_and_the_way_back(shop)
    _a_bad_version(shop)
    _an_abort(shop)
    _only_routes_changed(shop, before, "v1", "v2", "v3", "v4")
    _a_promotion_by_hand(shop)
    _the_end_of_what_no_longer_serves(shop)
    _only_routes_changed(shop, before, "v4")


def _a_release_and_the_way_back(shop: Shop) -> None:
    approved = {"canary_stages": ASKING, "canary_approve": "web/v2/50"}
    run = foretold(shop, "release", canary_version="v2", **approved)
    assert "may not" not in run.output, "the documented role lacks something"
    evidence = said(run)
    assert evidence.startswith("All traffic of web is on v2 | 50 % proven: "), evidence
    assert "100 % proven: " in evidence
    all_on(shop, "v2")
    assert serving(shop) == {"v2": 1}
    nothing_changes(release(shop, "v2", canary_stages=ASKING))

    back = foretold(shop, "rollback")
    assert said(back).startswith("v2 is out: 0 % proven: 0 of ")
    all_on(shop, "v1")
    assert serving(shop) == {"v1": 1}, "the version before is back at full size"


def _a_bad_version(shop: Shop) -> None:
    run = release(shop, "v3", canary_probe=False)
    assert run.code != 0
    assert "web v3 was refused. " in run.output
    assert "All traffic is on v1 again: 0 % proven: 0 of " in run.output
    all_on(shop, "v1")
    assert serving(shop) == {"v1": 1}


def _an_abort(shop: Shop) -> None:
    held(shop, "v4")
    assert words(shop).startswith("50 % to web-v4, 50 % to ")
    assert said(foretold(shop, "rollback")).startswith("v4 is out: 0 % proven: 0 of ")
    all_on(shop, "v1")
    assert serving(shop) == {"v1": 1}


def _a_promotion_by_hand(shop: Shop) -> None:
    held(shop, "v2", stages=HELD_AT_ALL)
    assert words(shop).startswith("100 % to web-v2")
    foretold(shop, "promote")
    all_on(shop, "v2")
    assert serving(shop) == {"v2": 1}
    again = shop.run("promote")
    assert again.code != 0
    assert "There is no canary of web: all to " in again.output
    assert again.writes == []


def _the_end_of_what_no_longer_serves(shop: Shop) -> None:
    foretold(shop, "release", canary_version="v4")
    all_on(shop, "v4")
    assert serving(shop) == {"v4": 1}
    if not shop.system.in_place:  # there old templates are the workload controller's
        foretold(shop, "cleanup")
    nothing_changes(shop.run("cleanup"))
    nothing_changes(release(shop, "v4"))


def _only_routes_changed(shop: Shop, before: dict[str, Any], *versions: str) -> None:
    """Hold when only the versions are there beside users' objects, and of those only where traffic goes moved."""
    after = {name: item for name, item in shop.objects().items() if name != ARGOS_OWN}
    users = {name for name in before if not name.endswith("/web-v1") and name != ARGOS_OWN}
    assert set(after) == users | own(shop, *versions)
    for name in users:
        assert users_part(after[name]) == users_part(before[name]), name
    untouched = users - released(shop)
    for name in untouched:
        assert json.dumps(stored(after[name])) == json.dumps(stored(before[name])), name
    assert "gradual.canary" not in json.dumps([after[name] for name in untouched])
