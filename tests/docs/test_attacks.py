"""docs/attacks.md lists for each attack line the tests that name it; no number is used twice."""

from __future__ import annotations

from tests.docs import attacks

TEXT = attacks.PAGE.read_text("utf-8")
LINES = attacks.LINE.findall(TEXT)
# The highest number so far, and lower numbers that were never used or were withdrawn.
LAST = 89
NEVER_GIVEN = {8, 9, 19, *range(22, 30), *range(35, 40), 48, 49, *range(54, 60)}


def test_the_tests_of_each_line_are_those_that_name_it() -> None:
    """Fails for a line marked open that a test names, and for a listed test that is gone."""
    assert attacks.render(TEXT) == TEXT, "run: python -m tests.docs.attacks"


def test_a_line_without_a_test_has_a_reason_and_no_other_line_has_one() -> None:
    assert set(LINES) - set(attacks.named()) == set(attacks.OPEN)


def test_no_test_names_an_unknown_line() -> None:
    assert set(attacks.named()) <= set(LINES)


def test_numbers_are_never_used_again_and_none_is_lost() -> None:
    numbers = [int(line[1:]) for line in LINES]
    assert len(numbers) == len(set(numbers))
    assert set(range(1, LAST + 1)) - NEVER_GIVEN == {n for n in numbers if n <= LAST}
