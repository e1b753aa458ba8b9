"""The vocabulary of the audit log's events."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audit import log
from remediation import schema
from remediation.domain.events import Event


def test_every_name_has_a_source_a_subject_and_an_action() -> None:
    for event in Event:
        assert re.fullmatch(
            r"(agent|person|worker|operator|database|system):[a-z_]+:[a-z_]+", event.value
        ), event
        assert event.name == event.value.replace(":", "_").upper()


ROOT = Path(__file__).resolve().parents[2]
WORD = r"(?:agent|person|worker|operator|database|system):[a-z_]+:[a-z_]+"


def code() -> dict[str, str]:
    """Return the product's code by path, without the vocabulary and its sentences."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for package in ("remediation", "audit", "hitlportal")
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("events.py", "sentences.py")
    }


def test_every_name_is_emitted_somewhere() -> None:
    """An event that no code emits would mislead auditors."""
    text = "".join(code().values())
    said = set(re.findall(r"\bEvent\.([A-Z_]+)\b", text))
    # The audit app imports no other app, so its own events are literals.
    words = set(re.findall(rf'"({WORD})"', text))
    # Triggers append some, which are arguments of theirs.
    for name in schema.FILES:
        words |= set(re.findall(rf"'({WORD})'", (schema.SQL / f"{name}.sql").read_text("utf-8")))
    assert [e for e in Event if e.name not in said and e.value not in words] == []


def test_nothing_is_emitted_that_the_vocabulary_lacks() -> None:
    known = set(Event)
    unknown = {
        (path, word)
        for path, text in code().items()
        for word in re.findall(rf'"({WORD})"', text)
        if word not in known
    }
    assert unknown == set()


def test_the_log_refuses_an_unknown_event() -> None:
    """Also a name that is composed at run time, which no test can read in the code."""
    with pytest.raises(ValueError, match="vocabulary"):
        log.append(action="person:proposal:aproved", actor="a", object="b", data={})
