"""What can happen to a release: stops, ways back, other people. The way itself is in test_journey.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import STAGES, OpenShop
from tests.e2e.steps import (
    ASKING,
    HELD_AT_ALL,
    all_on,
    held,
    nothing_changes,
    pods_wanted,
    release,
    said,
    serving,
    traffic,
    words,
)
from tests.shop.shop import Shop

# on the way


def test_the_promote_playbook_refuses_a_canary_that_has_part_of_the_traffic(shop: Shop) -> None:
    held(shop)
    before = shop.objects()
    run = shop.run("promote")
    assert run.code != 0
    assert "50 %" in run.output
    assert run.writes == []
    assert shop.objects() == before


def test_status_tells_the_truth_at_each_state(shop: Shop) -> None:
    stable = "web-v1" if shop.system.backend in ("gateway_api", "istio") else "web"
    run = shop.run("status")
    nothing_changes(run)
    assert said(run) == f"web: all to {stable} | web has 1 version: v1 (1 of 1 pods available)"
    assert run.values("split")[0]["stable"]["version"] == "v1"

    held(shop)
    run = shop.run("status")
    line = said(run)
    assert line.startswith(f"web: 50 % to web-v2, 50 % to {stable} | web has 2 versions: v1 (1 of 1 pods "), line
    assert "v2 (1 of 1 pods available)" in line
    assert run.values("split")[0]["canary"]["version"] == "v2"

    shop.run("rollback").require()
    run = shop.run("status")
    line = said(run)
    assert line.startswith(f"web: all to {stable} | web has 2 versions: v1 (1 of 1 pods available), v2 (0 of 0 "), line
    assert run.values("split")[0]["stable"]["version"] == "v1"

    release(shop, "v2").require()
    run = shop.run("status")
    line = said(run)
    assert "web has 2 versions: v1 (0 of 0 pods available), v2 (1 of 1 pods available)" in line
    split = run.values("split")[0]
    assert (split["stable"]["version"], split["canary"], split["weight"]) == ("v2", None, "0")


def test_verify_proves_what_the_traffic_system_was_told_in_the_middle_of_a_release(shop: Shop) -> None:
    held(shop)
    run = shop.run("verify").require()
    assert run.values("verdict") == ["pass"]
    assert run.values("msg")[-1].startswith("50 % proven: ")
    nothing_changes(run)


# and back


def test_without_a_version_before_a_rollback_says_what_to_do_and_changes_nothing(shop: Shop) -> None:
    before = shop.objects()
    run = shop.run("rollback")
    assert run.code != 0
    assert "web v1 has no version to go back to: it does not say which version it replaced" in run.output
    assert run.writes == []
    assert shop.objects() == before


@pytest.mark.parametrize("probe", [True, False], ids=["probed", "unprobed"])
def test_a_bad_version_is_taken_back_by_itself(shop: Shop, probe: bool) -> None:
    run = release(shop, "v3", canary_probe=probe)
    assert run.code != 0
    assert "web v3 was refused. " in run.output
    assert "v3 is not well" in run.output
    assert "All traffic is on v1 again: 0 % proven: 0 of " in run.output
    assert "Mend it and run gradual.canary.release again." in run.output
    all_on(shop, "v1")
    assert pods_wanted(shop) == {"v1": 1, "v3": 0}
    weights = [split["weight"] for split in run.values("after")]
    probed = probe and bool(run.values("capabilities")[0]["match_kinds"])
    assert ("50" in weights) is not probed, "with a probe, no user is ever sent there"


def test_the_way_back_can_be_taken_by_stages_with_questions_and_a_no_stops_it_where_it_is(shop: Shop) -> None:
    held(shop)
    share = 50 if shop.system.in_place else 20  # one old pod with one new one makes no other
    stages = {"canary_rollback_stages": [share, 0], "canary_rollback_ask": True}
    run = shop.run("rollback", **stages)
    assert run.code != 0
    assert "-e canary_approve=web/v2/rollback-0" in run.output
    assert words(shop).startswith(f"{share} % to web-v2, {100 - share} % to ")
    # Where numbers of pods are the weight, one of five is 20 %.
    assert pods_wanted(shop) == {"v1": 4 if shop.system.backend == "replicas" else 1, "v2": 1}

    run = shop.run("rollback", canary_approve="web/v2/rollback-0", **stages).require()
    all_on(shop, "v1")
    assert pods_wanted(shop) == {"v1": 1, "v2": 0}


def test_the_way_back_after_a_promotion_can_be_taken_by_stages(shop: Shop) -> None:
    release(shop, "v2").require()
    run = shop.run(
        "rollback", canary_rollback_stages=[50, 0], canary_rollback_ask=True, canary_approve="web/v2/rollback-0"
    ).require()
    shares = [split["weight"] for split in run.values("after")]
    assert shares[:3] == ["0", "50", "100"], shares
    all_on(shop, "v1")


# stopped and taken up again


def test_a_release_that_holds_goes_on_where_it_was(shop: Shop) -> None:
    held(shop)
    run = release(shop, "v2", canary_stages=ASKING, canary_approve="web/v2/50").require()
    assert all("deployments/web-v2" not in write["path"] for write in run.writes), "it was deployed already"
    assert next(split["weight"] for split in run.values("after")) != "0", "users were not sent back"
    all_on(shop, "v2")


def test_a_release_that_was_cut_short_right_after_the_promotion_is_finished_by_the_next_run(shop: Shop) -> None:
    held(shop, stages=HELD_AT_ALL)
    promote_and_stop(shop)
    release(shop, "v2").require()
    all_on(shop, "v2")
    assert pods_wanted(shop)["v1"] == 0
    nothing_changes(release(shop, "v2"))


def test_a_rollback_right_after_a_promotion_that_was_cut_short_returns_to_the_version_before(shop: Shop) -> None:
    held(shop, stages=HELD_AT_ALL)
    promote_and_stop(shop)
    shop.run("rollback").require()
    all_on(shop, "v1")


def test_an_old_version_that_was_kept_is_ended_by_a_run_that_does_not_keep_it(shop: Shop) -> None:
    if shop.system.in_place:
        pytest.skip("in place the old pods make room for the new ones, and none can be kept")
    release(shop, "v2", canary_old="present").require()
    assert pods_wanted(shop)["v1"] == 1
    release(shop, "v2").require()
    assert pods_wanted(shop)["v1"] == 0


def test_a_weight_that_somebody_else_changed_stops_the_release_and_is_left_as_it_is(shop: Shop) -> None:
    """The release believes in 20 %, which is what its last stage gave; somebody else made it 50 % meanwhile."""
    held(shop)
    run = shop.operator.run(str(shift_of(shop, start="20", weight="80")), canary_version="v2")
    assert run.code != 0
    assert "gives 50 % to the canary and not 20 % as expected" in run.output
    assert words(shop).startswith("50 % to web-v2")


def test_a_version_that_never_got_ready_has_no_pods_left(shop: Shop) -> None:
    run = release(shop, "broken")
    assert run.code != 0
    assert "CrashLoopBackOff" in run.output
    assert pods_wanted(shop)["broken"] == 0
    all_on(shop, "v1")


def promote_and_stop(shop: Shop) -> None:
    """Do what a release does last of all that users could notice, as if it had been killed then."""
    shop.operator.run(str(playbook_of(shop, {"state": "promoted", "version": "v2"}))).require()


def shift_of(shop: Shop, **stage: str) -> Path:
    """Return a playbook with the role that does one stage."""
    options = {**stage, "number": 1, "name": "x", "matches": [], "verify": {"profile": "quick"}, "bake": 0}
    role = {"role": "gradual.canary.shift", "shift_stable": "v1", "shift_stage": options}
    return playbook_with(shop, {"roles": [role]})


def playbook_of(shop: Shop, options: dict[str, Any]) -> Path:
    task = {
        "name": "Move traffic",
        "gradual.canary.traffic": {
            "namespace": "{{ canary_namespace }}",
            "app": "{{ canary_app }}",
            "backend": "{{ canary_backend }}",
            **options,
        },
    }
    return playbook_with(shop, {"tasks": [task]})


def playbook_with(shop: Shop, content: dict[str, Any]) -> Path:
    play = {
        "name": "One thing",
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "module_defaults": {"group/gradual.canary.cluster": "{{ canary_cluster }}"},
        **content,
    }
    path = shop.operator.home / "one_thing.yml"
    path.write_text(json.dumps([play]))
    return path


def test_a_release_of_another_version_meanwhile_is_refused(shop: Shop) -> None:
    held(shop)
    before = shop.objects()
    run = release(shop, "v4")
    assert run.code != 0
    assert "web is already being released to v2: 50 % to web-v2" in run.output
    assert "gradual.canary.rollback -e canary_version=v2" in run.output
    assert run.writes == []
    assert shop.objects() == before


def test_an_abort_takes_a_release_back_and_changes_nothing_where_none_is_under_way(shop: Shop) -> None:
    nothing_changes(shop.run("abort"))
    held(shop)
    run = shop.run("abort").require()
    assert "v2 is out: 0 % proven: 0 of " in run.output
    all_on(shop, "v1")
    assert serving(shop) == {"v1": sum(serving(shop).values())}
    nothing_changes(shop.run("abort"))


def test_a_cleanup_in_the_middle_of_a_release_is_refused(shop: Shop) -> None:
    held(shop)
    before = shop.objects()
    run = shop.run("cleanup")
    assert run.code != 0
    assert "web is in the middle of a release: 50 % to web-v2" in run.output
    assert run.writes == []
    assert shop.objects() == before


# parts of it


@pytest.mark.variant
def test_limit_releases_the_named_host_only(open_shop: OpenShop) -> None:
    shop, other = open_shop("gateway_api"), open_shop("gateway_api")
    hosts = {"shop": shop.inventory, "other": other.inventory}
    shop.operator.inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    before = other.objects()
    release(shop, "v2", "--limit", "shop").require()
    all_on(other, "v1")
    assert other.objects() == before

    both = release(shop, "v2").require()
    assert {write["path"].split("/namespaces/")[1].split("/")[0] for write in both.writes} == {other.namespace}
    all_on(other, "v2")


def test_tags_run_a_part_of_a_release(shop: Shop) -> None:
    release(shop, "v2", "--tags", "deploy").require()
    assert serving(shop) == ({"v1": 1} if shop.system.in_place else {"v1": 1, "v2": 1})
    assert traffic(shop)["canary"] is None

    release(shop, "v2", "--tags", "deploy,probe,stages").require()
    assert traffic(shop)["weight"] == "100"
    assert serving(shop) == ({"v2": 1} if shop.system.in_place else {"v1": 1, "v2": 1})

    release(shop, "v2", canary_stages=STAGES).require()
    all_on(shop, "v2")
