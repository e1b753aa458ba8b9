"""The committed catalog is what `make messages` writes, and whole."""

from __future__ import annotations

import re

import pytest

from hitlportal.development import messages
from tests.language import pseudo
from tests.needs import needs

# Placeholders of the three kinds: Python's, str.format's, and markup.
FILLED = re.compile(r"%\(\w+\)[sd]|\{\w+\}|<[^<>]+>")


def test_the_catalog_is_what_the_sources_say() -> None:
    needs("gettext", not messages.missing())
    committed = {path: (messages.ROOT / path).read_text("utf-8") for path in messages.written()}
    assert committed == messages.written(), "run `make messages`"


def test_the_catalog_has_neither_dates_nor_lines() -> None:
    text = (messages.ROOT / messages.ENGLISH).read_text(encoding="utf-8")
    assert "POT-Creation-Date" not in text
    assert not re.search(r"^#: .*:\d+", text, re.MULTILINE)
    assert "fuzzy" not in text


def test_a_message_is_no_fragment_between_glue() -> None:
    """What begins or ends with a blank is glued to something, in an order of English alone."""
    glued = [
        message
        for _, message, _ in pseudo.messages(messages.ROOT / messages.ENGLISH)
        if message != message.strip()
    ]
    assert glued == []


def test_no_message_holds_a_placeholder_without_a_name() -> None:
    """Another language has another order of words."""
    for _, message, _ in pseudo.messages(messages.ROOT / messages.ENGLISH):
        assert not re.search(r"%[sd]|\{\}", message), message


@pytest.mark.parametrize(
    "message",
    [
        "%(names)s are viewing it",
        "{days} d {hours} h",
        'By <a href="%(url)s">x &amp; y</a>, 90 %%',
    ],
)
def test_the_pseudo_language_keeps_placeholders_and_markup(message: str) -> None:
    said = pseudo.pseudo(message)
    assert FILLED.findall(said) == FILLED.findall(message)
    assert said.count("%%") == message.count("%%")
    assert len(said) > len(message) * 1.2
    assert not re.search("[A-Za-z]", FILLED.sub("", said).replace("&amp;", ""))


def test_the_pseudo_language_has_every_message() -> None:
    """Its own reader of catalogs finds what msgfmt would: as many as there are."""
    text = (messages.ROOT / messages.ENGLISH).read_text(encoding="utf-8")
    found = list(pseudo.messages(messages.ROOT / messages.ENGLISH))
    assert len(found) == len(re.findall(r"^msgid ", text, re.MULTILINE)) - 1
    assert len(found) > 1_000
