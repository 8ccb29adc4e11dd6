# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Composable argument specs: options and their constraints travel together. Private to the gradual.canary collection.

Option names, aliases and ``K8S_AUTH_*`` variables equal those of ``kubernetes.core``
(its plugins/module_utils/args_common.py and plugins/doc_fragments/k8s_auth_options.py).
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.gradual.canary.plugins.module_utils._errors import InvalidInput

_CONSTRAINTS = ("mutually_exclusive", "required_together", "required_one_of", "required_if")


class ArgumentSpec:
    """Options with the constraints that belong to them; ``a + b`` has both."""

    def __init__(
        self, options: dict[str, dict[str, t.Any]], required_by: dict[str, t.Any] | None = None, **constraints: t.Any
    ) -> None:
        unknown = set(constraints) - set(_CONSTRAINTS)
        if unknown:
            raise TypeError(f"unknown constraints: {sorted(unknown)}")
        self.options = options
        self.required_by = required_by or {}
        self.constraints: dict[str, list[t.Any]] = {name: list(constraints.get(name, ())) for name in _CONSTRAINTS}

    def __add__(self, other: ArgumentSpec) -> ArgumentSpec:
        clash = set(self.options) & set(other.options)
        if clash:
            raise TypeError(f"options defined twice: {sorted(clash)}")
        return ArgumentSpec(
            {**self.options, **other.options},
            {**self.required_by, **other.required_by},
            **{name: self.constraints[name] + other.constraints[name] for name in _CONSTRAINTS},
        )

    def keywords(self) -> dict[str, t.Any]:
        """Return keyword arguments for both ``AnsibleModule`` and ``ArgumentSpecValidator``."""
        return {"argument_spec": self.options, "required_by": self.required_by, **self.constraints}


def _variable(*names: str) -> tuple[t.Any, list[str]]:
    return (env_fallback, [f"K8S_AUTH_{name}" for name in names])


def cluster() -> ArgumentSpec:
    """Return the options that say which cluster to talk to, and as whom; and which others the versions run in."""
    return _identity() + ArgumentSpec({"version_clusters": {"type": "list", "elements": "dict"}})


def version_clusters(params: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return the connection options of each of ``version_clusters``. Raises InvalidInput, naming the entry.

    One that names no server of its own takes the kubeconfig of the whole, so that contexts of one file are enough.
    Variables of the environment are those of the first cluster only.
    """
    spec = _identity()
    for option in spec.options.values():
        option.pop("fallback", None)
        for inner in (option.get("options") or {}).values():
            inner.pop("fallback", None)
    found = []
    for number, given in enumerate(params.get("version_clusters") or (), 1):
        inherited = () if given.get("host") or given.get("in_cluster") else ("kubeconfig",)
        shared = {key: params[key] for key in (*inherited, "api_timeout") if params.get(key) is not None}
        found.append(validated(spec, {**shared, **given}, f"version_clusters, entry {number}"))
    return found


def _identity() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "kubeconfig": {"type": "raw", "fallback": _variable("KUBECONFIG")},
            "context": {"type": "str", "fallback": _variable("CONTEXT")},
            "host": {"type": "str", "fallback": _variable("HOST")},
            "api_key": {"type": "str", "no_log": True, "fallback": _variable("API_KEY")},
            "username": {"type": "str", "fallback": _variable("USERNAME")},
            "password": {"type": "str", "no_log": True, "fallback": _variable("PASSWORD")},
            "validate_certs": {
                "type": "bool",
                "aliases": ["verify_ssl"],
                "fallback": _variable("VALIDATE_CERTS", "VERIFY_SSL"),
            },
            "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"], "fallback": _variable("CA_CERT", "SSL_CA_CERT")},
            "client_cert": {
                "type": "path",
                "aliases": ["cert_file"],
                "fallback": _variable("CLIENT_CERT", "CERT_FILE"),
            },
            "client_key": {
                "type": "path",
                "no_log": False,
                "aliases": ["key_file"],
                "fallback": _variable("CLIENT_KEY", "KEY_FILE"),
            },
            "proxy": {"type": "str", "fallback": _variable("PROXY")},
            "no_proxy": {"type": "str", "fallback": _variable("NO_PROXY")},
            "proxy_headers": {
                "type": "dict",
                "options": {
                    "proxy_basic_auth": {
                        "type": "str",
                        "no_log": True,
                        "fallback": _variable("PROXY_HEADERS_PROXY_BASIC_AUTH"),
                    },
                    "basic_auth": {"type": "str", "no_log": True, "fallback": _variable("PROXY_HEADERS_BASIC_AUTH")},
                    "user_agent": {"type": "str", "fallback": _variable("PROXY_HEADERS_USER_AGENT")},
                },
            },
            "persist_config": {"type": "bool", "fallback": _variable("PERSIST_CONFIG")},
            "impersonate_user": {"type": "str", "fallback": _variable("IMPERSONATE_USER")},
            "impersonate_groups": {"type": "list", "elements": "str", "fallback": _variable("IMPERSONATE_GROUPS")},
            "in_cluster": {"type": "bool", "default": False},
            "api_timeout": {"type": "int", "default": 60},
        },
        required_together=[("client_cert", "client_key"), ("username", "password")],
        mutually_exclusive=[("in_cluster", "kubeconfig"), ("in_cluster", "host"), ("in_cluster", "context")],
    )


def target() -> ArgumentSpec:
    """Return the options that name one application in one namespace."""
    return ArgumentSpec(
        {
            "namespace": {"type": "str", "required": True, "aliases": ["ns"]},
            "app": {"type": "str", "required": True},
        }
    )


def lock() -> ArgumentSpec:
    """Return the option of verbs that change an application: who must hold its lock."""
    return ArgumentSpec({"lock": {"type": "str"}})


def lock_elsewhere() -> ArgumentSpec:
    """Return the option of verbs that ask no cluster but may last: the lock to keep meanwhile, and where it is."""
    options = {
        "namespace": {"type": "str", "required": True},
        "app": {"type": "str", "required": True},
        "holder": {"type": "str", "required": True},
        "cluster": {"type": "dict", "default": {}},
    }
    return ArgumentSpec({"lock": {"type": "dict", "options": options}})


def sampling_options() -> ArgumentSpec:
    """Return the options that say how to sample a URL."""
    return ArgumentSpec(
        {
            "url": {"type": "str", "required": True},
            "identify": {
                "type": "dict",
                "required": True,
                "options": {"header": {"type": "str"}, "jmespath": {"type": "str"}, "regex": {"type": "str"}},
            },
            "method": {
                "type": "str",
                "choices": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
                "default": "GET",
            },
            "paths": {"type": "list", "elements": "str"},
            "headers": {"type": "dict"},
            "host": {"type": "str"},
            "server_name": {"type": "str"},
            "address": {"type": "str"},
            "unique_query": {"type": "bool", "default": False},
            "ca_cert": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path"},
            "validate_certs": {"type": "bool", "default": True},
            "rate": {"type": "float", "default": 200},
            "concurrency": {"type": "int", "default": 8},
            "request_timeout": {"type": "float", "default": 10},
        }
    )


def verification_options() -> ArgumentSpec:
    """Return the options of a proof: what to sample, what it must show, and how surely."""
    return sampling_options() + ArgumentSpec(
        {
            "canary": {"type": "str", "required": True},
            "stable": {"type": "str", "required": True},
            "weight": {"type": "str", "required": True},
            "previous": {"type": "str"},
            "matches": {"type": "list", "elements": "dict", "default": []},
            "populations": {
                "type": "list",
                "elements": "str",
                "choices": ["new_connections", "kept_alive", "cookies"],
                "default": ["new_connections"],
            },
            "clients": {"type": "int", "default": 50},
            "profile": {"type": "str", "choices": ["quick", "standard", "strict"], "default": "standard"},
            "delta": {"type": "str"},
            "alpha": {"type": "float"},
            "beta": {"type": "float", "default": 0.0001},
            "errors": {
                "type": "dict",
                "default": {},
                "options": {
                    "enabled": {"type": "bool", "default": True},
                    "healthy": {"type": "float", "default": 0.001},
                    "limit": {"type": "float", "default": 0.01},
                    "bad": {"type": "float", "default": 0.01},
                },
            },
            "latency": {
                "type": "dict",
                "default": {},
                "options": {
                    "enabled": {"type": "bool", "default": True},
                    "p95": {"type": "float", "default": 2.0},
                    "rollback_above": {"type": "float", "default": 5.0},
                },
            },
            "prove_health": {"type": "bool", "default": False},
            "bake": {"type": "int", "default": 0},
            "settle_timeout": {"type": "int", "default": 30},
            "limit": {"type": "int"},
            "timeout": {"type": "int", "default": 600},
            "label": {"type": "str"},
            "since": {"type": "float"},
        }
    )


def validated(arguments: ArgumentSpec, given: t.Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    """Return the values of options that stand inside another option, with defaults; InvalidInput names `where`."""
    result = ArgumentSpecValidator(**arguments.keywords()).validate(dict(given))
    if result.errors.errors:
        raise InvalidInput(f"{where}: {result.errors.msg}")
    return dict(result.validated_parameters)
