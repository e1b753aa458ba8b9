"""Many values in one pass cover what the slow search covered, and cost little (A61, A83)."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.secrets import detector, masking, several
from remediation.domain.secrets.detector import Found
from remediation.domain.secrets.several import BLOCK, Known, Several, TooMany
from tests.domain.secrets.test_masking import reported

# Few letters, so that values overlap, are equal, begin and end each other; half a character, case.
LETTERS = "aAb\ud800\U0001f511\0"
TEXTS = st.text(LETTERS, max_size=60)
VALUES = st.sets(st.text(LETTERS, max_size=9), max_size=12)


def covered(text: str, spans: Collection[tuple[int, int]]) -> set[int]:
    return {place for start, end in spans for place in range(start, end)}


def slowly(text: str, values: Collection[str]) -> set[int]:
    """Return each place that any value covers, by looking at all of them everywhere."""
    return {
        place
        for value in values
        for start in range(len(text) - len(value) + 1)
        if value and text.startswith(value, start)
        for place in range(start, start + len(value))
    }


@given(TEXTS, VALUES)
def test_a61_the_parts_are_exactly_what_any_value_covers(text: str, values: set[str]) -> None:
    spans = Several(values).spans(text)
    assert covered(text, spans) == slowly(text, values)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


@given(TEXTS, st.sets(st.text("ab", min_size=16, max_size=20), max_size=8))
def test_a61_known_secrets_in_bytes_are_covered_as_before(text: str, known: set[str]) -> None:
    """The search before looked for one value after the other, and missed where one overlaps."""
    content = (text + "".join(sorted(known)) * 2).encode("utf-8", "surrogatepass")
    wide = content.decode("latin-1")
    before = {
        place
        for value in known
        for match in re.finditer(re.escape(value), wide)
        for place in range(match.start(), match.end())
    }
    found = detector.with_known(content, Found(), known).secrets
    now = covered(wide, [(one.offset, one.end) for one in found])
    assert before <= now == slowly(wide, known)


def test_a61_nothing_of_overlapping_secrets_is_left_over() -> None:
    known = {"abcdefgh", "efghijklm"}
    assert masking.mask_text("x abcdefghijklm, abcdefgh", known) == "x [masked], [masked]"
    # Those that only touch stay two, as in texts that were masked earlier.
    assert masking.mask_text("abcdefghefghijklm", {"efghijklm", "abcdefgh"}) == "[masked][masked]"


@pytest.mark.parametrize("length", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 1000])
def test_a61_a_long_secret_is_one_part(length: int) -> None:
    rng = random.Random(length)
    value = "".join(rng.choices("abcdefghijklmnop", k=length))
    assert masking.mask_text(f"<{value}>", {value}) == "<[masked]>"


# ---- what it costs -------------------------------------------------------------------------------


def test_a83_values_of_many_lengths_end_in_a_whole_cover_and_not_in_hours() -> None:
    """A text that repeats itself has a match for each length at each place."""
    values = {"a" * length for length in range(16, 100)}
    text = "a" * 100_000
    with pytest.raises(TooMany):
        Several(values).spans(text)
    assert masking.mask_text(text, values) == masking.MASK
    assert not detector.with_known(text.encode(), Found(), values).whole


def test_a83_no_block_is_longer_than_the_automaton_may_follow() -> None:
    """It follows the shorter ends of a value one by one, at each character of a text."""
    value = "a" * 500_000 + "b"
    assert max(map(len, Several({value}).words)) == BLOCK
    assert Several({value}).spans("a" * 100_000 + "b")


def test_a83_too_many_characters_cover_everything_and_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(several, "MOST_CHARS", 100)
    known = {f"{number:016}" for number in range(7)}
    assert masking.mask_text("nothing of them", known) == masking.MASK
    found = detector.with_known(b"nothing of them", Found(), known)
    assert (found.secrets, found.whole) == ((), False)
    assert masking.masked(b"nothing of them", found) == b"[masked]"
    # Control: with room for them, nothing is covered.
    monkeypatch.undo()
    assert masking.mask_text("nothing of them", known) == "nothing of them"


def test_a83_the_automata_of_a_report_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once a text: a report has thousands of them."""
    built: list[int] = []
    make = Several.__init__

    def counted(self: Several, values: Collection[str]) -> None:
        built.append(len(list(values)))
        make(self, values)

    monkeypatch.setattr(Several, "__init__", counted)
    given = masking.searched(reported())
    built.clear()
    masking.mask_report(given, {f"other-{number:016}" for number in range(50)})
    # For texts and for bytes; what the detector finds in a text needs one of its own.
    assert sum(size >= 50 for size in built) == 2


def test_a83_each_text_costs_its_own_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search is called once for each text, whatever the number of known values."""
    searches: list[int] = []
    spans = Several.spans

    def counted(self: Several, text: str) -> list[tuple[int, int]]:
        searches.append(len(text))
        return spans(self, text)

    monkeypatch.setattr(Several, "spans", counted)
    given = replace(masking.searched(reported()), secrets=frozenset())

    def cost(number: int) -> tuple[int, int]:
        searches.clear()
        masking.mask_report(given, {f"known-{one:08}" for one in range(number)})
        return len(searches), sum(searches)

    assert cost(10) == cost(1_000)
    assert Known.of(known := Known({"a"})) is known
