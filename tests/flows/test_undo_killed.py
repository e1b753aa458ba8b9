"""kill -9 in an undoing of a stopped run: it is concluded, and people are told (A66)."""

from __future__ import annotations

import contextlib
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.db import Error, transaction

from remediation import models as m
from remediation.services.execution import record_step, rollback
from remediation.services.execution import run as runs
from remediation.services.outbox import dispatch
from tests import factories
from tests.factories import WORKER
from tests.flows.conftest import MakeWorld
from tests.flows.test_stop_and_keep import at_verify
from tests.flows.world import World, acts

WHY = "The shop stands still tonight."

pytestmark = pytest.mark.django_db


def stopped(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> tuple[World, UUID]:
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    at_verify(monkeypatch, lambda: world.inject({"t2": {"fail_apply": True}}))
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state("t1")) == ("stopped", "off")
    return world, proposal_id


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_a_stopped_run_whose_undoing_was_done_before_the_kill_is_called_rolled_back(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the commit of the last `undone` and that of `rolled_back`."""
    world, proposal_id = stopped(make_world, monkeypatch)
    world.halt("alice", proposal_id, WHY, "undo")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "conclude", killed)
        with pytest.raises(KeyboardInterrupt):
            world.reconcile()
    assert (world.state("t1"), world.phases(proposal_id)[-1]) == ("on", (0, "undone"))
    for _ in range(3):
        world.reconcile()
    assert world.state_of(proposal_id) == "rolled_back"


def test_a_stopped_run_killed_after_a_refused_undoing_tells_people(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 1 is undone and step 2 is not; killed before `end`: the incident counts as before, and
    the mail about the end is never sent."""
    world = make_world("t1", "t2", "t3")
    proposal_id = world.approved()
    at_verify(monkeypatch, lambda: world.inject({"t3": {"fail_apply": True}}))
    world.execute(proposal_id)
    world.halt("alice", proposal_id, WHY, "undo")
    world.inject({"t1": {"fail_rollback": True}})
    ended: list[str] = []
    real = runs.end

    def counted(*given: Any) -> None:
        ended.append("x")
        real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "end", killed)
        with pytest.raises(KeyboardInterrupt):
            world.reconcile()
    assert (world.state("t1"), world.state("t2")) == ("off", "on")
    monkeypatch.setattr(runs, "end", counted)
    for _ in range(3):
        world.reconcile()
    assert ended


def test_every_kill_point_of_an_undoing_of_a_stopped_run(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the call, before `undone`: access is back, and the run is rolled back."""
    world, proposal_id = stopped(make_world, monkeypatch)
    world.halt("alice", proposal_id, WHY, "undo")
    real = record_step.record

    def at_undone(*given: Any) -> Any:
        if "undone" in given:
            raise KeyboardInterrupt
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(rollback.record_step, "record", at_undone)
        with pytest.raises(KeyboardInterrupt):
            world.reconcile()
    assert world.state("t1") == "on"
    for _ in range(3):
        world.reconcile()
    assert world.state_of(proposal_id) == "rolled_back"
    assert m.StepRecord.objects.filter(phase="undone").count() == 1


def test_an_undoing_that_began_is_settled_also_after_a_day(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the call; the portal is down for two days. Access is back: it must be said."""
    world, proposal_id = stopped(make_world, monkeypatch)
    world.halt("alice", proposal_id, WHY, "undo")
    real = record_step.record

    def at_undone(*given: Any) -> Any:
        if "undone" in given:
            raise KeyboardInterrupt
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(rollback.record_step, "record", at_undone)
        with pytest.raises(KeyboardInterrupt):
            world.reconcile()
    assert world.state("t1") == "on"
    for row in [
        *m.Halt.objects.all(), *m.HaltVerdict.objects.all(), *m.StepRecord.objects.all(),
        *m.Transition.objects.filter(proposal_id=proposal_id), *m.OutboxMessage.objects.all(),
    ]:  # fmt: skip
        factories.backdate(row, days=2)
    with acts(WORKER):
        due = [work for work in dispatch.due() if work.proposal_id == proposal_id]
    for _ in range(3):
        world.reconcile()
    assert (world.state_of(proposal_id), due) == ("rolled_back", [])


def test_a_halt_row_without_its_signature_in_the_log_gives_nothing_back(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hitl_web stores a person's signed undo with an entry that says something else: the log has
    neither statement nor assertion, and nobody outside can verify why access came back."""
    world, proposal_id = stopped(make_world, monkeypatch)
    alice = world.people["alice"]
    real = factories.halts.entry  # type: ignore[attr-defined]

    def other(action: str, actor: str, object: str, **data: Any) -> int:
        return int(real("person:halt:started", actor, object))

    monkeypatch.setattr(factories.halts, "entry", other)  # type: ignore[attr-defined]
    with contextlib.suppress(Error), transaction.atomic():  # a guard may refuse the row, too
        factories.halt(world.get(proposal_id), alice, decision="undo")
    world.reconcile()
    assert world.state("t1") == "off"


def test_people_are_told_that_an_undoing_was_done_in_part(
    make_world: MakeWorld,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    """No kill: the run was told as stopped before, so its second end is never mailed, although
    step 2's access is back and step 1's is not."""
    world = make_world("t1", "t2", "t3")
    proposal_id = world.approved()
    at_verify(monkeypatch, lambda: world.inject({"t3": {"fail_apply": True}}))
    with django_capture_on_commit_callbacks(execute=True):
        world.execute(proposal_id)
    assert world.state_of(proposal_id) == "stopped"
    assert world.deliver()
    first = len(mail.outbox)
    assert first
    world.halt("alice", proposal_id, WHY, "undo")
    world.inject({"t1": {"fail_rollback": True}})
    with django_capture_on_commit_callbacks(execute=True):
        world.reconcile()
    assert (world.state("t1"), world.state("t2")) == ("off", "on")
    world.deliver()
    assert len(mail.outbox) > first
