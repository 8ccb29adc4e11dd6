"""Blue-green: tested in a preview, switched at once, kept for an instant way back, and cleaned up when that is over."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match
from tests.e2e.conftest import OpenShop
from tests.e2e.steps import all_on, held, nothing_changes, pods_wanted, release, said, traffic
from tests.e2e.test_release import playbook_with, promote_and_stop
from tests.shop.load import Load
from tests.shop.operators import Run
from tests.shop.routes import MOST_SECONDS
from tests.shop.shop import Shop
from tests.shop.systems import SYSTEMS, _gateway_api, chosen

KEEP_UNTIL = "gradual.canary/keep-until"
ASKING_IN_PREVIEW = [{"weight": 0, "verify": "quick", "approve": True}, {"weight": 100, "verify": "quick"}]
ASKING_AT_ALL = [{"weight": 100, "verify": "quick", "approve": True}]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def open_blue_green(open_shop: OpenShop, backend: str, **changes: Any) -> Shop:
    """Open a shop that switches at once; where there are no match routes, with a preview host that its owner made."""
    variables = {"canary_strategy": "blue_green", "canary_keep": "10m", "canary_drain": 1}
    stages = [{"weight": 100, "verify": "quick"}]
    shop = open_shop(backend, **{**variables, "canary_stages": stages, **changes})
    if backend == "replicas":
        preview_by_host(shop, "v2", "v3", "v4")
    return shop


def preview_by_host(shop: Shop, *versions: str, leading_to: str = "") -> None:
    """Make a route for a host of each version, as somebody who owns such hosts would, and name it in the inventory."""
    for version in versions:
        (route,) = _gateway_api(shop.namespace, f"{version}.preview.{shop.hostname}")
        route["metadata"]["name"] = f"preview-{version}"
        route["spec"]["rules"][0]["backendRefs"] = [{"name": leading_to or f"web-{version}", "port": 8080}]
        shop.access.operator().create(route)
    shop.inventory["canary_preview"] = {"host": "{{ canary_version }}.preview." + shop.hostname}
    shop.operator.inventory.write_text(json.dumps({"all": {"hosts": {"shop": shop.inventory}}}))


@pytest.fixture(params=chosen(name for name, system in SYSTEMS.items() if not system.in_place))
def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    """A shop on each traffic system that can release by blue-green: with one workload for all versions none can."""
    return open_blue_green(open_shop, request.param)


def weights(run: Run) -> list[str]:
    """Return the weight after each write of a run, in order."""
    return [split["weight"] for split in run.values("after")]


def kept_until(shop: Shop, version: str) -> str | None:
    item = shop.access.operator().get("Deployment", f"web-{version}", shop.namespace)
    assert item is not None
    found: str | None = (item["metadata"].get("annotations") or {}).get(KEEP_UNTIL)
    return found


def let_it_be_over(shop: Shop, version: str) -> None:
    """Do what the passing of the time does: the end that is recorded lies in the past."""
    assert kept_until(shop, version), "only what is kept can be over"
    past = {"metadata": {"annotations": {KEEP_UNTIL: "2026-01-01T00:00:00Z"}}}
    shop.access.operator().edit("Deployment", f"web-{version}", shop.namespace, past)


def pods_of(shop: Shop, version: str) -> set[tuple[str, int]]:
    """Return uid and number of restarts of each pod of a version."""
    return {
        (item["metadata"]["uid"], sum(each["restartCount"] for each in item["status"].get("containerStatuses", ())))
        for item in shop.access.operator().list("Pod", shop.namespace)
        if item["metadata"]["labels"].get("app.kubernetes.io/version") == version
    }


def scale(shop: Shop, version: str, replicas: int) -> None:
    """Scale as somebody who sees that more is needed, and wait until the pods serve."""
    shop.access.operator().edit("Deployment", f"web-{version}", shop.namespace, {"spec": {"replicas": replicas}})
    ready = shop.access.connect().wait(
        "Deployment",
        shop.namespace,
        lambda found: bool(found) and found[0].get("status", {}).get("readyReplicas") == replicas,
        seconds=MOST_SECONDS,
        fields=f"metadata.name=web-{version}",
    )
    assert ready is not None, f"web-{version} does not get {replicas} pods"


# the whole way


def test_under_load_users_change_versions_at_once_and_back_at_once_and_lose_nothing(shop: Shop, tmp_path: Path) -> None:
    scale(shop, "v1", 2)
    before = pods_of(shop, "v1")
    with Load(shop.system.address, shop.hostname, tmp_path / "load.json", rate=50, long=5) as load:
        run = held(shop, stages=ASKING_IN_PREVIEW)
        assert set(weights(run)) == {"0"}
        assert "-e canary_approve=web/v2/preview" in run.output
        assert pods_wanted(shop) == {"v1": 2, "v2": 2}, "the new version is as large as the stable one is now"
        proofs = run.values_of("gradual.canary.verify")
        assert [proof["verdict"] for proof in proofs] == ["pass", "pass"]
        assert proofs[0]["versions"]["v2"]["share"] == 1.0, "the preview is all of the new version"
        assert proofs[1]["msg"].startswith("0 % proven: 0 of "), "users have nothing of it"
        assert "v2" not in load.count()["versions"], "a user was sent to the new version before the switch"

        run = release(shop, "v2", canary_stages=ASKING_IN_PREVIEW, canary_approve="web/v2/preview").require()
        assert set(weights(run)) <= {"0", "100"}, "there is no weight between"
        assert re.search(r"v1 stays at full size until \S+: until then gradual.canary.rollback goes back", said(run))
        all_on(shop, "v2")
        assert pods_wanted(shop) == {"v1": 2, "v2": 2}
        answers = load.count()["versions"]["v2"]["answers"]
        assert answers > 0

        run = shop.run("rollback").require()
        assert "v2 is out: 0 % proven: 0 of " in run.output
        seconds = run.values("last_canary_answer_s")[-1]
        assert seconds < shop.system.propagation + 2.0, f"the last answer came {seconds} s after the decision"
        all_on(shop, "v1")
        counts = load.stop()
    assert counts["failed"] == 0, counts["failures"][:3]
    assert counts["long"]["requests"] > 0
    assert set(weights(run)) <= {"0", "100"}
    assert pods_of(shop, "v1") == before, "the version that was kept serves with the pods it had"
    assert pods_wanted(shop) == {"v1": 2, "v2": 0}
    assert kept_until(shop, "v1") is None, "what serves has no end"


# the parts, on one system with match routes and on the one without

SOME = chosen(["gateway_api", "replicas"])


@pytest.fixture(params=SOME)
def one(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    return open_blue_green(open_shop, request.param)


def test_a_bad_version_is_refused_in_the_preview_and_no_user_gets_it(one: Shop, tmp_path: Path) -> None:
    with Load(one.system.address, one.hostname, tmp_path / "load.json", rate=50, long=0) as load:
        run = release(one, "v3")
        counts = load.stop()
    assert run.code != 0
    assert "web v3 was refused. " in run.output
    assert "v3 is not well" in run.output
    assert "All traffic is on v1 again: 0 % proven: 0 of " in run.output
    assert set(weights(run)) == {"0"}
    assert set(counts["versions"]) == {"v1"}
    assert counts["failed"] == 0
    assert pods_wanted(one) == {"v1": 1, "v3": 0}
    all_on(one, "v1")


def test_what_is_kept_is_left_alone_until_its_end_and_ends_with_the_cleanup_after_it(one: Shop) -> None:
    release(one, "v2").require()
    first = kept_until(one, "v1")
    assert first is not None
    assert TIME.fullmatch(first)
    left = datetime.datetime.fromisoformat(first) - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(minutes=8) < left <= datetime.timedelta(minutes=10)

    nothing_changes(release(one, "v2"))
    cleaned = one.run("cleanup")
    nothing_changes(cleaned)
    assert f"web v1 is left alone: it stays at full size until {first}" in cleaned.output
    assert f"v1 (1 of 1 pods available, kept until {first})" in said(one.run("status"))

    if one.system.service:
        return  # the next one would have its pods: see below
    release(one, "v4").require()
    assert pods_wanted(one) == {"v1": 1, "v2": 1, "v4": 1}
    assert kept_until(one, "v1") == first, "the next release does not change when it ends"
    nothing_changes(release(one, "v4"))

    let_it_be_over(one, "v1")
    assert "kept until 2026-01-01T00:00:00Z, which is over)" in said(one.run("status"))
    one.run("cleanup").require()
    assert pods_wanted(one) == {"v2": 1, "v4": 1}
    one.run("cleanup", canary_keep=0).require()
    assert pods_wanted(one) == {"v4": 1}
    all_on(one, "v4")


@pytest.mark.parametrize("backend", chosen(["replicas"]))
def test_where_one_service_selects_all_pods_what_is_kept_is_in_the_way_of_the_next_release(
    backend: str, open_shop: OpenShop
) -> None:
    shop = open_blue_green(open_shop, backend)
    release(shop, "v2").require()
    run = release(shop, "v4")
    assert run.code != 0
    assert "(one that is kept for a way back: with gradual.canary.cleanup -e canary_keep=0)" in run.output
    all_on(shop, "v2")
    shop.run("cleanup", canary_keep=0).require()
    release(shop, "v4").require()
    all_on(shop, "v4")


@pytest.mark.variant
@pytest.mark.parametrize("backend", chosen(["gateway_api"]))
def test_the_next_release_ends_what_was_kept_long_enough(backend: str, open_shop: OpenShop) -> None:
    shop = open_blue_green(open_shop, backend)
    release(shop, "v2").require()
    let_it_be_over(shop, "v1")
    release(shop, "v4").require()
    assert pods_wanted(shop) == {"v2": 1, "v4": 1}
    shop.run("rollback").require()
    all_on(shop, "v2")
    assert pods_wanted(shop) == {"v2": 1, "v4": 0}


@pytest.mark.variant
def test_a_second_run_after_the_end_scales_the_old_version_down(one: Shop) -> None:
    release(one, "v2").require()
    let_it_be_over(one, "v1")
    release(one, "v2").require()
    assert pods_wanted(one) == {"v1": 0, "v2": 1}
    assert kept_until(one, "v1") is None
    nothing_changes(release(one, "v2"))


@pytest.mark.variant
def test_nothing_is_kept_when_nothing_is_asked_for(one: Shop) -> None:
    release(one, "v2", canary_keep=0).require()
    assert pods_wanted(one) == {"v1": 0, "v2": 1}
    assert kept_until(one, "v1") is None


@pytest.mark.variant
def test_a_version_that_was_kept_and_comes_back_is_kept_anew_the_next_time(one: Shop) -> None:
    release(one, "v2").require()
    let_it_be_over(one, "v1")
    one.run("rollback").require()
    release(one, "v2").require()
    until = kept_until(one, "v1")
    assert until is not None
    assert not until.startswith("2026-01-01"), "its old end is forgotten"
    assert pods_wanted(one) == {"v1": 1, "v2": 1}


@pytest.mark.variant
def test_a_stable_version_that_grew_during_the_preview_is_not_replaced_by_a_smaller_one(one: Shop) -> None:
    held(one, stages=ASKING_IN_PREVIEW)
    scale(one, "v1", 2)
    run = release(one, "v2", canary_stages=ASKING_IN_PREVIEW, canary_approve="web/v2/preview").require()
    assert pods_wanted(one)["v2"] == 2
    numbers = [write["path"].rpartition("/")[2] for write in run.writes]
    assert numbers.index("web-v2") < len(numbers) - 1
    all_on(one, "v2")


def test_a_release_that_was_cut_short_goes_on_from_each_state(one: Shop) -> None:
    held(one, stages=ASKING_AT_ALL)
    assert traffic(one)["weight"] == "100"
    promote_and_stop(one)
    assert kept_until(one, "v1") is None
    one.run("cleanup")  # by a schedule, at the worst of times
    assert pods_wanted(one) == {"v1": 1, "v2": 1}, "the way back is not lost"
    release(one, "v2").require()
    all_on(one, "v2")
    assert kept_until(one, "v1") is not None
    assert pods_wanted(one) == {"v1": 1, "v2": 1}
    nothing_changes(release(one, "v2"))


@pytest.mark.variant
def test_check_mode_predicts_each_write_of_a_switch_and_of_the_ways_on(one: Shop) -> None:
    for playbook, variables in (("release", {"canary_version": "v2"}), ("rollback", {})):
        before = one.settled_objects()
        predicted = one.run(playbook, "--check", "--diff", **variables).require()
        assert one.objects() == before
        real = one.run(playbook, "--diff", **variables).require()
        assert timeless(predicted) == timeless(real)
        assert predicted.changed == real.changed
        assert real.writes


def timeless(run: Run) -> list[str]:
    return [TIME.sub("TIME", json.dumps(write, sort_keys=True)) for write in run.writes]


def test_stages_between_are_refused_before_anything_is_touched(one: Shop) -> None:
    before = one.settled_objects()
    run = release(one, "v2", canary_stages=[10, 100])
    assert run.code != 0
    assert "stage 1 has weight 10 %, and the strategy blue_green switches at once" in run.output
    assert run.writes == []
    assert one.objects() == before


# the preview


HEADER, COOKIE = {"header": "X-Preview", "value": "blue"}, {"cookie": "preview", "value": "blue"}
COOKIE_OF_INGRESS_NGINX = {"cookie": "preview"}  # which counts with the value `always` alone
MATCHES = [
    *((name, HEADER) for name in ("gateway_api", "ingress_nginx", "ingress_nginx_real", "apig", "istio")),
    *((name, COOKIE) for name in ("gateway_api", "istio")),
    ("ingress_nginx_real", COOKIE_OF_INGRESS_NGINX),
]


@pytest.mark.variant
@pytest.mark.parametrize(
    ("backend", "preview"),
    [pytest.param(*each, id=f"{each[0]}-{next(iter(each[1]))}") for each in MATCHES if chosen([each[0]])],
)
def test_the_preview_can_be_a_header_or_a_cookie_of_the_users_choice(
    backend: str, preview: dict[str, str], open_shop: OpenShop
) -> None:
    wanted = Match.parse(preview)
    shop = open_blue_green(open_shop, backend, canary_preview=preview)
    run = held(shop, stages=ASKING_IN_PREVIEW)
    (evidence, spared) = [proof["msg"] for proof in run.values_of("gradual.canary.verify")]
    assert evidence.startswith(f"preview by {wanted} proven: "), evidence
    assert spared.startswith("0 % proven: 0 of ")
    (match,) = traffic(shop)["matches"]
    assert Match.parse(match).is_same(wanted), "but for the case of a header, which Istio has in lower case"
    release(shop, "v2").require()
    assert traffic(shop)["matches"] == []
    all_on(shop, "v2")


@pytest.mark.variant
@pytest.mark.parametrize("backend", chosen(["gateway_api", "replicas"]))
def test_a_preview_host_that_does_not_lead_to_the_new_version_alone_stops_the_release(
    backend: str, open_shop: OpenShop
) -> None:
    shop = open_shop(backend, canary_strategy="blue_green", canary_stages=[])
    shop.inventory["canary_client"]["settle_timeout"] = 3
    preview_by_host(shop, "v2", leading_to="web-v1")
    run = release(shop, "v2")
    assert run.code != 0
    assert "web v2 was refused. preview at host v2.preview." in run.output
    assert set(weights(run)) == {"0"}
    all_on(shop, "v1")


@pytest.mark.parametrize("backend", chosen(["gateway_api"]))
def test_a_preview_host_is_proven_and_keeps_its_pods_when_the_version_is_refused(
    backend: str, open_shop: OpenShop
) -> None:
    shop = open_blue_green(open_shop, backend)
    preview_by_host(shop, "v2", "v3")
    run = release(shop, "v3")
    assert run.code != 0
    assert "web v3 was refused. " in run.output
    assert "v3 of web still receives traffic" in run.output, "the owner's route still leads there"
    assert pods_wanted(shop) == {"v1": 1, "v3": 1}
    all_on(shop, "v1")

    run = release(shop, "v2").require()
    evidence = run.values_of("gradual.canary.verify")[0]["msg"]
    assert evidence.startswith(f"preview at host v2.preview.{shop.hostname} proven: "), evidence
    all_on(shop, "v2")


@pytest.mark.parametrize("backend", chosen(["replicas"]))
def test_without_a_way_to_test_it_nothing_is_switched_and_nothing_touched(backend: str, open_shop: OpenShop) -> None:
    shop = open_shop(backend, canary_strategy="blue_green", canary_stages=[])
    before = shop.objects()
    run = release(shop, "v2")
    assert run.code != 0
    assert "the strategy blue_green needs a preview" in run.output
    assert "canary_preview: {host: preview.shop.example.com}" in run.output
    run = release(shop, "v2", canary_preview={"header": "X-Preview", "value": "blue"})
    assert run.code != 0
    assert "this traffic system has no match routes" in run.output
    assert run.writes == []
    assert shop.objects() == before


@pytest.mark.variant
@pytest.mark.parametrize("backend", chosen(["gateway_api"]))
def test_a_canary_release_can_have_a_preview_with_a_question_too(backend: str, open_shop: OpenShop) -> None:
    shop = open_shop(backend)
    stages = [{"weight": 0, "verify": "quick", "approve": True}, {"weight": 50, "verify": "quick"}, 100]
    held(shop, stages=stages)
    run = release(shop, "v2", canary_stages=stages, canary_approve="web/v2/preview").require()
    assert [weight for weight in weights(run) if weight != "0"][:2] == ["50", "100"]
    assert pods_wanted(shop) == {"v1": 0, "v2": 1}


# what the verb says


@pytest.mark.parametrize("backend", chosen(["gateway_api"]))
def test_a_time_that_somebody_wrote_and_nobody_can_read_ends_nothing(backend: str, open_shop: OpenShop) -> None:
    shop = open_blue_green(open_shop, backend)
    release(shop, "v2").require()
    slip = {"metadata": {"annotations": {KEEP_UNTIL: "tomorrow"}}}
    shop.access.operator().edit("Deployment", "web-v1", shop.namespace, slip)
    nothing_changes(shop.run("cleanup"))
    ended = {
        "name": "End the old version",
        "gradual.canary.version": {
            "namespace": shop.namespace,
            "app": "web",
            "version": "v1",
            "state": "scaled_down",
            "backend": "{{ canary_backend }}",
        },
    }
    shop.operator.run(str(playbook_with(shop, {"tasks": [ended]}))).require()
    assert pods_wanted(shop) == {"v1": 0, "v2": 1}, "the verb without keep ends it whatever is recorded"
