# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a lock while a task works. Private to the gradual.canary collection."""

from __future__ import annotations

import contextlib
import os
import threading
import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._errors import Error
from ansible_collections.gradual.canary.plugins.module_utils._lock import LEAST_SECONDS, Lock, LockLost


class Keeper:
    """Holds the writes of a task back unless its run has the lock, and renews the lock as long as the task lasts.

    A context manager. lock: made at the first use, with a connection that nobody else uses at the same time.
    It is renewed each third of what it lasts, so that two renewals may fail. A task whose run was killed goes on for a
    while, since nobody tells it; it knows by its parent, renews nothing more and has lost the lock.
    """

    def __init__(self, lock: t.Callable[[], Lock], holder: str) -> None:
        self._make = lock
        self._lock: Lock | None = None
        self._holder = holder
        self._interval = LEAST_SECONDS / 3  # until the first renewal tells
        self._lost: LockLost | None = None
        self._parent = os.getppid()
        self._one = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_over, daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def require(self) -> None:
        """Raise LockLost unless the run has the lock at this moment, which the cluster is asked.

        What cannot be asked is not held: the API's errors are raised as they are.
        """
        with self._one:
            self._renew()
            if self._lost is not None:
                raise self._lost

    def report_loss(self, *, ask: bool) -> None:
        """Raise LockLost if it is known, or after asking, that the run has lost the lock: what it met comes of that."""
        with self._one:
            if ask:
                with contextlib.suppress(Error):
                    self._renew()
            if self._lost is not None:
                raise self._lost

    def _renew_until_over(self) -> None:
        while not self._over.wait(self._interval):
            with self._one, contextlib.suppress(Error):  # the next write asks again, and says so
                self._renew()

    def _renew(self) -> None:
        if self._lost is not None:
            return
        if os.getppid() != self._parent:
            self._lost = LockLost(f"the run of {self._holder} has ended, and what is left of it writes nothing more")
            return
        if self._lock is None:
            self._lock = self._make()
        try:
            self._interval = self._lock.renew(self._holder) / 3
        except LockLost as lost:
            self._lost = lost
