"""A Rollout as it is: who serves, where it waits, which match routes it has, and what is written to it."""

from __future__ import annotations

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._backends import _rollout_writes as writes
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_matches import require_there
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_object import ArgoRollout
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_steps import Stop
from ansible_collections.gradual.canary.plugins.module_utils._backends._rollout_writes import Writing
from ansible_collections.gradual.canary.plugins.module_utils._backends._workload import ROLLOUT, Workload
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, InvalidSplit, Unsupported
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import patched
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, Match, Weight
from tests.unit.argo_objects import STEPS, Object, item, rollout, template

TEN = Weight.percent(10)
HELD = {"currentStepIndex": 0, "pauseConditions": None, "controllerPause": False}
HELD["canary"] = {"weights": {"canary": {"weight": 0}}}


# who serves, and where it waits


def test_its_versions_are_those_of_its_template_and_of_the_stable_replica_set() -> None:
    assert (rollout().stable_version, rollout().canary_version, rollout().weight) == ("v1", "v2", TEN)


def test_without_another_template_there_is_no_canary() -> None:
    healthy = rollout("v1", status={"currentStepIndex": 10, "phase": "Healthy", "controllerPause": False})
    assert (healthy.has_canary, healthy.stable_version, healthy.weight) == (False, "v1", NOTHING)
    assert healthy.stop == Stop(10, EVERYTHING)


def test_a_new_template_that_is_held_before_its_first_step_is_staged() -> None:
    assert rollout(paused=True, status=HELD).is_staged


def test_one_that_runs_or_is_labelled_is_not_merely_staged() -> None:
    assert not rollout().is_staged
    labelled = item(paused=True, status=HELD)
    labelled["metadata"]["labels"] = {"gradual.canary/canary-version": "v2"}
    assert not ArgoRollout.of(Workload.of(ROLLOUT, labelled, [])).is_staged


@pytest.mark.parametrize(
    "changes",
    [
        {"paused": True},
        {"status": {"pauseConditions": None}},
        {"status": {"currentStepIndex": 5}},
        {"status": {"abort": True}},
        {"status": {"observedGeneration": "6"}},
        {"status": {"pauseConditions": [{"reason": "InconclusiveAnalysisRun"}]}},
    ],
    ids=["held", "unpausing", "between", "aborted", "unseen", "inconclusive"],
)
def test_it_waits_for_somebody_only_in_the_pause_of_its_step(changes: Object) -> None:
    assert rollout().stop == Stop(4, TEN)
    assert rollout(**changes).stop is None


def test_the_weight_is_the_one_the_controller_wrote_last() -> None:
    behind = {"currentStepIndex": 5, "canary": {"weights": {"canary": {"weight": 10}}}}
    assert rollout(status=behind).weight == TEN


def test_without_a_router_the_weight_is_that_of_its_steps() -> None:
    assert rollout(strategy={"trafficRouting": None}, status={"canary": {}}).weight == TEN
    assert rollout(strategy={"trafficRouting": None}, status={"abort": True, "canary": {}}).weight == NOTHING


@pytest.mark.parametrize("spec", [{"strategy": {"blueGreen": {}}}, {"workloadRef": {"kind": "Deployment"}}])
def test_other_forms_of_rollouts_are_refused_with_what_to_do(spec: Object) -> None:
    other = item()
    other["spec"].update(spec)
    with pytest.raises(Unsupported, match=r"Rollout shop/web"):
        ArgoRollout.of(Workload.of(ROLLOUT, other, []))


def test_a_canary_whose_pods_are_not_there_yet_is_on_its_way_to_traffic() -> None:
    nothing = {"canary": {"weights": {"canary": {"weight": 0}}}, "pauseConditions": None, "controllerPause": False}
    assert rollout(status={**nothing, "currentStepIndex": 3}).is_heading_for_traffic
    assert not rollout(status={**nothing, "currentStepIndex": 1}).is_heading_for_traffic
    held = {"strategy": {"steps": [{"setWeight": 10}, {"pause": {}}]}, "paused": True}
    assert not rollout(status={**nothing, "currentStepIndex": 0}, **held).is_heading_for_traffic


# match routes


def test_header_routes_of_annotations_hold_as_soon_as_the_canary_has_pods() -> None:
    given = {"canary-by-header": "X-Test", "nginx.ingress.kubernetes.io/canary-by-header-value": "yes"}
    strategy = {"trafficRouting": {"nginx": {"additionalIngressAnnotations": given}}}
    match = Match("header", "X-Test", "exact", "yes")
    assert rollout(strategy=strategy).matches == (match,)
    assert rollout(strategy=strategy, paused=True, status=HELD).matches == ()
    assert rollout(strategy=strategy, status={"currentStepIndex": 1}).matches == (match,)


def test_full_annotations_are_taken_as_they_are_written() -> None:
    prefix = "nginx.ingress.kubernetes.io/"
    for given, found in (
        ({"canary-by-header": "X-Test"}, ()),  # the controller writes it without the prefix, and nobody reads it
        ({f"{prefix}canary-by-header": "X-Test"}, (Match("header", "X-Test", "always"),)),
    ):
        strategy = {"trafficRouting": {"nginx": {"canaryIngressAnnotations": given}}}
        assert rollout(strategy=strategy).matches == found


def test_the_header_is_there_before_any_weight_if_the_rollout_waits_there_with_pods() -> None:
    nginx = {"nginx": {"additionalIngressAnnotations": {"canary-by-header": "X-Test"}}}
    with_pods = [{"setCanaryScale": {"replicas": 1}}, {"pause": {}}, {"setWeight": 10}, {"pause": {}}]
    for steps, found in ((with_pods, (Match("header", "X-Test", "always"),)), (with_pods[1:], ()), (with_pods[2:], ())):
        made = rollout(strategy={"steps": steps, "trafficRouting": nginx})
        assert made.matches_before_weight == found


def test_header_routes_of_steps_hold_from_their_step_until_they_are_taken_away() -> None:
    def route(name: str, *match: Object) -> Object:
        return {"setHeaderRoute": {"name": name, "match": list(match)}}

    steps = [
        {"setWeight": 10},
        {"pause": {}},
        route("testers", {"headerName": "X-Test", "headerValue": {"prefix": "y"}}),
        {"pause": {}},
        route("testers"),
        {"pause": {}},
    ]
    strategy = {"steps": steps, "trafficRouting": {"istio": {}}}
    found = [rollout(strategy=strategy, status={"currentStepIndex": index}).matches for index in (1, 3, 5)]
    assert found == [(), (Match("header", "X-Test", "regex", "y.*"),), ()]


def test_a_match_route_it_has_may_be_asked_for_whatever_the_case_of_its_name() -> None:
    there = (Match("header", "X-Test", "exact", "yes"),)
    require_there([Match("header", "x-test", "exact", "yes")], there, {}, "Rollout shop/web")


@pytest.mark.parametrize(
    ("routing", "advice"),
    [
        ({"nginx": {}}, r"additionalIngressAnnotations: \{canary-by-header: x, canary-by-header-value: 'y'\}"),
        ({"istio": {}}, r"setHeaderRoute: \{name: testers, match: \[\{headerName: x"),
        (None, "Without trafficRouting"),
        ({"smi": {}}, r"traffic router \(smi\)"),
    ],
)
def test_one_it_has_not_is_refused_with_what_to_write(routing: Object | None, advice: str) -> None:
    wanted = [Match("header", "x", "exact", "y")]
    with pytest.raises(InvalidSplit, match=f"header x = y.*{advice}"):
        require_there(wanted, (), {"trafficRouting": routing}, "Rollout shop/web")


# what is written


def applied(writing: Writing, to: Object) -> Object:
    return patched(to, writing.operations)


def test_going_on_ends_the_pause_and_nothing_else() -> None:
    writing = writes.going_on(rollout())
    assert writing.subresource == "status"
    expected = item()
    del expected["status"]["pauseConditions"]
    assert applied(writing, item()) == expected


@pytest.mark.parametrize(
    ("version", "meanwhile"),
    [
        ("v2", {"currentStepIndex": 5}),
        ("v2", {"pauseConditions": []}),
        ("v2", {"pauseConditions": [{"reason": "InconclusiveAnalysisRun"}]}),
        ("v3", {}),
    ],
    ids=["gone on", "between two pauses", "another pause", "another version"],
)
def test_a_promote_that_comes_twice_or_late_is_refused(version: str, meanwhile: Object) -> None:
    with pytest.raises(Conflict):
        applied(writes.going_on(rollout()), item(version, status=meanwhile))


def test_an_abort_rests_on_the_version_alone() -> None:
    assert applied(writes.aborting(rollout()), item(status={"currentStepIndex": 7}))["status"]["abort"] is True
    with pytest.raises(Conflict):
        applied(writes.aborting(rollout()), item("v3"))


def test_letting_go_writes_the_release_into_labels_in_the_same_patch() -> None:
    held = rollout(paused=True, status=HELD)
    writing = writes.holding(held, paused=False, labels=writes.release_labels(held))
    done = applied(writing, item(paused=True))
    assert (done["spec"]["paused"], writing.subresource) == (False, "")
    assert done["metadata"]["labels"] == {
        "gradual.canary/stable-version": "v1",
        "gradual.canary/canary-version": "v2",
    }


def test_a_template_given_back_lets_the_rollout_go_and_ends_the_release() -> None:
    labelled = item(paused=True)
    labelled["metadata"]["labels"] = {"gradual.canary/canary-version": "v2", "team": "shop"}
    there = ArgoRollout.of(Workload.of(ROLLOUT, labelled, []))
    done = applied(writes.with_template(there, template("v1"), paused=False), labelled)
    assert (done["spec"]["template"], done["spec"]["paused"]) == (template("v1"), False)
    assert done["metadata"]["labels"] == {"team": "shop"}


def test_an_inconclusive_analysis_is_decided_past_its_step() -> None:
    run = {"currentStepAnalysisRunStatus": {"status": "Inconclusive"}}
    status = {"pauseConditions": [{"reason": "InconclusiveAnalysisRun"}], "canary": run}
    there = rollout(status=status)
    assert there.is_inconclusive
    done = applied(writes.deciding(there), item(status=status))["status"]
    assert (done["currentStepIndex"], done["controllerPause"], "pauseConditions" in done) == (5, False, False)


# as it would be


def test_check_mode_predicts_each_stop_and_the_end() -> None:
    there = rollout()
    for stop in there.steps.stops[1:-1]:
        then = there.predicted_at(stop)
        assert (then.stop, then.weight) == (stop, stop.weight)
    end = there.predicted_at(there.steps.stops[-1])
    assert (end.has_canary, end.stable_version, end.stop) == (False, "v2", Stop(len(STEPS), EVERYTHING))


def test_check_mode_predicts_what_is_staged() -> None:
    healthy = rollout("v1", status={"currentStepIndex": 10, "phase": "Healthy", "controllerPause": False})
    written = patched(healthy.item, writes.with_template(healthy, template("v2"), paused=True).operations)
    staged = healthy.predicted({**healthy.status}, written).predicted_staged()
    assert (staged.is_staged, staged.stable_version, staged.canary_version) == (True, "v1", "v2")
