"""Lines of the process log: after the commit, ids only, and never an error."""

from __future__ import annotations

import logging
from uuid import UUID

import pytest
from django.db import transaction

from remediation.services import lines
from remediation.services.lines import Line

PROPOSAL = UUID("5c0f5c0f-5c0f-4c0f-8c0f-5c0f5c0f5c0f")


@pytest.mark.django_db(transaction=True)
def test_a_line_comes_after_the_commit_and_none_after_a_rollback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with transaction.atomic():
        lines.say(Line.STEP, proposal=PROPOSAL, step=2)
        assert not caplog.messages
    assert caplog.messages == [f"run.step proposal={PROPOSAL} step=2"]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        lines.say(Line.STEP, proposal=PROPOSAL, step=3)
        _ = 1 / 0
    assert len(caplog.messages) == 1


@pytest.mark.django_db(transaction=True)
def test_a_line_has_ids_only_and_the_request(caplog: pytest.LogCaptureFixture) -> None:
    token = lines.request_id.set("r1")
    try:
        lines.say(
            Line.REFUSED,
            refusal="drift",
            actor="operator:uma@host",
            proposal=None,
            detail="password is hunter2",
            more="x\ny",
            last={"a": 1},
        )
    finally:
        lines.request_id.reset(token)
    assert caplog.messages == [
        "refused refusal=drift actor=operator:uma@host detail=? more=? last=? request=r1"
    ]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.django_db(transaction=True)
def test_a_log_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(lines.logger, "log", broken)
    with transaction.atomic():
        lines.say(Line.MOVED, proposal=PROPOSAL)
    lines.say(Line.MOVED, proposal=PROPOSAL)


def test_every_line_of_the_list_is_written_somewhere_and_is_in_the_docs() -> None:
    from pathlib import Path

    root = Path(lines.__file__).parents[2]
    services = "".join(
        path.read_text(encoding="utf-8") for path in (root / "remediation").rglob("*.py")
    )
    page = (root / "docs/operate/logs.md").read_text(encoding="utf-8")
    for line in Line:
        assert f"lines.Line.{line.name}," in services
        assert f"| `{line}` |" in page
