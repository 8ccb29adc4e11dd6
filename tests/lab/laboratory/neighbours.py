"""A lab beside another one: each has addresses of its own, and a link joins their networks."""

from __future__ import annotations

from dataclasses import dataclass

from . import namespace
from .catalogue import Catalogue
from .errors import LabError
from .places import Places


@dataclass(frozen=True)
class Seat:
    """Which of the catalogue's positions a lab has, counted from 0, and beside which lab; "" is beside none."""

    position: int = 0
    beside: str = ""


def seat_of(places: Places) -> Seat:
    """The lab's seat; without --beside it is the first."""
    try:
        position, beside = places.beside.read_text().split()
    except OSError:
        return Seat()
    return Seat(int(position), beside)


def sit_down(places: Places, first: Places, catalogue: Catalogue) -> None:
    """Take a free seat beside `first`, which is up. Raises LabError when that cannot be; the lab itself is locked."""
    seat = seat_of(places)
    if seat.beside == first.name:
        return
    if namespace.exists(places.namespace):
        where = f"beside {seat.beside}" if seat.beside else "alone"
        raise LabError(f"lab {places.name} is up {where}; take it down first: lab --name {places.name} down")
    if seat_of(first).beside:
        raise LabError(f"lab {first.name} is itself beside another: say --beside {seat_of(first).beside}")
    if not namespace.exists(first.namespace):
        raise LabError(f"lab {first.name} is down; start it first: lab --name {first.name} up")
    others = (file.read_text().split() for file in places.beside.parent.glob("*.beside"))
    taken = {int(position) for position, beside in others if beside == first.name}
    free = [position for position in range(1, len(catalogue.positions)) if position not in taken]
    if not free:
        raise LabError(f"lab {first.name} has {len(taken)} beside it, more have no addresses in components.toml")
    places.beside.write_text(f"{free[0]} {first.name}\n")


def join(places: Places, catalogue: Catalogue) -> None:
    """Link the lab's network to that of the lab it sits beside, when it does and is not linked yet."""
    seat = seat_of(places)
    if not seat.beside:
        return
    first = Places(seat.beside)
    if not namespace.exists(first.namespace):
        raise LabError(
            f"lab {places.name} sits beside {first.name}, which is down: start that first, or take this one down"
        )
    ours, theirs = (catalogue.positions[number] for number in (seat.position, 0))
    here = namespace.End(places.namespace, "beside0", ours["node_address"], ours["pods"])
    there = namespace.End(first.namespace, f"beside{seat.position}", theirs["node_address"], theirs["pods"])
    namespace.link(here, there)
