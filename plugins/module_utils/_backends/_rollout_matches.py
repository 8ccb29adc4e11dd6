# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The header and cookie routes that an Argo Rollout's own spec has. Pure. Private to the gradual.canary collection.

They are part of the Rollout: static annotations of the canary Ingress (nginx), or steps of their own (Istio). The
controller writes what comes of them, so they are told of here and never changed.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import Annotated
from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidSplit
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Match

_USUAL_PREFIX: t.Final = "nginx.ingress.kubernetes.io"


def matches_at(canary: Object, index: int) -> tuple[Match, ...]:
    """Return the match routes that hold at a step, as the spec of the canary strategy has them."""
    routing = canary.get("trafficRouting") or {}
    return (*_of_annotations(routing.get("nginx") or {}), *_of_steps(canary.get("steps") or (), index))


def _of_annotations(nginx: Object) -> tuple[Match, ...]:
    prefix = str(nginx.get("annotationPrefix") or _USUAL_PREFIX)
    given = {f"{prefix}/canary": "true"}  # which the controller always writes
    # The controller adds the prefix where the first lack it, and never to the others (trafficrouting/nginx/nginx.go).
    for key, value in (nginx.get("additionalIngressAnnotations") or {}).items():
        given[key if key.startswith(prefix) else f"{prefix}/{key}"] = str(value)
    given |= {key: str(value) for key, value in (nginx.get("canaryIngressAnnotations") or {}).items()}
    return Annotated.read(prefix, {"metadata": {"annotations": given}}).matches


def _of_steps(steps: t.Sequence[Object], index: int) -> tuple[Match, ...]:
    routes: dict[str, tuple[Match, ...]] = {}
    for step in steps[: index + 1]:
        route = step.get("setHeaderRoute")
        if route:
            # Without a match the step takes the route away again.
            routes[str(route.get("name"))] = tuple(_match(one) for one in route.get("match") or ())
    return tuple(match for route in routes.values() for match in route)


def _match(one: Object) -> Match:
    name, value = str(one["headerName"]), one.get("headerValue") or {}
    if value.get("exact") is not None:
        return Match("header", name, "exact", str(value["exact"]))
    if value.get("prefix") is not None:
        return Match("header", name, "regex", f"{value['prefix']}.*")
    return Match("header", name, "regex", str(value.get("regex", ".*")))


def require_there(wanted: t.Sequence[Match], there: t.Sequence[Match], canary: Object, where: str) -> None:
    """Raise InvalidSplit for a match route that the Rollout does not have, with what to write into its spec."""
    for match in wanted:
        if not any(match.is_same(one) for one in there):
            has = ", ".join(str(one) for one in there) or "none"
            raise InvalidSplit(
                f"{where} has no match route '{match}' at this weight (it has: {has}), and its controller alone writes "
                f"them. {_advice(match, canary)}"
            )


def _advice(match: Match, canary: Object) -> str:
    routing = canary.get("trafficRouting") or {}
    place = "strategy.canary.trafficRouting"
    if "nginx" in routing:
        if match.kind == "cookie":
            return f"Add {place}.nginx.additionalIngressAnnotations: {{canary-by-cookie: {match.name}}} to the Rollout."
        key = {"exact": "canary-by-header-value", "regex": "canary-by-header-pattern"}.get(match.operator)
        value = f", {key}: {match.value!r}" if key else ""
        return (
            f"Add {place}.nginx.additionalIngressAnnotations: {{canary-by-header: {match.name}{value}}} to the "
            "Rollout; it then holds for the whole release."
        )
    if "istio" in routing and match.kind == "header":
        return (
            f"Add {place}.managedRoutes: [{{name: testers}}] and, before the pause, the step setHeaderRoute: {{name: "
            f"testers, match: [{{headerName: {match.name}, headerValue: {{{match.operator}: {match.value!r}}}}}]}}."
        )
    if not routing:
        return "Without trafficRouting a Rollout has no match routes; give weights only."
    return f"Its traffic router ({', '.join(sorted(routing))}) cannot be asked for it here; give weights only."
