# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shares made of numbers of pods, and the way from one to the next. Private to the gradual.canary collection.

Pure. A Service shares its connections out among its ready pods, so with s pods of stable and c of the canary behind it
the canary has c/(s+c) of them: only such shares can be reached.
"""

from __future__ import annotations

import dataclasses
import enum
import fractions
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._traffic import EVERYTHING, NOTHING, WHOLE, Weight

Share = fractions.Fraction


class Selected(enum.Enum):
    """Whose pods the Service selects."""

    STABLE = "stable"
    BOTH = "both"
    CANARY = "canary"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Numbers of pods, and whose the Service selects: that is the whole split."""

    stable: int
    canary: int
    selected: Selected

    @property
    def weight(self) -> Weight:
        """Return the canary's share, rounded to a basis point; a share that is there is never rounded to nothing."""
        if self.selected is Selected.STABLE:
            return NOTHING
        if self.selected is Selected.CANARY:
            return EVERYTHING
        if not self.canary:
            return NOTHING
        if not self.stable:
            return EVERYTHING
        return weight_of(share(self.stable, self.canary))


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a ratio may cost and how far it may be off.

    least: pods of both versions together, so that capacity never shrinks. most: the same, so that it does not grow
    without end. max_error: distance of the reached share from the wanted one, in basis points.
    """

    least: int
    most: int
    max_error: int

    def __post_init__(self) -> None:
        if self.most < max(2, self.least):
            raise InvalidInput(
                f"replicas: max_replicas is {self.most}, and both versions together need at least "
                f"{max(2, self.least)} pods; raise backend.max_replicas or lower backend.min_replicas"
            )


class Step(t.NamedTuple):
    """One write on the way: of ``stable`` and ``canary`` the Deployment's replicas, of ``service`` what it selects."""

    what: t.Literal["stable", "canary", "service"]
    layout: Layout  # as it is after the write


def share(stable: int, canary: int) -> Share:
    return Share(canary, stable + canary)


def weight_of(value: Share) -> Weight:
    """Return a share as a weight, in basis points; between nothing and everything it stays between them."""
    return Weight(min(max(round(value * WHOLE), 1), WHOLE - 1))


def best_numbers(wanted: Weight, limits: Limits) -> tuple[int, int]:
    """Return how many pods stable and canary are to have: least error, then fewest pods, then fewest of the canary.

    Both have at least one. Raises InvalidSplit, naming the nearest weights that can be reached, when the share would be
    further off than the limits allow.
    """
    goal = Share(wanted.points, WHOLE)
    candidates = [
        (abs(share(total - canary, canary) - goal), total, canary)
        for total in range(max(2, limits.least), limits.most + 1)
        for canary in (_within(total, int(total * goal)), _within(total, int(total * goal) + 1))
    ]
    error, total, canary = min(candidates)
    if error * WHOLE > limits.max_error:
        raise InvalidSplit(
            f"replicas cannot give {wanted} with {max(2, limits.least)} to {limits.most} pods: the nearest weights are "
            f"{_nearest(goal, limits)}, and backend.max_error allows {Weight(limits.max_error).as_percent()} points. "
            "Nothing was changed; give one of these, or raise backend.max_replicas.",
            wanted=wanted.as_percent(),
        )
    return total - canary, canary


def _within(total: int, canary: int) -> int:
    return min(max(canary, 1), total - 1)


def _nearest(goal: Share, limits: Limits) -> str:
    """Return the reachable weights next to a goal, the lower one first."""
    reachable = {
        share(total - canary, canary)
        for total in range(max(2, limits.least), limits.most + 1)
        for canary in range(1, total)
    }
    below, above = [r for r in reachable if r <= goal], [r for r in reachable if r >= goal]
    found = dict.fromkeys([*([max(below)] if below else []), *([min(above)] if above else [])])
    return " and ".join(str(weight_of(value)) for value in found)


def steps(before: Layout, after: Layout) -> tuple[Step, ...]:
    """Return the writes from one layout to another, in the order in which no capacity and no user is risked.

    The Service is always one of them: what it says of itself may be all that changes.

    What gets more pods gets them before anything gets less, and the canary after stable; what gets less, the canary
    before stable. So the share never exceeds both the old and the new one, and there are never fewer pods than before
    or after. A version that is not selected yet has its number before it is selected, and one that is left has it
    afterwards. A canary that is not selected yet comes first of all: if it cannot be ready, stable is as it was.
    """
    taken: list[Step] = []
    now = before

    def take(what: t.Literal["stable", "canary", "service"], layout: Layout) -> None:
        nonlocal now
        if layout != now or what == "service":
            now = layout
            taken.append(Step(what, layout))

    if before.selected is Selected.STABLE and after.selected is not Selected.STABLE:
        take("canary", dataclasses.replace(now, canary=after.canary))
    joins_stable = before.selected is Selected.CANARY
    if after.selected is not Selected.CANARY and (joins_stable or after.stable > now.stable):
        take("stable", dataclasses.replace(now, stable=after.stable))
    if after.selected is not Selected.STABLE and after.canary > now.canary:
        take("canary", dataclasses.replace(now, canary=after.canary))
    take("service", dataclasses.replace(now, selected=after.selected))
    take("canary", dataclasses.replace(now, canary=after.canary))
    take("stable", dataclasses.replace(now, stable=after.stable))
    return tuple(taken)
