"""Folders that one component alone sees in the place of the machine's."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from .errors import LabError
from .places import Places, cache


def seeing(folders: Mapping[str, str], command: Sequence[str], places: Places) -> list[str]:
    """The command, started where each folder of `folders` has the other one mounted over it.

    The mounts are in a namespace of the command's own, which ends with its last process; the pid stays the same.
    Raises LabError when they would hide the lab's own folders.
    """
    if not folders:
        return list(command)
    for own in (places.state, cache()):
        if any(own.resolve().is_relative_to(target) for target in folders):
            raise LabError(
                f"{command[0]} has its own {', '.join(folders)}, where the lab keeps {own}: set another folder"
            )
    mounts = [shlex.join(["mount", "--bind", source, target]) for target, source in folders.items()]
    script = " && ".join([*mounts, 'exec "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh", *command]
