# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose object it is, and what to keep of one that is taken over. Private to the gradual.canary collection."""

from __future__ import annotations

import copy
import json

from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER
from ansible_collections.gradual.canary.plugins.module_utils._errors import ForeignOwner, InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._manifests import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NAME_LABEL,
    VERSION_LABEL,
    Identity,
)
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, words


def require_ours(identity: Identity, item: Object, *, adopt: bool = False) -> None:
    """Raise ForeignOwner for an object that this collection did not make for this version."""
    if identity.owns(item):
        return
    labels = item["metadata"].get("labels") or {}
    if labels.get(MANAGED_BY_LABEL) == MANAGED_BY:
        raise ForeignOwner(
            f"{words(item)} is version {labels.get(VERSION_LABEL)} of {labels.get(NAME_LABEL)} and not {identity}; "
            "choose another app or version. Nothing was changed.",
            object=words(item),
        )
    if not adopt:
        raise ForeignOwner(
            f"{words(item)} exists and was not made by this collection (its label {MANAGED_BY_LABEL} is "
            f"{labels.get(MANAGED_BY_LABEL)!r}). Nothing was changed. Choose another version, or take the object over "
            "with state present and adopt: true.",
            object=words(item),
            managed_by=labels.get(MANAGED_BY_LABEL),
        )


def keep_selector(deployment: Object, live: Object) -> None:
    """Keep the selector of a Deployment that was taken over: it cannot be changed, so the new pods must fit it too."""
    selector = live["spec"]["selector"]
    if selector == deployment["spec"]["selector"]:
        return
    if selector.get("matchExpressions"):
        raise InvalidInput(
            f"{words(live)} selects its pods with matchExpressions and cannot be adopted; deploy another version"
        )
    deployment["spec"]["selector"] = copy.deepcopy(selector)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    clash = {key for key, value in selector["matchLabels"].items() if labels.get(key, value) != value}
    if clash:
        raise InvalidInput(
            f"{words(live)} selects its pods by {', '.join(sorted(clash))} with another value than this version's pods "
            "have, and a selector cannot be changed; deploy another version beside it"
        )
    labels.update(selector["matchLabels"])


def keep_containers(deployment: Object, live: Object) -> None:
    """Give the one container the name it has; two of different names would run side by side.

    Applying removes only what we alone own, so a container that another field manager made stays.
    """
    containers = deployment["spec"]["template"]["spec"]["containers"]
    foreign = _foreign_containers(live) - {container["name"] for container in containers}
    if not foreign:
        return
    if len(foreign) > 1 or len(containers) > 1:
        raise InvalidInput(
            f"{words(live)} was made by another tool with the containers {', '.join(sorted(foreign))}, which would "
            "stay beside those you give. Use the same names in the manifests, or deploy another version"
        )
    containers[0]["name"] = foreign.pop()


def _foreign_containers(live: Object) -> set[str]:
    """Return the containers that another than our own server-side apply owns."""
    names: set[str] = set()
    for entry in live["metadata"].get("managedFields") or ():
        if (entry.get("manager"), entry.get("operation")) != (FIELD_MANAGER, "Apply"):
            fields = entry.get("fieldsV1") or {}
            for step in ("f:spec", "f:template", "f:spec", "f:containers"):
                fields = fields.get(step) or {}
            names.update(json.loads(key[2:])["name"] for key in fields if key.startswith("k:"))
    return names
