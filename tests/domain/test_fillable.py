"""Matching people and slots, compared with trying every assignment."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.fillable import unfilled
from remediation.domain.slots import SLOTS

SOME = st.sampled_from(SLOTS[:5])
ASKED = st.lists(SOME, min_size=1, max_size=5).map(tuple)
PEOPLE = st.dictionaries(st.integers(0, 5), st.frozensets(SOME, max_size=4), max_size=5)


def most_filled(slots: tuple[str, ...], people: dict[int, frozenset[str]]) -> int:
    """Return how many slots the best of all assignments fills. Nobody holds what None fits."""
    seats = [*people, *[None] * len(slots)]
    return max(
        sum(one is not None and slot in people[one] for slot, one in zip(slots, order, strict=True))
        for order in set(permutations(seats, len(slots)))
    )


@given(ASKED, PEOPLE)
def test_it_leaves_no_more_empty_than_the_best_assignment(
    slots: tuple[str, ...], people: dict[int, frozenset[str]]
) -> None:
    assert len(slots) - len(unfilled(slots, people)) == most_filled(slots, people)


def test_somebody_who_fits_two_slots_makes_room_for_somebody_who_fits_one() -> None:
    people = {"both": ("security", "service_owner"), "one": ("security",)}
    assert unfilled(("security", "service_owner"), people) == ()
    assert unfilled(("service_owner", "security"), people) == ()


def test_one_person_fills_one_slot_and_the_later_slot_stays_empty() -> None:
    assert unfilled(("security", "any"), {"alone": ("security", "any")}) == ("any",)
    assert unfilled(("security",), {}) == ("security",)
