# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of a release, and where a release stands. Pure. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._traffic import (
    EVERYTHING,
    NOTHING,
    Match,
    Weight,
    require_mirror,
)

_STAGE_KEYS: t.Final = ("name", "weight", "matches", "mirror", "verify", "bake", "approve")
_VERIFY_KEYS: t.Final = (
    "profile",
    "delta",
    "alpha",
    "beta",
    "errors",
    "latency",
    "limit",
    "timeout",
    "populations",
    "clients",
)
_APPROVE_KEYS: t.Final = ("prompt", "timeout")
_PROFILES: t.Final = ("quick", "standard", "strict")
STRATEGIES: t.Final = ("canary", "blue_green")
_UNITS: t.Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: object, where: str) -> int:
    """Return the seconds of a duration such as ``90``, ``"5m"`` or ``"1h30m"``; InvalidInput when it is none."""
    text = str(value).strip()
    if re.fullmatch(r"[0-9]+", text):
        return int(text)
    if not re.fullmatch(r"([0-9]+[smhd])+", text):
        raise InvalidInput(f"{where} {value!r} is not a duration; write seconds, or 30s, 5m, 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)([smhd])", text))


@dataclasses.dataclass(frozen=True)
class Approval:
    """A question between this stage and the next. timeout: seconds a terminal waits for an answer."""

    prompt: str
    timeout: int = 3600

    def as_result(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A weight, and what must hold before the next stage.

    number counts from 1. start: the weight before this stage. mirror: share of the requests of which the canary gets a
    copy. verify: options of the verb ``verify``; None: no proof. bake: seconds to go on watching after the proof.
    """

    number: int
    name: str
    start: Weight
    weight: Weight
    matches: tuple[Match, ...] = ()
    verify: t.Mapping[str, t.Any] | None = None
    bake: int = 0
    approval: Approval | None = None
    mirror: Weight = NOTHING

    def as_result(self) -> dict[str, t.Any]:
        return {
            "number": self.number,
            "name": self.name,
            "start": self.start.as_percent(),
            "weight": self.weight.as_percent(),
            "matches": [match.as_option() for match in self.matches],
            "mirror": self.mirror.as_percent(),
            "verify": None if self.verify is None else dict(self.verify),
            "bake": self.bake,
            "approve": self.approval.as_result() if self.approval else None,
        }


@dataclasses.dataclass(frozen=True)
class Plan:
    """A release: what must hold in the preview, at weight 0, and the stages after it.

    preview: None when the plan says nothing of it; then there is neither a question nor a proof that users are spared.
    """

    preview: Stage | None
    stages: tuple[Stage, ...]


def parse_plan(value: object, version: str, strategy: str) -> Plan:
    """Return the plan of a release of `version`.

    value: a list as of `parse_stages`, before which a stage of weight 0 may stand: the preview. With the strategy
    ``blue_green`` there are no weights but 0 and 100, and what is not given is filled in.
    Raises InvalidInput naming the stage and the key.
    """
    entries = [] if value is None else value
    if not isinstance(entries, list):
        raise InvalidInput("stages must be a list, for example [{weight: 10}, {weight: 100}]")
    entries = [entry if isinstance(entry, dict) else {"weight": entry} for entry in entries]
    if strategy == "blue_green":
        entries = _blue_green(entries)
    if not entries or not _is_preview(entries[0]):
        return Plan(None, parse_stages(entries, version))
    return Plan(_preview(entries[0], version), parse_stages(entries[1:], version, position=2))


def _is_preview(entry: t.Mapping[str, t.Any]) -> bool:
    """Say whether a stage is that of weight 0; one with copies of requests is a stage like any other."""
    return "weight" in entry and Weight.percent(entry["weight"]) == NOTHING and not entry.get("mirror")


def _blue_green(entries: t.Sequence[t.Mapping[str, t.Any]]) -> list[t.Mapping[str, t.Any]]:
    """Return the stages with those that are not given; InvalidInput when one is between 0 and 100."""
    weights = [Weight.percent(entry.get("weight", 0)) for entry in entries]
    for number, weight in enumerate(weights, start=1):
        if NOTHING < weight < EVERYTHING:
            raise InvalidInput(
                f"stage {number} has weight {weight}, and the strategy blue_green switches at once: its weights are 0 "
                "(the preview) and 100. Leave canary_stages out, or give [{weight: 0, approve: true}, {weight: 100}]; "
                "for a share in between take the strategy canary"
            )
    before = [] if any(_is_preview(entry) for entry in entries) else [{"weight": 0}]
    after = [] if EVERYTHING in weights else [{"weight": 100}]
    return [*before, *entries, *after]


def _preview(entry: t.Mapping[str, t.Any], version: str) -> Stage:
    if entry.get("matches"):
        raise InvalidInput("stage 1 is the preview, at weight 0; its match routes are those of canary_preview")
    question = _approval(
        "stage 1", entry.get("approve"), f"{version} is proven in the preview, and no user sees it: go on?"
    )
    stage = dataclasses.replace(_stage(1, {"name": "preview", **entry}, NOTHING, version), approval=question)
    if stage.verify is None:
        raise InvalidInput("stage 1 is the preview, at weight 0; it exists to be verified. Leave the stage out instead")
    return stage


def parse_stages(value: object, version: str, *, position: int = 1) -> tuple[Stage, ...]:
    """Return the stages of a release of `version`.

    value: a list of percentages or of mappings with `_STAGE_KEYS`. Weights ascend strictly and end at 100; a stage with
    a mirror may stay at the weight before. position: that of the first in the user's list, for messages.
    Raises InvalidInput naming the stage and the key.
    """
    if not isinstance(value, list) or not value:
        raise InvalidInput("stages must be a list with at least one stage, for example [{weight: 10}, {weight: 100}]")
    stages: list[Stage] = []
    for place, entry in enumerate(value, start=position):
        start = stages[-1].weight if stages else NOTHING
        stage = _stage(place, entry if isinstance(entry, dict) else {"weight": entry}, start, version)
        if stage.weight < start or (stage.weight == start and stage.mirror == NOTHING):
            raise InvalidInput(
                f"stage {place} has weight {stage.weight}, which is not above {start} of the stage before; "
                "weights must ascend from more than 0 to 100 (a stage with a mirror may stay at the weight before)"
            )
        stages.append(dataclasses.replace(stage, number=len(stages) + 1))
    if stages[-1].weight != EVERYTHING:
        raise InvalidInput(
            f"the last stage has weight {stages[-1].weight}; it must have 100, for the promotion rests on its proof. "
            "Add {weight: 100} at the end."
        )
    return tuple(stages)


def require_mirrors(stages: t.Sequence[Stage], able: str) -> None:
    """Raise Unsupported when a stage asks for copies that the traffic system (its capability `able`) cannot make."""
    for stage in stages:
        require_mirror(able, stage.mirror, f"stage {stage.number}: the traffic system", "it has no way to")


def next_stage(stages: t.Sequence[Stage], weight: Weight) -> int:
    """Return the number of the stage at which a release at `weight` goes on.

    A stage whose weight is reached but whose proof this run has not seen is proven again: the evidence of another run
    is not ours.
    """
    for stage in stages:
        if stage.weight >= weight and weight > NOTHING:
            return stage.number
    return 1


def status_of(version: str, split: t.Mapping[str, t.Any]) -> str:
    """Return ``new``, ``underway``, ``promoted``, ``finished`` or ``other_canary`` for a release of `version`.

    ``promoted``: it is the stable version, and its canary route is still there.

    split: ``Split.as_result()``; empty: nothing is known, so the release is new.
    """
    canary = (split.get("canary") or {}).get("version")
    if canary not in (None, version):
        return "other_canary"
    stable = (split.get("stable") or {}).get("version")
    if canary == version:
        return "promoted" if stable == version else "underway"
    return "finished" if stable == version else "new"


def _stage(number: int, entry: t.Mapping[str, t.Any], start: Weight, version: str) -> Stage:
    where = f"stage {number}"
    _known_keys(where, entry, _STAGE_KEYS)
    mirror = Weight.percent(entry.get("mirror") or 0, f"{where}: mirror")
    if "weight" not in entry and mirror == NOTHING:
        raise InvalidInput(f"{where} has no weight; give the percentage of traffic that {version} is to receive")
    weight = Weight.percent(entry.get("weight", start.as_percent()))
    if mirror > NOTHING and weight == EVERYTHING:
        raise InvalidInput(
            f"{where} has a mirror beside a weight of 100: {version} has every request already. Take the mirror out."
        )
    reached = f"mirror-{mirror.as_percent()}" if mirror > NOTHING and weight == start else weight.as_percent()
    at = f"at {weight}{f' and copies of {mirror}' if mirror > NOTHING else ''}"
    return Stage(
        number=number,
        name=str(entry.get("name") or reached),
        start=start,
        weight=weight,
        matches=tuple(Match.parse(match) for match in entry.get("matches") or ()),
        verify=_verify(where, entry.get("verify", True)),
        bake=seconds(entry.get("bake", 0), f"{where}: bake"),
        approval=_approval(where, entry.get("approve"), f"{version} {at}: go on?"),
        mirror=mirror,
    )


def _verify(where: str, value: object) -> t.Mapping[str, t.Any] | None:
    if value is False or value == "none":
        return None
    options = {"profile": "standard"} if value is True else {"profile": value} if isinstance(value, str) else value
    if not isinstance(options, dict):
        raise InvalidInput(f"{where}: verify must be true, false, one of {', '.join(_PROFILES)}, or a mapping")
    _known_keys(f"{where}: verify", options, _VERIFY_KEYS)
    if options.get("profile", "standard") not in _PROFILES:
        raise InvalidInput(
            f"{where}: verify profile {options['profile']!r} is unknown; allowed: {', '.join(_PROFILES)}"
        )
    return {"profile": "standard", **options}


def _approval(where: str, value: object, prompt: str) -> Approval | None:
    if value is None or value is False:
        return None
    options = {} if value is True else {"prompt": value} if isinstance(value, str) else value
    if not isinstance(options, dict):
        raise InvalidInput(f"{where}: approve must be true, false, a question, or a mapping with prompt and timeout")
    _known_keys(f"{where}: approve", options, _APPROVE_KEYS)
    return Approval(
        str(options.get("prompt") or prompt), seconds(options.get("timeout", 3600), f"{where}: approve: timeout")
    )


def _known_keys(where: str, value: t.Mapping[str, t.Any], allowed: t.Sequence[str]) -> None:
    unknown = sorted(str(key) for key in set(value) - set(allowed))
    if unknown:
        raise InvalidInput(f"{where} has unknown keys: {', '.join(unknown)}; allowed: {', '.join(allowed)}")
