# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say how to sample. Private to the gradual.canary collection."""

from __future__ import annotations


class ModuleDocFragment:
    """One URL, how to ask for it, and where an answer tells its version."""

    DOCUMENTATION = r"""
options:
  url:
    description: The URL to sample, V(http) or V(https).
    type: str
    required: true
  identify:
    description: Where an answer tells its version. Exactly one of the suboptions.
    type: dict
    required: true
    suboptions:
      header:
        description: Name of a response header.
        type: str
      jmespath:
        description: JMESPath expression on the JSON body. Needs the Python library C(jmespath).
        type: str
      regex:
        description: Regular expression on the body; its first group, or all that it matches.
        type: str
  method:
    description: Method of the requests.
    type: str
    choices: [GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS]
    default: GET
  paths:
    description: Paths to ask for in turn instead of the URL's.
    type: list
    elements: str
  headers:
    description: Headers of the requests.
    type: dict
  host:
    description: Host header, if not the URL's.
    type: str
  server_name:
    description: Name in TLS (SNI) that the certificate must carry, if not the host's.
    type: str
  address:
    description: Address to connect to instead of the URL's, as C(host:port) or C(host).
    type: str
  unique_query:
    description: Whether each request gets a query parameter of its own, so that no cache answers.
    type: bool
    default: false
  ca_cert:
    description: Path of the CA certificate to trust instead of the system's.
    type: path
  client_cert:
    description: Path of a client certificate.
    type: path
  client_key:
    description: Path of its key.
    type: path
  validate_certs:
    description: Whether the server's certificate must be valid.
    type: bool
    default: true
  rate:
    description: Requests per second at most; V(0) for no limit.
    type: float
    default: 200
  concurrency:
    description: Requests under way at most.
    type: int
    default: 8
  request_timeout:
    description: Seconds for one request; one that takes longer counts as an error.
    type: float
    default: 10
"""
