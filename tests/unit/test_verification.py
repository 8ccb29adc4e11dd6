"""Verdicts about whole populations of answers, as clients of several kinds of gateways get them."""

from __future__ import annotations

import json
import random
import typing as t

import pytest

from ansible_collections.gradual.canary.plugins.module_utils import _evidence
from ansible_collections.gradual.canary.plugins.module_utils._health import SCREEN
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Sample
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Weight
from ansible_collections.gradual.canary.plugins.module_utils._verification import Claim, Verification

RATE = 200


def claim(weight: str, **changes: t.Any) -> Claim:
    values: dict[str, t.Any] = {
        "stable": "v1",
        "canary": "v2",
        "weight": Weight.percent(weight),
        "previous": None,
        "delta": 500,
        "alpha": 0.01,
        "beta": 1e-4,
        "errors": SCREEN,
        "latency": (2.0, 5.0),
    }
    return Claim(**{**values, **changes})


def answer(index: int, *, status: int = 200, error: str | None = None, total: float = 0.01) -> Sample:
    return Sample(index, index / RATE, status, error, "", {}, b"", False, 0.001, total, total, "/", index)


def verify(asked: Claim, gateway: t.Callable[[int], tuple[str | None, Sample]], most: int = 20000) -> Verification:
    verification = Verification(asked, 0.0)
    for index in range(most):
        version, sample = gateway(index)
        if verification.take(sample, version):
            return verification
    pytest.fail(f"no verdict after {most} answers")


def splitting(share: float, seed: int = 7) -> t.Callable[[int], tuple[str, Sample]]:
    chance = random.Random(seed)
    return lambda index: ("v2" if chance.random() < share else "v1", answer(index))


def test_a_right_split_passes_and_the_sentence_says_with_what() -> None:
    verification = verify(claim("10"), splitting(0.10))
    assert (verification.verdict, verification.recommendation) == ("pass", "advance")
    assert _evidence.sentence(verification).startswith("10 % proven: ")
    assert "answers from v2, 99 % interval" in _evidence.sentence(verification)


def test_a_route_that_is_not_applied_fails_only_when_the_time_to_settle_is_over() -> None:
    verification = verify(claim("10", settle=5.0), lambda index: ("v1", answer(index)))
    assert verification.verdict == "fail"
    assert verification.seconds >= 5.0
    assert "v2 does not answer at all: the route is not applied" in _evidence.sentence(verification)


def test_a_weight_that_arrives_late_passes() -> None:
    late, early = splitting(0.5), splitting(0.1, seed=8)
    verification = verify(claim("50", previous=Weight.percent("10")), lambda i: (late if i > 400 else early)(i))
    assert verification.verdict == "pass"
    assert "settled in" in _evidence.sentence(verification)


def test_the_previous_weight_is_named_when_it_stays() -> None:
    verification = verify(claim("50", previous=Weight.percent("10"), settle=0), splitting(0.1))
    assert verification.split.test.diagnosis == "previous_weights"


def test_swapped_weights_are_named() -> None:
    verification = verify(claim("20", settle=0), splitting(0.8))
    assert verification.split.test.diagnosis == "swapped"


def test_zero_is_proven_after_the_last_stray_answer() -> None:
    stray = splitting(0.1)
    verification = verify(claim("0"), lambda index: stray(index) if index < 300 else ("v1", answer(index)))
    assert verification.verdict == "pass"
    assert verification.sent > 300 + 459
    assert 0 < _evidence.as_result(verification, since=0.0)["last_canary_answer_s"] <= 300 / RATE + 0.01


def test_one_answer_from_a_version_without_weight_is_a_leak() -> None:
    verification = verify(claim("0", settle=0), lambda index: ("v2" if index == 40 else "v1", answer(index)))
    assert (verification.verdict, verification.reason) == ("fail", "leak")
    assert "v2 answers although it has no weight" in _evidence.sentence(verification)


def test_a_canary_that_only_fails_is_rolled_back_after_two_of_its_answers() -> None:
    def gateway(index: int) -> tuple[str, Sample]:
        canary = index % 10 == 9
        return ("v2", answer(index, status=500)) if canary else ("v1", answer(index))

    verification = verify(claim("10"), gateway)
    assert (verification.recommendation, verification.reason) == ("rollback", "gate:errors")
    assert verification.answers["v2"].count == 2


def test_errors_of_both_versions_are_told_from_errors_of_the_canary() -> None:
    chance = random.Random(3)
    verification = verify(
        claim("50"),
        lambda index: ("v2" if index % 2 else "v1", answer(index, status=503 if chance.random() < 0.5 else 200)),
    )
    assert verification.recommendation == "rollback"
    assert verification.reason in ("both_versions_bad", "gate:errors")


def test_gateway_errors_without_a_version_roll_back() -> None:
    chance = random.Random(5)
    verification = verify(
        claim("10"), lambda i: (None, answer(i, status=503)) if chance.random() < 0.1 else ("v1", answer(i))
    )
    assert (verification.reason, verification.recommendation) == ("gate:unclassified_errors", "rollback")


def test_answers_that_do_not_tell_their_version_are_inconclusive() -> None:
    split = splitting(0.1)
    verification = verify(claim("10"), lambda i: (None, answer(i)) if i % 20 == 0 else split(i))
    assert (verification.verdict, verification.reason, verification.recommendation) == (
        "inconclusive",
        "unclassified",
        "hold",
    )


def test_answers_that_never_tell_their_version_are_inconclusive_after_a_hundred() -> None:
    verification = verify(claim("10"), lambda i: (None, answer(i)))
    assert (verification.verdict, verification.reason, verification.sent) == ("inconclusive", "unclassified", 100)
    assert "did not tell their version; check identify" in _evidence.sentence(verification)


def test_sticky_connections_are_inconclusive_whatever_the_counts_say() -> None:
    chance = random.Random(11)
    versions = ["v2" if chance.random() < 0.5 else "v1" for _turn in range(5000)]
    verification = verify(claim("50", delta=1000, settle=0, beta=1e-12), lambda i: (versions[i // 5], answer(i)))
    assert verification.reason == "dependent_samples"


def test_answers_from_before_and_after_a_change_are_not_taken_for_sticky_ones() -> None:
    gateway, chance = splitting(0.5), random.Random(11)
    before = ["v2" if chance.random() < 0.5 else "v1" for _turn in range(30)]

    def changing(index: int) -> tuple[str, Sample]:
        return (before[index // 5], answer(index)) if index < 150 else gateway(index)

    assert verify(claim("50", delta=1000, settle=0), changing).reason == "dependent_samples"
    verification = verify(claim("50", delta=1000), changing)
    assert (verification.verdict, verification.split.attempts) == ("pass", 2)


def test_health_is_proven_by_as_many_answers_as_it_takes_when_asked_for() -> None:
    verification = verify(claim("100", prove_health=True), lambda i: ("v2", answer(i)))
    assert verification.verdict == "pass"
    assert verification.gates["errors"].verdict == "advance"


def test_a_slow_canary_is_rolled_back() -> None:
    split = splitting(0.5)

    def gateway(index: int) -> tuple[str, Sample]:
        version, sample = split(index)
        return (version, answer(index, total=6.0)) if version == "v2" else (version, sample)

    verification = verify(claim("50"), gateway)
    assert verification.reason == "gate:latency"
    assert "slower than 5 s" in _evidence.sentence(verification)


def test_errors_while_baking_roll_back_after_the_proof() -> None:
    split = splitting(0.5)

    def gateway(index: int) -> tuple[str, Sample]:
        version, _sample = split(index)
        return version, answer(index, status=500 if version == "v2" and index > 4000 else 200)

    verification = verify(claim("50", bake=60.0), gateway)
    assert verification.proven
    assert (verification.verdict, verification.reason) == ("fail", "gate:errors")


def test_a_weight_that_somebody_changes_while_it_bakes_is_no_proof() -> None:
    before, after = splitting(0.5), splitting(0.1, seed=8)
    verification = verify(claim("50", bake=60.0), lambda index: before(index) if index < 4000 else after(index))
    assert (verification.verdict, verification.recommendation) == ("fail", "rollback")
    assert verification.seconds > 60
    assert "50 % is not what clients get" in _evidence.sentence(verification)


@pytest.mark.parametrize("deadline", [30.0, 600.0])
def test_a_bake_ends_with_a_proof_of_its_own_however_long_it_was(deadline: float) -> None:
    once = verify(claim("50"), splitting(0.5))
    verification = verify(claim("50", bake=60.0, deadline=deadline), splitting(0.5))
    assert (verification.verdict, verification.recommendation) == ("pass", "advance")
    assert verification.seconds > 60 + once.seconds / 2
    assert verification.split.attempts == 1
    assert _evidence.as_result(verification)["requests"]["sent"] > 60 * RATE


def test_every_value_of_a_result_is_plain_json() -> None:
    result = _evidence.as_result(verify(claim("10"), splitting(0.10)), since=0.0)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_verdict_before_the_first_answer_of_an_attempt_tells_what_it_rests_on() -> None:
    """A probe that settles: the gateway's own errors, then a canary whose errors end it as a new attempt begins."""
    verification = Verification(claim("100", settle=30.0), 0.0)
    for index in range(3):
        verification.take(answer(index), "v1")
    verification.split.start_afresh()
    verification.take(answer(4, status=500), "v2")
    verification.split.start_afresh()
    sentence = _evidence.sentence(verification)
    assert "1 of 4 answers from v2" in sentence, sentence
