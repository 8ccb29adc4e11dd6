# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What falsifies a split by the pods behind one Service. Pure. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import endings
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Finding

Findings = t.Iterator[Finding]

# kube-proxy holds changes back for 1 s by default (iptables.minSyncPeriod). On the lab, where it is 0.1 s, the last old
# answer came 0.08 s (median of 8) and 0.85 s (at most, on a busy machine) after a Service's selector was written.
PROPAGATION_SECONDS: t.Final = 1.9


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
    return endings(name, template, PROPAGATION_SECONDS)
