"""How it turned out: the words, and the figures made of them."""

from __future__ import annotations

from remediation.domain.retrospect import Answer, figures, worst


def test_an_answer_has_words_of_its_lists_and_says_something() -> None:
    assert Answer(action="caused_outage").is_valid
    assert Answer("right", "too_broad", "unnecessary").is_valid
    assert not Answer().is_valid
    assert not Answer(diagnosis="caused_outage").is_valid
    assert not Answer(scope="wrong").is_valid


def test_the_gravest_word_of_a_run_counts() -> None:
    assert worst(["right", "caused_outage", ""], "action") == "caused_outage"
    assert worst([], "action") == ""
    found = figures([["right", "too_broad"], [], [""], ["right"]], "action")
    assert (found.whole, found.answered) == (4, 2)
    assert found.count("too_broad") == 1 and found.count("right") == 1
    assert found.count("caused_outage") == 0
