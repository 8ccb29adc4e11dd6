"""verify on real gateways: a right split is proven, each wrong one is refused and named."""

from __future__ import annotations

import collections
import time
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._proof import Proof
from ansible_collections.gradual.canary.plugins.module_utils._task import Task
from ansible_collections.gradual.canary.plugins.module_utils._terminal import Terminal
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Weight
from ansible_collections.gradual.canary.plugins.modules import verify
from tests.contract.cluster_access import Access
from tests.contract.conftest import Enter
from tests.contract.systems.base import TrafficSystem
from tests.contract.systems.ingress_nginx import PREFIX
from tests.shop.verbs import validated

Answers = collections.Counter[str]
COUNT = 200
MOST_SECONDS_OF_A_TEST = 5.0
"""How long the last test may take that begins before a settle_timeout is over."""

# What 200 answers look like at a weight: three and a half standard deviations. Workers of a gateway learn of a weight
# one after the other, and a split that half of them have is not the one that is to be there.
LOOKS_LIKE = {0: (0, 0), 10: (5, 35), 25: (29, 71), 50: (75, 125), 100: (COUNT, COUNT)}


def arguments(system: TrafficSystem, **claim: Any) -> dict[str, Any]:
    """Return the verb's options for a client of this route."""
    given = {
        "url": f"http://{system.hostname}/",
        "address": system.address,
        "identify": {"header": "X-Version"},
        "rate": 400,
        "stable": "v1",
        "canary": "v2",
        "settle_timeout": 0,
        **claim,
    }
    return validated(verify.ARGUMENTS, given)


def verified(system: TrafficSystem, **claim: Any) -> dict[str, Any]:
    """Run the verb; a wrong split is one at once unless the claim has a settle_timeout."""
    return dict(Task(arguments(system, **claim)).perform(verify.run))


def proven_through_a_change(system: TrafficSystem, before: int, percent: int, *populations: str) -> dict[str, Any]:
    """Let clients arrive while v2 has one weight, give it another, and return what the proof says."""
    split(system, before)
    proof = Proof(
        arguments(system, weight=str(percent), settle_timeout=30, profile="quick", populations=[*populations])
    )
    with proof.crowds() as crowds:
        crowds.arrive()
        system.use().set(weight=Weight.percent(percent))
        return proof.attempt(Terminal(), crowds)


def population(proof: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the values of one population."""
    (found,) = [each for each in proof["populations"] if each["population"] == name]
    return dict(found)


def split(system: TrafficSystem, percent: int) -> Weight:
    """Give v2 a weight, and wait until plain requests look like it, twice in a row; return what could be reached."""
    system.use().set()
    reached = system.use().set(weight=Weight.percent(percent)).after.weight
    low, high = LOOKS_LIKE[percent]
    for _look in range(2):
        system.ask_until(lambda answers: low <= answers["v2"] <= high and set(answers) <= {"v1", "v2"}, count=COUNT)
    return reached


@pytest.mark.parametrize("percent", [0, 10, 50, 100])
def test_a_right_split_is_proven(traffic_system: TrafficSystem, percent: int) -> None:
    split(traffic_system, percent)
    proof = verified(traffic_system, weight=str(percent))
    assert (proof["verdict"], proof["reason"], proof["diagnosis"]) == ("pass", "equivalence_proven", None), proof["msg"]
    assert not proof["failed"]
    assert proof["recommendation"] == "advance"
    assert proof["requests"]["errors"] == 0
    assert proof["msg"].startswith(f"{percent} % proven: ")


def test_a_change_on_its_way_is_waited_for(traffic_system: TrafficSystem) -> None:
    split(traffic_system, 0)
    traffic_system.use().set(weight=Weight.percent(50))
    proof = verified(traffic_system, weight="50", previous="0", settle_timeout=30)
    assert proof["verdict"] == "pass", proof["msg"]


def test_a_change_that_does_not_come_is_refused_when_its_time_is_over(traffic_system: TrafficSystem) -> None:
    split(traffic_system, 10)
    started = time.monotonic()
    proof = verified(traffic_system, weight="50", previous="10", settle_timeout=3)
    assert (proof["verdict"], proof["diagnosis"]) == ("fail", "previous_weights"), proof["msg"]
    assert proof["requests"]["attempts"] > 1
    assert 3 <= time.monotonic() - started < 3 + MOST_SECONDS_OF_A_TEST


@pytest.mark.parametrize(
    ("actual", "claim", "diagnosis", "words"),
    [
        pytest.param(
            0, {"weight": "10"}, "absent:v2", "v2 does not answer at all: the route is not applied", id="none"
        ),
        pytest.param(
            *(100, {"weight": "50"}, "absent:v1", "v1 does not answer at all: the route is not applied"), id="all"
        ),
        # A Deployment in place reaches 10 %, and not 90.
        pytest.param(10, {"weight": "90"}, "swapped", "the weights are swapped", id="swapped"),
        pytest.param(
            *(10, {"weight": "50"}, "previous_weights", "the previous weights are still active"), id="previous weights"
        ),
        pytest.param(
            *(50, {"weight": "90"}, "previous_weights", "the previous weights are still active"),
            id="previous weights of a half",
        ),
        pytest.param(25, {"weight": "10"}, "other", "the share is another one", id="another share"),
    ],
)
def test_a_wrong_split_is_refused_and_named(
    traffic_system: TrafficSystem, actual: int, claim: dict[str, str], diagnosis: str, words: str
) -> None:
    reached = split(traffic_system, actual)
    if diagnosis == "previous_weights":
        claim = {**claim, "previous": reached.as_percent()}
    # That the split is wrong is certain. Its cause is the likeliest after so many more answers, so that now and then
    # chance names another one; not three times in a row.
    for _attempt in range(3):
        proof = verified(traffic_system, **claim)
        assert (proof["verdict"], proof["reason"]) == ("fail", "split_wrong"), proof["msg"]
        if proof["diagnosis"] == diagnosis:
            break
    assert proof["diagnosis"] == diagnosis, proof["msg"]
    assert proof["failed"]
    assert proof["recommendation"] == "rollback"
    assert proof["msg"].startswith(f"{claim['weight']} % is not what clients get, {words}: ")


def test_a_route_that_is_not_applied_is_noticed_and_named_within_131_answers(traffic_system: TrafficSystem) -> None:
    split(traffic_system, 0)
    proof = verified(traffic_system, weight="10")
    # 94 answers refute 10 %, and 37 more leave no doubt that the canary is absent and not rare.
    assert (proof["diagnosis"], proof["versions"]["v1"]["count"]) == ("absent:v2", 131)


@pytest.mark.parametrize(("claimed", "leaking"), [("0", "v2"), ("100", "v1")])
def test_a_version_that_answers_without_weight_is_a_leak(
    traffic_system: TrafficSystem, claimed: str, leaking: str
) -> None:
    split(traffic_system, 50)
    proof = verified(traffic_system, weight=claimed)
    assert (proof["verdict"], proof["reason"], proof["diagnosis"]) == ("fail", "leak", "leak"), proof["msg"]
    assert f"{leaking} answers although it has no weight" in proof["msg"]


def test_a_version_that_nobody_spoke_of_is_named(traffic_system: TrafficSystem) -> None:
    split(traffic_system, 50)
    proof = verified(traffic_system, weight="50", canary="v9")
    assert (proof["verdict"], proof["diagnosis"]) == ("fail", "unknown:v2"), proof["msg"]
    assert "version v2 answers, which is neither stable nor canary" in proof["msg"]
    assert proof["versions"]["v2"]["target"] is None


def test_match_routes_are_proven_beside_the_weight(routed_system: TrafficSystem) -> None:
    split(routed_system, 10)
    match = routed_system.routed[0]
    routed_system.use().set(matches=[match.match])
    routed_system.ask_until(lambda answers: set(answers) == {"v2"}, match.fits)
    proof = verified(routed_system, weight="10", matches=[match.match.as_option()])
    assert proof["verdict"] == "pass", proof["msg"]
    assert [(each["match"], each["verdict"]) for each in proof["matches"]] == [(match.match.as_option(), "pass")]
    assert proof["matches"][0]["versions"]["v2"]["share"] == 1


def test_a_match_route_that_is_not_there_is_refused_and_named(routed_system: TrafficSystem) -> None:
    split(routed_system, 10)
    match = routed_system.routed[0].match
    proof = verified(routed_system, weight="10", matches=[match.as_option()])
    assert (proof["verdict"], proof["reason"], proof["diagnosis"]) == ("fail", "leak", "leak"), proof["msg"]
    assert proof["msg"].startswith(f"requests with {match}: ")
    assert "v1 answers although it has no weight" in proof["msg"]


def test_a_right_match_route_does_not_hide_a_wrong_weight(
    routed_system: TrafficSystem,
) -> None:
    split(routed_system, 50)
    match = routed_system.routed[0]
    routed_system.use().set(matches=[match.match])
    routed_system.ask_until(lambda answers: set(answers) == {"v2"}, match.fits)
    proof = verified(routed_system, weight="10", matches=[match.match.as_option()])
    assert [each["verdict"] for each in proof["matches"]] == ["pass"]
    assert (proof["verdict"], proof["diagnosis"]) == ("fail", "other"), proof["msg"]


def test_answers_that_tell_no_version_prove_nothing(traffic_system: TrafficSystem) -> None:
    proof = verified(traffic_system, weight="10", identify={"header": "X-Nobody-Sends-This"})
    assert (proof["verdict"], proof["reason"]) == ("inconclusive", "unclassified"), proof["msg"]
    assert proof["recommendation"] == "hold"


# clients that keep something


def test_clients_that_keep_their_connection_get_what_the_traffic_system_says(traffic_system: TrafficSystem) -> None:
    proof = proven_through_a_change(traffic_system, 0, 50, "kept_alive")
    assert population(proof, "new_connections")["verdict"] == "pass", proof["msg"]
    kept = population(proof, "kept_alive")
    assert (kept["opened"], kept["errors"]) == ("before", 0)
    if traffic_system.use().capabilities.per == "request":
        assert (kept["verdict"], kept["unit"], kept["diagnosis"]) == ("pass", "request", None), kept["msg"]
        assert proof["verdict"] == "pass"
    else:
        assert (kept["verdict"], kept["unit"], kept["diagnosis"]) == ("fail", "client", "kept_alive"), kept["msg"]
        assert (kept["reason"], kept["count"], kept["switches"]) == ("clients_stay", 0, 0)
        assert proof["verdict"] == "fail"


def test_clients_with_cookies_get_the_weight_where_nothing_is_sticky(traffic_system: TrafficSystem) -> None:
    proof = proven_through_a_change(traffic_system, 0, 50, "cookies")
    found = population(proof, "cookies")
    assert (found["verdict"], found["unit"], found["cookies"]) == ("pass", "request", []), found["msg"]


@pytest.mark.parametrize("name", ["ingress_nginx_real", "ingress_nginx"])
def test_session_affinity_is_told_of_before_the_split_and_is_what_clients_with_cookies_see(
    access: Access, enter: Enter, name: str
) -> None:
    kind, namespace = enter(name)
    system = kind(access, namespace)
    affinity = {f"{PREFIX}/affinity": "cookie", f"{PREFIX}/session-cookie-name": "route"}
    try:
        system.create()
        system.operator.edit("Ingress", system.name, namespace, {"metadata": {"annotations": affinity}})
        system.wait_until_served()
        (finding,) = [each for each in system.use().preflight() if each.code == "sticky"]
        assert (finding.level, "cookie route" in finding.message) == ("error", True)
        proof = proven_through_a_change(system, 10, 90, "cookies")
        assert population(proof, "new_connections")["verdict"] == "pass", proof["msg"]
        sticky = population(proof, "cookies")
        assert (sticky["verdict"], sticky["diagnosis"], sticky["opened"]) == ("fail", "sticky", "before"), sticky["msg"]
        # Most of those who came at 10 % are still on v1, while 90 % of the new ones are not.
        assert sticky["count"] <= sticky["clients"] / 2
        assert "route" in sticky["cookies"]
        assert proof["msg"] == sticky["msg"]
    finally:
        system.remove()
