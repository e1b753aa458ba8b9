"""A89: one login that floods the log is named by the sequencer, by its own clock."""

from __future__ import annotations

import logging

import pytest

from audit.flood import Flood
from tests.audit.conftest import House


def entries(login: str, count: int) -> list[bytes]:
    return [b'{"at":"1999-01-01T00:00:00Z","writer":"' + login.encode() + b'"}'] * count


def test_a89_a_login_over_the_rate_is_named_once_a_window() -> None:
    flood = Flood(entries=10, window=60.0)
    assert flood.count(entries("hitl_web", 10) + entries("hitl_worker", 10), 0.0) == []
    assert flood.count(entries("hitl_web", 1), 59.0) == ["hitl_web"]
    assert flood.count(entries("hitl_web", 50), 61.0) == []  # told already
    assert flood.count(entries("hitl_web", 1), 119.0) == ["hitl_web"]
    assert flood.count(entries("hitl_web", 1), 300.0) == []  # quiet meanwhile


def test_a89_the_words_of_an_entry_cannot_name_another_login() -> None:
    forged = b'{"data":{"writer":"hitl_worker"},"writer":"hitl_web"}'
    assert Flood(entries=0).count([forged], 0.0) == ["hitl_web"]


@pytest.mark.django_db
def test_a89_the_sequencer_tells_but_not_of_what_waited_for_its_start(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.write(3)
    house.integrate()
    assert house.sequencer is not None
    house.sequencer.flood = Flood(entries=2)
    house.write(2)
    house.integrate()
    assert "entry_flood" not in caplog.text
    house.write(1)
    with caplog.at_level(logging.ERROR):
        house.integrate()
    assert "entry_flood: login hitl_" in caplog.text and "wrote 3 entries" in caplog.text
