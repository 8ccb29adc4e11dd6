# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would break or falsify a split by an HTTPRoute, found before it. Private to the gradual.canary collection.

Reads only. Each finding says what is wrong, where, and what to change.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends import _http_route_status as route_status
from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target, ownership
from ansible_collections.gradual.canary.plugins.module_utils._backends._findings import (
    no_endpoints,
    unseen_elsewhere,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._gateway_controllers import is_known
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route import SplitRule
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_overlap import overlaps
from ansible_collections.gradual.canary.plugins.module_utils._backends._http_route_references import weight_of
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import endpoints_of
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Error, Forbidden, NotFound
from ansible_collections.gradual.canary.plugins.module_utils._resources import KINDS, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Object = dict[str, t.Any]
Findings = t.Iterator[Finding]


class Preflight:
    """One look at a route, its Gateways and the Services it splits."""

    def __init__(self, cluster: Cluster, target: Target) -> None:
        self.cluster = cluster
        self.target = target

    def findings(self, route: Object, rule_option: str | None) -> Findings:
        """Yield everything there is to say about this route and this canary."""
        yield from ownership(route)
        yield from self._parents(route)
        try:
            rule = SplitRule.find(route, self.target, rule_option)
        except Error as error:
            code = "other_canary" if "services" in error.details else error.code
            yield Finding("error", code, error.message, "Then run this again: the Services were not looked at.")
            return
        yield from self._rule(rule)
        for service, ref in self._services(rule):
            yield from self._service(service, ref, rule)
        yield from self._shadows(rule)

    # the route and its Gateways

    def _parents(self, route: Object) -> Findings:
        parents = route_status.parents(route)
        if not parents:
            yield Finding(
                "error",
                "not_accepted",
                f"{words(route)} has no parentRefs, so no Gateway serves it",
                "Add the Gateway to spec.parentRefs.",
            )
        rehearsed = self.cluster.rehearsal.knows(_path(route))
        for parent in parents:
            yield from self._gateway(parent)
            if parent.state == "refused":
                yield Finding(
                    "error", "not_accepted", f"{words(route)}: {parent} says {parent.detail}", "Mend what it names."
                )
            elif parent.state == "unresolved":
                yield Finding(
                    "error",
                    "unresolved_refs",
                    f"{words(route)}: {parent} says {parent.detail}",
                    "Mend the reference it names: create the Service, correct its port, or add a ReferenceGrant.",
                )
            elif parent.state == "pending" and not rehearsed:
                yield Finding(
                    "error",
                    "not_accepted",
                    f"{words(route)}: {parent} has not taken it ({parent.detail})",
                    "Check that the controller of that Gateway runs.",
                )

    def _gateway(self, parent: route_status.Parent) -> Findings:
        if parent.kind != "Gateway":
            return
        try:
            gateway = self.cluster.find("Gateway", parent.name, parent.namespace)
        except Forbidden as error:
            yield Finding("warning", Forbidden.code, f"{parent} could not be looked at: {error.message}", "Allow get.")
            return
        if gateway is None:
            yield Finding(
                "error", "gateway_missing", f"{parent} does not exist", "Create it, or correct spec.parentRefs."
            )
            return
        programmed = route_status.condition(gateway.get("status") or {}, "Programmed")
        if programmed.get("status") != "True":
            said = programmed.get("message") or "its controller has said nothing"
            yield Finding(
                "error", "gateway_not_programmed", f"{words(gateway)} is not Programmed: {said}", "Mend the Gateway."
            )
        yield from _listeners(gateway, parent)
        yield from self._controller(gateway)

    def _controller(self, gateway: Object) -> Findings:
        name = gateway["spec"]["gatewayClassName"]
        try:
            kind = self.cluster.find("GatewayClass", name)
        except Forbidden as error:
            yield Finding(
                "warning", Forbidden.code, f"GatewayClass {name} could not be looked at: {error.message}", "Allow get."
            )
            return
        if kind is None:
            yield Finding(
                "error",
                "gateway_missing",
                f"{words(gateway)} is of GatewayClass {name}, which does not exist",
                "Install the controller, or correct gatewayClassName.",
            )
        elif not is_known(str(kind["spec"]["controllerName"])):
            yield Finding(
                "warning",
                "controller_unknown",
                f"{words(gateway)} is served by {kind['spec']['controllerName']}, which is not among those this "
                "collection knows: match routes are limited to exact headers",
                "Verify each stage; the split is proven by samples, whoever serves it.",
            )

    # the rule

    def _rule(self, rule: SplitRule) -> Findings:
        sessions = rule.rule.get("sessionPersistence")
        if sessions is not None:
            name = f" ({str(sessions.get('type', 'Cookie')).lower()} {sessions.get('sessionName', 'of any name')})"
            yield Finding(
                "warning",
                "sticky",
                f"{rule.where} has sessionPersistence{name}: users with a session stay where they are, whatever the "
                "weight",
                "Take it out for the time of the release, or expect the share to follow new sessions only. Verify with "
                "populations: [cookies] to see it.",
            )
        if rule.services and not any(weight_of(ref) for ref in rule.services):
            yield Finding(
                "error",
                "no_weight",
                f"{rule.where} gives weight to nobody, so users get an error",
                f"Give {rule.stable['name']} weight 1.",
            )

    # the Services

    def _services(self, rule: SplitRule) -> t.Iterator[tuple[str, Object]]:
        """Yield each Service of the split, the canary's too when it is not attached yet, with its reference."""
        for ref in rule.services:
            yield str(ref["name"]), ref
        canary = self.target.version and self.target.canary_service
        if canary and canary not in {str(ref["name"]) for ref in rule.services}:
            yield canary, rule.stable

    def _service(self, name: str, ref: Object, rule: SplitRule) -> Findings:
        home = str(rule.route["metadata"]["namespace"])
        namespace = str(ref.get("namespace") or home)
        if namespace != home:
            yield from self._grant(name, namespace, home)
        service = self.cluster.find("Service", name, namespace)
        if service is None:
            yield Finding(
                "error",
                NotFound.code,
                f"Service {namespace}/{name} does not exist: its share would get errors, or go to the other version",
                "Deploy the version first (gradual.canary.version).",
            )
            return
        ports = [port["port"] for port in service["spec"].get("ports") or []]
        if ref.get("port") not in ports:
            yield Finding(
                "error",
                "port",
                f"{words(service)} has no port {ref.get('port')}, which {rule.where} sends to; it has {ports}",
                "Give the Service that port.",
            )
        if service["spec"].get("sessionAffinity") == "ClientIP":
            yield Finding(
                "warning",
                "sticky",
                f"{words(service)} has sessionAffinity ClientIP, which some gateways apply",
                "Take it out for the time of the release.",
            )
        if not endpoints_of(self.cluster, namespace, name):
            yield no_endpoints(self.cluster, f"Service {namespace}/{name}", namespace, name)

    def _grant(self, service: str, namespace: str, home: str) -> Findings:
        try:
            grants = self.cluster.search("ReferenceGrant", namespace)
        except Forbidden as error:
            message = f"the ReferenceGrants of namespace {namespace} could not be looked at: {error.message}"
            yield Finding("warning", Forbidden.code, message, "Allow list.")
            return
        if not any(_grants(grant, service, home) for grant in grants):
            yield Finding(
                "error",
                "no_reference_grant",
                f"no ReferenceGrant in namespace {namespace} lets HTTPRoutes of namespace {home} use Service {service}",
                f"Create one there from HTTPRoute in {home} to Service.",
            )

    # other routes

    def _shadows(self, rule: SplitRule) -> Findings:
        namespace = str(rule.route["metadata"]["namespace"])
        try:
            routes = self.cluster.search("HTTPRoute")
        except Forbidden:
            routes = self.cluster.search("HTTPRoute", namespace)
            yield unseen_elsewhere("HTTPRoute", namespace, "HTTPRoutes", "take the same requests before the split")
        for other, what in overlaps(rule.route, rule.rule, routes):
            yield Finding(
                "warning",
                "shadowed",
                f"{words(other)} {what}, so those requests do not follow the split or the match routes of {rule.where}",
                "Leave them out of the samples, or give the routes different hostnames.",
            )


def _listeners(gateway: Object, parent: route_status.Parent) -> Findings:
    names = [listener["name"] for listener in gateway["spec"].get("listeners") or []]
    if parent.section and parent.section not in names:
        yield Finding(
            "error",
            "gateway_missing",
            f"{words(gateway)} has no listener {parent.section}; it has {', '.join(names)}",
            "Correct sectionName in spec.parentRefs.",
        )
    for listener in (gateway.get("status") or {}).get("listeners") or []:
        programmed = route_status.condition(listener, "Programmed")
        if programmed.get("status") == "False" and parent.section in (None, listener["name"]):
            yield Finding(
                "error" if parent.section else "warning",
                "gateway_not_programmed",
                f"{words(gateway)} listener {listener['name']} is not Programmed: {programmed.get('message')}",
                "Mend the listener.",
            )


def _grants(grant: Object, service: str, home: str) -> bool:
    source = {"group": route_status.GROUP, "kind": "HTTPRoute", "namespace": home}
    return source in grant["spec"]["from"] and any(
        to.get("kind") == "Service" and not to.get("group") and to.get("name") in (None, "", service)
        for to in grant["spec"]["to"]
    )


def _path(item: Object) -> str:
    return KINDS[item["kind"]].path(item["metadata"]["namespace"], item["metadata"]["name"])
