# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controllers of the Gateway API can do beyond its core. Private to the gradual.canary collection.

Regular expressions on headers are specific to the implementation; the core has exact values only. Copying requests is
beyond the core as well, and looking at how many are to be copied beyond that.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._traffic import Capabilities

_EXACT: t.Final = frozenset({"exact"})
_REGEX: t.Final = frozenset({"exact", "regex"})

UNKNOWN: t.Final = Capabilities(
    resolution=1,
    match_kinds=frozenset({"header"}),
    match_operators=_EXACT,
    match_with_weight=True,
    most_matches=15,  # an HTTPRoute has 16 rules, and one of them splits
    per="request",
    law="random",
    zero_canary_endpoints="5xx",
    zero_stable_endpoints="5xx",
    propagation_seconds=5.0,  # assumed, not measured
)
_REGULAR: t.Final = dataclasses.replace(UNKNOWN, match_kinds=frozenset({"header", "cookie"}), match_operators=_REGEX)

# By GatewayClass spec.controllerName. Seconds: the last old answer after a PATCH with 200 more routes, where measured.
_CONTROLLERS: t.Final[dict[str, Capabilities]] = {
    # Contour 1.33 ignores percent and fraction of a mirror and copies every request (its issue 7021; tried).
    "projectcontour.io/gateway-controller": dataclasses.replace(_REGULAR, propagation_seconds=0.5, mirror="all"),
    "istio.io/gateway-controller": dataclasses.replace(_REGULAR, propagation_seconds=1.1, mirror="any"),
    # Smooth weighted round robin; collects changes for up to 2 s.
    "traefik.io/gateway-controller": dataclasses.replace(_REGULAR, law="round_robin", propagation_seconds=2.0),
    # Splits by a hash of the request's id to 0.01 %; ignores the names of rules and says so (UnsupportedField).
    "gateway.nginx.org/nginx-gateway-controller": dataclasses.replace(_REGULAR, mirror="any"),
    "gateway.envoyproxy.io/gatewayclass-controller": dataclasses.replace(_REGULAR, mirror="any"),
}


_MIRRORS: t.Final = ("none", "all", "any")
"""From the least to the most that a controller can do."""


def is_known(controller: str) -> bool:
    return controller in _CONTROLLERS


def capabilities_of(controllers: t.Collection[str]) -> Capabilities:
    """Return what all these controllers can do; a controller that is not known, or none, can do what the core has."""
    known = [_CONTROLLERS.get(name, UNKNOWN) for name in sorted(controllers)] or [UNKNOWN]
    first = known[0]
    return dataclasses.replace(
        first,
        match_kinds=frozenset.intersection(*(each.match_kinds for each in known)),
        match_operators=frozenset.intersection(*(each.match_operators for each in known)),
        law=first.law if len({each.law for each in known}) == 1 else "random",
        propagation_seconds=max(each.propagation_seconds for each in known),
        mirror=min((each.mirror for each in known), key=_MIRRORS.index),
    )
