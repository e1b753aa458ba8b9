"""Whether distinct people can fill all slots of a ruling: a matching in a bipartite graph."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

Person = TypeVar("Person", bound=Hashable)


def unfilled(slots: Sequence[str], people: Mapping[Person, Collection[str]]) -> tuple[str, ...]:
    """Return the slots that stay empty when as many as possible are filled; empty if none do.

    `people` gives the slots that each person may fill. One person fills one slot. When several
    choices leave equally many slots empty, the later ones of the ruling stay empty.
    """
    filled: dict[Person, int] = {}

    def place(number: int, asked: set[Person]) -> bool:
        """Give the slot to somebody, moving others to another slot where they fit one (Kuhn)."""
        for person, fitting in people.items():
            if slots[number] not in fitting or person in asked:
                continue
            asked.add(person)
            if person not in filled or place(filled[person], asked):
                filled[person] = number
                return True
        return False

    return tuple(slot for number, slot in enumerate(slots) if not place(number, set()))
