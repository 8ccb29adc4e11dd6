"""Who holds a lock, by one clock; and that nothing is written without it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._errors import Unreachable
from ansible_collections.gradual.canary.plugins.module_utils._lock import Lock, LockLost, holding_of, seconds_between
from ansible_collections.gradual.canary.plugins.module_utils._lock_keeper import Keeper
from ansible_collections.gradual.canary.plugins.module_utils._provenance import new_holder


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


def test_many_writes_of_a_task_ask_once() -> None:
    api = Api(60)
    with keeper(api) as kept:
        for _write in range(10):
            kept.require()
    assert api.asked == 1


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
        assert api.changed.wait(10), "nobody renews"
        kept.require()
    assert api.asked >= 3


def test_a_lock_that_is_lost_between_the_writes_holds_the_next_one_back() -> None:
    api = Api(1, LockLost("taken"))
    with keeper(api) as kept:
        kept.require()
        assert api.changed.wait(10), "nobody renews"
        with pytest.raises(LockLost):
            kept.require()


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


def test_the_lease_is_named_after_the_application() -> None:
    asked: list[tuple[str, ...]] = []

    class Cluster:
        def find(self, *what: str) -> None:
            asked.append(what)

    cluster: Any = Cluster()
    assert Lock(cluster, "shop", "web").holding() is None
    assert asked == [("Lease", "gradual-canary-web", "shop")]
