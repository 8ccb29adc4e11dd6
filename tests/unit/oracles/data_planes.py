# Copyright (c) 2026, the gradual.canary authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How data planes choose a version for one request after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping


def independent(shares: Mapping[str, float], chance: random.Random) -> Iterator[str]:
    """Choose at random for every request, as Envoy does."""
    versions, weights = list(shares), list(shares.values())
    while True:
        yield from chance.choices(versions, weights, k=100)


def pinned(shares: Mapping[str, float], requests: int, chance: random.Random) -> Iterator[str]:
    """Choose at random for every connection, and reuse each for so many requests."""
    for version in independent(shares, chance):
        for _turn in range(requests):
            yield version


def smooth_round_robin(weights: Mapping[str, int], workers: int, chance: random.Random) -> Iterator[str]:
    """Take turns in proportion, as nginx does: the version with the most credit serves and pays the sum of weights.

    Workers do not know of each other's turns; a request goes to any of them.
    """
    credit_of_workers = [dict.fromkeys(weights, 0) for _turn in range(workers)]
    total = sum(weights.values())
    while True:
        credit = chance.choice(credit_of_workers)
        for version, weight in weights.items():
            credit[version] += weight
        chosen = max(credit, key=lambda version: credit[version])
        credit[chosen] -= total
        yield chosen


def rotation(pods: Mapping[str, int], workers: int, chance: random.Random) -> Iterator[str]:
    """Take one pod after the other in the order of their addresses, all of one version before those of the next.

    Workers begin anywhere and do not know of each other's turns; a request goes to any of them.
    """
    order = [version for version, number in pods.items() for _pod in range(number)]
    turns = [chance.randrange(len(order)) for _worker in range(workers)]
    while True:
        worker = chance.randrange(workers)
        turns[worker] += 1
        yield order[turns[worker] % len(order)]
