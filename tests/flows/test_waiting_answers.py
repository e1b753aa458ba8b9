"""Answers to a wait: how old what they saw may be, and what a forged one costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from remediation import models as m
from remediation.domain import errors, instant
from remediation.domain.conditions import Sighting
from remediation.services.execution import waits
from tests import factories
from tests.flows.rotation import saw
from tests.flows.waiting import Waiting


@pytest.fixture
def world(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> Waiting:
    return Waiting(tmp_path, settings, ("t1",), "production")


def looked(wait: m.Wait, *, ago: timedelta) -> m.WaitLook:
    """Record a look that was made so long ago."""
    at = datetime.now(UTC) - ago
    seen = Sighting("consumers_moved", 0, at, at, at, 60, 60, why=instant.dump(at))
    return saw(wait, (seen,), (("consumers_moved", "not_observable", ""),))


def answered(world: Waiting, ago: timedelta) -> str:
    """Let alice sign a page of so long ago, as whoever composes the statement; return the refusal.

    The portal's own page composes nothing so old.
    """
    proposal_id = world.approved()
    world.execute(proposal_id)
    wait = m.Wait.objects.get()
    page = looked(wait, ago=ago)
    shown = waits.shown(wait)
    factories.halt(
        world.get(proposal_id), world.people["alice"], decision="longer",
        step=0, seen=shown.digest, longer_s=600,
    )  # fmt: skip
    assert page.met is False
    world.tick()
    return m.HaltVerdict.objects.get().refusal


def test_what_was_seen_minutes_ago_is_answered(world: Waiting) -> None:
    assert answered(world, timedelta(minutes=19)) == ""


def test_what_was_seen_long_ago_is_not_answered(world: Waiting) -> None:
    assert answered(world, timedelta(minutes=21)) == "signature"


def test_a_page_of_long_ago_is_not_composed(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    looked(m.Wait.objects.get(), ago=timedelta(minutes=16))
    with pytest.raises(errors.WrongState, match="has to look again"), transaction.atomic():
        world.answer("alice", proposal_id)
    looked(m.Wait.objects.get(), ago=timedelta(minutes=14))
    world.answer("alice", proposal_id)


def test_a_forged_answer_is_not_searched_for_and_a_true_one_reads_the_record_once(
    world: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    wait = m.Wait.objects.get()
    looked(wait, ago=timedelta(minutes=2))
    said = {"decision": "longer", "step": 0, "seen": waits.shown(wait).digest, "longer_s": 600}
    for minutes in (1, 0):
        looked(wait, ago=timedelta(minutes=minutes))
    searched: list[m.Halt] = []
    search = waits.shown_to
    monkeypatch.setattr(waits, "shown_to", lambda halt: (searched.append(halt), search(halt))[1])
    person = world.people["alice"]
    forged = factories.halt(
        world.get(proposal_id), person, columns={"signature": b"\0" * 70}, **said
    )
    true = factories.halt(world.get(proposal_id), person, **said)
    world.tick()
    assert [row.refusal for row in m.HaltVerdict.objects.order_by("halt_id")] == ["signature", ""]
    assert forged not in searched and true in searched
    true.refresh_from_db()
    with CaptureQueriesContext(
        connection,
    ) as found:
        assert search(true) is not None
    records = [one for one in found.captured_queries if "remediation_steprecord" in one["sql"]]
    assert len(records) == 1
