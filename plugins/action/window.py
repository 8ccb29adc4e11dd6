# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb window in the controller's process."""

from __future__ import annotations

from ansible_collections.gradual.canary.plugins.plugin_utils._load import load_action

ActionModule = load_action("window")
