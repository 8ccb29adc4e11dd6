# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to one API server as one identity. Private to the gradual.canary collection.

The only importer of the kubernetes client, and of it only what is hard to do oneself: kubeconfig, exec plugins, OIDC,
certificates, proxies. Requests go through the client's own connection pool: ``rest_client.request`` behaves differently
in each major version (36 raises, 37 returns; neither streams a watch), its pool does not.
"""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils import _errors as errors

try:
    import urllib3
    import yaml  # comes with the client
    from kubernetes import client as kubernetes_client
    from kubernetes import config as kubernetes_config
    from kubernetes.config import kube_config

    LIBRARY_ERROR: str | None = None
except ImportError as import_error:
    LIBRARY_ERROR = str(import_error)

USER_AGENT: t.Final = "gradual.canary"
_JSON = "application/json"
_CONNECT_SECONDS = 20.0

Params = t.Mapping[str, t.Any]


class Response(t.NamedTuple):
    """An answer of the API: status, headers (case-insensitive) and the body's bytes."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes


class Connection:
    """Sends single requests; knows nothing of objects, retries or meanings.

    server: URL without a trailing slash. context, user: as the kubeconfig names them, for results and messages.
    """

    def __init__(self, configuration: t.Any, context: str | None, user: str | None, impersonate: Params) -> None:
        configuration.retries = False  # retries are the cluster's: one deadline, and an answer is an answer
        self._configuration = configuration
        self._pool = kubernetes_client.ApiClient(configuration).rest_client.pool_manager
        self._impersonate = impersonate
        self.server = str(configuration.host).rstrip("/")
        self.context = context
        self.user = user

    @classmethod
    def open(cls, params: Params) -> Connection:
        """Return the connection that the shared options name; nothing is sent yet.

        Raises MissingLibrary and InvalidInput. Never falls back to in-cluster credentials unasked.
        """
        _require_library()
        configuration, context, user = _configuration(params)
        _override(configuration, params)
        if not (configuration.api_key or configuration.cert_file or params.get("in_cluster")):
            raise errors.InvalidInput(
                f"no credentials for {configuration.host}{f' in context {context!r}' if context else ''}: requests "
                "would be anonymous. Give api_key, client_cert and client_key, or a kubeconfig whose user has a token, "
                "a certificate or a working exec plugin."
            )
        if params.get("impersonate_groups") and not params.get("impersonate_user"):
            raise errors.InvalidInput("impersonate_groups needs impersonate_user: the API refuses groups alone")
        return cls(configuration, context, user, params)

    def request(
        self, method: str, url: str, body: t.Any, content_type: str | None, seconds: float, accept: str = _JSON
    ) -> Response:
        """Send one request, `body` as JSON; return the answer whatever its status, Unreachable when there is none."""
        try:
            response = self._pool.request(
                method,
                self.server + url,
                body=None if body is None else json.dumps(body).encode(),
                headers=self._headers(content_type, accept),
                timeout=urllib3.Timeout(total=max(0.1, seconds)),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        return Response(response.status, response.headers, response.data)

    def stream(self, url: str, seconds: float) -> t.Iterator[t.Any]:
        """Yield the JSON documents of a watch, one a line, until it ends, is cut, or `seconds` have passed.

        The first thing yielded is the Response without a body, so that the caller can judge the status.
        """
        deadline = time.monotonic() + seconds
        try:
            response = self._pool.request(
                "GET",
                self.server + url,
                headers=self._headers(None),
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=max(0.1, seconds)),
                retries=False,
                preload_content=False,
            )
        except urllib3.exceptions.ReadTimeoutError:
            return
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        try:
            yield Response(response.status, response.headers, response.data if response.status >= 400 else b"")
            rest = b""
            for chunk in response.stream(65536, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in lines if line)
                if time.monotonic() >= deadline:
                    return
        except urllib3.exceptions.HTTPError:
            return  # cut, or out of time: the caller asks anew, or has reached its deadline
        finally:
            response.close()

    def _headers(self, content_type: str | None, accept: str = _JSON) -> t.Any:
        headers = urllib3.HTTPHeaderDict({"Accept": accept, "User-Agent": USER_AGENT})
        for setting in self._configuration.auth_settings().values():  # runs the refresh hook: tokens stay fresh
            if setting["value"]:
                headers[setting["key"]] = setting["value"]
        if content_type:
            headers["Content-Type"] = content_type
        if self._impersonate.get("impersonate_user"):
            headers["Impersonate-User"] = str(self._impersonate["impersonate_user"])
            for group in self._impersonate.get("impersonate_groups") or ():
                headers.add("Impersonate-Group", str(group))
        return headers

    def _unreachable(self, error: Exception) -> errors.Unreachable:
        hint = ""
        if isinstance(error, urllib3.exceptions.SSLError):
            hint = " Give the right ca_cert, or check that this is the server you mean."
        where = f"{self.server} (context {self.context!r})" if self.context else self.server
        text = str(error).rpartition(">: ")[2] or str(error)
        return errors.Unreachable(
            f"cannot reach the Kubernetes API at {where}: {text}.{hint} Whether the last request arrived is not known; "
            "run the same command again, it continues from what the cluster says.",
            server=self.server,
        )


def _require_library() -> None:
    wanted = "pip install 'kubernetes>=31.0.0,!=36.0.0'"
    if LIBRARY_ERROR:
        raise errors.MissingLibrary(
            f"the Python library 'kubernetes' cannot be imported ({LIBRARY_ERROR}); "
            f"install it for this Python: {wanted}"
        )
    if _library_version() == "36.0.0":
        raise errors.MissingLibrary(
            "version 36.0.0 of the Python library 'kubernetes' sends requests without the bearer token; "
            f"install another: {wanted}"
        )


def _library_version() -> str:
    import kubernetes  # its __version__ is not in the submodules imported above

    return str(getattr(kubernetes, "__version__", ""))


def _configuration(params: Params) -> tuple[t.Any, str | None, str | None]:
    """Return the client's configuration, the context and the user it came from."""
    configuration = kubernetes_client.Configuration()
    if params.get("in_cluster"):
        try:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        except kubernetes_config.ConfigException as error:
            raise errors.InvalidInput(f"in_cluster: this is not a pod with a service account ({error})") from error
        return configuration, None, "in-cluster"
    if params.get("host") and not params.get("kubeconfig") and not params.get("context"):
        if not any(params.get(option) for option in ("api_key", "username", "client_cert")):
            raise errors.InvalidInput(
                f"host {params['host']} is given without credentials; add api_key, username and password, or "
                "client_cert and client_key (another identity is never taken silently)"
            )
        return configuration, None, params.get("username")
    kubeconfig = params.get("kubeconfig") or os.environ.get("KUBECONFIG") or "~/.kube/config"
    return _from_kubeconfig(configuration, kubeconfig, params.get("context"), bool(params.get("persist_config")))


def _from_kubeconfig(
    configuration: t.Any, kubeconfig: t.Any, context: str | None, persist: bool
) -> tuple[t.Any, str, str]:
    """Load a kubeconfig into the configuration. It is parsed once: the client's YAML is slow, 3 ms a time."""
    where = "the inline kubeconfig"
    try:
        if isinstance(kubeconfig, str) and kubeconfig.lstrip().startswith("{"):
            kubeconfig = json.loads(kubeconfig)
        persister = None
        if not isinstance(kubeconfig, dict):
            path = os.path.expanduser(str(kubeconfig))
            where = f"kubeconfig {path}"
            if not any(os.path.exists(part) for part in path.split(os.pathsep)):
                raise errors.InvalidInput(
                    f"{where} does not exist; give kubeconfig, host with api_key, or in_cluster: true in a pod"
                )
            merged = kube_config.KubeConfigMerger(path)
            kubeconfig, persister = merged.config, merged.save_changes if persist else None
        names = [entry["name"] for entry in (kubeconfig["contexts"] if kubeconfig else ()) or ()]
        if context and context not in names:
            raise errors.InvalidInput(f"{where} has no context {context!r}; it has: {', '.join(names) or 'none'}")
        loader = kube_config.KubeConfigLoader(
            kubeconfig, active_context=context, config_base_path=None, config_persister=persister
        )
        loader.load_and_set(configuration)
    except (kubernetes_config.ConfigException, yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise errors.InvalidInput(f"{where} cannot be used: {error}") from error
    active = loader.current_context
    return configuration, str(active["name"]), str(active["context"].get("user") or "")


def _override(configuration: t.Any, params: Params) -> None:
    """Let single options win over the kubeconfig, as in kubernetes.core."""
    direct = {
        "host": "host",
        "ca_cert": "ssl_ca_cert",
        "client_cert": "cert_file",
        "client_key": "key_file",
        "proxy": "proxy",
        "no_proxy": "no_proxy",
        "validate_certs": "verify_ssl",
    }
    for option, attribute in direct.items():
        if params.get(option) is not None:
            setattr(configuration, attribute, params[option])
    if params.get("api_key"):
        configuration.api_key = {"authorization": f"Bearer {params['api_key']}"}
    if params.get("username"):
        basic = urllib3.make_headers(basic_auth=f"{params['username']}:{params['password']}")
        configuration.api_key = {"authorization": basic["authorization"]}
    proxy_headers = {key: value for key, value in (params.get("proxy_headers") or {}).items() if value}
    if proxy_headers:
        configuration.proxy_headers = urllib3.make_headers(**proxy_headers)
