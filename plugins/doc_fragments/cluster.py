# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say which cluster to talk to. Private to the gradual.canary collection."""

from __future__ import annotations


class ModuleDocFragment:
    """Names, aliases and variables equal those of kubernetes.core, so that ``module_defaults`` can be shared."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig file (several may be joined by C(:)), or its content as a dictionary.
      - Without it E(KUBECONFIG) and then C(~/.kube/config) are used, unless O(host) or O(in_cluster) say otherwise.
      - Also E(K8S_AUTH_KUBECONFIG).
    type: raw
  context:
    description: The context of the kubeconfig to use. Also E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description: URL of the API server. Needs credentials beside it. Also E(K8S_AUTH_HOST).
    type: str
  api_key:
    description: Bearer token. Also E(K8S_AUTH_API_KEY).
    type: str
  username:
    description: User name for basic authentication. Also E(K8S_AUTH_USERNAME).
    type: str
  password:
    description: Password for basic authentication. Also E(K8S_AUTH_PASSWORD).
    type: str
  validate_certs:
    description:
      - Whether the server's certificate is verified. Also E(K8S_AUTH_VALIDATE_CERTS) or E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description:
      - Path of the CA certificate that signed the server's. Also E(K8S_AUTH_CA_CERT) or E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description: Path of a client certificate. Also E(K8S_AUTH_CLIENT_CERT) or E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description: Path of the client certificate's key. Also E(K8S_AUTH_CLIENT_KEY) or E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  proxy:
    description: URL of an HTTP proxy for the connection to the API server. Also E(K8S_AUTH_PROXY).
    type: str
  no_proxy:
    description: Comma-separated hosts that are reached without O(proxy). Also E(K8S_AUTH_NO_PROXY).
    type: str
  proxy_headers:
    description: Headers for the proxy.
    type: dict
    suboptions:
      proxy_basic_auth:
        description: C(user:password) for the proxy. Also E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH).
        type: str
      basic_auth:
        description: C(user:password) in an authorization header. Also E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH).
        type: str
      user_agent:
        description: User agent for the proxy. Also E(K8S_AUTH_PROXY_HEADERS_USER_AGENT).
        type: str
  persist_config:
    description: Whether refreshed tokens are written back to the kubeconfig. Also E(K8S_AUTH_PERSIST_CONFIG).
    type: bool
  impersonate_user:
    description: User to act as. Also E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description: Groups to act as; needs O(impersonate_user). Also E(K8S_AUTH_IMPERSONATE_GROUPS), comma-separated.
    type: list
    elements: str
  in_cluster:
    description:
      - Whether to use the service account of the pod this runs in.
      - Never done unasked. In an AWX container group the pod's account is that of AWX's own cluster.
    type: bool
    default: false
  version_clusters:
    description:
      - The clusters that the application's versions run in, where that is not the one that the other options name. That
        one then has the traffic system's objects alone. For a gateway that stands before several clusters.
      - Each is a dictionary of the options above. One that gives no O(host) takes O(kubeconfig) from here, so that a
        C(context) is enough. Variables of the environment do not count for it.
      - A version is where its Deployment is. A new one goes to the first of these clusters that does not have the
        version it replaces, so that two clusters take turns, and nothing is turned round between releases.
      - The namespace has the same name in all of them. The backend V(ingress_nginx) with promotion V(repoint) can do
        this, no other.
    type: list
    elements: dict
  api_timeout:
    description:
      - Seconds one call to the API may take in all, with its retries.
      - Answers of 429 and 5xx and broken connections are retried with growing pauses until then.
    type: int
    default: 60
requirements:
  - kubernetes >= 31.0.0, != 36.0.0
"""
