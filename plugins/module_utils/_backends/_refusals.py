# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of a change that several traffic systems have in common. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._cluster import FIELD_MANAGER
from ansible_collections.gradual.canary.plugins.module_utils._errors import Conflict, StillServing
from ansible_collections.gradual.canary.plugins.module_utils._resources import Object, last_writer, words
from ansible_collections.gradual.canary.plugins.module_utils._traffic import NOTHING, Split


def require_unserved(split: Split, where: str) -> None:
    """Raise StillServing when users can reach the canary, so that it must not be taken out of `where`."""
    if split.canary is not None and (split.weight > NOTHING or split.matches):
        raise StillServing(
            f"{where} still sends traffic to {split.canary}: {split}. Nothing was changed; "
            "give it weight 0 and no match routes first (gradual.canary.rollback does), and let what is under way end."
        )


def require_same_object(item: Object, saved: t.Mapping[str, t.Any]) -> None:
    """Raise Conflict when an object was made anew since its part of a snapshot, `saved`, was taken."""
    uid = item["metadata"].get("uid")
    if uid and saved["uid"] and uid != saved["uid"]:
        raise Conflict(
            f"{words(item)} was deleted and created anew since the snapshot; its old state is not put back. "
            "Nothing was changed; set the weight you want."
        )


def overtaken(before: Split, now: Split, item: Object, field: t.Sequence[str]) -> Conflict:
    """Return the Conflict of a change that somebody else's writes to `item` kept from being made.

    field: path of the part with the weights, to name who wrote that when it is what changed.
    """
    moved = now != before
    writer = last_writer(item, other_than=FIELD_MANAGER, field=field if moved else ())
    found = f"it had '{before}' and has '{now}'" if moved else "other parts of it keep changing"
    return Conflict(
        f"{words(item)} was changed{f' by {writer}' if writer else ''} while it was being written: {found}. "
        "Nothing was changed by this call. Look at it with the playbook "
        "gradual.canary.status, and run again when the split is what you want to start from.",
        found=now.weight.as_percent(),
        writer=writer,
    )
