# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two Ingresses and two Services of one split, as they are read. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _ingress_controller as controllers
from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    STABLE_ANNOTATION,
    Annotated,
    Route,
    annotations_of,
    class_of,
    is_ours,
    services_of,
    stable_routes,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Backend, Options, Target
from ansible_collections.gradual.canary.plugins.module_utils._backends._versions import version_behind
from ansible_collections.gradual.canary.plugins.module_utils._errors import (
    Conflict,
    Forbidden,
    ForeignOwner,
    InvalidInput,
    TargetNotFound,
)
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Capabilities, Split


class IngressObjects(Backend):
    """What the options name, found in the application's namespace. Reads only."""

    OPTIONS: t.ClassVar[dict[str, dict[str, t.Any]]] = {
        "ingress": {"type": "str", "required": True},
        "canary_ingress": {"type": "str"},
        "service": {"type": "str"},
        "annotations_prefix": {"type": "str", "default": "nginx.ingress.kubernetes.io"},
        "controller": {"type": "str", "choices": ["auto", *controllers.NAMES], "default": "auto"},
        "promotion": {"type": "str", "choices": ["selector", "repoint"], "default": "selector"},
        "path": {"type": "str"},
        "match_with_weight": {"type": "bool"},
        "propagation": {"type": "float"},
        "session_affinity": {"type": "str", "choices": ["refuse", "accept"], "default": "refuse"},
    }

    @property
    def capabilities(self) -> Capabilities:
        return self.controller.capabilities

    @functools.cached_property
    def controller(self) -> controllers.Controller:
        """The program that serves the main Ingress: the one the options name, else the one the cluster tells of."""
        name, given = self.named_controller, {}
        found = controllers.named(name) if name else controllers.identify(self.main, self._find_class)
        if self.options.get("match_with_weight") is not None:
            given["match_with_weight"] = self.options["match_with_weight"]
        if self.options.get("propagation") is not None:
            given["propagation_seconds"] = float(self.options["propagation"])
        return dataclasses.replace(found, **given)

    @property
    def repoints(self) -> bool:
        """Whether a promotion changes where the main Ingress leads, and not which pods the stable Service selects."""
        return _repoints(self.options)

    @property
    def named_controller(self) -> str | None:
        option = self.options.get("controller") or "auto"
        return None if option == "auto" else str(option)

    @property
    def prefix(self) -> str:
        return str(self.options.get("annotations_prefix") or self.OPTIONS["annotations_prefix"]["default"])

    @property
    def weight_field(self) -> tuple[str, str, str]:
        """The path of the weight in the canary Ingress."""
        return "metadata", "annotations", f"{self.prefix}/canary-weight"

    @property
    def canary_name(self) -> str:
        return str(self.options.get("canary_ingress") or f"{self.options['ingress']}-canary")

    @property
    def keeper_name(self) -> str:
        """The Ingress that goes on naming a Service while a re-pointed main Ingress leaves it."""
        return f"{self.canary_name}-keeper"

    @functools.cached_property
    def main(self) -> Object:
        """The main Ingress, read once: only a promotion changes it. Raises TargetNotFound."""
        item = self.cluster.find("Ingress", self.options["ingress"], self.target.namespace)
        if item is None:
            raise TargetNotFound(
                f"ingress_nginx: there is no Ingress {self.target.namespace}/{self.options['ingress']} on "
                f"{self.cluster.server}; name the one that serves the application with backend.ingress"
            )
        return item

    def stable_routes(self) -> tuple[Route, ...]:
        """Return the main Ingress's paths whose traffic is split. Raises TargetNotFound and AmbiguousTarget."""
        return split_routes(self.main, self.target, self.options)

    def find_canary(self) -> Object | None:
        """Return the canary Ingress, None when there is none; ForeignOwner when it is not ours."""
        item = self.cluster.find("Ingress", self.canary_name, self.target.namespace)
        if item is not None and not is_ours(item):
            raise ForeignOwner(
                f"{words(item)} was not made by this collection (it has no label {MANAGED_BY_LABEL}={MANAGED_BY}). "
                "Nothing was changed; remove it, or give another name with backend.canary_ingress."
            )
        return item

    def stable_service(self, canary: Object | None) -> str:
        """Return the stable Service's name: recorded on the canary Ingress, else found in the main one.

        Where the main Ingress is re-pointed, it alone tells.
        """
        recorded = annotations_of(canary).get(STABLE_ANNOTATION) if canary is not None and not self.repoints else None
        return recorded or self.stable_routes()[0].service

    def require_elsewhere(self) -> None:
        if not self.repoints:
            raise InvalidInput(
                "backend.promotion is selector, and version_clusters gives the versions clusters of their own: a "
                "Service selects pods of its own cluster only, so the stable one would be left without endpoints. "
                "Nothing was changed; let the main Ingress lead to the version's own Service, and give "
                "backend.promotion: repoint."
            )

    def find_service(self, name: str) -> Object | None:
        return self.placement.find_service(self.target.namespace, name)

    def get_service(self, name: str) -> Object:
        """Return a Service from the cluster of its pods. Raises NotFound."""
        home = self.placement.home(self.target.namespace, name) or self.cluster
        return home.get("Service", name, self.target.namespace)

    def get_stable(self, canary: Object | None) -> Object:
        return self.get_service(self.stable_service(canary))

    def get_canary_service(self) -> Object:
        return self.get_service(self.target.canary_service)

    def observe(self) -> Split:
        return self.split(self.find_canary())

    def split(self, canary: Object | None) -> Split:
        """Return the split that this canary Ingress makes; the stable version is the one that its Service selects."""
        name = self.stable_service(canary)
        split = Split(name, None, NOTHING, stable_version=version_behind(self.placement, self.target, name))
        return split if canary is None else self.with_canary(split, canary)

    def with_canary(self, split: Split, canary: Object) -> Split:
        """Return the split with the share that this canary Ingress gives."""
        annotated = Annotated.read(self.prefix, canary)
        service = next(iter(services_of(canary)), None)
        return dataclasses.replace(
            split,
            canary=service,
            weight=annotated.weight,
            matches=annotated.matches,
            canary_version=self._version_named(service),
            raw=annotated.raw,
        )

    def require_own_version(self, canary: Object) -> None:
        """Raise Conflict when the canary Ingress leads to another version than the one that is meant."""
        services = services_of(canary)
        if self.target.canary_service not in services:
            raise Conflict(
                f"{words(canary)} leads to {', '.join(services) or 'no Service'} and not to "
                f"{self.target.canary_service}: another version is being released. Nothing was changed; finish that "
                "release with gradual.canary.release, or take it back with gradual.canary.rollback, first."
            )

    def _find_class(self) -> Object | None:
        name = class_of(self.main)
        try:
            return self.cluster.find("IngressClass", name) if name else None
        except Forbidden:
            return None

    def _version_named(self, service: str | None) -> str | None:
        prefix = f"{self.target.app}-"
        return service.removeprefix(prefix) if service and service.startswith(prefix) else None


def split_routes(main: Object, target: Target, options: Options) -> tuple[Route, ...]:
    """Return the paths of the main Ingress whose traffic is split, as the options tell them from others."""
    path, named = options.get("path"), options.get("service")
    if not _repoints(options):
        return stable_routes(main, lambda route: route.service == named if named else target.is_service(route.service))
    if named:
        raise InvalidInput(
            "backend.service cannot be given with promotion repoint, which changes the Service that the main "
            "Ingress leads to; name one of the application's paths with backend.path instead"
        )
    return stable_routes(
        main, lambda route: target.is_service(route.service) and path in (None, route.path), "backend.path"
    )


def _repoints(options: Options) -> bool:
    return options.get("promotion") == "repoint"
