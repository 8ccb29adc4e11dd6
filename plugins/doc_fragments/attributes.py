# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of what every verb supports. Private to the gradual.canary collection."""

from __future__ import annotations


class ModuleDocFragment:
    """The plain fragment fits verbs that write; the others name what differs."""

    DOCUMENTATION = r"""
attributes:
  action:
    description: Runs in the controller's own process when the connection is local, and as a module otherwise.
    support: full
  async:
    description: Runs as a module then, without progress output.
    support: full
  check_mode:
    description: Sends each write with C(dryRun=All) and predicts the writes of the real run.
    support: full
  diff_mode:
    description: Shows the objects before and after, and the split in words.
    support: full
  idempotent:
    description: A second run with the same options writes nothing.
    support: full
"""

    INFO = r"""
attributes:
  action:
    description: Runs in the controller's own process when the connection is local, and as a module otherwise.
    support: full
  async:
    description: Runs as a module then, without progress output.
    support: full
  check_mode:
    description: Changes nothing, so there is no difference.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: N/A
  idempotent:
    description: Changes nothing.
    support: full
"""

    GROUP = r"""
attributes:
  action_group:
    description: Use C(group/gradual.canary.cluster) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - gradual.canary.cluster
"""
