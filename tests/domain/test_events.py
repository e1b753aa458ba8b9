"""The vocabulary of the record."""

from __future__ import annotations

import re
from pathlib import Path

from remediation.domain.events import Event


def test_every_name_has_a_source_a_subject_and_an_action() -> None:
    for event in Event:
        assert re.fullmatch(
            r"(agent|person|worker|operator|system):[a-z_]+:[a-z_]+", event.value
        ), event
        assert event.name == event.value.replace(":", "_").upper()


def test_every_name_is_emitted_somewhere() -> None:
    """A word that nobody says is a promise that nobody keeps."""
    root = Path(__file__).resolve().parents[2]
    code = "".join(
        path.read_text(encoding="utf-8")
        for package in ("remediation", "audit", "hitlportal")
        for path in (root / package).rglob("*.py")
        if path.name != "events.py"
    )
    assert [event for event in Event if f"Event.{event.name}" not in code] == []
