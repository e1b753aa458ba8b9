"""The corpus itself, and what each destination makes of it (docs/attacks.md A01, A52)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest

from audit.tlog import canonical
from remediation.domain import inert
from remediation.domain.errors import BadInput
from remediation.domain.strict import parse
from tests.every import every
from tests.hostile.corpus import CORPUS, REFUSED, Hostile

CODE_POINT = re.compile("⟨U\\+([0-9A-F]{4,6})⟩")
each = every("one", CORPUS, ids=lambda one: f"{one.kind}-{one.name}")


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(CORPUS) >= 150
    assert len({(one.kind, one.name) for one in CORPUS}) == len(CORPUS)
    assert len({one.text for one in CORPUS}) == len(CORPUS)
    assert len({one.kind for one in CORPUS}) >= 20


@each
def test_a01_each_code_point_can_be_read_back(one: Hostile) -> None:
    """From what `visible` gives, which is what the pages are compared with."""
    assert _read_back(inert.visible(one.text)) == _read_back(one.text)


def _read_back(shown: str) -> str:
    return CODE_POINT.sub(lambda found: chr(int(found[1], 16)), shown)


@each
@every("way", [inert.line, inert.message, inert.subject], ids=lambda f: f.__name__)
def test_a52_one_line_for_titles_mails_and_chats(one: Hostile, way: Callable[[str], str]) -> None:
    shown = way(one.text)
    assert shown.isprintable()
    assert len(f"x{shown}x".splitlines()) == 1


@each
def test_a52_no_mail_holds_a_link(one: Hostile) -> None:
    shown = inert.message(one.text)
    assert "://" not in shown.replace("[://]", "")
    assert "<" not in shown.replace("[<]", "")


@each
@every("way", [inert.log_line, inert.terminal], ids=lambda f: f.__name__)
def test_a52_one_line_of_ascii_for_logs_and_terminals(
    one: Hostile, way: Callable[[str], str]
) -> None:
    shown = way(one.text)
    assert shown.isascii()
    assert shown == "" or shown.isprintable()


@each
def test_a52_a_cell_that_is_no_formula(one: Hostile) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow([inert.csv_cell(one.text)])
    ((cell,),) = csv.reader(io.StringIO(out.getvalue()))
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert all(character.isprintable() or character.isspace() or ord(character) > 0x2000
               for character in cell)  # fmt: skip
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", cell)


@each
def test_a52_the_record_takes_it(one: Hostile) -> None:
    noted = inert.noted(one.text, 500)
    assert noted.isprintable()
    assert len(noted) <= 500
    assert canonical.read(canonical.encode({"data": noted})) == {"data": noted}


@every(("name", "content"), REFUSED)
def test_a06_what_is_no_text_is_refused_in_a_report(name: str, content: bytes) -> None:
    with pytest.raises(BadInput):
        parse(b'{"title": "' + content + b'"}', max_bytes=10_000)
