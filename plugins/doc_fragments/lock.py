# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option that names the holder of a lock. Private to the gradual.canary collection."""

from __future__ import annotations


class ModuleDocFragment:
    """Who must hold the lock of the application."""

    DOCUMENTATION = r"""
options:
  lock:
    description:
      - Who must hold the lock of the application, as RV(gradual.canary.lock#module:holder) says. Before its first write
        the task makes sure of it, and as long as it lasts it renews the lock.
      - After M(gradual.canary.lock) took it for the same host, that is the default. Otherwise no lock is looked at.
      - Check mode looks at no lock.
    type: str
"""
