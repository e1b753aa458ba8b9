"""Agents' text on a page: whole, visible, escaped, no link (docs/attacks.md A01, A52, A60)."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from uuid import UUID

import pytest

from remediation.domain import inert as domain
from remediation.domain.inert import pieces, visible
from remediation.templatetags.inert import inert, inert_line, measure
from tests import factories
from tests.every import every
from tests.flows.world import World
from tests.views.conftest import BrowserOf, text_of

UNSEEN = {
    "right-to-left override": "\u202e",
    "left-to-right isolate": "\u2066",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "soft hyphen": "\u00ad",
    "no-break space": "\u00a0",
    "ideographic space": "\u3000",
    "tag character": "\U000e0041",
    "escape": "\x1b",
    "backspace": "\x08",
    "carriage return": "\r",
    "null": "\0",
    "next line": "\x85",
    "line separator": "\u2028",
    "Hangul filler": "\u3164",
    "variation selector": "\ufe0f",
    "private use": "\ue000",
    "braille blank": "\u2800",
    "lone surrogate": "\ud800",
    "byte order mark": "\ufeff",
}


@every("character", UNSEEN.values(), ids=UNSEEN.keys())
def test_a01_what_cannot_be_seen_is_shown_by_its_code_point(character: str) -> None:
    shown = visible(f"a{character}b")
    assert shown == f"a⟨U+{ord(character):04X}⟩b"
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in shown)


def test_lines_tabs_and_spaces_stay() -> None:
    assert visible("a  b\n\n\tc ") == "a  b\n\n\tc "


@every("text", ["naïve façade", "Größe", "日本語", "שלום", "мир", "Việt", "🔑"])
def test_the_scripts_of_the_world_stay_readable(text: str) -> None:
    assert visible(text) == text


def test_a_pile_of_marks_cannot_cover_other_lines() -> None:
    shown = visible("a" + "\u0301" * 50)
    assert shown.count("\u0301") == 2
    assert shown.count("⟨U+0301⟩") == 48


def test_a_mark_without_a_letter_is_shown_by_its_code_point() -> None:
    assert visible("\u0301a") == "⟨U+0301⟩a"
    assert visible("a\n\u0301") == "a\n⟨U+0301⟩"


def test_nothing_is_shortened() -> None:
    text = "x" * 10_000 + "\n" * 500 + "rm -rf /"
    assert visible(text) == text


def test_the_pieces_are_the_whole_text() -> None:
    text = "".join(UNSEEN.values()).join("abc")
    plain = "".join(piece.text for piece in pieces(text) if not piece.unseen)
    assert plain == "abc"
    assert sum(1 for piece in pieces(text) if piece.unseen) == 2 * len(UNSEEN)


def test_a60_markup_and_addresses_are_text() -> None:
    shown = inert('<img src=x onerror=alert(1)> <a href="https://evil.example">ok</a>')
    assert "<img" not in shown
    assert "<a " not in shown
    assert html.unescape(shown).startswith("<img src=x")


def test_the_measure_says_how_much_there_is() -> None:
    assert measure("a\nb") == "2 lines, 3 characters"
    assert measure("\u202e") == "1 line, 1 character, 1 hidden character shown as code points"


HOSTILE = "\r\nBcc: all@example.org\t\u202ehttp://evil.example www.evil.example <!channel> @here"


def test_a01_a_title_cannot_forge_rows_of_a_list() -> None:
    shown = inert_line("Key misused\n\tApproved by security")
    assert html.unescape(re.sub(r"<[^>]+>", "", shown)) == (
        "Key misused⟨U+000A⟩⟨U+0009⟩Approved by security"
    )


def test_a52_a_mail_or_chat_gets_one_line_without_links_and_mentions() -> None:
    shown = domain.message(HOSTILE)
    assert shown.startswith("⟨U+000D⟩⟨U+000A⟩Bcc: all[@]example.org⟨U+0009⟩⟨U+202E⟩http[://]evil")
    assert shown.endswith("[www.]evil.example [<]!channel[>] [@]here")
    assert shown.isprintable()


def test_a52_a_subject_says_where_it_is_cut() -> None:
    assert domain.subject("x" * 80) == "x" * 80
    assert domain.subject("x" * 81) == "x" * 78 + " …"


@pytest.mark.parametrize("destination", [domain.line, domain.message, domain.subject])
def test_a52_one_line_is_one_line(destination: Callable[[str], str]) -> None:
    shown = destination("".join(UNSEEN.values()) + "\n\t\x0b\x0c\x1c\x1d\x1e")
    assert shown.isprintable()
    assert len(shown.splitlines()) == 1


def test_a52_a_log_line_cannot_be_forged_by_its_own_escapes() -> None:
    """What is an escape in the line was a character in the text, and nothing else."""
    assert domain.log_line("a\n\x1b[2J") == "a\\n\\x1b[2J"
    assert domain.log_line("a\\n") == "a\\\\n"
    assert domain.log_line("\ud800é").isascii()


@every("text", ["=1+1", "+1", "-1", "@x", " =1", "'=1", "＝1", "\t=1", "|x", "%x"])
def test_a52_no_cell_is_a_formula(text: str) -> None:
    assert domain.csv_cell(text)[0] in ("'", "\\")


def test_a01_a_hostile_report_is_shown_whole_on_the_page(
    world: World, browser_of: BrowserOf
) -> None:
    hostile = (
        "Approve now.\u202e evil \u200b"
        + "\n" * 500
        + "<script>alert(1)</script>{{ 7|add:7 }}{% now 'Y' %} [x](javascript:alert(1))"
    )
    value = world.report()
    from dataclasses import replace

    from django.db import transaction

    from remediation.domain import report as reports
    from remediation.services.reporting import submit

    diagnosis = reports.parse_diagnosis(
        {
            "summary": hostile,
            "identity": value.diagnosis.identity.to_json(),
            "confidence": 90,
            "claims": [
                {"text": hostile[:2000], "citations": [c.to_json() for c in claim.citations]}
                for claim in value.diagnosis.claims
            ],
        },
        allow_test=True,
    )
    with factories.acting("hitl_web"), transaction.atomic():
        submitted = submit.report(
            replace(value, diagnosis=diagnosis, rationale=hostile[:4000]), actor=world.agent
        )
    proposal_id: UUID | None = submitted.proposal_id
    assert proposal_id is not None
    world.assess(proposal_id)
    page = text_of(browser_of(world.people["alice"]).get("review", proposal_id))
    framed = re.findall(r'<blockquote class="inert" lang="">(.*?)</blockquote>', page, re.DOTALL)
    assert len(framed) == 3
    for shown in framed:
        text = html.unescape(re.sub(r"</?span[^>]*>", "", shown))
        assert text == visible(hostile)
    assert "<script>alert" not in page
    assert "hidden characters shown as code points" in page
    assert "texts contain hidden characters" in page  # the title of the failed check
    assert "check fail" in page
