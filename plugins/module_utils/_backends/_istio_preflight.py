# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would break or falsify a split by a VirtualService, found before it. Private to the gradual.canary collection.

Reads only. Each finding says what is wrong, where, and what to change.
"""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target, ownership
from ansible_collections.gradual.canary.plugins.module_utils._backends._destination_rule import Subsets
from ansible_collections.gradual.canary.plugins.module_utils._backends._findings import no_endpoints
from ansible_collections.gradual.canary.plugins.module_utils._backends._istio_surroundings import means, surroundings
from ansible_collections.gradual.canary.plugins.module_utils._backends._service_pods import (
    endpoints_of,
    pods_of,
    selector_of,
    selector_words,
)
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service import SplitEntry
from ansible_collections.gradual.canary.plugins.module_utils._backends._virtual_service_destinations import (
    Destination,
    gateways_of,
)
from ansible_collections.gradual.canary.plugins.module_utils._cluster import Cluster
from ansible_collections.gradual.canary.plugins.module_utils._errors import Error, Forbidden, NotFound
from ansible_collections.gradual.canary.plugins.module_utils._resources import words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Object = dict[str, t.Any]
Findings = t.Iterator[Finding]


class Preflight:
    """One look at a VirtualService, the versions it splits and what is around it."""

    def __init__(self, cluster: Cluster, target: Target) -> None:
        self.cluster = cluster
        self.target = target

    def findings(self, item: Object, subsets: Subsets, rule_option: str | None) -> Findings:
        """Yield everything there is to say about this VirtualService and this canary."""
        yield from ownership(item)
        yield from validation(item)
        try:
            entry = SplitEntry.find(item, self.target, rule_option, subsets)
            wanted = entry.sharing(None, None) if self.target.version else entry.state
        except Error as error:
            code = "other_canary" if "services" in error.details else error.code
            yield Finding("error", code, error.message, "Then run this again: the versions were not looked at.")
            return
        yield from _weights(entry)
        yield from distortions(entry)
        yield from surroundings(self.cluster, entry)
        canary_subset = next((name for name in wanted.subsets() if name != entry.stable.subset), None)
        yield from self._stable(entry)
        if self.target.version:
            yield from self._canary(entry, canary_subset)
        yield from self._policies(entry)

    # the versions

    def _stable(self, entry: SplitEntry) -> Findings:
        stable = entry.stable
        if stable.subset:
            rule = entry.subsets.rule_of(stable)
            yield from ownership(rule)
            yield from self._subset(stable, entry, entry.version_of(stable), entry.subsets.find(stable) or {})
        else:
            yield from self._service(stable.service, entry)

    def _canary(self, entry: SplitEntry, subset: str | None) -> Findings:
        stable, version = entry.stable, str(self.target.version)
        if not stable.subset:
            yield from self._service(self.target.canary_service, entry)
            return
        canary = Destination(stable.service, stable.namespace, subset, 0)
        try:
            definition = entry.subsets.find(canary) or entry.subsets.definition(stable, version)
        except Error as error:
            yield Finding("error", error.code, error.message, "Mend the DestinationRule.")
            return
        yield from self._subset(canary, entry, version, definition)
        if "mesh" not in gateways_of(entry.item):
            yield Finding(
                "warning",
                "bypass",
                f"Service {stable.namespace}/{stable.service} has the pods of every version, and {words(entry.item)} "
                "does not apply to the mesh: clients inside the cluster reach the canary whatever its weight",
                "Add mesh to spec.gateways and the Service to spec.hosts, or split between two Services.",
            )

    def _service(self, name: str, entry: SplitEntry) -> Findings:
        service = self.cluster.find("Service", name, entry.stable.namespace)
        if service is None:
            yield self._no_service(f"{entry.stable.namespace}/{name}")
            return
        yield from self._ports(service, entry)
        if not endpoints_of(self.cluster, str(entry.stable.namespace), name):
            namespace = str(entry.stable.namespace)
            yield no_endpoints(self.cluster, f"Service {namespace}/{name}", namespace, name)

    def _subset(self, where: Destination, entry: SplitEntry, version: str | None, definition: Object) -> Findings:
        """Yield what is wrong with the pods of one version behind the Service of all."""
        service = self.cluster.find("Service", where.service, where.namespace)
        own = self.target.service_of(str(version))
        if service is None:
            yield self._no_service(f"{where.namespace}/{where.service}")
            return
        yield from self._ports(service, entry)
        selector, labels = selector_of(service), dict(definition.get("labels") or {})
        clashing = [key for key, value in labels.items() if selector.get(key, value) != value]
        if clashing:
            yield Finding(
                "error",
                "selector",
                f"{words(service)} selects {selector_words(selector)}, so it has no pods of {own}, which have "
                f"{selector_words(labels)}",
                f"Take {', '.join(clashing)} out of its selector, so that it has the pods of every version.",
            )
        elif not pods_of(self.cluster, str(where.namespace), {**selector, **labels}):
            what = f"the subset of {words(service)} for {own} ({selector_words(labels)})"
            yield no_endpoints(self.cluster, what, str(where.namespace), own)

    def _no_service(self, place: str) -> Finding:
        return Finding(
            "error",
            NotFound.code,
            f"Service {place} does not exist: its share would get 503",
            "Deploy the version first (gradual.canary.version).",
        )

    def _ports(self, service: Object, entry: SplitEntry) -> Findings:
        ports = [port["port"] for port in service["spec"].get("ports") or []]
        item = entry.state.route[entry.destinations.index(entry.stable)]
        port = (item["destination"].get("port") or {}).get("number")
        if port is None and len(ports) > 1:
            yield Finding(
                "error",
                "port",
                f"{words(service)} has the ports {ports}, and {entry.where} does not say which",
                "Give the destination a port.",
            )
        elif port is not None and port not in ports:
            yield Finding(
                "error",
                "port",
                f"{words(service)} has no port {port}, which {entry.where} sends to; it has {ports}",
                "Give the Service that port.",
            )

    # how clients balance

    def _policies(self, entry: SplitEntry) -> Findings:
        names = [entry.stable.service]
        if not entry.stable.subset and self.target.version:
            names.append(self.target.canary_service)
        yield from policies(self.cluster, names, str(entry.stable.namespace))


def validation(item: Object) -> Findings:
    """Yield what Istio's analysis says about an object, where it is switched on."""
    for message in (item.get("status") or {}).get("validationMessages") or []:
        yield Finding(
            "warning", "validation", f"Istio says of {words(item)}: {validation_words(message)}", "Mend what it names."
        )


def validation_words(message: Object) -> str:
    """Return one of Istio's messages in words: code, name and level, and where it is explained."""
    kind = message.get("type") or {}
    return " ".join(
        str(part)
        for part in (kind.get("code"), kind.get("name"), message.get("level"), message.get("documentationUrl"))
        if part
    )


def distortions(entry: SplitEntry) -> Findings:
    """Yield what of an entry makes errors and times other than those of the versions."""
    retries = entry.entry.get("retries") or {}
    if retries.get("attempts"):
        yield Finding(
            "warning",
            "retries",
            f"{entry.where} tries up to {retries['attempts']} times more on {retries.get('retryOn') or 'failures'}: "
            "errors of the canary are hidden from clients and from the proof, and its load grows by the tries",
            "Take retries out for the time of the release, or judge by the application's own metrics too.",
        )
    if entry.entry.get("fault"):
        yield Finding(
            "warning",
            "fault",
            f"{entry.where} injects faults, which count as errors and delays of the versions",
            "Take fault out for the time of the release.",
        )


def _weights(entry: SplitEntry) -> Findings:
    if not any(each.weight for each in entry.destinations):
        yield Finding(
            "error",
            "no_weight",
            f"{entry.where} gives weight to nobody; Istio does not take it and keeps serving what it had before",
            f"Give {entry.service_name(entry.stable)} weight 100.",
        )


def policies(cluster: Cluster, services: t.Sequence[str], namespace: str) -> Findings:
    """Yield how the DestinationRules of the Services that a split leads to falsify it. namespace: the Services' own."""
    try:
        rules = cluster.search("DestinationRule", namespace)
    except Forbidden as error:
        message = f"the DestinationRules of namespace {namespace} could not be looked at"
        yield Finding("warning", Forbidden.code, f"{message}: {error.message}", "Allow list.")
        return
    having = {name: [rule for rule in rules if _is_for(rule, name, namespace)] for name in services}
    for rule in {id(rule): rule for found in having.values() for rule in found}.values():
        yield from _policy(rule)
    lacking = [name for name, found in having.items() if not found]
    if lacking and len(lacking) < len(services):
        others = ", ".join(words(rule) for found in having.values() for rule in found)
        yield Finding(
            "warning",
            "unlike",
            f"{others} has no counterpart for {', '.join(lacking)}: the versions are reached in different ways "
            "(TLS, pools, balancing), so errors and times do not compare",
            "Make a DestinationRule alike for it.",
        )


def _policy(rule: Object) -> Findings:
    policies = [rule["spec"], *(rule["spec"].get("subsets") or [])]
    used = [policy["trafficPolicy"] for policy in policies if policy.get("trafficPolicy")]
    used += [port for policy in used for port in policy.get("portLevelSettings") or []]
    if any((policy.get("loadBalancer") or {}).get("consistentHash") for policy in used):
        yield Finding(
            "warning",
            "sticky",
            f"{words(rule)} balances by consistentHash: that keeps a client with one pod of a version, not with one "
            "version, so users change versions from request to request",
            "Route testers by a header or cookie if they must stay with the canary.",
        )
    if any(policy.get("outlierDetection") for policy in used):
        yield Finding(
            "warning",
            "ejection",
            f"{words(rule)} ejects pods that fail (outlierDetection): with few canary pods its share can get 503",
            "Give the canary several pods, or take outlierDetection out for the time of the release.",
        )


def _is_for(rule: Object, service: str, namespace: str | None) -> bool:
    return means(str(rule["spec"].get("host") or ""), str(rule["metadata"]["namespace"]), service, namespace)
