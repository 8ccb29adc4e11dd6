# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would break or falsify a split by canary annotations. Private to the gradual.canary collection.

Pure: `_ingress_scene.py` has asked the cluster.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._canary_ingress import (
    Annotated,
    all_routes_of,
    annotations_of,
    class_of,
    is_ours,
    routes_of,
    services_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import ownership
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_across_clusters import of_clusters
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_controller import serving
from ansible_collections.gradual.canary.plugins.module_utils._backends._ingress_scene import Scene, Setting
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import selector_of
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, Forbidden, ForeignOwner, NotReady
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding


def findings_of(scene: Scene) -> tuple[Finding, ...]:
    """Return everything that is in the way of a split, most basic first."""
    return tuple(
        finding
        for look in (_of_controller, _of_main, _of_canary_ingress, _of_others, _of_services, _of_pods, of_clusters)
        for finding in look(scene)
    )


Findings = t.Iterator[Finding]


def _of_controller(scene: Scene) -> Findings:
    setting, name = scene.setting, class_of(scene.setting.main)
    item = scene.classes.found.get(name) if name else None
    if name in scene.classes.unread:
        yield Finding(
            "warning",
            Forbidden.code,
            f"IngressClass {name!r} could not be looked at; it may not exist, or its controller may not read canary "
            "annotations",
            "Allow the user to get ingressclasses.networking.k8s.io, or make sure that neither is so.",
        )
    elif setting.main["spec"].get("ingressClassName") and item is None and not setting.controller.serves_by_name:
        yield Finding(
            "error",
            "class_missing",
            f"{words(setting.main)} is of IngressClass {name!r}, which does not exist, so that nothing serves it",
            "Create the class, or set the Ingress's ingressClassName to one that exists.",
        )
        return
    if item and not serving(item) and not setting.controller_given and not _is_bound(setting):
        yield Finding(
            "error",
            "unsupported_controller",
            f"IngressClass {name!r} is served by {item['spec'].get('controller')}, which is not known to read canary "
            "annotations",
            "Use another backend. If it reads them all the same, say whose behaviour it has with backend.controller.",
        )
    elif not setting.controller.identified:
        doubt = "" if _has_address(setting.main) else ", or whether any does: there is no address in its status"
        yield Finding(
            "warning",
            "controller_unknown",
            f"nothing tells which program serves {words(setting.main)} of class {name or 'none'}{doubt}. It is taken "
            "for ingress-nginx",
            "See that the controller of this class runs, and set backend.controller to ingress-nginx or traefik.",
        )
    elif not _has_address(setting.main) and not setting.controller.serves_by_name:
        yield Finding(
            "warning",
            "not_served",
            f"nobody has written an address into the status of {words(setting.main)} of class {name or 'none'}, so "
            "that perhaps no controller serves it",
            "See that the controller of this class runs. If it does and publishes no address, the samples will tell.",
        )
    if setting.controller.name == "apig":
        yield from _of_gateway(setting)


def _has_address(ingress: Object) -> bool:
    """Say whether a controller has published where it serves an Ingress, as it does within a minute."""
    return bool(((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress"))


def _is_bound(setting: Setting) -> bool:
    """Say whether the main Ingress names its gateway, which tells more than the class."""
    return any(annotations_of(setting.main).get(key) for key in setting.controller.bindings)


def _of_gateway(setting: Setting) -> Findings:
    """Findings about Volcengine's API gateway alone."""
    names = sorted({str(route.port) for route in setting.routes if not isinstance(route.port, int)})
    if names:
        # Seen by users of it: MissingParameter.UpstreamSpec.K8SService.Port in the events of the Ingress.
        yield Finding(
            "warning",
            "port_name",
            f"{words(setting.main)} names the port {', '.join(names)}, and the API gateway is known to refuse ports by "
            "name",
            "Give the port's number.",
        )
    if setting.controller.match_with_weight:
        yield Finding(
            "warning",
            "unproven",
            "whether the API gateway follows the weight of an Ingress that has a header too is not documented; the "
            "weight may be ignored while there is one",
            "Leave backend.match_with_weight out, and have either the one or the other in a stage.",
        )


def _of_main(scene: Scene) -> Findings:
    setting = scene.setting
    if Annotated.read(setting.prefix, setting.main).is_canary:
        yield Finding(
            "error",
            "main_is_canary",
            f"{words(setting.main)} is itself a canary Ingress",
            "Name the Ingress of the stable version with backend.ingress.",
        )
    given = annotations_of(setting.main)
    affinity, cookie = (given.get(f"{setting.prefix}/{key}") for key in ("affinity", "session-cookie-name"))
    # affinity-canary-behavior, legacy or not, is about clients of the canary: who is at the stable version stays there
    # (ingress-nginx, balancer.lua: route_to_alternative_balancer asks the primary's affinity first).
    if affinity:
        yield Finding(
            "warning" if setting.accepts_affinity else "error",
            "sticky",
            f"{words(setting.main)} has affinity: {affinity}{f' (cookie {cookie})' if cookie else ''}, so that clients "
            "with a session stay where they are whatever the weight, and a split of requests is not that of users",
            "Remove the annotation for the release; or say backend.session_affinity: accept, to let new clients only "
            "follow the weight, and verify with populations: [cookies] to see what the others get.",
        )


def _of_canary_ingress(scene: Scene) -> Findings:
    canary, service = scene.canary, scene.setting.target.canary_service
    if canary is None:
        return
    if not is_ours(canary):
        yield Finding(
            "error",
            ForeignOwner.code,
            f"{words(canary)} was not made by this collection",
            "Remove it, or give another name with backend.canary_ingress.",
        )
        return
    yield from ownership(canary)
    setting, leads = scene.setting, services_of(canary)
    for key in setting.controller.bindings:
        there, here = annotations_of(setting.main).get(key), annotations_of(canary).get(key)
        if there != here:
            yield Finding(
                "error",
                "other_gateway",
                f"{words(canary)} has {key}: {here or 'nothing'} and {words(setting.main)} {there or 'nothing'}, so "
                "that another gateway serves it",
                "Take the canary back (weight 0, state detached) and attach it again.",
            )
    if service not in leads:
        yield Finding(
            "error",
            Conflict.code,
            f"{words(canary)} leads to {', '.join(leads) or 'no Service'} and not to {service}",
            "First finish that version's release (gradual.canary.release) or take it back (gradual.canary.rollback).",
        )


def _of_others(scene: Scene) -> Findings:
    setting, classes = scene.setting, scene.classes
    namespace, own = setting.target.namespace, class_of(setting.main)
    if not scene.everywhere:
        yield Finding(
            "warning",
            Forbidden.code,
            f"only the Ingresses of namespace {namespace} could be looked at; one elsewhere may claim the same paths",
            "Allow the user to list ingresses.networking.k8s.io in all namespaces, or make sure that there is none.",
        )
    unsure = []
    for other in filter(setting.concerns, scene.others):
        if classes.alike(class_of(other), own):
            yield from _of_other(other, setting)
        elif classes.unsure(class_of(other), own):
            unsure.append(other)
    if unsure:
        named = ", ".join(f"{words(other)} of class {class_of(other)}" for other in unsure)
        yield Finding(
            "warning",
            Forbidden.code,
            f"{named} would meet the split of {words(setting.main)} if their classes had the same controller; that "
            "could not be read, and they were told apart by name",
            "Allow the user to get ingressclasses.networking.k8s.io, or make sure that the controllers differ.",
        )


def _of_other(other: Object, setting: Setting) -> Findings:
    if not Annotated.read(setting.prefix, other).is_canary:
        yield from _of_neighbour(other, setting)
        return
    places = {route.place for route in setting.routes}
    for route in routes_of(other):
        if route.place in places:
            yield Finding(
                "error",
                "other_canary",
                f"{words(other)} is a canary on {route} already, and only one can be",
                "Remove it, or release by it with backend.canary_ingress if this collection made it.",
            )


def _of_neighbour(other: Object, setting: Setting) -> Findings:
    canary, stable, routes = setting.target.canary_service, setting.routes[0].service, all_routes_of(other)
    leading = sorted({str(route) for route in routes if route.service == canary})
    if leading:
        yield Finding(
            "error",
            "primary_backend",
            f"{words(other)} sends all traffic of {', '.join(leading)} to {canary}; as canary of another Ingress it "
            "would be ignored there",
            "Remove that for the time of the release, or let it lead to a Service of its own.",
        )
    leaks = sorted({str(route) for route in routes if route.service == stable})
    if leaks:
        yield Finding(
            "warning",
            "leak",
            f"{words(other)} sends {', '.join(leaks)} to {stable} too, and may be split as well: controllers split "
            "by Service, not by host",
            "Give that Ingress a Service of its own if it must stay whole.",
        )


def _of_services(scene: Scene) -> Findings:
    namespace = scene.setting.target.namespace
    roles = (
        (scene.setting.routes[0].service, scene.stable_service),
        (scene.setting.target.canary_service, scene.canary_service),
    )
    for name, service in roles:
        if service is None:
            yield Finding(
                "error",
                "not_found",
                f"there is no Service {namespace}/{name}",
                "Deploy it before the release begins.",
            )
        elif not selector_of(service) and not scene.setting.repoints:
            yield Finding(
                "error",
                "no_selector",
                f"{words(service)} selects no pods, so that a promotion cannot move it",
                "Give it a selector.",
            )
        else:
            yield from _of_ports(scene, service)
    if scene.stable_service is None or scene.canary_service is None:
        return
    yield from ownership(scene.setting.main if scene.setting.repoints else scene.stable_service)
    if scene.abroad is not None and not scene.abroad.together:
        return  # no selector means pods of another cluster
    stable, canary = selector_of(scene.stable_service), selector_of(scene.canary_service)
    if stable and stable == canary:
        yield Finding(
            "error",
            Conflict.code,
            f"{words(scene.stable_service)} selects the pods of {scene.setting.target.canary_service}: "
            f"{scene.setting.target.version} is the stable version already",
            "There is nothing to release.",
        )
    elif stable and (stable.items() <= canary.items() or scene.stable_pods & scene.canary_pods):
        yield Finding(
            "error",
            "overlap",
            f"{words(scene.stable_service)} selects pods of {scene.setting.target.canary_service} too, so that they "
            "get traffic at weight 0",
            "Make its selector name the stable version, for example with the label app.kubernetes.io/version.",
        )


def _of_ports(scene: Scene, service: Object) -> Findings:
    for wanted in sorted({route.port for route in scene.setting.routes}, key=str):
        port = _port(service, wanted)
        stable = _port(scene.stable_service, wanted)
        if port is None:
            yield Finding(
                "error",
                "port",
                f"{words(service)} has no port {wanted!r}, which {words(scene.setting.main)} sends to",
                "Give the Service that port.",
            )
        elif stable is not None and not scene.setting.repoints and _differ(_to(port), _to(stable)):
            yield Finding(
                "error",
                "port",
                f"{words(service)} sends port {wanted!r} to {_to(port)} and the stable Service to {_to(stable)}, "
                "which the new version's pods would be asked for after the promotion",
                "Let both name the port of the container, or use the same number.",
            )


def _of_pods(scene: Scene) -> Findings:
    if scene.stable_service is not None and not scene.stable_pods:
        yield Finding(
            "error",
            NotReady.code,
            f"{words(scene.stable_service)} has no ready endpoints: the stable version does not serve",
            "Bring the stable version up first; with ingress-nginx even the canary's share would fail.",
        )
    if scene.canary_service is not None and not scene.canary_pods:
        yield Finding(
            "warning" if scene.rehearsed else "error",
            NotReady.code,
            f"{words(scene.canary_service)} has no ready endpoints"
            + (
                " (check mode deployed nothing, so this is expected)"
                if scene.rehearsed
                else ": its share would go to the stable version unnoticed"
            ),
            "Deploy the version and wait until it is ready.",
        )


def _port(service: Object | None, wanted: int | str) -> Object | None:
    ports = [] if service is None else service["spec"].get("ports") or []
    return next((port for port in ports if wanted in (port.get("port"), port.get("name"))), None)


def _to(port: Object) -> int | str:
    target = port.get("targetPort", port.get("port"))
    return t.cast("int | str", target)


def _differ(one: int | str, other: int | str) -> bool:
    """Say whether two target ports surely differ; a name means whatever each container gave it."""
    return isinstance(one, int) and isinstance(other, int) and one != other
