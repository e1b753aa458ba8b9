"""Hostile titles in real mails, log lines and exports (docs/attacks.md A52)."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from pathlib import Path

import pytest
from django.core import mail
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from audit import formats
from hitlportal.logs import OneLine
from remediation.domain import inert
from tests.every import every
from tests.flows.world import World
from tests.hostile import scene
from tests.hostile.corpus import CORPUS, Hostile

HEADERS = [
    "Content-Type", "MIME-Version", "Content-Transfer-Encoding", "Subject", "From", "To", "Date",
    "Message-ID",
]  # fmt: skip
TITLES = [scene.BETWEEN.join(group) for group in scene.TITLES]


@every("one", CORPUS, ids=lambda one: f"{one.kind}-{one.name}")
def test_a52_a_log_line_stays_one_line_with_its_trace(one: Hostile) -> None:
    """In the message, in its arguments, and in an exception that quotes it."""
    try:
        raise ValueError(one.text)
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "%s", (one.text,), (ValueError, error, None)
        )
    said = OneLine().format(record)
    assert said.isascii()
    assert said.isprintable()
    assert said.count(inert.log_line(one.text)) >= 2


@pytest.mark.django_db
def test_a52_no_title_forges_a_mail(
    tmp_path: Path,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    world = World(tmp_path, settings)
    for number, title in enumerate(TITLES):
        world.assess(scene._reported(world, f"mail-{number}", title))
    while world.deliver():
        pass  # a turn of the delivery has an end, and a busy machine needs more than one
    sent = [one for one in mail.outbox if one.to == [world.people["alice"].user.email]]
    assert len(sent) == len(TITLES)
    for one, title in zip(sent, TITLES, strict=True):
        made = one.message()
        assert made.keys() == HEADERS
        assert made.get_content_type() == "text/plain"
        assert "\n" not in one.subject and one.subject.isprintable()
        lines = one.body.splitlines()
        assert f"Incident: {inert.message(title)}" in lines
        links = [line for line in lines if re.search(r"\w://", line)]
        assert len(links) == 1
        assert links[0].startswith(f"Review and decide: {settings.ORIGIN}/proposals/")
        assert len(lines) == 10


def test_a52_exports_for_other_tools_hold_no_formula_and_no_control() -> None:
    said = [{"action": title, "actor": title, "data": {"x": title}} for title in TITLES]
    lines = [(number, number, json.dumps(one).encode()) for number, one in enumerate(said)]
    table = list(csv.reader(io.StringIO(b"".join(formats.csv_rows(iter(lines))).decode())))
    assert len(table) == len(TITLES) + 1
    for row in table[1:]:
        for cell in row:
            assert cell.isprintable()
            assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "|", "%"))
    events = b"".join(formats.ocsf(iter(lines))).decode()
    assert events.isascii()
    assert len(events.splitlines()) == len(TITLES)
