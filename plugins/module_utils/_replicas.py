# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who decides on a Deployment's number of pods, and what to write so that nobody fights. Private to gradual.canary.

Pure functions on objects as the API returns them. Measured on Kubernetes 1.36: leaving a field out of a server-side
apply that only we own resets it (replicas 3 become 1), and a number changed since then is another manager's.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object


def autoscaler_of(deployment: str, items: t.Iterable[Object]) -> Object | None:
    """Return the HorizontalPodAutoscaler among `items` that scales the Deployment of this name."""
    for item in items:
        reference = item.get("spec", {}).get("scaleTargetRef") or {}
        if item.get("kind") == "HorizontalPodAutoscaler" and (
            (reference.get("kind"), reference.get("name")) == ("Deployment", deployment)
        ):
            return item
    return None


def number_of(deployment: Object) -> int:
    """Return how many pods a Deployment asks for."""
    return int(deployment["spec"].get("replicas", 1))


def first_number(autoscaler: Object | None, asked: int | None) -> int:
    """Return the number of pods a new Deployment starts with."""
    return max(_least(autoscaler), 1 if asked is None else asked)


def applied_number(live: Object, autoscaler: Object | None) -> int | None:
    """Return the ``spec.replicas`` to send when an existing Deployment is applied; None to leave the field out.

    It is never another number than the live one, so applying neither changes it nor conflicts with who did.
    """
    if autoscaler is not None and not _applied_by_us(live):
        return None
    return number_of(live)


def wanted_number(live: Object, autoscaler: Object | None, asked: int | None) -> int:
    """Return how many pods an existing Deployment shall have: an autoscaler's number is its own, unless it is 0.

    At 0 an autoscaler rests, so it must be woken.
    """
    if autoscaler is not None:
        return number_of(live) or first_number(autoscaler, asked)
    return (number_of(live) or 1) if asked is None else asked


def dispute(live: Object, autoscaler: Object, asked: int | None) -> str | None:
    """Return a warning, in the words of which number stays, where an autoscaler and the user's number disagree."""
    number = number_of(live)
    if number == 0 or (asked in (None, number) and not _applied_by_us(live)):
        return None
    instead = "" if asked in (None, number) else f" and not {asked} as asked"
    return (
        f"HorizontalPodAutoscaler {autoscaler['metadata']['name']} scales Deployment {live['metadata']['name']}: its "
        f"replicas stay at {number}{instead}. Leave replicas out, and set minReplicas of the autoscaler instead."
    )


def _least(autoscaler: Object | None) -> int:
    return int(autoscaler["spec"].get("minReplicas") or 1) if autoscaler else 0


def _applied_by_us(live: Object) -> bool:
    """Say whether an earlier server-side apply of ours still owns ``spec.replicas``."""
    return any(
        entry.get("manager") == FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in live["metadata"].get("managedFields") or ()
    )
