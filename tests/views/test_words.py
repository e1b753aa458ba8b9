"""Times, sizes and pills as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from remediation.domain.ruling import Risk
from remediation.domain.statement import Decision
from remediation.domain.states import IncidentState, ProposalState
from remediation.templatetags import portal
from remediation.templatetags.icons import ICONS
from tests.every import every

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@every(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (5_400, "1 h 30 min"),
        (86_400, "1 d"),
        (100_000, "1 d 3 h"),
        (-5, "0 s"),
    ],
)
def test_a_span_has_two_units_at_most(seconds: float, words: str) -> None:
    assert portal.span(seconds) == words


def test_a_time_carries_utc_beside_the_relative_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: AT)
    said = portal.ago(AT - timedelta(minutes=5))
    assert 'datetime="2026-11-22T09:55:00Z"' in said
    assert 'title="2026-11-22 09:55:00 UTC"' in said
    assert ">5 min ago<" in said
    assert ">5 min left<" in portal.until(AT + timedelta(minutes=5))
    assert ">5 min over<" in portal.until(AT - timedelta(minutes=5))
    assert portal.until(None) == "—"


@every("word", [*ProposalState, *IncidentState, *Risk, *Decision])
def test_every_state_has_a_tone_and_an_icon_of_its_own(word: str) -> None:
    """A word that is new in the vocabulary must not look like any other."""
    assert str(word) in portal.TONES


def test_a_pill_says_its_word_and_not_only_its_colour() -> None:
    assert "rolled back" in portal.pill("rolled_back")


def test_every_icon_that_is_used_exists() -> None:
    assert {icon for _, icon in portal.TONES.values()} <= set(ICONS)


def test_an_icon_with_a_meaning_can_be_read_out() -> None:
    assert 'role="img" aria-label="fail"' in portal.icon("cross", "fail")
    assert 'aria-hidden="true"' in portal.icon("cross")
