"""People are notified once of each result, even when a process dies or hangs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import transaction
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain.telling import Kind
from remediation.services.execution import confirm
from remediation.services.outbox import notify_result
from tests import factories
from tests.factories import WORKER
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db: None, tmp_path: Path, settings: Settings) -> World:
    cache.clear()
    return World(tmp_path, settings, ("t1", "t2"), "production")


@pytest.fixture
def done(world: World) -> UUID:
    """Return a run that has ended and whose notice was not sent."""
    proposal_id = world.approved()
    world.execute(proposal_id)
    return proposal_id


def results() -> list[m.Telling]:
    return list(m.Telling.objects.filter(kind="result").distinct("once").order_by("once", "pk"))


def mails(world: World) -> list[Any]:
    """Deliver, and return the mails about results, one for each person."""
    mail.outbox.clear()
    world.deliver()
    return [one for one in mail.outbox if "waits for your decision" not in one.subject]


def test_deciders_are_notified_of_the_outcome_of_each_step(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t2": {"fail_apply": True}})
    world.execute(proposal_id)
    sent = mails(world)
    asked = {world.people[name].user.email for name in ("alice", "bob")}
    assert asked <= {one.to[0] for one in sent} and len(sent) == 3
    message = sent[0]
    assert "The proposal is now: stopped (not applied)." in message.body
    assert "What is applied stays; nothing is undone by itself." in message.body
    assert "Step 1, applied and verified: Record a call for test target t1." in message.body
    assert "Step 2, failed: Record a call for test target t2." in message.body
    assert f"/proposals/{proposal_id}/execution/" in message.body
    assert message.subject.endswith(": stopped")


def test_the_notice_is_on_record(world: World, done: UUID) -> None:
    notice = m.Notice.objects.get(kind="told:succeeded")
    said = Entry.objects.get(pk=notice.entry).data
    assert said["action"] == "worker:notice:sent"
    assert said["object"] == f"proposal:{done}"
    assert said["data"]["people"] == 3  # alice, bob, and mallory, who could have


def test_repeated_calls_notify_once(world: World, done: UUID) -> None:
    with acts(WORKER), transaction.atomic():
        notify_result.notify(done, actor=WORKER_ACTOR)
    assert len(results()) == m.Notice.objects.count() == 1
    assert len(mails(world)) == 3
    assert mails(world) == []


def test_the_notice_is_committed_with_the_end_state_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies before the commit leaves neither; one that dies after it leaves both."""
    proposal_id = world.approved()

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(notify_result, "tell", dies)
        with pytest.raises(KeyboardInterrupt):
            world.execute(proposal_id)
    assert (world.state_of(proposal_id), m.Notice.objects.count()) == ("executing", 0)
    with factories.unguarded("remediation_lease"):
        m.Lease.objects.update(until="2026-01-01T00:00:00Z")
    world.reconcile()
    assert (world.state_of(proposal_id), m.Notice.objects.count()) == ("succeeded", 1)


def test_an_unknown_outcome_and_its_settlement_are_two_results(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"unknown_apply": True}})
    world.execute(proposal_id)
    world.inject({})
    world.reconcile()
    kinds = list(m.Notice.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["told:unknown", "told:stopped"]
    assert len(results()) == 2


def remind() -> int:
    cache.clear()
    with acts(WORKER):
        return notify_result.remind(actor=WORKER_ACTOR)


def test_a_stopped_run_is_told_of_again_each_day_until_a_person_settles_it(world: World) -> None:
    lena = factories.person("lena", roles=["lead"])
    proposal_id = world.approved()
    world.inject({"t2": {"fail_apply": True}})
    world.execute(proposal_id)
    assert (len(results()), remind()) == (1, 0)
    mails(world)
    for move in m.Transition.objects.filter(proposal_id=proposal_id).order_by("id"):
        factories.backdate(move, hours=25)
    assert (remind(), remind()) == (1, 0)
    assert lena.user.email in {one.to[0] for one in mails(world)}
    factories.halt_verdict(
        factories.halt(world.get(proposal_id), world.people["alice"], decision="settle")
    )
    for move in m.Transition.objects.filter(proposal_id=proposal_id).order_by("id"):
        factories.backdate(move, hours=25)
    assert remind() == 0


def test_the_person_who_halted_is_notified_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lena = factories.person("lena", roles=["lead"])
    world.people["lena"] = lena
    world.approve_keys_of("alice", "bob", leads=["lena"])
    proposal_id = world.approved()
    look = confirm.first_look

    def halted(run: Any, index: int) -> confirm.Confirmed:
        world.halt("lena", proposal_id, "The wrong\naccount.")
        with acts(WORKER):
            return look(run, index)

    monkeypatch.setattr(confirm, "first_look", halted)
    world.execute(proposal_id)
    message = next(one for one in mails(world) if one.to == [lena.user.email])
    # The reason stays one line, so nobody can add lines to the mail (A52).
    assert "A person halted it between two steps: The wrong⟨U+000A⟩account." in message.body
    assert "Step 2, not begun" in message.body


def test_a_rejection_is_notified_too(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id, "reject")
    world.settle(proposal_id)
    message = mails(world)[0]
    assert "The proposal is now: rejected (diagnosis wrong)." in message.body
    assert f"/proposals/{proposal_id}/history/" in message.body


def test_a52_texts_in_a_mail_are_made_inert(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a person's reason nor a name in the plan becomes a link in a mail."""
    proposal = world.get(world.approved())
    with factories.unguarded("remediation_halt"), factories.unguarded("remediation_haltverdict"):
        halt = m.Halt.objects.create(
            proposal=proposal,
            person=world.people["alice"].id,
            reason="look at https://evil.example/x @all",
            entry=factories.entry("person:execution:halted", "person:x", "proposal:x"),
        )
        factories.halt_verdict(halt)
    with transaction.atomic():
        notify_result._tell(proposal, "told:x", Kind.RESULT, WORKER_ACTOR)
    (message, *_) = mails(world)
    assert "https[://]evil.example/x [@]all" in message.body
