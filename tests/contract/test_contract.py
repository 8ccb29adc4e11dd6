"""Facts that hold for every backend. The fixture `traffic_system` begins with all traffic of a new route at v1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._bands import bands
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    Conflict,
    Forbidden,
    InvalidSplit,
    Refused,
    StillServing,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._split_verification import SplitVerification
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Match, Weight
from tests.contract import workloads
from tests.contract.cluster_access import interposed
from tests.contract.systems.base import Routed, TrafficSystem, outcome

TEN, FORTY, FIFTY = Weight.percent(10), Weight.percent(40), Weight.percent(50)


# seeing and setting


def test_a_route_without_a_canary_is_all_to_stable(traffic_system: TrafficSystem) -> None:
    split = traffic_system.use().observe()
    assert (split.stable_version, split.canary, split.weight, split.matches) == ("v1", None, NOTHING, ())


def test_a_canary_is_attached_without_weight_unless_one_is_given(traffic_system: TrafficSystem) -> None:
    change = traffic_system.use().set()
    split = traffic_system.use().observe()
    assert change.changed
    assert (split.canary, split.canary_version, split.weight) == ("web-v2", "v2", NOTHING)
    assert set(traffic_system.ask(40)) == {"v1"}


def test_what_is_set_is_what_is_observed(traffic_system: TrafficSystem) -> None:
    change = traffic_system.use().set(weight=TEN)
    assert (change.before.canary, change.after.weight) == (None, TEN)
    assert traffic_system.use().observe() == change.after


def test_setting_the_same_again_writes_nothing(traffic_system: TrafficSystem) -> None:
    matches = traffic_system.some_matches
    traffic_system.use().set(weight=TEN, matches=matches)
    written = traffic_system.objects()
    again = traffic_system.use()
    assert not again.set(weight=TEN, matches=matches).changed
    assert again.cluster.writes == []
    assert traffic_system.objects() == written


def test_weight_and_matches_are_left_alone_unless_they_are_given(traffic_system: TrafficSystem) -> None:
    matches = traffic_system.some_matches
    traffic_system.use().set(weight=TEN, matches=matches)
    traffic_system.use().set(weight=FIFTY)
    assert traffic_system.use().observe().matches == tuple(matches)
    traffic_system.use().set(matches=[])
    split = traffic_system.use().observe()
    assert (split.weight, split.matches) == (FIFTY, ())


def test_weight_and_match_routes_change_in_one_write_for_each_object(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set()
    backend = traffic_system.use()
    backend.set(weight=TEN, matches=traffic_system.some_matches)
    written = [write.path for write in backend.cluster.writes]
    # A workload that changes in place is paused in a write of its own, once its new pods are ready.
    assert len(written) == len(set(written)) or (backend.in_place and len(written) == 2)
    # Where pods are the weight, those of each version and the Service are objects of their own.
    assert len(written) == 1 or backend.capabilities.weights == "ratio"


def test_check_mode_predicts_the_write_and_changes_nothing(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set()
    before = traffic_system.objects()
    rehearsed, real = traffic_system.in_check_mode(), traffic_system.use()
    predicted = rehearsed.set(weight=TEN, matches=traffic_system.some_matches)
    assert traffic_system.objects() == before
    done = real.set(weight=TEN, matches=traffic_system.some_matches)
    assert rehearsed.cluster.writes == real.cluster.writes
    assert (predicted.before, predicted.after) == (done.before, done.after)
    assert [one.as_diff() for one in predicted.differences] == [one.as_diff() for one in done.differences]


def test_check_mode_goes_through_a_whole_release(traffic_system: TrafficSystem) -> None:
    before = traffic_system.objects()
    backend = traffic_system.in_check_mode()
    for weight in (NOTHING, TEN, FIFTY, EVERYTHING):
        assert backend.set(weight=weight).after.weight == weight
    assert backend.observe().weight == EVERYTHING
    backend.promote()
    assert traffic_system.objects() == before


def test_a_change_says_in_words_what_it_does(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=TEN)
    change = traffic_system.use().set(weight=FIFTY)
    headers = [one.as_diff()["before_header"] for one in change.differences if one.changed]
    assert headers
    for header in headers:
        assert traffic_system.namespace in header
        assert "10 %" in header
        assert "50 %" in header


# other people


def test_an_unexpected_weight_is_refused_and_its_writer_named(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=TEN)
    traffic_system.edit_weight(25)
    backend = traffic_system.use()
    writer = traffic_system.writer
    with pytest.raises(Conflict, match=rf"25 %.*{writer or ''}") as refused:
        backend.set(weight=FIFTY, expect=TEN)
    assert refused.value.details["writer"] == writer or writer is None
    assert backend.cluster.writes == []
    assert traffic_system.use().observe().weight == Weight.percent(25)


def test_a_weight_that_somebody_sets_meanwhile_is_never_overwritten(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=TEN)
    backend = traffic_system.use()
    with interposed(backend.cluster, lambda: traffic_system.edit_weight(25)), pytest.raises(Conflict, match="25 %"):
        backend.set(weight=FIFTY)
    assert traffic_system.use().observe().weight == Weight.percent(25)


def test_what_somebody_else_edits_meanwhile_is_kept(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=TEN)
    backend = traffic_system.use()
    seen = []
    with interposed(backend.cluster, lambda: seen.append(traffic_system.edit_something_else())):
        backend.set(weight=FIFTY)
    (is_there,) = seen
    assert is_there()
    assert traffic_system.use().observe().weight == FIFTY


# what cannot be done


def test_a_route_that_is_not_there_is_named(traffic_system: TrafficSystem) -> None:
    traffic_system.remove()
    with pytest.raises(TargetNotFound, match=traffic_system.name):
        traffic_system.use().observe()


def test_an_ambiguous_route_asks_for_the_option_that_decides(traffic_system: TrafficSystem) -> None:
    option = traffic_system.make_ambiguous()
    with pytest.raises(AmbiguousTarget, match=option):
        traffic_system.use().set(weight=TEN)


def test_a_missing_permission_is_named_by_its_verb(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set()
    operator, namespace, name = traffic_system.operator, traffic_system.namespace, traffic_system.name
    rbac = "rbac.authorization.k8s.io"
    place = {"name": name, "namespace": namespace}
    operator.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})
    operator.create(
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": place, "rules": list(traffic_system.write_rules)}
    )
    operator.create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": place,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
    )
    reader = traffic_system.access.connect(token=operator.token(name, namespace))
    with pytest.raises(Forbidden, match="patch") as refused:
        traffic_system.use(cluster=reader).set(weight=TEN)
    assert refused.value.details["missing"]["verb"] == "patch"
    assert traffic_system.use().observe().weight == NOTHING


def test_a_missing_service_is_found_before_the_release(traffic_system: TrafficSystem) -> None:
    errors = [finding for finding in traffic_system.use("v9").preflight() if finding.level == "error"]
    assert any("web-v9" in finding.message and finding.remedy for finding in errors)


def test_a_deployed_canary_has_no_errors_before_the_release(traffic_system: TrafficSystem) -> None:
    traffic_system.use().wait_accepted(30)
    assert [str(finding) for finding in traffic_system.use().preflight() if finding.level == "error"] == []


# clients


def test_match_routes_reach_the_canary_and_nothing_else_does(routed_system: TrafficSystem) -> None:
    for routed in routed_system.routed:
        routed_system.use().set(weight=NOTHING, matches=[routed.match])
        assert routed_system.use().observe().matches == (routed.match,)
        routed_system.ask_until(lambda answers: set(answers) == {"v2"}, routed.fits)
        assert set(routed_system.ask(40)) == {"v1"}, routed
        assert set(routed_system.ask(40, routed.misses)) == {"v1"}, routed
        routed_system.use().set(matches=[])
        routed_system.ask_until(lambda answers: set(answers) == {"v1"}, routed.fits)


def test_a_match_route_that_cannot_be_had_is_refused_before_any_write(traffic_system: TrafficSystem) -> None:
    backend = traffic_system.use()
    for kind in {"header", "cookie", "query"} - backend.capabilities.match_kinds:
        with pytest.raises(InvalidSplit, match=f"{kind} x"):
            backend.set(weight=TEN, matches=[Match(kind, "x", "exact", "y")])
    assert backend.cluster.writes == []


def test_clients_see_the_weight(traffic_system: TrafficSystem) -> None:
    backend = traffic_system.use()
    backend.set(weight=FORTY)
    weights = {"v1": 6000, "v2": 4000}
    settle_until = time.monotonic() + 10 + 2 * backend.capabilities.propagation_seconds
    test = SplitVerification(weights, bands(weights, 500), settle_until=settle_until)
    for sample in traffic_system.sampler(limit=20000):
        if test.update(outcome(sample), time.monotonic()):
            break
    assert test.verdict == "pass", test.test.evidence()


def test_a_canary_without_endpoints_is_found_and_answers_as_the_capabilities_say(
    traffic_system: TrafficSystem,
) -> None:
    operator, namespace = traffic_system.operator, traffic_system.namespace
    operator.create(workloads.service(namespace, "v3"))
    try:
        backend = traffic_system.use("v3")
        errors = [str(finding) for finding in backend.preflight() if finding.level == "error"]
        assert any("web-v3" in error and "endpoint" in error for error in errors), errors
        zero = backend.capabilities.zero_canary_endpoints
        if zero == "no_share":
            with pytest.raises(Refused, match="web-v3"):
                backend.set(weight=FIFTY)
            assert backend.cluster.writes == []
            assert set(traffic_system.ask(100)) == {"v1"}
            return
        backend.set(weight=NOTHING)
        backend.wait_accepted(30)
        backend.set(weight=FIFTY)
        if zero == "5xx":
            answers = traffic_system.ask_until(lambda answers: "503" in answers)
            assert "v1" in answers
        else:
            # Nothing tells from outside that the weight has arrived: look for longer than it ever takes.
            deadline = time.monotonic() + backend.capabilities.propagation_seconds + 2
            while time.monotonic() < deadline:
                assert set(traffic_system.ask(100)) == {"v1"}
    finally:
        left = traffic_system.use("v3")
        if left.observe().canary:
            left.set(weight=NOTHING)
            left.detach()
        operator.delete("Service", "web-v3", namespace)


# going back


def test_a_snapshot_restores_the_split_from_another_process(traffic_system: TrafficSystem) -> None:
    if traffic_system.use().capabilities.weights == "steps":
        pytest.skip("steps are never gone back, but to nothing")
    traffic_system.use().set(weight=TEN)
    before = traffic_system.objects()
    saved = json.dumps(traffic_system.use().snapshot().as_result())
    traffic_system.use().set(weight=FIFTY, matches=traffic_system.some_matches)
    script = (
        "import json, sys\n"
        "from tests.contract.cluster_access import Access\n"
        f"from {type(traffic_system).__module__} import {type(traffic_system).__name__} as System\n"
        "system = System(Access(), sys.argv[1])\n"
        "system.name = sys.argv[2]\n"
        "change = system.use().restore(system.parsed(json.load(sys.stdin)))\n"
        "print(change.after.weight.points, len(change.after.matches), change.changed)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, traffic_system.namespace, traffic_system.name],
        input=saved,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["1000", "0", "True"], done.stderr
    assert traffic_system.objects() == before


def test_restoring_what_is_there_already_writes_nothing(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=TEN)
    snapshot = traffic_system.use().snapshot()
    backend = traffic_system.use()
    assert not backend.restore(snapshot).changed
    assert backend.cluster.writes == []


# finishing


def test_detach_refuses_while_the_canary_has_weight(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=TEN)
    before = traffic_system.objects()
    with pytest.raises(StillServing, match="10 %"):
        traffic_system.use().detach()
    assert traffic_system.objects() == before


def test_detach_refuses_while_match_routes_reach_the_canary(routed_system: TrafficSystem) -> None:
    routed_system.use().set(weight=NOTHING, matches=[routed_system.routed[0].match])
    before = routed_system.objects()
    with pytest.raises(StillServing):
        routed_system.use().detach()
    assert routed_system.objects() == before


def test_a_detached_canary_is_gone_and_detaching_again_writes_nothing(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=NOTHING)
    assert traffic_system.use().detach().changed
    assert traffic_system.use().observe().canary is None
    again = traffic_system.use()
    assert not again.detach().changed
    assert again.cluster.writes == []
    assert set(traffic_system.ask(40)) == {"v1"}


def test_promotion_refuses_before_the_canary_has_everything(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=FIFTY)
    before = traffic_system.objects()
    with pytest.raises(Conflict, match="50 %"):
        traffic_system.use().promote()
    assert traffic_system.objects() == before


def test_no_request_is_lost_while_the_canary_becomes_stable(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=EVERYTHING)
    traffic_system.ask_until(lambda answers: set(answers) == {"v2"}, count=60)
    answers = []
    for index, sample in enumerate(traffic_system.sampler(limit=800)):
        answers.append(outcome(sample))
        if index == 100:
            assert traffic_system.use().promote().changed
    assert set(answers) == {"v2"}
    assert traffic_system.use().observe().stable_version == "v2"


def test_promoting_again_writes_nothing(traffic_system: TrafficSystem) -> None:
    traffic_system.use().set(weight=EVERYTHING, matches=traffic_system.some_matches)
    traffic_system.use().promote()
    again = traffic_system.use()
    assert not again.promote().changed
    assert again.cluster.writes == []


def test_a_service_is_served_as_long_as_any_request_can_reach_it(traffic_system: TrafficSystem) -> None:
    backend = traffic_system.use()
    backend.set(weight=NOTHING)
    assert not backend.serves("web-v2")
    backend.set(matches=traffic_system.some_matches)
    assert backend.serves("web-v2") == bool(traffic_system.some_matches)
    backend.set(weight=TEN, matches=[])
    assert backend.serves("web-v2")
    assert not backend.serves("web-v9")


def test_the_controller_accepts_what_was_set(traffic_system: TrafficSystem) -> None:
    backend = traffic_system.use()
    backend.set(weight=TEN)
    live = backend.wait_accepted(30)
    assert live.level in ("accepted", "written")
    assert live.seconds < 30


def test_the_match_routes_are_those_of_the_capabilities(traffic_system: TrafficSystem) -> None:
    capabilities = traffic_system.use().capabilities
    assert bool(traffic_system.routed) == bool(capabilities.match_kinds)
    for routed in traffic_system.routed:
        assert isinstance(routed, Routed)
        assert routed.match.kind in capabilities.match_kinds
        assert routed.match.operator in capabilities.match_operators
