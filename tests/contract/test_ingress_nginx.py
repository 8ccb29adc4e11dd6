"""Facts of the canary annotations alone, on each controller that reads them."""

from __future__ import annotations

import collections
import copy
import datetime
import itertools
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import Controller
from ansible_collections.gradual.canary.plugins.module_utils._backends.ingress_nginx import IngressNginx
from ansible_collections.gradual.canary.plugins.module_utils._bands import bands
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Request, Sampler
from ansible_collections.gradual.canary.plugins.module_utils._split_verification import SplitVerification
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Match, Weight
from tests.contract.cluster_access import Access
from tests.contract.conftest import Enter
from tests.contract.systems.base import outcome
from tests.contract.systems.ingress_nginx import PREFIX, IngressNginxSystem, path

HEADER = Match("header", "X-Canary", "exact", "yes")
COOKIE = Match("cookie", "tester", "always")
ALWAYS = Match("header", "X-Canary", "always")
PATTERN = Match("header", "X-Canary", "regex", "^y.s$")
CONTROLLERS = {"ingress_nginx": "traefik", "ingress_nginx_real": "ingress-nginx", "apig": "apig"}


def made(access: Access, enter: Enter, name: str) -> Iterator[IngressNginxSystem]:
    system_class, namespace = enter(name)
    system = system_class(access, namespace)
    assert isinstance(system, IngressNginxSystem)
    try:
        system.create()
        system.wait_until_served()
        yield system
    finally:
        system.remove()


@pytest.fixture(params=["ingress_nginx", "ingress_nginx_real"])
def system(request: pytest.FixtureRequest, access: Access, enter: Enter) -> Iterator[IngressNginxSystem]:
    """An Ingress that leads to v1, on Traefik and on ingress-nginx itself."""
    yield from made(access, enter, request.param)


@pytest.fixture
def real(access: Access, enter: Enter) -> Iterator[IngressNginxSystem]:
    """An Ingress that leads to v1, on ingress-nginx itself."""
    yield from made(access, enter, "ingress_nginx_real")


@pytest.fixture(params=CONTROLLERS)
def anywhere(request: pytest.FixtureRequest, access: Access, enter: Enter) -> Iterator[tuple[str, IngressNginxSystem]]:
    """The program that the product should take the controller for, and an Ingress that it serves."""
    for each in made(access, enter, request.param):
        yield CONTROLLERS[request.param], each


def controller_of(system: IngressNginxSystem) -> Controller:
    backend = system.use()
    assert isinstance(backend, IngressNginx)
    return backend.controller


def only(version: str) -> Callable[[collections.Counter[str]], bool]:
    return lambda answers: set(answers) == {version}


# who serves


def test_the_controller_is_found_without_being_named(anywhere: tuple[str, IngressNginxSystem]) -> None:
    name, system = anywhere
    deadline = time.monotonic() + 60
    while not controller_of(system).identified:
        assert time.monotonic() < deadline, "no controller wrote the Ingress's status within 60 s"
        time.sleep(0.2)
    assert controller_of(system).name == name
    assert not [finding for finding in system.use().preflight() if finding.code == "controller_unknown"]


# weights


@pytest.mark.parametrize(("weight", "total", "points"), [("500", "1000", 5000), ("30", "100", 3000), ("5", "10", 500)])
def test_a_weight_of_another_total_is_read_as_clients_see_it(
    system: IngressNginxSystem, weight: str, total: str, points: int
) -> None:
    system.use().set(weight=NOTHING)
    system.annotate({f"{PREFIX}/canary-weight": weight, f"{PREFIX}/canary-weight-total": total})
    assert system.use().observe().weight == Weight(points)
    assert_clients_see(system, points)


@pytest.mark.parametrize("weight", ["-1", "1.5", "10%", "abc", " 20"])
def test_a_weight_that_is_no_whole_number_is_nothing(system: IngressNginxSystem, weight: str) -> None:
    """Controllers refuse no annotation: they read what they do not understand as zero."""
    system.use().set(weight=EVERYTHING)
    system.ask_until(only("v2"), count=60)
    system.annotate({f"{PREFIX}/canary-weight": weight})
    assert system.use().observe().weight == NOTHING
    system.ask_until(only("v1"), count=60)


def test_a_weight_above_its_total_is_everything(system: IngressNginxSystem) -> None:
    system.use().set(weight=NOTHING)
    system.annotate({f"{PREFIX}/canary-weight": "101", f"{PREFIX}/canary-weight-total": "100"})
    assert system.use().observe().weight == EVERYTHING
    system.ask_until(only("v2"), count=60)


def test_a_canary_that_somebody_switched_off_gives_nothing_whatever_else_it_says(real: IngressNginxSystem) -> None:
    """For ingress-nginx it is a plain Ingress then, and the older one has the path. Traefik follows either."""
    wait_until_older(real)
    real.use().set(weight=EVERYTHING, matches=[HEADER])
    real.ask_until(only("v2"), count=60)
    real.annotate({f"{PREFIX}/canary": "false"})
    split = real.use().observe()
    assert (split.weight, split.matches) == (NOTHING, ())
    real.ask_until(only("v1"), count=60)
    assert only("v1")(real.ask(60, {"X-Canary": "yes"}))


def wait_until_older(system: IngressNginxSystem) -> None:
    """Return when an Ingress that is made now is younger than the main one: their ages are whole seconds."""
    item = system.operator.get("Ingress", system.name, system.namespace)
    assert item is not None
    made = datetime.datetime.fromisoformat(item["metadata"]["creationTimestamp"])
    while datetime.datetime.now(datetime.UTC) < made + datetime.timedelta(seconds=1):
        time.sleep(0.05)


def test_the_finest_weight_there_is_reaches_clients(real: IngressNginxSystem) -> None:
    """2.5 % has no whole percent: it takes a total."""
    real.use().set(weight=Weight(250))
    assert_clients_see(real, 250, within=100)


def wait_until_served_at(system: IngressNginxSystem, host: str, version: str) -> None:
    """Return when another host than the system's own leads to this version: then its Ingress counts for all."""
    request = Request(f"http://{system.address}/", host=host)
    deadline = time.monotonic() + 20
    while {outcome(sample) for sample in Sampler(request, rate=100.0, limit=5, timeout=10.0)} != {version}:
        assert time.monotonic() < deadline, f"{host} does not lead to {version}"


def assert_clients_see(system: IngressNginxSystem, points: int, within: int = 500) -> None:
    """Sample until it is proven that clients see this share, give or take `within`, both in basis points."""
    weights = {"v1": 10000 - points, "v2": points}
    settle_until = time.monotonic() + 10 + 2 * system.use().capabilities.propagation_seconds
    test = SplitVerification(weights, bands(weights, within), settle_until=settle_until)
    for sample in system.sampler(limit=20000):
        if test.update(outcome(sample), time.monotonic()):
            break
    assert test.verdict == "pass", test.test.evidence()


# which rule wins


Case = tuple[Mapping[str, str], str]


@pytest.mark.parametrize(
    ("matches", "weight", "cases"),
    [
        # A header with a value: that value before the cookie, and any other one falls through.
        (
            [HEADER, COOKIE],
            100,
            [
                ({"X-Canary": "yes", "Cookie": "tester=never"}, "v2"),
                ({"X-Canary": "no", "Cookie": "tester=never"}, "v1"),
                ({"X-Canary": "never"}, "v2"),
                ({"Cookie": "tester=never"}, "v1"),
                ({"Cookie": "tester=yes"}, "v2"),
            ],
        ),
        (
            [HEADER, COOKIE],
            0,
            [
                ({"X-Canary": "always"}, "v1"),
                ({"X-Canary": "no", "Cookie": "tester=always"}, "v2"),
                ({"Cookie": "tester=yes"}, "v1"),
            ],
        ),
        # A pattern: what fits it before the cookie, and no word means anything of its own.
        (
            [PATTERN, COOKIE],
            100,
            [
                ({"X-Canary": "yes", "Cookie": "tester=never"}, "v2"),
                ({"X-Canary": "never"}, "v2"),
                ({"X-Canary": "yesterday", "Cookie": "tester=never"}, "v1"),
            ],
        ),
        (
            [PATTERN, COOKIE],
            0,
            [
                ({"X-Canary": "always"}, "v1"),
                ({"X-Canary": "yes", "Cookie": "tester=never"}, "v2"),
                ({"X-Canary": "no", "Cookie": "tester=always"}, "v2"),
            ],
        ),
        # A header without a value: the words always and never before everything else.
        ([ALWAYS, COOKIE], 100, [({"X-Canary": "never", "Cookie": "tester=always"}, "v1")]),
        (
            [ALWAYS, COOKIE],
            0,
            [
                ({"X-Canary": "always", "Cookie": "tester=never"}, "v2"),
                ({"X-Canary": "yes", "Cookie": "tester=always"}, "v2"),
                ({"X-Canary": "yes"}, "v1"),
            ],
        ),
    ],
)
def test_header_comes_before_cookie_and_cookie_before_weight(
    system: IngressNginxSystem, matches: list[Match], weight: int, cases: list[Case]
) -> None:
    system.use().set(weight=Weight.percent(weight), matches=matches)
    system.ask_until(only("v2"), {"X-Canary": "always" if ALWAYS in matches else "yes"})
    system.ask_until(only("v2" if weight else "v1"), count=60)
    for headers, version in cases:
        answers = system.ask(60, headers)
        assert only(version)(answers), f"{headers}: {dict(answers)}"


# stable without endpoints


def test_without_stable_endpoints_the_canarys_share_fares_as_the_capabilities_say(system: IngressNginxSystem) -> None:
    system.use().set(weight=EVERYTHING, matches=[HEADER])
    system.ask_until(only("v2"), count=60)
    nobody = {"spec": {"selector": {"app.kubernetes.io/version": "nobody"}}}
    system.operator.edit("Service", system.name, system.namespace, nobody)
    if system.use().capabilities.zero_stable_endpoints == "5xx_for_all":
        system.ask_until(only("503"), count=60)
        assert only("503")(system.ask(60, {"X-Canary": "yes"}))
    else:
        # Only the weight tells that the endpoints are gone: their share has nobody.
        system.use().set(weight=NOTHING)
        system.ask_until(only("503"), count=60)
        assert only("v2")(system.ask(60, {"X-Canary": "yes"}))
        system.use().set(weight=EVERYTHING)
        system.ask_until(only("v2"), count=60)


# a canary's Service that is somebody's primary backend too


def test_a_canary_that_would_be_ignored_is_found_before_the_release(real: IngressNginxSystem) -> None:
    preview = f"{real.name}-preview"
    real.create_ingress(preview, f"preview.{real.hostname}", "web-v2")
    try:
        errors = [finding for finding in real.use().preflight() if finding.level == "error"]
        assert [finding.code for finding in errors] == ["primary_backend"]
        assert preview in errors[0].message
        # And it is true: this is what would have happened.
        real.use().set(weight=EVERYTHING, matches=[HEADER])
        deadline = time.monotonic() + real.use().capabilities.propagation_seconds + 2
        while time.monotonic() < deadline:
            assert only("v1")(real.ask(60))
        real.operator.delete("Ingress", preview, real.namespace)
        real.ask_until(only("v2"), count=60)
    finally:
        real.operator.delete("Ingress", preview, real.namespace)


def test_a_canarys_service_that_is_somebodys_default_backend_is_found_before_the_release(
    real: IngressNginxSystem,
) -> None:
    """As a default backend it is a primary one too, and then the canary is ignored."""
    preview = f"{real.name}-preview"
    rules = [{"host": f"preview.{real.hostname}", "http": {"paths": [path("/v1", "web-v1")]}}]
    spec = {"ingressClassName": real.ingress_class(), "rules": rules, "defaultBackend": path("/", "web-v2")["backend"]}
    metadata = {"name": preview, "namespace": real.namespace}
    item = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}
    real.operator.create(item)
    try:
        errors = [finding for finding in real.use().preflight() if finding.level == "error"]
        assert [finding.code for finding in errors] == ["primary_backend"]
        assert "the default backend" in errors[0].message
        wait_until_served_at(real, f"preview.{real.hostname}", "v2")
        assert real.use().serves("web-v2")
        real.use().set(weight=EVERYTHING)
        deadline = time.monotonic() + real.use().capabilities.propagation_seconds + 2
        while time.monotonic() < deadline:
            assert only("v1")(real.ask(60))
    finally:
        real.operator.delete("Ingress", preview, real.namespace)
    real.ask_until(only("v2"), count=60)


def test_a_host_that_is_led_to_a_canarys_service_has_none_while_it_is_a_canary(system: IngressNginxSystem) -> None:
    """The other way round: the canary is older. On ingress-nginx the Service is a canary then, and nothing else."""
    system.use().set(weight=EVERYTHING)
    system.ask_until(only("v2"), count=60)
    names = [f"{system.name}-preview", f"{system.name}-witness"]
    preview, witness = copy.copy(system), copy.copy(system)
    preview.hostname, witness.hostname = f"preview.{system.hostname}", f"witness.{system.hostname}"
    try:
        system.create_ingress(names[0], preview.hostname, "web-v2")
        # Made later: once this one is served, the controller knows the other too.
        system.create_ingress(names[1], witness.hostname, "web-v1")
        witness.ask_until(only("v1"), count=60)
        loses = controller_of(system).name == "ingress-nginx"
        preview.ask_until(only("404" if loses else "v2"), count=60)
        assert only("v2")(system.ask(60))
        errors = {finding.code for finding in system.use().preflight() if finding.level == "error"}
        assert errors == {"primary_backend"}
        # It has its Service back once that is no canary any more.
        system.use().set(weight=NOTHING)
        system.ask_until(only("v1"), count=60)
        system.use().detach()
        preview.ask_until(only("v2"), count=60)
    finally:
        for name in names:
            system.operator.delete("Ingress", name, system.namespace)


# two writes within a second


def test_two_changes_are_kept_apart_and_none_is_lost(real: IngressNginxSystem) -> None:
    real.use().set(weight=NOTHING)
    stamps = [stamp(real)]
    for weight in (Weight.percent(10), EVERYTHING, NOTHING, EVERYTHING):
        real.use().set(weight=weight)
        stamps.append(stamp(real))
    real.ask_until(only("v2"), count=60)
    assert all((later - earlier).total_seconds() >= 1 for earlier, later in itertools.pairwise(stamps))


def stamp(system: IngressNginxSystem) -> datetime.datetime:
    """Return when the product wrote the canary Ingress last, in the API server's whole seconds."""
    entries = [e for e in system.canary()["metadata"]["managedFields"] if e["manager"] == "gradual.canary"]
    return max(datetime.datetime.fromisoformat(entry["time"]) for entry in entries)
