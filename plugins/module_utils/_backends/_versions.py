# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions are behind the Services of a split. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._backends._contract import Target
from ansible_collections.gradual.canary.plugins.module_utils._placement import Placement
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object
from ansible_collections.gradual.canary.plugins.module_utils._traffic import Split

VERSION_LABELS: t.Final = ("app.kubernetes.io/version", "version")


def version_of(service: Object) -> str | None:
    """Return the version whose pods a Service selects; where the selector does not say, the one it is labelled with."""
    for labels in (service["spec"].get("selector") or {}, service["metadata"].get("labels") or {}):
        for label in VERSION_LABELS:
            if labels.get(label):
                return str(labels[label])
    return None


def with_versions(placement: Placement, target: Target, split: Split) -> Split:
    """Return the split with the versions that its Services tell of: one read for each Service."""
    canary_version = version_behind(placement, target, split.canary) if split.canary else None
    return dataclasses.replace(
        split,
        stable_version=version_behind(placement, target, split.stable) or split.stable_version,
        canary_version=canary_version or split.canary_version,
    )


def version_behind(placement: Placement, target: Target, name: str) -> str | None:
    """Return the version that a Service sends to.

    One of another cluster is told by its name, if that is of the form ``web-v2``: the way back must not depend on
    whether the cluster answers that the traffic is taken from.
    """
    named = name.removeprefix(f"{target.app}-")
    if placement.elsewhere and named != name:
        return named
    service = placement.find_service(target.namespace, name)
    return None if service is None else version_of(service)
