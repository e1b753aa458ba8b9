"""What the database does with signed statements about a run: undo, settled, and who is woken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from remediation import models as m
from remediation.domain.halt.statement import Found
from remediation.services.outbox import dispatch
from tests import factories
from tests.factories import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(db: None) -> Iterator[Person]:
    yield factories.person("alice", roles=["security"])


@pytest.fixture
def bob(db: None) -> Person:
    return factories.person("bob", roles=["security"])


def run(*phases: str, ends: str = "") -> m.Proposal:
    """A run of two steps; phases of the first one."""
    proposal = factories.proposal_at("approved", f"a{factories.number()}", f"b{factories.number()}")
    execution = factories.execute(proposal)
    for phase in phases:
        factories.step(execution, phase)
    if ends:
        factories.move(proposal, ends)
    proposal.refresh_from_db()
    return proposal


def says(function: str, proposal: m.Proposal) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT remediation.{function}(%s)", [proposal.pk])
        return bool(cursor.fetchone()[0])


def kinds(proposal: m.Proposal) -> list[str]:
    rows = m.OutboxMessage.objects.filter(proposal=proposal, kind__in=("undo", "settle_run"))
    return list(rows.values_list("kind", flat=True))


def due(proposal: m.Proposal) -> list[str]:
    with factories.unguarded("public.remediation_outboxmessage"):
        m.OutboxMessage.objects.update(recorded_at="2000-01-01T00:00:00Z")
    return sorted(work.kind for work in dispatch.due() if work.proposal_id == proposal.pk)


def test_a65_an_undo_is_signed_only_when_the_worker_found_it_valid(
    alice: Person, bob: Person
) -> None:
    proposal = run("applied")
    assert not says("undo_signed_v1", proposal)
    factories.halt_verdict(factories.halt(proposal, alice))
    assert not says("undo_signed_v1", proposal), "a keep is no undo"
    forged = factories.halt(proposal, bob, decision="undo")
    assert not says("undo_signed_v1", proposal), "nobody has verified it"
    factories.halt_verdict(forged, "signature")
    assert not says("undo_signed_v1", proposal), "it was refused"
    factories.halt_verdict(factories.halt(proposal, bob, decision="undo"))
    assert says("undo_signed_v1", proposal)


def test_a_halt_of_version_1_is_an_undo(alice: Person) -> None:
    """Recorded before the upgrade: its statement has the old form, its column the migration's."""
    proposal = run("applied")
    with factories.unguarded("remediation_halt"), factories.unguarded("remediation_haltsession"):
        old = factories.halt(proposal, alice, decision="halt")
    factories.halt_verdict(old)
    assert says("undo_signed_v1", proposal)


def test_an_undo_may_come_while_the_last_step_is_being_confirmed(alice: Person) -> None:
    proposal = factories.proposal_at("approved")
    execution = factories.execute(proposal)
    factories.step(execution, "applied")
    factories.halt(proposal, alice, decision="undo")
    assert m.Halt.objects.get(proposal=proposal).decision == "undo"


def test_a_worker_is_woken_for_a_stopped_run_and_for_no_running_one(
    alice: Person, bob: Person
) -> None:
    running = run("applied")
    factories.halt(running, alice, decision="undo")
    assert kinds(running) == []
    stopped = run("applied", ends="stopped")
    undo = factories.halt(stopped, alice, decision="undo")
    assert kinds(stopped) == ["undo"] and due(stopped) == ["undo"]
    factories.halt_verdict(undo)
    assert due(stopped) == ["undo"], "verified, and its undoing has not begun"
    settled = factories.halt(stopped, bob, decision="settle")
    assert due(stopped) == ["settle_run", "undo"]
    factories.halt_verdict(settled)
    assert due(stopped) == ["undo"]


def test_a_refused_undo_wakes_nobody_again(alice: Person) -> None:
    stopped = run("applied", ends="stopped")
    factories.halt_verdict(factories.halt(stopped, alice, decision="undo"), "signature")
    assert due(stopped) == []


def test_what_people_say_of_an_unknown_run_does_not_settle_the_stopped_one(
    alice: Person, bob: Person
) -> None:
    proposal = run("unknown", ends="unknown")
    for someone in (alice, bob):
        said = factories.halt(proposal, someone, decision="settle", found=Found.APPLIED)
        factories.halt_verdict(said)
    factories.move(proposal, "stopped")
    assert not says("settled_v1", proposal)
    factories.halt_verdict(factories.halt(proposal, alice, decision="settle"))
    assert says("settled_v1", proposal)


def test_a_stopped_run_stands_first_in_the_queue_until_a_person_settles_it(alice: Person) -> None:
    proposal = run("applied", ends="stopped")
    waiting = factories.proposal_at("in_review")
    assert place(proposal) < place(waiting)
    forged = factories.halt(proposal, alice, decision="settle")
    factories.halt_verdict(forged, "signature")
    assert place(proposal).startswith("0"), "a refused settlement settles nothing"
    factories.halt_verdict(factories.halt(proposal, alice, decision="settle"))
    assert place(proposal).startswith("9")


def place(proposal: m.Proposal) -> str:
    return str(m.QueueEntry.objects.get(pk=proposal.pk).place)
