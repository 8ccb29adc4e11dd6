# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of traffic: weight, match, split, finding, change. Private to the gradual.canary collection.

Small values that know their own arithmetic and their own words; no traffic system is known here.
"""

from __future__ import annotations

import dataclasses
import decimal
import re
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._difference import Difference
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, InvalidSplit, Unsupported

Object = dict[str, t.Any]

WHOLE: t.Final = 10000


@dataclasses.dataclass(frozen=True, order=True)
class Weight:
    """A share of the requests in basis points, 0..10000; one percent is 100. Never a float."""

    points: int

    @classmethod
    def percent(cls, value: object, what: str = "weight") -> Weight:
        """Return the share for a percentage such as ``10``, ``"2.5"`` or ``"10 %"``; InvalidSplit when it is none.

        what: what the percentage is for, in the message.
        """
        text = str(value).strip().removesuffix("%").strip()
        try:
            points = decimal.Decimal(text) * 100
        except decimal.InvalidOperation:
            raise InvalidSplit(f"{what} {value!r} is not a percentage; give a number from 0 to 100") from None
        if not points.is_finite() or not 0 <= points <= WHOLE:
            raise InvalidSplit(f"{what} {value!r} is out of range; give a percentage from 0 to 100")
        if points != points.to_integral_value():
            raise InvalidSplit(f"{what} {value!r} is finer than 0.01 %, the smallest step there is")
        return cls(int(points))

    @property
    def rest(self) -> int:
        """Return the share of stable, in basis points."""
        return WHOLE - self.points

    def as_percent(self) -> str:
        """Return the number a user would type: ``10``, ``2.5``."""
        return (
            format(decimal.Decimal(self.points) / 100, "f").rstrip("0").rstrip(".")
            if self.points % 100
            else str(self.points // 100)
        )

    def __str__(self) -> str:
        return f"{self.as_percent()} %"


NOTHING: t.Final = Weight(0)
EVERYTHING: t.Final = Weight(WHOLE)


@dataclasses.dataclass(frozen=True, order=True)
class Match:
    """Requests that reach the canary whatever the weight: those with this header or cookie.

    kind: ``header`` or ``cookie``. operator: ``exact``, ``regex`` or ``always`` (ingress-nginx: the word ``always``).
    """

    kind: str
    name: str
    operator: str = "exact"
    value: str | None = None

    @classmethod
    def parse(cls, option: t.Mapping[str, t.Any]) -> Match:
        """Return the match for ``{header | cookie: NAME, value: V | regex: R}``; neither value nor regex: always."""
        unknown = sorted(set(option) - {"header", "cookie", "value", "regex"})
        given = {key: option[key] for key in ("header", "cookie", "value", "regex") if option.get(key) is not None}
        if unknown:
            raise InvalidInput(
                f"match {dict(option)} has unknown keys {unknown}; allowed: header, cookie, value, regex"
            )
        kinds = [kind for kind in ("header", "cookie") if kind in given]
        if len(kinds) != 1:
            raise InvalidInput(f"match {dict(option)} must have exactly one of header and cookie")
        if "value" in given and "regex" in given:
            raise InvalidInput(f"match {dict(option)} has both value and regex; give one")
        name = str(given[kinds[0]])
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise InvalidInput(f"{name!r} is not a {kinds[0]} name")
        if "regex" in given:
            return cls(kinds[0], name, "regex", str(given["regex"]))
        if "value" in given:
            return cls(kinds[0], name, "exact", str(given["value"]))
        return cls(kinds[0], name, "always")

    def is_same(self, other: Match) -> bool:
        """Compare; names of headers have no case, those of cookies have."""
        mine, theirs = (
            dataclasses.replace(each, name=each.name.lower()) if each.kind == "header" else each
            for each in (self, other)
        )
        return mine == theirs

    def as_option(self) -> dict[str, str]:
        option = {self.kind: self.name}
        if self.operator == "regex":
            option["regex"] = str(self.value)
        elif self.operator == "exact":
            option["value"] = str(self.value)
        return option

    def __str__(self) -> str:
        if self.operator == "always":
            return f"{self.kind} {self.name}: always"
        sign = "~" if self.operator == "regex" else "="
        return f"{self.kind} {self.name} {sign} {self.value}"


@dataclasses.dataclass(frozen=True)
class Split:
    """What the traffic system is told: who serves, and with which share.

    stable, canary: names of Services; canary is None when there is no canary. stable_version, canary_version: the
    versions behind them, None when their pods do not say. raw: the numbers as the object has them, for messages.
    mirror: share of all requests of which the canary gets a copy, whose answer nobody sees.
    """

    stable: str
    canary: str | None
    weight: Weight
    matches: tuple[Match, ...] = ()
    stable_version: str | None = None
    canary_version: str | None = None
    raw: tuple[tuple[str, int], ...] = ()
    mirror: Weight = NOTHING

    def __str__(self) -> str:
        if self.canary is None:
            return f"all to {self.stable}"
        text = f"{self.weight} to {self.canary}, {Weight(self.weight.rest)} to {self.stable}"
        text += "".join(f"; {match} to {self.canary}" for match in self.matches)
        return text + (f"; copies of {self.mirror} to {self.canary}" if self.mirror > NOTHING else "")

    def as_result(self) -> dict[str, t.Any]:
        return {
            "stable": {"service": self.stable, "version": self.stable_version},
            "canary": {"service": self.canary, "version": self.canary_version} if self.canary else None,
            "weight": self.weight.as_percent(),
            "matches": [match.as_option() for match in self.matches],
            "mirror": self.mirror.as_percent(),
            "words": str(self),
        }


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something a preflight saw. level: ``error`` refuses the change, ``warning`` is reported with it."""

    level: str
    code: str
    message: str
    remedy: str

    def as_result(self) -> dict[str, str]:
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}"


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What a traffic system can do.

    resolution: smallest step of the weight in basis points. per: ``request`` or ``connection``.
    law: how requests are shared out, ``random`` or ``round_robin``.
    match_with_weight: whether match routes can be relied on beside a weight above 0.
    zero_canary_endpoints: what users in the canary's share get when it has no endpoints: ``fallback``, ``5xx``,
    ``no_share`` where its endpoints are its share, or ``unknown``.
    zero_stable_endpoints: the same for stable: ``5xx`` for its share, ``5xx_for_all`` whatever the weight,
    ``no_share``, or ``unknown``.
    weights: ``any`` multiple of the resolution, ``ratio``: those that numbers of pods can make, or ``steps``: those
    that the workload's own steps name.
    in_place: whether all versions are templates of one workload.
    mirror: of which requests the canary can be sent copies: ``any`` share, ``all`` or none of them, or ``none``.
    own_matches: match routes that are there without being asked for, by which the canary is reached before any weight.
    """

    resolution: int
    match_kinds: frozenset[str]
    match_operators: frozenset[str]
    match_with_weight: bool
    most_matches: int
    per: str
    law: str
    zero_canary_endpoints: str
    zero_stable_endpoints: str
    propagation_seconds: float
    weights: str = "any"
    in_place: bool = False
    mirror: str = "none"
    own_matches: tuple[Match, ...] = ()

    @classmethod
    def parse(cls, result: t.Mapping[str, t.Any]) -> Capabilities:
        """Return them from what `as_result` made of them."""
        parts = {
            "match_kinds": frozenset(result["match_kinds"]),
            "match_operators": frozenset(result["match_operators"]),
            "own_matches": tuple(Match.parse(match) for match in result.get("own_matches") or ()),
        }
        return cls(**{**result, **parts})

    def as_result(self) -> dict[str, t.Any]:
        return {
            **dataclasses.asdict(self),
            "match_kinds": sorted(self.match_kinds),
            "match_operators": sorted(self.match_operators),
            "own_matches": [match.as_option() for match in self.own_matches],
        }

    def require(self, weight: Weight, matches: t.Sequence[Match], where: str) -> None:
        """Raise InvalidSplit when this system cannot represent the weight and the matches."""
        if weight.points % self.resolution:
            nearest = Weight(weight.points - weight.points % self.resolution)
            raise InvalidSplit(
                f"{where} cannot represent a weight of {weight}; its smallest step is {Weight(self.resolution)}, "
                f"the nearest below is {nearest}"
            )
        self.require_matches(matches, where)
        if matches and weight.points and not self.match_with_weight:
            raise InvalidSplit(
                f"{where} cannot be relied on to follow a weight of {weight} beside a match route "
                f"({', '.join(str(match) for match in matches)}); give the one or the other: weight 0, or no matches"
            )

    def require_matches(self, matches: t.Sequence[Match], where: str) -> None:
        """Raise InvalidSplit when this system cannot route by these matches."""
        for match in matches:
            if not self.match_kinds:
                raise InvalidSplit(f"{where} has no match routes, so it cannot route by '{match}'; give weights only")
            if match.kind not in self.match_kinds or match.operator not in self.match_operators:
                raise InvalidSplit(
                    f"{where} cannot route by '{match}'; it can by {', '.join(sorted(self.match_kinds))} with "
                    f"{', '.join(sorted(self.match_operators))}"
                )
        if len(matches) > self.most_matches:
            raise InvalidSplit(f"{where} takes at most {self.most_matches} match routes, not {len(matches)}")

    def require_mirror(self, mirror: Weight, where: str, why: str) -> None:
        """Raise Unsupported when this system cannot send the canary copies of this share of the requests."""
        require_mirror(self.mirror, mirror, where, why)


def require_mirror(able: str, mirror: Weight, where: str, why: str) -> None:
    """Raise Unsupported when a system cannot send the canary copies of this share of the requests.

    able: its capability, ``any``, ``all`` or ``none``. why: the reason, where it can send none.
    """
    if mirror == NOTHING or able == "any" or (able == "all" and mirror == EVERYTHING):
        return
    if able == "all":
        raise Unsupported(
            f"{where} copies all requests to the canary or none, not {mirror}: its controller does not look at the "
            "share and would copy them all. Nothing was changed; use mirror 100 if the canary bears that, or let "
            "testers in by match routes at weight 0, or begin with a small weight."
        )
    raise Unsupported(
        f"{where} cannot send the canary copies of requests: {why}. Nothing was changed; let testers in by match "
        "routes at weight 0, begin with a small weight, or put the application behind istio or a controller of "
        "gateway_api that mirrors."
    )


@dataclasses.dataclass(frozen=True)
class Change:
    """The result of one mutation: the split before and after, and the objects' differences."""

    before: Split
    after: Split
    differences: tuple[Difference, ...] = ()

    @property
    def changed(self) -> bool:
        return any(difference.changed for difference in self.differences)
