# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many new pods beside all old ones make a weight. Pure. Private to the gradual.canary collection."""

from __future__ import annotations

from ansible_collections.gradual.canary.plugins.module_utils._backends._replica_ratio import Share, share, weight_of
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._traffic import WHOLE, Weight


def nearest_count(wanted: Weight, replicas: int, max_error: int) -> int:
    """Return the number of new pods beside `replicas` old ones whose share is nearest to a weight between 0 and 100.

    Of two equally near the lower. max_error: in basis points. Raises InvalidSplit, naming what can be reached, when the
    share would be further off.
    """
    if replicas < 1:
        raise InvalidSplit(
            f"deployment cannot give {wanted} to a new version: the Deployment has no replicas. Nothing was changed; "
            "scale it up first."
        )
    goal = Share(wanted.points, WHOLE)
    error, count = min((abs(share(replicas, count) - goal), count) for count in range(1, replicas + 1))
    if error * WHOLE > max_error:
        near = sorted({count for count in (count - 1, count, count + 1) if 1 <= count <= replicas})
        found = ", ".join(f"{weight_of(share(replicas, one))} ({one} new pods)" for one in near)
        raise InvalidSplit(
            f"deployment cannot give {wanted} with {replicas} replicas: all of them stay while there are up to as many "
            f"new ones, so the weights next to it are {found}, and then 100 %; backend.max_error allows "
            f"{Weight(max_error).as_percent()} points. Nothing was changed; give one of these, or more replicas.",
            wanted=wanted.as_percent(),
        )
    return count
