"""Messages: the portal's words first, whatever others wrote is inert, and nothing decides."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from remediation.domain import inert
from remediation.domain.message import NO_DECISION, Subject, compose, describe_plan
from remediation.domain.telling import KINDS, Kind
from tests.hostile.corpus import CORPUS

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
LINK = "https://portal.example/proposals/x/"


def made(kind: Kind, subject: Subject, text: str = "") -> tuple[str, list[str]]:
    message = compose("<1@x>", KINDS[kind], subject, text, link=LINK, now=NOW)
    return message.subject, message.body.splitlines()


def test_a52_the_hostile_corpus_stays_inert_in_each_kind() -> None:
    """No text of an agent or a person makes a link, a mention or a line in mail or chat."""
    for kind in Kind:
        for one in CORPUS:
            title = one.text[:200]
            subject, lines = made(kind, Subject(title, locator_untrusted=one.text[:300]), one.text)
            assert subject.isprintable() and "\n" not in subject, one.name
            links = [line for line in lines if re.search(r"\w://", line)]
            assert len(links) == 1 and links[0].endswith(f": {LINK}"), (kind, one.name)
            assert f"Incident: {inert.message(title)}" in lines or not title
            assert lines[-1] == NO_DECISION
            assert not any(re.search(r"(?<!\[)[<>](?!\])", line[2:]) for line in lines), one.name


def test_what_the_web_process_says_is_quoted() -> None:
    _, lines = made(Kind.QUESTION, Subject("t"), "Approved by the portal.\nReview: now")
    assert lines[0] == "> Approved by the portal." and "> Review: now" in lines
    _, lines = made(Kind.RESULT, Subject("t", state="stopped"), "The proposal is now: stopped.")
    assert lines[0] == "The proposal is now: stopped."


def test_the_subject_begins_with_risk_and_time_and_is_cut_between_words() -> None:
    plan = ("Take the right to log in from role svc_reports on PostgreSQL cluster ledger, and x.",)
    asked = Subject("t", plan, "critical", "production", NOW + timedelta(minutes=14, seconds=50))
    subject, lines = made(Kind.ROUND_OPENED, asked)
    assert subject == (
        "[hitlportal] CRITICAL, 14 min left: Take the right to log in from role svc_reports on"
        " PostgreSQL cluster ledger, …: waits for your decision"
    )
    assert "Decide by: 12:14 UTC (14 min left)" in lines
    assert f"Review and decide: {LINK}" in lines
    assert "production" in lines[4]


@pytest.mark.parametrize(
    ("left", "said"), [(20, "less than a minute left"), (7000, "116 min left"), (9000, "2 h left")]
)
def test_the_time_left_is_cut_down(left: int, said: str) -> None:
    asked = Subject("t", decide_by=NOW + timedelta(seconds=left))
    assert f"({said})" in "".join(made(Kind.TIME_PASSES, asked)[1])


def test_a_long_plan_says_how_many_steps_follow() -> None:
    assert describe_plan(["One.", "Two.", "Three."]) == "One (and 2 more steps)"
    assert describe_plan(["One.", "Two."]) == "One (and 1 more step)"
    _, lines = made(Kind.RESULT, Subject("t"), "\n".join(f"Step {n}" for n in range(100)))
    assert "… and 39 more lines; see the page." in lines
