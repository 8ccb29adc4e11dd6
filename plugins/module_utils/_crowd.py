# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that are there before a weight is changed, and after it. Private to the gradual.canary collection."""

from __future__ import annotations

import typing as t

from ansible_collections.gradual.canary.plugins.module_utils._identify import Identify
from ansible_collections.gradual.canary.plugins.module_utils._sampler import Sample, Sampler


class Crowd:
    """The clients of one population.

    sampler: theirs, with a limit of as many requests as there are clients.
    """

    def __init__(self, population: str, sampler: Sampler, identify: Identify) -> None:
        self.population = population
        self.before: dict[int, str] = {}
        self._sampler = sampler
        self._identify = identify
        self._samples = iter(sampler)

    @property
    def cookies(self) -> list[str]:
        """The names of the cookies that the clients keep."""
        return self._sampler.cookies

    def arrive(self) -> None:
        """Let every client ask once, and note the version that each has before the weight is changed."""
        for _turn in range(self._sampler.limit or 0):
            sample, version = self._next()
            if version is not None:
                self.before[sample.client] = version

    def answers(self) -> t.Iterator[tuple[Sample, str | None]]:
        """Give out samples with their versions (None: cannot be told), without an end."""
        self._sampler.go_on()
        while True:
            yield self._next()

    def close(self) -> None:
        self._sampler.close()

    def _next(self) -> tuple[Sample, str | None]:
        sample = next(self._samples)
        return sample, self._identify.version(sample.headers, sample.body)


class Crowds:
    """The clients of several populations; a context manager that lets them go."""

    def __init__(self, crowds: t.Iterable[Crowd] = ()) -> None:
        self._crowds = {crowd.population: crowd for crowd in crowds}

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for crowd in self._crowds.values():
            crowd.close()

    def __iter__(self) -> t.Iterator[Crowd]:
        return iter(self._crowds.values())

    def arrive(self) -> None:
        """Let all clients ask once."""
        for crowd in self:
            crowd.arrive()
