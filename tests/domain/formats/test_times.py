"""Times are instants: offsets, zones by their letters, and seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from remediation.domain.checks.budget import Budget
from remediation.domain.checks.tokens import Token, Wanted
from remediation.domain.formats.times import first_time, times_in

AT = datetime(2026, 11, 30, 13, 27, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30T13:27:13Z",
        "2026-11-30 13:27:13.529 UTC [7]",
        "2026-11-30 13:27:13",
        "2026-11-30 13:27:13 LOG:  a word that is no zone",
        "2026-11-30 08:27:13.529 EST [40397]",
        "2026-11-30 14:27:13 CET",
        "2026-11-30T05:27:13-08:00",
        "2026-11-30 18:57:13 +0530",
        "1796045233",
        "1796045233000",
        "1796045233.529",
    ],
)
def test_the_same_instant(text: str) -> None:
    assert first_time(text) == AT


@pytest.mark.parametrize("text", ["2026-11-30 13:27:13 CST", "12345", "2026-13-30 13:27:13", ""])
def test_no_instant(text: str) -> None:
    assert first_time(text) is None


def test_a_word_after_a_time_belongs_to_it_only_as_a_zone() -> None:
    said = "at 2026-11-30 13:27:13 AND at 2026-11-30 13:27:13 EST"
    assert [told.text[20:] for told in times_in(said)] == ["", "EST"]


def test_a_time_in_an_ambiguous_zone_is_at_no_instant() -> None:
    (told,) = times_in("It connected at 2026-11-30 13:27:13 IST.")
    assert not told.sure and not told.is_at(AT)


def test_an_ambiguous_claim_is_not_found_at_the_same_digits_in_utc() -> None:
    """Control: without the letters it is found."""
    record = "2026-11-30 13:27:13 UTC"
    for text, found in (("2026-11-30 13:27:13 IST", False), ("2026-11-30 13:27:13", True)):
        (told,) = times_in(text)
        token = Token("time", told.text, told)
        assert (token in Wanted([token], Budget(10_000)).held_by(record)) is found
