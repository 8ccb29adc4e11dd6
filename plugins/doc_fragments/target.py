# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that name one application. Private to the gradual.canary collection."""

from __future__ import annotations


class ModuleDocFragment:
    """One application in one namespace."""

    DOCUMENTATION = r"""
options:
  namespace:
    description: Namespace of the application.
    type: str
    required: true
    aliases: [ns]
  app:
    description:
      - Name of the application.
      - Version V(v2) of application V(web) is the Deployment and the Service V(web-v2).
    type: str
    required: true
"""
