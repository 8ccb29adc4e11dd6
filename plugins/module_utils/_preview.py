# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to a version that no user has yet. Pure. Private to the gradual.canary collection.

A way is a match route, which the release makes and takes away, or a host or an address that leads to the version by
itself: a route, an Ingress or the Service of its own. Either way a sample differs from a user's request in a few
options of the verb ``verify``.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput, InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._sampling import carried_by
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Capabilities, Match

_PLACES: t.Final = ("host", "address")

_OF_ONE_DEPLOYMENT: t.Final = (
    "the strategy blue_green tests a version before any user gets it, and keeps the old one after that. In one "
    "Deployment users get each new pod as soon as it is ready, and once they are on the new version no old pod is "
    "left. Take the strategy canary, or another backend"
)
_OF_STEPS: t.Final = (
    "the strategy blue_green says how many pods the new version has, and how long the old one keeps its own; of a "
    "Rollout its controller says both. Take the strategy canary: behind a traffic router, the steps 'setWeight: 100' "
    "and 'pause: {}' hold both versions at full size until the promotion, and scaleDownDelaySeconds the old one after "
    "it. A Rollout with a blueGreen strategy is its controller's, and kubectl argo rollouts drives it"
)


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to the version. client: the options of ``verify`` in which its requests differ from a user's."""

    words: str
    client: t.Mapping[str, t.Any]
    match: Match | None = None

    def as_result(self) -> dict[str, t.Any]:
        return {"words": self.words, "client": dict(self.client)}


def parse_preview(value: object, capabilities: t.Mapping[str, t.Any] | None = None) -> tuple[Way, ...]:
    """Return the ways of a preview.

    value: a match as of `Match.parse`, a mapping with ``host``, ``address`` or both, or a list of these; None: no way.
    capabilities: ``Capabilities.as_result()`` of the traffic system, which must be able to route by the matches.
    Raises InvalidInput.
    """
    entries = value if isinstance(value, list) else [] if value is None or value == {} else [value]
    ways = tuple(_way(entry) for entry in entries)
    matches = [way.match for way in ways if way.match]
    if matches and capabilities:
        able = Capabilities.parse(capabilities)
        try:
            wanted = [match for match in matches if not any(match.is_same(one) for one in able.own_matches)]
            able.require_matches(wanted, "this traffic system")
        except InvalidSplit as error:
            raise InvalidInput(
                f"canary_preview: {error.message}. A host or an address that leads to the version's own Service does "
                "instead: canary_preview: {host: preview.shop.example.com}"
            ) from error
    return ways


def require_blue_green(ways: t.Sequence[Way], capabilities: t.Mapping[str, t.Any]) -> None:
    """Raise InvalidInput when a version cannot be tested at full size before all users get it at once."""
    if capabilities.get("in_place"):
        raise InvalidInput(_OF_STEPS if capabilities.get("weights") == "steps" else _OF_ONE_DEPLOYMENT)
    if not ways:
        raise InvalidInput(
            "the strategy blue_green needs a preview, for nothing is switched that was not tested. Where the traffic "
            "system routes by header that is there by itself, unless canary_probe is false; else give a host or an "
            "address that leads to the version's own Service: canary_preview: {host: preview.shop.example.com} or "
            "{address: 'web-v2.shop.svc:8080'}"
        )


def _way(entry: object) -> Way:
    if not isinstance(entry, dict):
        raise InvalidInput(
            f"canary_preview {entry!r} is no way to the version; give a header or cookie with a value, or a host"
        )
    if not any(key in entry for key in _PLACES):
        match = Match.parse(entry)
        if match.operator == "regex":
            raise InvalidInput(
                f"canary_preview: no request can be made up for '{match}', so it cannot be proven; give a value"
            )
        return Way(f"preview by {match}", {"headers": carried_by(match)}, match)
    unknown = sorted(str(key) for key in set(entry) - set(_PLACES))
    if unknown:
        raise InvalidInput(
            f"canary_preview {entry} has unknown keys {unknown}; beside host and address there are none. A match route "
            "is an entry of its own"
        )
    client = {key: str(entry[key]) for key in _PLACES if entry.get(key)}
    if not client:
        raise InvalidInput(f"canary_preview {entry} names neither a host nor an address")
    return Way("preview at " + ", ".join(f"{key} {value}" for key, value in client.items()), client)
