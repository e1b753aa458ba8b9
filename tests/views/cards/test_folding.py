"""Long texts are folded by the portal: a true beginning, and the whole at one click."""

from __future__ import annotations

from remediation.views.cards.folding import LINES, MOST, SLACK, fold
from tests.hostile.corpus import CORPUS


def test_a_short_text_is_shown_whole() -> None:
    assert fold("as it is").start_untrusted == ""
    assert fold("x" * (MOST + SLACK)).start_untrusted == ""


def test_a_long_text_shows_its_beginning_and_counts_the_rest() -> None:
    found = fold("x" * 1_000)
    assert (found.start_untrusted, found.more) == ("x" * MOST, 1_000 - MOST)


def test_lines_are_counted() -> None:
    found = fold("a\n" * 10)
    assert found.start_untrusted.count("\n") == LINES - 1


def test_a01_hidden_characters_take_the_room_that_they_are_drawn_with() -> None:
    """A01: two hundred zero-width characters do not become a screen of code points."""
    found = fold("\u200b" * 200)
    assert 0 < len(found.start_untrusted) <= MOST // 8


def test_a02_a_beginning_is_never_something_else() -> None:
    """A02: for every hostile text, the beginning is what the whole begins with."""
    for one in CORPUS:
        found = fold(one.text)
        assert one.text.startswith(found.start_untrusted)
        assert found.whole_untrusted == one.text
