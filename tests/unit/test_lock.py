"""Who holds a lock, by one clock; and that nothing is written without it."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._arguments import ArgumentSpec, lock_elsewhere
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._connection import Response
from ansible_collections.gradual.canary.plugins.module_utils._errors import Unreachable
from ansible_collections.gradual.canary.plugins.module_utils._lock import Lock, LockLost, holding_of, seconds_between
from ansible_collections.gradual.canary.plugins.module_utils._lock_keeper import Keeper
from ansible_collections.gradual.canary.plugins.module_utils._provenance import new_holder
from ansible_collections.gradual.canary.plugins.plugin_utils import _locks


def lease(*times: str, **spec: Any) -> dict[str, Any]:
    fields = [{"manager": "gradual.canary", "time": time} for time in times]
    return {"kind": "Lease", "metadata": {"name": "gradual-canary-web", "managedFields": fields}, "spec": spec}


def test_a_lease_without_a_holder_is_held_by_nobody() -> None:
    assert holding_of(None) is None
    assert holding_of(lease()) is None
    assert holding_of(lease(holderIdentity="", leaseDurationSeconds=60)) is None
    assert holding_of({"kind": "Lease", "metadata": {"name": "x"}}) is None


def test_a_lease_that_somebody_else_made_is_told_as_far_as_it_goes() -> None:
    held = holding_of(lease(holderIdentity="controller-7"))
    assert held is not None
    assert (held.holder, held.seconds, held.since, held.purpose) == ("controller-7", 60, "an unknown time", "a change")


@pytest.mark.parametrize(
    ("written", "now", "seconds"),
    [
        (["2026-11-22T10:00:00Z"], ["2026-11-22T10:01:01Z"], 61),
        (["2026-11-22T09:00:00Z", "2026-11-22T10:00:00Z"], ["2026-11-22T09:00:00Z", "2026-11-22T10:00:05Z"], 5),
        (["2026-11-22T10:00:00Z"], ["2026-11-22T10:00:00Z"], 0),
        ([], ["2026-11-22T10:00:00Z"], None),
        (["2026-11-22T10:00:00Z"], [], None),
    ],
)
def test_its_age_is_the_time_between_the_servers_own_stamps(
    written: list[str], now: list[str], seconds: float | None
) -> None:
    assert seconds_between(lease(*written), lease(*now)) == seconds


def test_no_two_runs_have_the_same_name_and_each_tells_who_and_where() -> None:
    assert len({new_holder({}) for _run in range(100)}) == 100
    assert new_holder({"awx_job_id": 42, "awx_user_name": "olga"}).startswith("olga@AWX job 42 ")


class Api:
    """Stands for a lock's two ends in time: it is asked, and answers as told."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.changed = threading.Event()

    def renew(self, _holder: str) -> int:
        self.asked += 1
        if not self.answers[1:]:
            self.changed.set()
        answer = self.answers.pop(0) if self.answers[1:] else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, int)
        return answer


def keeper(api: Api) -> Keeper:
    made: Any = lambda: api  # noqa: E731
    return Keeper(made, "olga@bastion 1")


def test_each_write_of_a_task_asks() -> None:
    api = Api(60, LockLost("taken"))
    with keeper(api) as kept:
        kept.require()
        with pytest.raises(LockLost, match="taken"):
            kept.require()
    assert api.asked == 2


def test_a_task_that_writes_nothing_asks_nothing() -> None:
    api = Api(60)
    with keeper(api):
        pass
    assert api.asked == 0


def test_what_is_lost_stays_lost() -> None:
    api = Api(LockLost("taken"), 60)
    with keeper(api) as kept:
        for _write in range(2):
            with pytest.raises(LockLost, match="taken"):
                kept.require()
    assert api.asked == 1


def test_what_cannot_be_asked_is_not_held_and_asked_again() -> None:
    api = Api(Unreachable("no answer"), 60)
    with keeper(api) as kept:
        with pytest.raises(Unreachable):
            kept.require()
        kept.require()
    assert api.asked == 2


def test_a_renewal_that_fails_between_the_writes_does_not_end_the_task() -> None:
    api = Api(1, Unreachable("no answer"), 60)  # renewed each third of a second
    with keeper(api) as kept:
        kept.require()
        assert api.changed.wait(30), "nobody renews"
        kept.require()
    assert api.asked >= 3


def test_what_is_lost_between_the_writes_is_known_without_asking() -> None:
    api = Api(1, LockLost("taken"))
    with keeper(api) as kept:
        kept.require()
        assert api.changed.wait(30), "nobody renews"
        asked = api.asked
        with pytest.raises(LockLost):
            kept.require()
        assert api.asked == asked


def test_what_is_left_of_a_killed_run_renews_nothing_and_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(60)
    with keeper(api) as kept:
        monkeypatch.setattr("os.getppid", lambda: 1)
        for _write in range(2):
            with pytest.raises(LockLost, match="the run of olga@bastion 1 has ended"):
                kept.require()
    assert api.asked == 0


def test_a_task_that_lost_its_lock_fails_for_that_reason_whatever_it_met() -> None:
    with keeper(Api(LockLost("taken"))) as kept, pytest.raises(LockLost, match="taken"):
        kept.report_loss(ask=True)


def test_a_task_that_has_its_lock_or_cannot_ask_fails_for_its_own_reason() -> None:
    for answer in (60, Unreachable("no answer")):
        api = Api(answer)
        with keeper(api) as kept:
            kept.report_loss(ask=True)
            kept.report_loss(ask=False)
        assert api.asked == 1


class Refusing:
    """A connection that notes what is sent, behind a guard that refuses."""

    server = "https://known"
    context = user = None

    def __init__(self) -> None:
        self.sent: list[str] = []

    def request(self, method: str, url: str, *_rest: Any, **_options: Any) -> Response:
        self.sent.append(method + (" dry" if "dryRun" in url else ""))
        body = {"kind": "ConfigMap", "metadata": {"name": "x", "uid": "1"}, "data": {"n": str(len(self.sent))}}
        return Response(200, {}, json.dumps(body).encode())


@pytest.mark.parametrize("write", ["patch", "apply", "delete"])
def test_no_write_is_sent_while_the_guard_refuses(write: str) -> None:
    connection: Any = Refusing()
    cluster = Cluster(connection)

    def refuse() -> None:
        raise LockLost("taken")

    cluster.before_write = refuse
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "shop", "uid": "1"}}
    ways: dict[str, Any] = {
        "patch": lambda: cluster.patch(item, [{"op": "add", "path": "/data", "value": {}}]),
        "apply": lambda: cluster.apply({**item, "data": {"a": "b"}}),
        "delete": lambda: cluster.delete(item),
    }
    with pytest.raises(LockLost):
        ways[write]()
    assert set(connection.sent) <= {"GET", "PATCH dry"}


def test_tasks_know_the_lock_of_their_own_run_alone_and_of_their_own_application() -> None:
    spec = ArgumentSpec({"lock": {"type": "str"}})
    taking = {"namespace": "shop", "app": "web", "context": "lab"}
    mine = {"ansible_facts": _locks.facts(taking, {"holder": "olga@bastion 1"})}
    assert _locks.with_holder(spec, taking, mine)["lock"] == "olga@bastion 1"
    for other in ({"app": "api"}, {"namespace": "bar"}, {"context": "prod"}):
        assert "lock" not in _locks.with_holder(spec, {**taking, **other}, mine)
    assert _locks.with_holder(spec, {**taking, "lock": "ivan"}, mine)["lock"] == "ivan"
    (fact,) = mine["ansible_facts"]
    cached = {"ansible_facts": {fact: {"run": "another", "holder": "olga@bastion 1"}}}
    assert "lock" not in _locks.with_holder(spec, taking, cached)
    assert "lock" not in _locks.with_holder(ArgumentSpec({}), taking, mine)


def test_the_lock_of_a_proof_is_named_by_the_place_it_is_in() -> None:
    spec = lock_elsewhere()
    mine = {"ansible_facts": _locks.facts({"namespace": "shop", "app": "web", "context": "lab"}, {"holder": "olga"})}
    place = {"namespace": "shop", "app": "web", "cluster": {"context": "lab"}}
    found = _locks.with_holder(spec, {"url": "http://x", "lock": place}, mine)
    assert found["lock"] == {**place, "holder": "olga"}
    assert _locks.with_holder(spec, {"url": "http://x", "lock": place}, {}) == {"url": "http://x"}


def test_who_takes_a_lock_keeps_one_name() -> None:
    spec = ArgumentSpec({"holder": {"type": "str"}})
    taking = {"namespace": "shop", "app": "web"}
    first = _locks.with_holder(spec, taking, {})["holder"]
    assert first != _locks.with_holder(spec, taking, {})["holder"]
    mine = {"ansible_facts": _locks.facts(taking, {"holder": first})}
    assert _locks.with_holder(spec, taking, mine)["holder"] == first


def test_the_lease_is_named_after_the_application() -> None:
    asked: list[tuple[str, ...]] = []

    class Asked:
        def find(self, *what: str) -> None:
            asked.append(what)

    cluster: Any = Asked()
    assert Lock(cluster, "shop", "web").holding() is None
    assert asked == [("Lease", "gradual-canary-web", "shop")]
