# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary Ingress, made from the main one and steered by annotations. Private to the gradual.canary collection.

Pure: no cluster here. Facts are those of ingress-nginx (internal/ingress/annotations/canary/main.go and
parser/validators.go) and of Traefik's provider that reads the same annotations.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    AmbiguousTarget,
    InvalidSplit,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._rehearsal import Operation
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import WHOLE, Match, Weight

MANAGED_BY: t.Final = "gradual.canary"
MANAGED_BY_LABEL: t.Final = "app.kubernetes.io/managed-by"
STABLE_ANNOTATION: t.Final = "gradual.canary/stable-service"
CLASS_ANNOTATION: t.Final = "kubernetes.io/ingress.class"

Annotations = t.Mapping[str, str]

_KEYS: t.Final = (
    "canary",
    "canary-weight",
    "canary-weight-total",
    "canary-by-header",
    "canary-by-header-value",
    "canary-by-header-pattern",
    "canary-by-cookie",
)
_MATCH_KEYS: t.Final = _KEYS[3:]
_TRUE: t.Final = ("1", "t", "T", "TRUE", "true", "True")  # what Go's strconv.ParseBool takes
_PLAIN_CHARACTERS: t.Final = re.compile(r"[-._~A-Za-z0-9/: ]*")
_PATTERN_CHARACTERS: t.Final = re.compile(r"[-._~A-Za-z0-9/:^$\[\](){}*+?|&=\\]*")
# A total counts only when it is above 100 (ingress-nginx balancer.lua; Traefik raises smaller ones to 100).
_SMALLEST_TOTAL: t.Final = 100


@dataclasses.dataclass(frozen=True, order=True)
class Route:
    """One host and path of an Ingress, and the Service behind it. port: as the Ingress has it, a number or a name.

    An Ingress's default backend is one without host, path and path type; a path always has a type.
    """

    host: str
    path: str
    path_type: str
    service: str
    port: int | str

    @property
    def place(self) -> tuple[str, str, str]:
        """Return what a controller matches a canary's path with its main path by."""
        return self.host, self.path, self.path_type

    @property
    def is_default(self) -> bool:
        return not self.path_type

    def __str__(self) -> str:
        return "the default backend" if self.is_default else f"{self.host or '*'}{self.path}"


def routes_of(ingress: Object) -> tuple[Route, ...]:
    """Return all paths of an Ingress that lead to a Service."""
    found: list[Route] = []
    for rule in ingress["spec"].get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            place = (rule.get("host") or "", path.get("path") or "", path["pathType"])
            found.extend(_routes_to(path["backend"], place))
    return tuple(found)


def all_routes_of(ingress: Object) -> tuple[Route, ...]:
    """Return all paths of an Ingress that lead to a Service, and its default backend if that does."""
    return (*routes_of(ingress), *_routes_to(ingress["spec"].get("defaultBackend") or {}, ("", "", "")))


def _routes_to(backend: Object, place: tuple[str, str, str]) -> t.Iterator[Route]:
    service = backend.get("service")
    if service:
        port = service.get("port") or {}
        yield Route(*place, service["name"], port.get("number") or port.get("name") or 0)


def services_of(ingress: Object) -> list[str]:
    """Return the names of all Services that an Ingress leads to, by a path or as its default backend."""
    return sorted({route.service for route in all_routes_of(ingress)})


def stable_routes(
    ingress: Object, is_stable: t.Callable[[Route], bool], option: str = "backend.service"
) -> tuple[Route, ...]:
    """Return the paths of the main Ingress that lead to the application's one Service.

    is_stable: says whether a path is to the application. option: the one by which a user can name the Service.
    The default backend tells nothing: it may be a Service of error pages, named after the application all the same.
    Raises TargetNotFound when there is none and AmbiguousTarget when they lead to two Services.
    """
    routes = routes_of(ingress)
    services = sorted({route.service for route in routes if is_stable(route)})
    own = tuple(route for route in routes if route.service in services)
    if not own:
        there = ", ".join(sorted({route.service for route in routes})) or "none"
        default = [route for route in all_routes_of(ingress) if route.is_default]
        beside = f" (and {default[0].service} as its default backend, which alone cannot be split)" if default else ""
        raise TargetNotFound(
            f"ingress_nginx: {words(ingress)} has no path to a Service of the application; its Services: {there}"
            f"{beside}. Name the one whose traffic is to be split with {option}, or another Ingress with "
            "backend.ingress."
        )
    if len(services) > 1:
        raise AmbiguousTarget(
            f"ingress_nginx: {words(ingress)} leads to {len(services)} Services that may be the application's "
            f"({', '.join(services)}); name the one whose traffic is to be split with {option}",
            services=services,
        )
    return own


def class_of(ingress: Object) -> str | None:
    """Return the name of an Ingress's class; None when it leaves that to the cluster's default."""
    name = ingress["spec"].get("ingressClassName") or annotations_of(ingress).get(CLASS_ANNOTATION)
    return None if name is None else str(name)


def is_ours(ingress: Object) -> bool:
    return (ingress["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY


def annotations_of(item: Object) -> Annotations:
    return t.cast("Annotations", item["metadata"].get("annotations") or {})


@dataclasses.dataclass(frozen=True)
class Annotated:
    """The split as the canary annotations of one Ingress say it, with the prefix that its controller reads."""

    prefix: str
    values: Annotations

    @classmethod
    def read(cls, prefix: str, ingress: Object) -> Annotated:
        given = annotations_of(ingress)
        return cls(prefix, {key: given[f"{prefix}/{key}"] for key in _KEYS if f"{prefix}/{key}" in given})

    @classmethod
    def none(cls, prefix: str) -> Annotated:
        return cls(prefix, {"canary": "true"})

    @property
    def is_canary(self) -> bool:
        return self.values.get("canary") in _TRUE

    @property
    def weight(self) -> Weight:
        """Return the share as a controller reads it: what is no integer counts as zero, too much as everything."""
        if not self.is_canary:
            return Weight(0)
        given, total = _integer(self.values.get("canary-weight")), _integer(self.values.get("canary-weight-total"))
        whole = max(total, _SMALLEST_TOTAL)
        points = min(max(given, 0), whole) * WHOLE // whole
        return Weight(max(points, 1) if given > 0 else points)

    @property
    def raw(self) -> tuple[tuple[str, int], ...]:
        return tuple((key, _integer(self.values[key])) for key in _KEYS[1:3] if key in self.values)

    @property
    def matches(self) -> tuple[Match, ...]:
        if not self.is_canary:
            return ()
        found = []
        header = self.values.get("canary-by-header")
        if header:
            if self.values.get("canary-by-header-value"):
                found.append(Match("header", header, "exact", self.values["canary-by-header-value"]))
            elif self.values.get("canary-by-header-pattern"):
                found.append(Match("header", header, "regex", self.values["canary-by-header-pattern"]))
            else:
                found.append(Match("header", header, "always"))
        if self.values.get("canary-by-cookie"):
            found.append(Match("cookie", self.values["canary-by-cookie"], "always"))
        return tuple(found)

    @property
    def gives_traffic(self) -> bool:
        return bool(self.weight.points or self.matches)

    def with_split(self, weight: Weight | None, matches: t.Sequence[Match] | None, whole: int = WHOLE) -> Annotated:
        """Return these annotations with another weight and other matches; None leaves a part as it is.

        whole: what a weight of 100 % is written as; a controller without totals takes 100.
        What already means the same stays as it was written. Raises InvalidSplit.
        """
        # What an Ingress says that is no canary (any more) was not in force, and is not brought back by making it one.
        values = {**(self.values if self.is_canary else {}), "canary": "true"}
        if weight is not None and (weight != self.weight or "canary-weight" not in values):
            values.pop("canary-weight-total", None)
            values["canary-weight"] = str(weight.points * whole // WHOLE)
            if whole > _SMALLEST_TOTAL:
                values["canary-weight-total"] = str(whole)
        if matches is not None and sorted(matches, key=str) != sorted(self.matches, key=str):
            values = {key: value for key, value in values.items() if key not in _MATCH_KEYS}
            values.update(match_annotations(matches))
        return Annotated(self.prefix, values)

    def prefixed(self) -> dict[str, str]:
        return {f"{self.prefix}/{key}": value for key, value in self.values.items()}

    def operations_to(self, wanted: Annotated) -> list[Operation]:
        """Return a JSON patch that tests all of these annotations and then makes them the wanted ones."""
        tests: list[Operation] = []
        edits: list[Operation] = []
        for key in _KEYS:
            path = f"/metadata/annotations/{self.prefix}~1{key}"
            before, after = self.values.get(key), wanted.values.get(key)
            # A test for null passes on an absent member (measured on the API server).
            tests.append({"op": "test", "path": path, "value": before})
            if before is not None and after is None:
                edits.append({"op": "remove", "path": path})
            elif before != after:
                edits.append({"op": "add", "path": path, "value": after})
        return [*tests, *edits] if edits else []


def match_annotations(matches: t.Sequence[Match]) -> dict[str, str]:
    """Return the annotations for match routes; InvalidSplit when they cannot be said, or would be read as nothing.

    The controllers do not refuse a bad value: they log it and read it as empty. So it is refused here.
    """
    values: dict[str, str] = {}
    for kind in ("header", "cookie"):
        if len([match for match in matches if match.kind == kind]) > 1:
            raise InvalidSplit(f"ingress_nginx takes at most one {kind} match beside the weight; give one")
    for match in matches:
        if match.kind == "cookie" and match.operator != "always":
            raise InvalidSplit(
                f"ingress_nginx cannot route by '{match}': a cookie counts only when its value is the word 'always'; "
                f"give {{cookie: {match.name}}} without value and regex, or match a header"
            )
        values[f"canary-by-{match.kind}"] = _checked(match, match.name, _PLAIN_CHARACTERS, "letters, digits and -._~/:")
        if match.operator == "exact":
            text = _checked(match, match.value, _PLAIN_CHARACTERS, "letters, digits, blanks and -._~/:")
            values["canary-by-header-value"] = text
        elif match.operator == "regex":
            text = _checked(match, match.value, _PATTERN_CHARACTERS, r"letters, digits and -._~/:^$[](){}*+?|&=\ ")
            values["canary-by-header-pattern"] = text
    return values


def _checked(match: Match, text: str | None, characters: re.Pattern[str], allowed: str) -> str:
    if not text or not characters.fullmatch(text) or text != text.strip():
        raise InvalidSplit(
            f"ingress_nginx would ignore '{match}': {text!r} must not be empty, start or end with a blank, or have "
            f"other characters than {allowed.strip()}"
        )
    return text


def canary_ingress(
    name: str,
    main: Object,
    routes: t.Sequence[Route],
    service: str,
    annotated: Annotated,
    bindings: t.Iterable[str] = (),
) -> Object:
    """Return the whole canary Ingress: the main one's places with the canary's Service, and nothing else of it.

    Annotations of the main Ingress are left out: controllers ignore most on a canary, and others (certificates,
    DNS names) would be acted on twice. bindings: those without which another gateway would serve it.

    Its default backend is left out too. ingress-nginx splits by Service and port, so that it follows the paths to the
    same ones; given to the canary, it would split all paths without a host, those of other applications and namespaces
    too (mergeAlternativeBackends in internal/ingress/controller/controller.go).
    """
    given = annotations_of(main)
    copied = {key: given[key] for key in (CLASS_ANNOTATION, *bindings) if key in given}
    annotations = {**annotated.prefixed(), STABLE_ANNOTATION: routes[0].service, **copied}
    hosts: dict[str, list[Object]] = {}
    for route in routes:
        port = {"number": route.port} if isinstance(route.port, int) else {"name": route.port}
        path = {"pathType": route.path_type, "backend": {"service": {"name": service, "port": port}}}
        hosts.setdefault(route.host, []).append({**path, "path": route.path} if route.path else path)
    spec: Object = {
        "rules": [{**({"host": host} if host else {}), "http": {"paths": paths}} for host, paths in hosts.items()]
    }
    if main["spec"].get("ingressClassName"):
        spec["ingressClassName"] = main["spec"]["ingressClassName"]
    tls = [
        entry for entry in main["spec"].get("tls") or () if not entry.get("hosts") or set(entry["hosts"]) & set(hosts)
    ]
    if tls:
        spec["tls"] = tls
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "namespace": main["metadata"]["namespace"],
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "annotations": annotations,
        },
        "spec": spec,
    }


def _integer(text: str | None) -> int:
    return int(text) if text is not None and re.fullmatch(r"[+-]?[0-9]+", text) else 0
