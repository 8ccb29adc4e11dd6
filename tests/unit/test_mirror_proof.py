"""Proving copies from what the pods counted: right shares pass, wrong ones do not, whatever else users send."""

from __future__ import annotations

import random

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._metrics import Counter, series
from ansible_collections.gradual.canary.plugins.module_utils._mirror_proof import (
    MirrorClaim,
    MirrorProof,
    Reading,
    as_result,
    sentence,
)
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Weight

PAGE = r"""
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200",path="/a,b}\"c\\"} 7
http_requests_total{code="500",path="/"} 2.5e1 1395066363000
http_requests_total_other 99
up 1
nonsense
broken{code="200"} many
"""


def claim(mirror: str = "10", weight: str = "0", **options: float) -> MirrorClaim:
    values = {"delta": 500, "alpha": 0.01, "settle": 0.0, "deadline": 60.0, **options}
    return MirrorClaim("v1", "v2", Weight.percent(weight), Weight.percent(mirror), **values)  # type: ignore[arg-type]


def proved(
    wanted: MirrorClaim, *, mirror: float, weight: float = 0.0, others: int = 0, seed: int = 1, extra: int = 0
) -> MirrorProof:
    """Return a proof of batches of 200 requests and those of others, on a gateway that copies this share."""
    chance = random.Random(seed)
    proof = MirrorProof(wanted, 0.0)
    counts = [1000.0, 50.0]
    proof.begin(Reading({"a": counts[0]}, {"b": counts[1]}))
    for second in range(1, 1000):
        for number in range(200 + others):
            answers = chance.random() < weight
            counts[answers] += 1
            counts[1] += chance.random() < mirror
            if number < 200:
                proof.answered("v2" if answers else "v1", failed=False)
        counts[1] += extra
        if proof.take(Reading({"a": counts[0]}, {"b": counts[1]}), float(second)):
            break
    return proof


@pytest.mark.parametrize("mirror", ["1", "10", "50", "100"])
@pytest.mark.parametrize("others", [0, 800])
def test_the_share_that_is_copied_is_proven_with_and_without_other_users(mirror: str, others: int) -> None:
    for seed in range(20):
        proof = proved(claim(mirror), mirror=float(mirror) / 100, others=others, seed=seed)
        assert proof.verdict == "pass", sentence(proof)


@pytest.mark.parametrize(
    ("copied", "words"),
    [(0.0, "no request is copied"), (1.0, "every request is copied"), (0.02, "too low"), (0.3, "too high")],
)
def test_another_share_fails_and_is_named(copied: float, words: str) -> None:
    for seed in range(20):
        proof = proved(claim("10"), mirror=copied, seed=seed)
        assert (proof.verdict, proof.reason, proof.recommendation) == ("fail", "mirror_wrong", "rollback")
        assert words in sentence(proof)


def test_a_share_outside_the_band_is_hardly_ever_proven() -> None:
    passed = sum(proved(claim("10"), mirror=0.155, seed=seed).verdict == "pass" for seed in range(300))
    assert passed <= 6  # 1 % of 300 are expected at the very edge, and this is beyond it


def test_the_right_share_is_hardly_ever_called_wrong() -> None:
    assert all(proved(claim("10"), mirror=0.1, seed=seed).verdict == "pass" for seed in range(300))


def test_copies_beside_a_weight_are_told_from_the_canarys_own_requests() -> None:
    for seed in range(20):
        right = proved(claim("20", "10"), mirror=0.2, weight=0.1, seed=seed)
        assert right.verdict == "pass", sentence(right)
        none = proved(claim("20", "10"), mirror=0.0, weight=0.1, seed=seed)
        assert none.verdict == "fail", sentence(none)


def test_requests_that_reach_the_canary_by_another_way_are_not_taken_for_copies() -> None:
    proof = proved(claim("100"), mirror=1.0, extra=100)
    assert proof.verdict == "fail"
    assert "somebody else sends to it" in sentence(proof)


def test_one_answer_from_the_canary_without_weight_fails_at_once() -> None:
    proof = MirrorProof(claim(), 0.0)
    proof.answered("v1", failed=False)
    proof.answered("v2", failed=False)
    assert (proof.verdict, proof.reason) == ("fail", "leak")
    assert "answers users although it has no weight" in sentence(proof)


def test_a_share_that_is_still_on_its_way_starts_the_counting_afresh() -> None:
    proof = MirrorProof(claim("100", settle=5.0), 0.0)
    proof.begin(Reading({"a": 0}, {"b": 0}))
    assert not proof.take(Reading({"a": 500}, {"b": 0}), 1.0)
    assert proof.attempts == 2
    assert not proof.take(Reading({"a": 700}, {"b": 200}), 2.0)
    assert proof.take(Reading({"a": 2500}, {"b": 2000}), 3.0)
    assert (proof.verdict, proof.stable, proof.canary) == ("pass", 2000, 2000)


@pytest.mark.parametrize("later", [{"b": 3.0}, {"b": 90.0, "c": 1.0}, {"c": 90.0}])
def test_counts_of_pods_that_came_went_or_began_again_are_not_used(later: dict[str, float]) -> None:
    assert Reading({"a": 900}, later).since(Reading({"a": 100}, {"b": 10})) is None


def test_requests_that_nobody_counted_prove_nothing() -> None:
    proof = MirrorProof(claim(), 0.0)
    proof.begin(Reading({"a": 0}, {"b": 0}))
    assert proof.take(Reading({"a": 0}, {"b": 0}), 1.0)
    assert (proof.verdict, proof.reason, proof.recommendation) == ("inconclusive", "not_counted", "hold")


def test_answers_without_a_version_or_with_errors_prove_nothing() -> None:
    for version, failed, reason in ((None, False, "unclassified"), (None, True, "errors")):
        proof = MirrorProof(claim(), 0.0)
        proof.begin(Reading({"a": 0}, {"b": 0}))
        for _number in range(100):
            proof.answered(version, failed=failed)
        proof.take(Reading({"a": 100}, {"b": 10}), 1.0)
        assert (proof.verdict, proof.reason) == ("inconclusive", reason)


def test_too_few_requests_in_the_time_are_inconclusive() -> None:
    proof = MirrorProof(claim(deadline=2.0), 0.0)
    proof.begin(Reading({"a": 0}, {"b": 0}))
    assert not proof.take(Reading({"a": 10}, {"b": 1}), 1.0)
    assert proof.take(Reading({"a": 20}, {"b": 2}), 2.0)
    assert (proof.verdict, proof.reason) == ("inconclusive", "timeout")
    assert as_result(proof)["counted"] == {"v1": 20, "v2": 2}


# pages of metrics


def test_the_series_with_the_labels_are_added_up() -> None:
    assert Counter("http_requests_total").read(PAGE) == 32
    assert Counter("http_requests_total", {"code": "500"}).read(PAGE) == 25
    assert Counter("http_requests_total", {"path": '/a,b}"c\\'}).read(PAGE) == 7
    assert Counter("up").read(PAGE) == 1


def test_a_counter_that_has_not_counted_yet_is_told_from_one_at_nothing() -> None:
    assert Counter("http_requests_total", {"code": "404"}).read(PAGE) is None
    assert Counter("absent").read(PAGE) is None


def test_lines_that_are_no_series_are_left_out() -> None:
    assert [name for name, _labels, _value in series(PAGE)] == [
        "http_requests_total",
        "http_requests_total",
        "http_requests_total_other",
        "up",
    ]
