# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What falsifies a split by the pods behind one Service. Pure. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Findings = t.Iterator[Finding]


def of_service(service: Object) -> Findings:
    """Return what makes a Service share connections out in another ratio than that of its pods."""
    spec, name = service["spec"], words(service)
    if spec.get("sessionAffinity") == "ClientIP":
        yield Finding(
            "error",
            "sticky",
            f"{name} has sessionAffinity ClientIP: each client stays with one pod, so that numbers of pods say little "
            "of who sees which version",
            "Set sessionAffinity to None for the time of the release.",
        )
    if spec.get("publishNotReadyAddresses"):
        yield Finding(
            "error",
            "not_ready_addresses",
            f"{name} has publishNotReadyAddresses: pods get requests before they are ready",
            "Set publishNotReadyAddresses to false.",
        )
    if spec.get("clusterIP") == "None":
        yield Finding(
            "warning",
            "headless",
            f"{name} is headless: clients choose a pod by themselves, from names that they may keep",
            "Give clients a Service with an address, or sample with verify before each stage.",
        )
    for field in ("trafficDistribution", "internalTrafficPolicy", "externalTrafficPolicy"):
        if spec.get(field) not in (None, "Cluster"):
            yield Finding(
                "warning",
                "uneven",
                f"{name} has {field} {spec[field]}: clients get pods near to them, in another ratio than the whole",
                "Remove it for the time of the release, or spread both versions evenly.",
            )


def of_endings(name: str, template: Object) -> Findings:
    """Warn of pods that end at once, where pods end while they are still known as endpoints; name: whose they are."""
    containers = template["spec"]["containers"]
    if not any((container.get("lifecycle") or {}).get("preStop") for container in containers):
        yield Finding(
            "warning",
            "no_pre_stop",
            f"the pods of {name} have no preStop hook: each stage ends pods, and connections that reach "
            "them before every node knows are refused",
            "Give them pre_stop_sleep: 5 and a termination_grace_period above that and the longest request.",
        )
