"""How long a version that no longer serves is kept: what is recorded, when it is over, and what is written."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._keep import (
    KEEP_UNTIL,
    end_after,
    is_kept,
    is_over,
    recorded,
)

NOON = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)


def deployment(until: str | None, replicas: int = 3) -> dict[str, Any]:
    annotations = {"example.com/other": "x", **({KEEP_UNTIL: until} if until else {})}
    return {"metadata": {"name": "web-v1", "annotations": annotations}, "spec": {"replicas": replicas}}


def test_the_end_is_a_time_of_rfc_3339_in_utc() -> None:
    assert end_after(1800, NOON) == "2026-11-21T12:30:00Z"
    assert recorded(deployment(end_after(1800, NOON))) == "2026-11-21T12:30:00Z"


def test_a_deployment_without_annotations_is_not_kept() -> None:
    assert recorded({"metadata": {"name": "web-v1"}, "spec": {}}) is None


@pytest.mark.parametrize(
    ("until", "over"),
    [
        ("2026-11-21T12:00:01Z", False),
        ("2026-11-21T12:00:00Z", True),
        ("2026-11-21T11:59:59Z", True),
        ("2026-11-21T13:30:00+01:00", False),
        ("2026-11-21T12:30:00+01:00", True),
        ("2026-11-21T11:00:00", True),
        ("tomorrow", False),
        ("", False),
    ],
)
def test_a_time_is_over_when_it_has_come_and_never_when_it_cannot_be_read(until: str, over: bool) -> None:
    assert is_over(until, NOON) is over


@pytest.mark.parametrize(
    ("until", "replicas", "kept"),
    [
        (None, 3, False),
        ("2026-11-21T12:30:00Z", 3, True),
        ("2026-11-21T12:30:00Z", 0, False),
        ("2026-11-21T11:30:00Z", 3, False),
        ("soon", 3, True),
    ],
)
def test_only_what_has_pods_is_kept_and_only_until_its_end(until: str | None, replicas: int, kept: bool) -> None:
    assert is_kept(deployment(until, replicas), NOON) is kept


def test_a_time_of_more_than_a_year_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a version is kept for 366 days at most"):
        end_after(400 * 86400, NOON)
