"""What the lab says instead of a traceback."""

from __future__ import annotations

from pathlib import Path


class LabError(Exception):
    """Something went wrong that the person at the keyboard can read about in the message."""


def last_lines(path: Path, count: int = 25) -> str:
    """The end of a log file, indented, for an error message."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as error:
        return f"  ({error})"
    return "\n".join("  " + line for line in lines[-count:]) or f"  ({path} is empty)"
