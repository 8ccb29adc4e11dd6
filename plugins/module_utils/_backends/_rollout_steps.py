# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which weights the steps of an Argo Rollout can hold, and how to get there. Pure. Private to gradual.canary.

A Rollout has no weight that could be set: its steps say all weights there are, and it only goes forward through them.
It holds one where a step is a pause without a duration; everything else passes by itself. After the last step the new
version has everything and is the stable one.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    EVERYTHING,
    NOTHING,
    WHOLE,
    Weight,
)


@dataclasses.dataclass(frozen=True)
class Stop:
    """A place at which the Rollout waits: the index of its step (that of the end is the number of steps)."""

    index: int
    weight: Weight


@dataclasses.dataclass(frozen=True)
class Steps:
    """The steps of a canary strategy. most: what stands for 100 %, ``trafficRouting.maxTrafficWeight``."""

    items: tuple[Object, ...]
    most: int = 100

    @classmethod
    def of(cls, canary: Object) -> Steps:
        routing = canary.get("trafficRouting") or {}
        return cls(tuple(canary.get("steps") or ()), int(routing.get("maxTrafficWeight") or 100))

    @property
    def end(self) -> int:
        return len(self.items)

    def weight_at(self, index: int) -> Weight:
        """Return the weight that holds at a step: the latest that was set; everything after the last step."""
        if index >= self.end:
            return EVERYTHING
        for step in reversed(self.items[: index + 1]):
            if step.get("setWeight") is not None:
                return Weight(min(WHOLE, round(int(step["setWeight"]) * WHOLE / self.most)))
        return NOTHING

    @property
    def stops(self) -> tuple[Stop, ...]:
        """Return the places at which it waits for somebody, and its end."""
        waits = (index for index, step in enumerate(self.items) if is_stop(step))
        return (*(Stop(index, self.weight_at(index)) for index in waits), Stop(self.end, EVERYTHING))

    def next_stop(self, index: int) -> Stop:
        """Return where it waits next when it goes on from a step."""
        return next(stop for stop in self.stops if stop.index >= min(index, self.end))

    def stop_for(self, weight: Weight, index: int, where: str) -> Stop:
        """Return the first stop with this weight at or after a step; InvalidSplit, with what there is, when none."""
        ahead = [stop for stop in self.stops if stop.index >= index]
        found = next((stop for stop in ahead if stop.weight == weight), None)
        if found:
            return found
        behind = any(stop.weight == weight for stop in self.stops)
        nearest = self.nearest(weight, [stop.weight for stop in ahead])
        reason = (
            f"has left {weight} behind, and steps are never gone back; only 0 takes all traffic back"
            if behind
            else f"has no step that holds {weight}; the nearest it can hold is {nearest}"
        )
        raise InvalidSplit(
            f"{where} {reason}. From here its steps can hold: {words([stop.weight for stop in ahead])}. "
            + ("" if behind else advice(weight, self.most)),
            nearest=nearest.as_percent(),
            reachable=[stop.weight.as_percent() for stop in ahead],
        )

    def require(self, weights: t.Iterable[Weight], where: str) -> None:
        """Raise InvalidSplit for the first of a release's weights that the steps cannot hold."""
        index = 0
        for weight in weights:
            index = self.stop_for(weight, index, where).index

    @staticmethod
    def nearest(weight: Weight, among: t.Sequence[Weight]) -> Weight:
        return min(among, key=lambda one: (abs(one.points - weight.points), one.points))

    @property
    def can_probe(self) -> bool:
        """Say whether it waits without weight first, so that pods of the canary run before any user reaches them."""
        return self.stops[0].weight == NOTHING


def is_stop(step: Object) -> bool:
    """Say whether the Rollout waits at this step for somebody: a pause that has no duration."""
    pause = step.get("pause")
    return pause is not None and pause.get("duration") in (None, "")


def words(weights: t.Sequence[Weight]) -> str:
    return ", ".join(dict.fromkeys(str(weight) for weight in weights))


def advice(weight: Weight, most: int = 100) -> str:
    """Return what to write into the steps to hold a weight."""
    value, rest = divmod(weight.points * most, WHOLE)
    if rest:
        return f"It counts in parts of {most} (trafficRouting.maxTrafficWeight), and {weight} is none of them."
    return f"Give that weight, or add the steps '- setWeight: {value}' and '- pause: {{}}' to its canary strategy."
