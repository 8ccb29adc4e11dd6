# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod template laid over one that another tool made. Pure. Private to the gradual.canary collection.

What is given wins and all else stays. Lists with a key are merged by it, as a strategic merge patch would; what may
exist only in one form (a probe) is replaced as a whole. The ports of a container, which Services name, stay its own.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput

Object = dict[str, t.Any]

_KEYS: t.Final = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
}
_WHOLE: t.Final = ("readinessProbe", "livenessProbe", "startupProbe", "lifecycle", "affinity", "ports")


def merged(base: Object, over: Object) -> Object:
    """Return the template `base` with what `over` says. Their one container is the same, whatever it is called."""
    over = copy.deepcopy(over)
    live, given = base["spec"]["containers"], over["spec"]["containers"]
    names = {container["name"] for container in live}
    if len(live) == len(given) == 1:
        given[0]["name"] = live[0]["name"]
    unknown = sorted(container["name"] for container in given if container["name"] not in names)
    if unknown and len(live) != len(given):
        given_names = ", ".join(sorted(container["name"] for container in given))
        raise InvalidInput(
            f"the workload has the containers {', '.join(sorted(names))}, and what is given has {given_names}: it is "
            "not clear which is which. Give manifests with the names that it has"
        )
    for container in given:
        mine: Object = next((one for one in live if one["name"] == container["name"]), {})
        if mine.get("ports"):
            _number_ports(container, container.pop("ports", None) or [], {port.get("name") for port in mine["ports"]})
        if mine.get("readinessProbe") and _is_open_port(container.get("readinessProbe")):
            container.pop("readinessProbe")
    return t.cast(Object, _laid_over(base, over))


def _number_ports(item: t.Any, given: t.Sequence[Object], known: t.Collection[str | None]) -> None:
    """Ask probes and hooks for the number of a port whose name goes with the given ports, and the container has not."""
    numbers = {port.get("name"): port.get("containerPort") for port in given}
    for key, value in list(item.items()) if isinstance(item, dict) else []:
        if key == "port" and isinstance(value, str) and value not in known and numbers.get(value):
            item[key] = numbers[value]
        _number_ports(value, given, known)


def _is_open_port(probe: t.Any) -> bool:
    """Say whether a probe is the one that a container gets that was given none."""
    return isinstance(probe, dict) and "tcpSocket" in probe


def _laid_over(base: t.Any, over: t.Any, name: str = "") -> t.Any:
    if isinstance(base, dict) and isinstance(over, dict) and name not in _WHOLE:
        result = copy.deepcopy(base)
        for key, value in over.items():
            result[key] = _laid_over(base.get(key), value, key)
        return result
    key = _KEYS.get(name)
    if key and isinstance(base, list) and isinstance(over, list):
        given = {item[key]: item for item in over}
        kept = [_laid_over(item, given.pop(item[key], {}), "") for item in base]
        return [*kept, *copy.deepcopy(list(given.values()))]
    return copy.deepcopy(over)
