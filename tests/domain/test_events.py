"""The vocabulary of the record."""

from __future__ import annotations

import re

from remediation.domain.events import Event


def test_every_name_has_a_source_a_subject_and_an_action() -> None:
    for event in Event:
        assert re.fullmatch(
            r"(agent|person|worker|operator|system):[a-z_]+:[a-z_]+", event.value
        ), event
        assert event.name == event.value.replace(":", "_").upper()
