"""Copies of requests to the canary, counted at the canary, on the real controllers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._arguments import validated
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import MirroringBackend, set_split
from ansible_collections.gradual.canary.plugins.module_utils._errors import Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._metrics import Counter
from ansible_collections.gradual.canary.plugins.module_utils._pod_counters import PodCounters
from ansible_collections.gradual.canary.plugins.module_utils._task import Task
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Weight
from ansible_collections.gradual.canary.plugins.modules import verify_mirror
from tests.contract.cluster_access import Access
from tests.contract.conftest import Enter
from tests.contract.systems.base import TrafficSystem
from tests.contract.systems.gateway_api import GatewayApiSystem
from tests.contract.workloads import APP

TEN, FORTY = Weight.percent(10), Weight.percent(40)
COUNTER = {"name": "http_requests_total"}
MIRRORING = ("gateway_api", "istio", "istio_with_subsets")


@pytest.fixture(params=MIRRORING)
def system(request: pytest.FixtureRequest, access: Access, enter: Enter) -> Iterator[TrafficSystem]:
    yield from served(request.param, access, enter)


@pytest.fixture(params=["istio", "istio_with_subsets"])
def sharing_system(request: pytest.FixtureRequest, access: Access, enter: Enter) -> Iterator[TrafficSystem]:
    """A system that copies any share of the requests."""
    yield from served(request.param, access, enter)


@pytest.fixture
def contour(access: Access, enter: Enter) -> Iterator[TrafficSystem]:
    yield from served("gateway_api", access, enter)


def served(name: str, access: Access, enter: Enter) -> Iterator[TrafficSystem]:
    kind, namespace = enter(name)
    made = kind(access, namespace)
    try:
        made.create()
        made.wait_until_served()
        yield made
    finally:
        made.remove()


class ClassOfNobody(GatewayApiSystem):
    """A route of a Gateway whose class is of no controller here."""

    class_name = ""

    @property
    def gateway(self) -> tuple[str, str]:
        return self.namespace, self.class_name


def share(system: TrafficSystem, mirror: Weight, **wanted: Any) -> None:
    set_split(system.use(), **{"weight": NOTHING, "matches": None, "expect": None, "mirror": mirror, **wanted})


def counted(system: TrafficSystem, mirror: str, **options: Any) -> dict[str, Any]:
    """Return what the verb says of the copies, after sending requests of its own."""
    client = {"url": f"http://{system.address}/", "host": system.hostname, "identify": {"header": "X-Version"}}
    given = {
        "kubeconfig": system.access.kubeconfig,
        "namespace": system.namespace,
        "app": APP,
        "stable": "v1",
        "canary": "v2",
        "mirror": mirror,
        "counter": COUNTER,
        "client": {**client, "rate": 300},
        "settle_timeout": 10,
        **options,
    }
    return Task(validated(verify_mirror.ARGUMENTS, given, "here")).perform(verify_mirror.run)


def proven(system: TrafficSystem, mirror: str, **options: Any) -> dict[str, Any]:
    proof = counted(system, mirror, **options)
    assert proof.get("verdict") == "pass", proof["msg"]
    return proof


def growth(system: TrafficSystem, requests: int) -> tuple[int, int]:
    """Send requests, and return how many of them each version counted."""
    counters = PodCounters(
        system.access.connect(), system.namespace, APP, Counter(COUNTER["name"]), port="8080", path="/metrics"
    )
    before = counters.read_settled("v1", "v2")
    system.ask(requests)
    grown = counters.read_settled("v1", "v2").since(before)
    assert grown is not None, "a pod came or went meanwhile"
    return grown


def test_all_requests_are_copied_and_no_user_gets_an_answer_to_a_copy(system: TrafficSystem) -> None:
    share(system, EVERYTHING)
    proof = proven(system, "100")
    assert proof["answers"] == {"v1": proof["requests"]["sent"]}
    assert growth(system, 100) == (100, 100)


def test_a_tenth_of_the_requests_is_copied_and_no_user_gets_an_answer_to_a_copy(sharing_system: TrafficSystem) -> None:
    share(sharing_system, TEN)
    proof = proven(sharing_system, "10")
    assert proof["answers"] == {"v1": proof["requests"]["sent"]}


def test_a_share_that_is_another_is_proven_wrong(sharing_system: TrafficSystem) -> None:
    share(sharing_system, FORTY)
    proof = counted(sharing_system, "10", settle_timeout=2)
    assert (proof["verdict"], proof["failed"]) == ("fail", True), proof["msg"]
    assert "too high" in proof["msg"]


def test_copies_beside_a_weight_are_counted_apart_from_it(sharing_system: TrafficSystem) -> None:
    share(sharing_system, FORTY, weight=TEN)
    proof = proven(sharing_system, "40", weight="10", profile="quick")
    assert set(proof["answers"]) == {"v1", "v2"}


def test_copies_nobody_asked_for_are_missed(system: TrafficSystem) -> None:
    share(system, NOTHING)
    proof = counted(system, "100", settle_timeout=2)
    assert proof["verdict"] == "fail"
    assert "no request is copied" in proof["msg"]


def test_the_next_stage_ends_the_copies_in_the_write_of_its_weight(system: TrafficSystem) -> None:
    share(system, EVERYTHING)
    proven(system, "100")
    backend = system.use()
    change = set_split(backend, weight=TEN, matches=None, mirror=NOTHING, expect=NOTHING)
    assert len(backend.cluster.writes) == 1
    assert (change.before.mirror, change.after.mirror, change.after.weight) == (EVERYTHING, NOTHING, TEN)
    system.ask_until(lambda answers: answers["v2"] > 0, count=100)
    stable, canary = growth(system, 300)
    assert stable + canary == 300


def test_copies_that_are_there_already_cost_no_write_and_stay_unless_they_are_named(system: TrafficSystem) -> None:
    share(system, EVERYTHING)
    written = system.objects()
    backend = system.use()
    assert not set_split(backend, weight=NOTHING, matches=[], mirror=EVERYTHING, expect=None).changed
    assert backend.cluster.writes == []
    assert not set_split(backend, weight=NOTHING, matches=None, mirror=None, expect=None).changed
    assert system.objects() == written
    assert system.use().observe().mirror == EVERYTHING


def test_check_mode_predicts_the_copies_and_writes_nothing(system: TrafficSystem) -> None:
    share(system, NOTHING)
    before = system.objects()
    rehearsed, real = system.in_check_mode(), system.use()
    predicted = set_split(rehearsed, weight=NOTHING, matches=None, mirror=EVERYTHING, expect=None)
    assert system.objects() == before
    done = set_split(real, weight=NOTHING, matches=None, mirror=EVERYTHING, expect=None)
    assert rehearsed.cluster.writes == real.cluster.writes
    assert (predicted.before, predicted.after) == (done.before, done.after)


def test_testers_requests_are_not_copied_to_where_they_go_anyway(system: TrafficSystem) -> None:
    routed = system.routed[0]
    share(system, EVERYTHING, matches=[routed.match])
    system.ask_until(lambda answers: set(answers) == {"v2"}, routed.fits)
    counters = PodCounters(
        system.access.connect(), system.namespace, APP, Counter(COUNTER["name"]), port="8080", path="/metrics"
    )
    before = counters.read_settled("v1", "v2")
    assert system.ask(100, routed.fits) == {"v2": 100}
    assert counters.read_settled("v1", "v2").since(before) == (0, 100)


def test_detaching_ends_the_copies(system: TrafficSystem) -> None:
    share(system, EVERYTHING)
    proven(system, "100")
    assert system.use().serves("web-v2")
    system.use().detach()
    assert system.use().observe().mirror == NOTHING
    assert not system.use().serves("web-v2")
    system.ask_until(lambda _answers: growth(system, 20) == (20, 0))


def test_promotion_ends_the_copies(system: TrafficSystem) -> None:
    share(system, EVERYTHING)
    set_split(system.use(), weight=EVERYTHING, matches=None, mirror=None, expect=None)
    change = system.use().promote()
    assert change.after.mirror == NOTHING
    system.ask_until(lambda answers: set(answers) == {"v2"})
    system.ask_until(lambda _answers: growth(system, 20) == (0, 20))


def test_a_snapshot_from_before_the_copies_ends_them(system: TrafficSystem) -> None:
    snapshot = system.use().snapshot()
    share(system, EVERYTHING)
    assert system.use().restore(snapshot).before.mirror == EVERYTHING
    assert system.use().observe().mirror == NOTHING
    assert not system.use().serves("web-v2")


def test_contour_would_copy_all_where_a_share_is_written_so_a_share_is_refused(contour: GatewayApiSystem) -> None:
    share(contour, NOTHING)
    written = contour.objects()
    with pytest.raises(Unsupported, match=r"copies all requests to the canary or none, not 10 %"):
        share(contour, TEN)
    assert contour.objects() == written
    rules = contour.route()["spec"]["rules"]
    reference = {"name": "web-v2", "port": 80}
    rules[-1]["filters"] = [{"type": "RequestMirror", "requestMirror": {"backendRef": reference, "percent": 10}}]
    contour.send(*rules)
    assert contour.use().observe().mirror == TEN
    proof = counted(contour, "10", settle_timeout=2)
    assert proof["verdict"] == "fail"
    assert "every request is copied" in proof["msg"]


def test_a_share_is_written_where_the_gateway_class_says_that_it_is_looked_at(access: Access, enter: Enter) -> None:
    """No controller serves this class; what is asked of the cluster, and what is written, is the same with one."""
    _kind, namespace = enter("gateway_api")
    operator, version = access.operator(), "gateway.networking.k8s.io/v1"
    name = f"{namespace}-istio"
    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    made = ClassOfNobody(access, namespace)
    made.class_name = name
    operator.create(
        {
            "apiVersion": version,
            "kind": "GatewayClass",
            "metadata": {"name": name},
            "spec": {"controllerName": "istio.io/gateway-controller"},
        }
    )
    try:
        operator.create(
            {
                "apiVersion": version,
                "kind": "Gateway",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"gatewayClassName": name, "listeners": [listener]},
            }
        )
        made.create()
        with pytest.raises(Unsupported, match="not 10 %"):
            share(made, TEN)
        features = {"status": {"supportedFeatures": [{"name": "HTTPRouteRequestPercentageMirror"}]}}
        operator.edit_status("GatewayClass", name, features)
        share(made, TEN)
        (rule,) = made.route()["spec"]["rules"]
        (written,) = rule["filters"]
        assert written["requestMirror"]["percent"] == 10
        share(made, Weight.percent("2.5"))
        (rule,) = made.route()["spec"]["rules"]
        assert rule["filters"][0]["requestMirror"]["fraction"] == {"numerator": 250, "denominator": 10000}
        assert "percent" not in rule["filters"][0]["requestMirror"]
    finally:
        made.remove()
        operator.delete("Gateway", name, namespace)
        operator.delete("GatewayClass", name)


def test_a_counter_that_no_pod_has_is_refused_with_those_there_are(contour: GatewayApiSystem) -> None:
    share(contour, EVERYTHING)
    result = counted(contour, "100", counter={"name": "requests"}, settle_timeout=1)
    assert result["failed"]
    assert "no pod of web v1 or v2 has a series requests on port 8080 at /metrics" in result["msg"]
    assert "http_requests_total" in result["msg"]


def test_a_system_that_copies_nothing_refuses_and_writes_nothing(traffic_system: TrafficSystem) -> None:
    backend = traffic_system.use()
    backend.set()
    if isinstance(backend, MirroringBackend) and backend.capabilities.mirror != "none":
        pytest.skip("this traffic system copies requests")
    written = traffic_system.objects()
    for mirror in (TEN, EVERYTHING):
        refusing = traffic_system.use()
        with pytest.raises(Unsupported, match=r"cannot send the canary copies.*let testers in by match"):
            set_split(refusing, weight=NOTHING, matches=None, mirror=mirror, expect=None)
        assert refusing.cluster.writes == []
    assert traffic_system.objects() == written
    assert not set_split(traffic_system.use(), weight=NOTHING, matches=None, mirror=NOTHING, expect=None).changed
