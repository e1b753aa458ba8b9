"""Sentences about gaps of a scope, and which of them says what another one says."""

from __future__ import annotations

import pytest

from remediation.domain.scope_gaps import BARE, RETIRED, UNOWNED, covered, sentence


def test_a_sentence_names_the_first_and_counts_the_rest() -> None:
    assert sentence(UNOWNED, ["b", "a"]) == "services without an owner team: a, b"
    assert sentence(BARE, "gfedcba") == "services without any details: a, b, c, d, e and 2 more"


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (sentence(UNOWNED, "a"), sentence(UNOWNED, "ab")),
        (sentence(RETIRED, "ac"), sentence(RETIRED, "abc")),
        (sentence(UNOWNED, "ae"), sentence(UNOWNED, "abcdefg")),
        (sentence(UNOWNED, "abcdefg"), sentence(UNOWNED, "abcdefg")),
        ("role x is not in the inventory", "role x is not in the inventory"),
    ],
)
def test_fewer_services_and_the_same_text_are_covered(new: str, old: str) -> None:
    assert covered(new, ["another sentence", old], "abcdefg")


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (sentence(UNOWNED, "ab"), sentence(UNOWNED, "a")),
        (sentence(UNOWNED, "a"), sentence(RETIRED, "ab")),
        # What a sentence only counts, it does not name.
        (sentence(UNOWNED, "f"), sentence(UNOWNED, "abcdefg")),
        (sentence(UNOWNED, "abcdef"), sentence(UNOWNED, "abcdefg")),
        (f"{UNOWNED}: ", sentence(UNOWNED, "a")),
        ("role x is not in the inventory", "role y is not in the inventory"),
        ("other: a", "other: a, b"),
    ],
)
def test_everything_else_is_not(new: str, old: str) -> None:
    assert not covered(new, [old], "abcdefg")


@pytest.mark.parametrize("name", ["a, b", "e and 2 more"])
def test_a_service_that_is_named_like_a_list_makes_no_sentence_cover_another(name: str) -> None:
    old = [sentence(UNOWNED, [name])]
    new = sentence(UNOWNED, [name[-1:]])
    assert not covered(new, old, [name, "b"])
    assert covered(old[0], old, [name])
    # Control: without such a name in the scope the sentence reads as a list.
    assert covered(sentence(UNOWNED, "b"), [sentence(UNOWNED, "ab")], ["a", "b"])
