"""A connection that is not local: what runs over it runs as a module, as on a bastion."""

from __future__ import annotations

from typing import ClassVar

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: elsewhere
short_description: Run modules as on another host
description: Runs commands on this machine, but is not the local connection, for the project's own tests.
options:
  become_success_timeout:
    type: int
    default: 10
    description: As of the local connection.
  become_strip_preamble:
    type: bool
    default: true
    description: As of the local connection.
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(LocalConnection):
    """The local connection by another name."""

    transport: ClassVar[str] = "elsewhere"
