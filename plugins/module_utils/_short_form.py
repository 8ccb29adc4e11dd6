# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container, said in a few options instead of a manifest. Private to the gradual.canary collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput
from ansible_collections.gradual.canary.plugins.module_utils._manifests import (
    Identity,
    Manifests,
    from_objects,
    read_file,
)
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object

# The options beside `image`, as an argument spec has them; documented in doc_fragments/container.py.
OPTIONS: t.Final[dict[str, dict[str, t.Any]]] = {
    "port": {"type": "int"},
    "service_port": {"type": "int"},
    "port_name": {"type": "str"},
    "env": {"type": "dict"},
    "env_from": {"type": "list", "elements": "dict"},
    "probes": {"type": "dict"},
    "resources": {"type": "dict"},
    "image_pull_policy": {"type": "str", "choices": ["Always", "IfNotPresent", "Never"]},
    "image_pull_secrets": {"type": "list", "elements": "str", "no_log": False},
    "service_account": {"type": "str"},
    "pre_stop_sleep": {"type": "int"},
    "termination_grace_period": {"type": "int"},
    "command": {"type": "list", "elements": "str"},
    "args": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
    "pod_annotations": {"type": "dict"},
    "node_selector": {"type": "dict"},
    "tolerations": {"type": "list", "elements": "dict"},
}

_DEFAULT_GRACE = 30  # seconds; what Kubernetes gives a pod that does not say

_PROBE_KINDS = ("readiness", "liveness", "startup")
_PROBE_ACTIONS = ("httpGet", "tcpSocket", "exec", "grpc")
_OPEN_PORT: t.Final = {"period": 2}  # the readiness probe of who gives none: a pod that crashes is never ready
_PROBE_NUMBERS = {
    "initial_delay": "initialDelaySeconds",
    "period": "periodSeconds",
    "timeout": "timeoutSeconds",
    "successes": "successThreshold",
    "failures": "failureThreshold",
}


@dataclasses.dataclass(frozen=True)
class ShortForm:
    """The options of a version without manifests. Seconds where a number is a time; None leaves it to Kubernetes."""

    image: str
    port: int = 8080
    service_port: int | None = None
    port_name: str = "http"
    env: t.Mapping[str, t.Any] | None = None
    env_from: t.Sequence[Object] | None = None
    probes: t.Mapping[str, t.Any] | None = None
    resources: Object | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: t.Sequence[str] | None = None
    service_account: str | None = None
    pre_stop_sleep: int | None = None
    termination_grace_period: int | None = None
    command: t.Sequence[str] | None = None
    args: t.Sequence[str] | None = None
    labels: t.Mapping[str, t.Any] | None = None
    annotations: t.Mapping[str, t.Any] | None = None
    pod_annotations: t.Mapping[str, t.Any] | None = None
    node_selector: t.Mapping[str, t.Any] | None = None
    tolerations: t.Sequence[Object] | None = None

    def manifests(self, identity: Identity, *, replicas: int | None, replaces: str | None) -> Manifests:
        """Return the objects these options describe; InvalidInput when they contradict each other."""
        self._require_grace()
        metadata = _present(
            name=identity.name,
            namespace=identity.namespace,
            labels=_texts("labels", self.labels),
            annotations=_texts("annotations", self.annotations),
        )
        template = {
            "metadata": _present(
                labels=_texts("labels", self.labels), annotations=_texts("pod_annotations", self.pod_annotations)
            ),
            "spec": self._pod_spec(),
        }
        port = {"name": self.port_name, "port": self.service_port or self.port, "targetPort": self.port_name}
        objects: list[Object] = [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}},
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [port]}},
        ]
        return from_objects(identity, objects, replicas=replicas, replaces=replaces)

    def _pod_spec(self) -> Object:
        container = _present(
            name="app",
            image=self.image,
            imagePullPolicy=self.image_pull_policy,
            command=self.command,
            args=self.args,
            ports=[{"name": self.port_name, "containerPort": self.port}],
            env=self._environment(),
            envFrom=self.env_from,
            resources=self.resources,
            terminationMessagePolicy="FallbackToLogsOnError",  # the pod's status tells why it crashed
            **self._probes(),
        )
        if self.pre_stop_sleep:
            container["lifecycle"] = {"preStop": {"sleep": {"seconds": self.pre_stop_sleep}}}
        return _present(
            containers=[container],
            imagePullSecrets=[{"name": name} for name in self.image_pull_secrets or ()],
            serviceAccountName=self.service_account,
            terminationGracePeriodSeconds=self.termination_grace_period,
            nodeSelector=_texts("node_selector", self.node_selector),
            tolerations=self.tolerations,
        )

    def _environment(self) -> list[Object]:
        variables: list[Object] = []
        for name, value in (self.env or {}).items():
            if isinstance(value, t.Mapping):
                if set(value) != {"valueFrom"}:
                    raise InvalidInput(f"env {name} must be a text, or a dictionary with the one key valueFrom")
                variables.append({"name": name, "valueFrom": dict(value["valueFrom"])})
            else:
                variables.append({"name": name, "value": _text(f"env {name}", value)})
        return variables

    def _probes(self) -> dict[str, Object]:
        unknown = sorted(set(self.probes or {}) - set(_PROBE_KINDS))
        if unknown:
            raise InvalidInput(f"probes has unknown keys {', '.join(unknown)}; allowed: {', '.join(_PROBE_KINDS)}")
        probes = {"readiness": _OPEN_PORT, **(self.probes or {})}
        return {f"{kind}Probe": _probe(kind, value, self.port_name) for kind, value in probes.items() if value}

    def _require_grace(self) -> None:
        grace = _DEFAULT_GRACE if self.termination_grace_period is None else self.termination_grace_period
        if self.pre_stop_sleep and self.pre_stop_sleep >= grace:
            raise InvalidInput(
                f"pre_stop_sleep {self.pre_stop_sleep} leaves nothing of the termination_grace_period of {grace} "
                f"seconds and requests would be cut; give termination_grace_period more than {self.pre_stop_sleep}"
            )


def wanted_manifests(params: t.Mapping[str, t.Any], identity: Identity) -> Manifests | None:
    """Return what the options of the verb ``version`` ask for; None when an existing version is only to be scaled.

    Raises InvalidInput.
    """
    replicas, replaces = params["replicas"], params["replaces"]
    if replaces == identity.version:
        raise InvalidInput(f"replaces must name another version than {identity.version}: the one that is stable")
    if replicas is not None and replicas < 0:
        raise InvalidInput(f"replicas is {replicas}; give 0 or more")
    if params["adopt"] and not params["wait"]:
        raise InvalidInput("adopt needs wait: true: a Service taken over must not select pods that are not ready yet")
    if params["image"]:
        given = {option: params[option] for option in OPTIONS if params[option] is not None}
        return ShortForm(image=params["image"], **given).manifests(identity, replicas=replicas, replaces=replaces)
    if params["manifests"] is None and params["manifests_file"] is None:
        return None
    objects = params["manifests"] if params["manifests_file"] is None else read_file(params["manifests_file"])
    return from_objects(identity, objects, replicas=replicas, replaces=replaces)


def _probe(kind: str, value: t.Any, port_name: str) -> Object:
    """Return a probe; ``{path: /healthz, period: 5}`` is short for one by HTTP, without a path it opens the port."""
    if not isinstance(value, t.Mapping):
        raise InvalidInput(f"probes.{kind} must be a dictionary such as {{path: /healthz}}")
    if any(action in value for action in _PROBE_ACTIONS):
        return dict(value)
    allowed = ("path", "port", "scheme", *_PROBE_NUMBERS)
    unknown = sorted(set(value) - set(allowed))
    if unknown:
        raise InvalidInput(
            f"probes.{kind} has unknown keys {', '.join(unknown)}; allowed: {', '.join(allowed)}, or a whole probe "
            f"with one of {', '.join(_PROBE_ACTIONS)}"
        )
    port = value.get("port", port_name)
    port = int(port) if str(port).isdigit() else port  # a templated number is a text, which would name a port
    action: Object
    if value.get("path"):
        action = {"httpGet": _present(path=value["path"], port=port, scheme=value.get("scheme"))}
    else:
        action = {"tcpSocket": {"port": port}}
    numbers = {
        api: _whole(f"probes.{kind}.{short}", value[short]) for short, api in _PROBE_NUMBERS.items() if short in value
    }
    return {**action, **numbers}


def _texts(option: str, values: t.Mapping[str, t.Any] | None) -> dict[str, str]:
    return {str(key): _text(f"{option} {key}", value) for key, value in (values or {}).items()}


def _text(where: str, value: t.Any) -> str:
    """Return a plain value as Kubernetes wants it; YAML's true is the text ``true``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise InvalidInput(f"{where} must be a text or a number, not {value!r}")


def _whole(where: str, value: t.Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise InvalidInput(f"{where} must be a whole number, not {value!r}") from None


def _present(**fields: t.Any) -> Object:
    """Return the fields that say something."""
    return {name: value for name, value in fields.items() if value is not None and value not in ({}, [], "")}
