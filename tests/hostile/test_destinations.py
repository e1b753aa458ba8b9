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
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from audit import formats
from hitlportal.logs import OneLine
from remediation.domain import inert
from remediation.services.outbox import mail as notify
from tests.every import every
from tests.flows.world import World, acts
from tests.hostile import scene
from tests.hostile.corpus import CORPUS, Hostile

HEADERS = [
    "Content-Type", "MIME-Version", "Content-Transfer-Encoding", "Subject", "From", "Date",
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
        proposal_id = scene._reported(world, f"mail-{number}", title)
        with acts("hitl_worker"), transaction.atomic():
            notify.round_opened(proposal_id)
    assert len(mail.outbox) == len(TITLES)
    for sent, title in zip(mail.outbox, TITLES, strict=True):
        made = sent.message()
        assert made.keys() == HEADERS
        assert made.get_content_type() == "text/plain"
        assert "\n" not in sent.subject and sent.subject.isprintable()
        lines = sent.body.splitlines()
        assert lines[2] == f"Incident: {inert.message(title)}"
        assert [line for line in lines if re.search(r"\w://", line)] == [lines[3]]
        assert lines[3].startswith(f"{settings.ORIGIN}/proposals/")
        assert len(lines) == 6


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
