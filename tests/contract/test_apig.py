"""The way of Volcengine's API gateway, on a controller that reads its annotations: what is written, what is refused.

Nothing here was tried on that gateway, which exists in its own cloud only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import services_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Target
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, InvalidSplit, NotReady
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Match, Weight
from tests.contract import workloads
from tests.contract.cluster_access import Access
from tests.contract.conftest import Enter
from tests.contract.systems.ingress_nginx import INSTANCE, PREFIX, Apig, ApigRepointed, IngressNginxReal, path
from tests.contract.test_ingress_nginx import assert_clients_see, only

HEADER = Match("header", "X-Canary", "exact", "yes")
TESTER = {"X-Canary": "yes"}
DOCUMENTED = {"canary", "canary-weight", "canary-by-header", "canary-by-header-value"}


@pytest.fixture(params=["apig", "apig_repointed"])
def gateway(request: pytest.FixtureRequest, access: Access, enter: Enter) -> Iterator[Apig]:
    """An Ingress that is bound to a gateway and leads to v1, to be promoted in each of the two ways."""
    system_class, namespace = enter(request.param)
    system = system_class(access, namespace)
    assert isinstance(system, Apig)
    try:
        system.create()
        system.wait_until_served()
        yield system
    finally:
        system.remove()


def as_it_comes(gateway: Apig, version: str = "v2") -> Backend:
    """Return the backend as a user has it who allows nothing that is not documented."""
    options: dict[str, Any] = {**gateway.options, "match_with_weight": None}
    return gateway.backend(gateway.access.connect(), Target(gateway.namespace, workloads.APP, version), options)


def test_a_release_by_the_documented_annotations_alone(gateway: Apig) -> None:
    # A tester reaches v2 by the header, and everybody else stays on v1.
    as_it_comes(gateway).set(weight=NOTHING, matches=[HEADER])
    gateway.ask_until(only("v2"), TESTER, count=60)
    assert only("v1")(gateway.ask(200))
    assert only("v1")(gateway.ask(60, {"X-Canary": "always"}))
    assert written(gateway) == DOCUMENTED
    # 30 %, without the header.
    as_it_comes(gateway).set(weight=Weight.percent(30), matches=[])
    assert_clients_see(gateway, 3000)
    assert written(gateway) == {"canary", "canary-weight"}
    # Everything, and then v2 is the stable version, without any canary left.
    as_it_comes(gateway).set(weight=EVERYTHING)
    gateway.ask_until(only("v2"), count=60)
    as_it_comes(gateway).promote()
    assert only("v2")(gateway.ask(200))
    as_it_comes(gateway).detach()
    assert only("v2")(gateway.ask(200))
    # What the published way leaves behind: the header's route, in the way of the next release.
    assert gateway.operator.get("Ingress", gateway.canary_name, gateway.namespace) is None
    assert only("v2")(gateway.ask(60, TESTER))
    assert as_it_comes(gateway).observe().stable_version == "v2"
    # And back, the same way.
    back = as_it_comes(gateway, "v1")
    assert [str(finding) for finding in back.preflight() if finding.level == "error"] == []
    back.set(weight=EVERYTHING)
    gateway.ask_until(only("v1"), count=60)
    as_it_comes(gateway, "v1").promote()
    as_it_comes(gateway, "v1").detach()
    assert only("v1")(gateway.ask(200))


def written(gateway: Apig) -> set[str]:
    """Return which canary annotations the canary Ingress has, and check that it is on the main one's gateway."""
    annotations = gateway.canary()["metadata"]["annotations"]
    assert annotations[INSTANCE] == gateway.annotations[INSTANCE]
    return {key.removeprefix(f"{PREFIX}/") for key in annotations if key.startswith(PREFIX)}


@pytest.mark.parametrize(
    ("weight", "matches"),
    [
        (Weight.percent(10), [HEADER]),
        (Weight(250), []),
        (NOTHING, [Match("cookie", "tester", "always")]),
        (NOTHING, [Match("header", "X-Canary", "regex", "^y")]),
        (NOTHING, [Match("header", "X-Canary", "always")]),
    ],
)
def test_what_is_not_documented_is_refused_before_anything_is_written(
    gateway: Apig, weight: Weight, matches: list[Match]
) -> None:
    backend = as_it_comes(gateway)
    with pytest.raises(InvalidSplit):
        backend.set(weight=weight, matches=matches)
    assert backend.cluster.writes == []


def test_a_weight_is_refused_while_a_header_is_there_and_the_other_way_round(gateway: Apig) -> None:
    as_it_comes(gateway).set(weight=NOTHING, matches=[HEADER])
    with pytest.raises(InvalidSplit, match="the one or the other"):
        as_it_comes(gateway).set(weight=Weight.percent(10))
    as_it_comes(gateway).set(weight=Weight.percent(10), matches=[])
    with pytest.raises(InvalidSplit, match="the one or the other"):
        as_it_comes(gateway).set(matches=[HEADER])


# re-pointing


@pytest.fixture(params=["ingress_nginx_real_repointed", "apig_repointed"])
def repointed(request: pytest.FixtureRequest, access: Access, enter: Enter) -> Iterator[Any]:
    """An Ingress that leads to v1's Service and is to be led to v2's, on ingress-nginx itself and on Traefik."""
    system_class, namespace = enter(request.param)
    system = system_class(access, namespace)
    try:
        system.create()
        system.wait_until_served()
        yield system
    finally:
        system.remove()


def test_an_ingress_is_not_led_to_a_service_without_endpoints(repointed: ApigRepointed) -> None:
    operator, namespace = repointed.operator, repointed.namespace
    operator.create(workloads.service(namespace, "v3"))
    try:
        repointed.use("v3").set(weight=EVERYTHING)
        before = repointed.objects()
        with pytest.raises(NotReady, match="web-v3"):
            repointed.use("v3").promote()
        assert repointed.objects() == before
    finally:
        repointed.use("v3").set(weight=NOTHING)
        repointed.use("v3").detach()
        operator.delete("Service", "web-v3", namespace)


def test_an_ingress_that_somebody_edits_meanwhile_is_not_written_over(repointed: ApigRepointed) -> None:
    repointed.use().set(weight=EVERYTHING)
    backend = repointed.use()
    assert backend.observe().stable == "web-v1"
    repointed.make_ambiguous()
    with pytest.raises(Conflict):
        backend.promote()
    main = repointed.operator.get("Ingress", repointed.name, repointed.namespace)
    assert main is not None
    assert services_of(main) == ["web-api", "web-v1"]


def test_nothing_of_a_promotion_is_left_when_the_canary_is_detached(repointed: ApigRepointed) -> None:
    repointed.use().set(weight=EVERYTHING)
    repointed.ask_until(only("v2"), count=60)
    repointed.use().promote()
    assert not repointed.use().serves("web-v1")
    repointed.use().detach()
    names = {item["metadata"]["name"] for item in repointed.operator.list("Ingress", repointed.namespace)}
    assert names == {repointed.name}
    deadline = time.monotonic() + repointed.use().capabilities.propagation_seconds
    while time.monotonic() < deadline:
        assert only("v2")(repointed.ask(60))


def test_a_promotion_is_taken_back_by_the_snapshot_of_before(repointed: ApigRepointed) -> None:
    repointed.use().set(weight=NOTHING)
    before = repointed.use().snapshot()
    repointed.use().set(weight=EVERYTHING)
    repointed.ask_until(only("v2"), count=60)
    repointed.use().promote()
    assert repointed.use().restore(before).after.stable == "web-v1"
    repointed.ask_until(only("v1"), count=60)


def test_the_default_backend_is_led_to_the_new_version_with_the_paths(repointed: ApigRepointed) -> None:
    """On ingress-nginx it is split with them, by Service and port; on Traefik only the promotion moves it."""
    rules = [{"host": repointed.hostname, "http": {"paths": [path("/deep", "web-v1")]}}]
    spec = {"rules": rules, "defaultBackend": path("/", "web-v1")["backend"]}
    repointed.operator.edit("Ingress", repointed.name, repointed.namespace, {"spec": spec})
    repointed.ask_until(only("v1"), count=60)
    repointed.use().set(weight=EVERYTHING)
    if isinstance(repointed, IngressNginxReal):
        repointed.ask_until(only("v2"), count=60)
    assert repointed.use().serves("web-v1")
    repointed.use().promote()
    main = repointed.operator.get("Ingress", repointed.name, repointed.namespace)
    assert main is not None
    assert services_of(main) == ["web-v2"]
    assert not repointed.use().serves("web-v1")
    repointed.ask_until(only("v2"), count=60)
    repointed.use().detach()
    assert only("v2")(repointed.ask(60))
