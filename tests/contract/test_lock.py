"""The lock of an application on a real API server: one holder, an end without a sign of life, no write without it."""

from __future__ import annotations

import concurrent.futures
import secrets
import threading
import time
from collections.abc import Iterator

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._errors import Forbidden, NotFound
from ansible_collections.gradual.canary.plugins.module_utils._lock import LEAST_SECONDS, Lock, Locked, LockLost
from ansible_collections.gradual.canary.plugins.module_utils._lock_keeper import Keeper
from ansible_collections.gradual.canary.plugins.modules import version
from tests.contract.cluster_access import Access, Object
from tests.shop.verbs import perform

APP = "web"
LEASE = f"gradual-canary-{APP}"
AT_ONCE = 50
"""Races; two runs in each."""


@pytest.fixture
def namespace(access: Access) -> Iterator[str]:
    name = f"contract-lock-{secrets.token_hex(3)}"
    operator = access.operator()
    operator.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    operator.delete("Namespace", name)


@pytest.fixture
def lock(access: Access, namespace: str) -> Lock:
    return Lock(access.connect(), namespace, APP)


def another(access: Access, namespace: str) -> Lock:
    """The same lock, as another run has it."""
    return Lock(access.connect(), namespace, APP)


def lease(access: Access, namespace: str) -> Object:
    found = access.operator().get("Lease", LEASE, namespace)
    assert found is not None
    return found


def test_of_two_runs_that_start_at_once_exactly_one_gets_it(access: Access, namespace: str) -> None:
    outcomes = []
    for race in range(AT_ONCE):
        start = threading.Barrier(2)

        def run(number: int, race: int = race, start: threading.Barrier = start) -> str:
            holder, mine = f"run {race}.{number}", another(access, namespace)
            start.wait()
            try:
                mine.take(holder, "a race")
            except Locked:
                return ""
            return holder

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            winners = [holder for holder in pool.map(run, range(2)) if holder]
        outcomes.append(len(winners))
        held = another(access, namespace).holding()
        assert held is not None
        assert [held.holder] == winners
        assert another(access, namespace).give_back(held.holder)
    assert outcomes == [1] * AT_ONCE


def test_who_is_refused_is_told_by_whom_since_when_and_what_for(access: Access, lock: Lock, namespace: str) -> None:
    taken = lock.take("olga@bastion 1", "release of v2")
    assert taken.changed
    with pytest.raises(Locked) as refused:
        another(access, namespace).take("ivan@laptop 2", "rollback")
    text = refused.value.message
    assert (
        f"is being worked on by olga@bastion 1 since {taken.holding.since}: release of v2. Nothing was changed." in text
    )
    assert "canary_take_over" in text
    assert refused.value.details["holder"] == "olga@bastion 1"


def test_who_has_it_already_goes_on_having_it(access: Access, lock: Lock, namespace: str) -> None:
    taken = lock.take("olga@bastion 1", "release of v2")
    before = lease(access, namespace)["spec"]
    again = lock.take("olga@bastion 1", "cleanup")
    assert (again.changed, again.before, again.holding) == (False, None, taken.holding)
    after = lease(access, namespace)["spec"]
    assert after.pop("renewTime") > before.pop("renewTime"), "it gave no sign of life"
    assert after == before


def test_what_was_given_back_is_free_and_somebody_elses_is_not_given_back(
    access: Access, lock: Lock, namespace: str
) -> None:
    lock.take("olga@bastion 1", "release of v2")
    assert not another(access, namespace).give_back("ivan@laptop 2")
    assert lock.give_back("olga@bastion 1")
    assert not lock.give_back("olga@bastion 1")
    assert another(access, namespace).take("ivan@laptop 2", "rollback").before is None


def test_without_a_sign_of_life_it_ends_and_not_before(access: Access, lock: Lock, namespace: str) -> None:
    lock.take("olga@bastion 1", "release of v2", seconds=LEAST_SECONDS)
    began = time.monotonic()
    other, taken = another(access, namespace), None
    while taken is None:
        assert time.monotonic() - began < LEAST_SECONDS + 10, "it does not end"
        try:
            taken = other.take("ivan@laptop 2", "rollback")
        except Locked:
            time.sleep(0.5)  # a bounded poll: its end is the passing of time, which nothing announces
    # The API server's times are whole seconds.
    assert time.monotonic() - began >= LEAST_SECONDS - 1
    assert taken.before is not None
    assert taken.before.holder == "olga@bastion 1"
    with pytest.raises(LockLost, match="ivan@laptop 2 holds it now"):
        lock.renew("olga@bastion 1")


def test_it_is_kept_as_long_as_a_task_lasts(access: Access, lock: Lock, namespace: str) -> None:
    lock.take("olga@bastion 1", "release of v2", seconds=LEAST_SECONDS)
    end = time.monotonic() + LEAST_SECONDS + 4
    with Keeper(lambda: another(access, namespace), "olga@bastion 1") as keeper:
        while time.monotonic() < end:
            with pytest.raises(Locked):
                another(access, namespace).take("ivan@laptop 2", "rollback")
            time.sleep(1)  # this is how long it is looked at
        keeper.require()


def test_who_takes_it_over_says_why_and_the_other_run_writes_nothing_more(
    access: Access, lock: Lock, namespace: str
) -> None:
    lock.take("olga@bastion 1", "release of v2")
    taken = another(access, namespace).take("ivan@laptop 2", "rollback", take_over="errors in the shop")
    assert taken.before is not None
    assert taken.before.holder == "olga@bastion 1"
    note = lease(access, namespace)["metadata"]["annotations"]["gradual.canary/taken-over"]
    assert note.startswith("errors in the shop (by ivan@laptop 2 at ")
    assert note.endswith(", from olga@bastion 1, release of v2)")
    assert lease(access, namespace)["spec"]["leaseTransitions"] == 2

    workload = {"namespace": namespace, "app": APP, "version": "v1", "image": "canary.lab/web:v1", "port": 8080}
    values = perform(version, {**workload, "wait": False, "lock": "olga@bastion 1", "kubeconfig": access.kubeconfig})
    assert values["failed"]
    assert values["failure"]["code"] == "lock_lost"
    assert "it was taken over: errors in the shop" in values["msg"]
    assert "This run writes nothing more" in values["msg"]
    assert values["writes"] == []
    assert not access.operator().list("Deployment", namespace)


def test_a_lease_that_somebody_deleted_is_held_by_nobody(access: Access, lock: Lock, namespace: str) -> None:
    lock.take("olga@bastion 1", "release of v2")
    access.operator().delete("Lease", LEASE, namespace)
    with pytest.raises(LockLost, match="nobody holds it now"):
        lock.renew("olga@bastion 1")
    assert not lock.give_back("olga@bastion 1")


def test_a_namespace_that_is_not_there_is_named(access: Access) -> None:
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        another(access, "nowhere").take("olga@bastion 1", "release of v2")


def test_a_missing_permission_is_named(access: Access, namespace: str) -> None:
    operator = access.operator()
    operator.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody", "namespace": namespace}}
    )
    token = operator.token("nobody", namespace)
    with pytest.raises(Forbidden, match=r"leases\.coordination\.k8s\.io"):
        Lock(access.connect(token=token), namespace, APP).take("olga@bastion 1", "release of v2")
