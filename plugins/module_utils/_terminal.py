# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where progress goes and people are asked. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t


class Terminal:
    """Where progress goes and people are asked. This one is nobody's: a module on another host has neither."""

    interactive = False  # whether standard output is a terminal, so that a line may be updated in place

    def show(self, text: str) -> None:
        """Show a line that stays."""

    def update(self, text: str) -> None:
        """Show a line that the next one replaces. Only called when interactive."""

    def ask(self, text: str, seconds: float | None) -> str | None:
        """Ask a person and return the answer; None when there is nobody to ask. Raises TimeoutError."""
        return None


class Attentive(Terminal):
    """Another terminal, and `look`, which may raise before each line: what lasts looks up as it tells how far it is."""

    def __init__(self, terminal: Terminal, look: t.Callable[[], None]) -> None:
        self.interactive = terminal.interactive
        self._terminal = terminal
        self._look = look

    def show(self, text: str) -> None:
        self._look()
        self._terminal.show(text)

    def update(self, text: str) -> None:
        self._look()
        self._terminal.update(text)

    def ask(self, text: str, seconds: float | None) -> str | None:
        return self._terminal.ask(text, seconds)
