"""People are notified once of each result, even when a process dies or hangs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.services.execution import confirm, execute
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


def results() -> list[Any]:
    return [m for m in mail.outbox if "Message-ID" in m.extra_headers]


def notify(proposal_id: UUID) -> bool:
    with acts(WORKER):
        return notify_result.notify(proposal_id, actor=WORKER_ACTOR)


def notify_pending() -> int:
    cache.clear()
    with acts(WORKER):
        return notify_result.notify_pending(actor=WORKER_ACTOR)


def grown_old(proposal_id: UUID) -> None:
    for move in m.Transition.objects.filter(proposal_id=proposal_id):
        factories.backdate(move, seconds=60)


def test_deciders_are_notified_of_the_outcome_of_each_step(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t2": {"fail_apply": True}})
    world.execute(proposal_id)
    (message,) = results()
    assert {world.people[name].user.email for name in ("alice", "bob")} <= set(message.bcc)
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
    grown_old(done)
    assert notify(done) is False
    assert notify_pending() == 0
    assert len(results()) == 1


def test_the_notice_of_a_worker_that_died_is_sent_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = world.approved()
    monkeypatch.setattr(notify_result, "notify_after_commit", lambda *_, **__: None)
    world.execute(proposal_id)
    assert results() == []
    assert notify_pending() == 0  # a worker may be sending it just now
    grown_old(proposal_id)
    assert notify_pending() == 1
    assert notify_pending() == 0
    assert len(results()) == 1


class Hung(BaseEmailBackend):
    """Make the mail server unreachable."""

    def send_messages(self, email_messages: Any) -> int:
        raise TimeoutError("timed out")


def test_an_unreachable_mail_server_loses_no_notice_and_breaks_no_run(
    world: World, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Hung"
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    assert not m.Notice.objects.exists()
    # The leases were released nevertheless.
    with acts(WORKER):
        assert execute.lease.claim(["test.target:t1"], worker="worker:next")
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    grown_old(proposal_id)
    assert notify_pending() == 1
    assert len(results()) == 1


class Slow(BaseEmailBackend):
    """Wait until both workers have tried."""

    barrier = threading.Event()

    def send_messages(self, email_messages: Any) -> int:
        Slow.barrier.wait(20)
        mail.outbox.extend(email_messages)
        return len(email_messages)


def test_of_two_workers_one_sends_the_notice(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    proposal_id = world.approved()
    monkeypatch.setattr(notify_result, "notify_after_commit", lambda *_, **__: None)
    world.execute(proposal_id)
    settings.EMAIL_BACKEND = f"{__name__}.Slow"
    Slow.barrier.clear()
    found: list[bool] = []

    def other() -> None:
        try:
            found.append(notify(proposal_id))
        finally:
            connection.close()

    first, second = threading.Thread(target=other), threading.Thread(target=other)
    first.start()
    second.start()
    # One waits for the mail server; the other finds the lock taken and stops.
    while not found:
        threading.Event().wait(0.01)
    assert found == [False]
    Slow.barrier.set()
    first.join(20)
    second.join(20)
    assert sorted(found) == [False, True]
    assert len(results()) == 1
    assert m.Notice.objects.count() == 1


class Dies(BaseEmailBackend):
    """Die after the mail was sent."""

    def send_messages(self, email_messages: Any) -> int:
        mail.outbox.extend(email_messages)
        raise SystemExit


def test_a_mail_sent_twice_has_the_same_message_id(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """A crash between the mail server's answer and the commit sends the mail again."""
    proposal_id = world.approved()
    monkeypatch.setattr(notify_result, "notify_after_commit", lambda *_, **__: None)
    world.execute(proposal_id)
    settings.EMAIL_BACKEND = f"{__name__}.Dies"
    with pytest.raises(SystemExit):
        notify(proposal_id)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert notify(proposal_id)
    assert len({message.extra_headers["Message-ID"] for message in results()}) == 1


def test_sending_a_mail_does_not_delay_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """The sequencer waits for every open transaction that has written."""
    proposal_id = world.approved()
    monkeypatch.setattr(notify_result, "notify_after_commit", lambda *_, **__: None)
    world.execute(proposal_id)
    seen: list[bool] = []

    class Looks(BaseEmailBackend):
        def send_messages(self, email_messages: Any) -> int:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NULL")
                seen.append(cursor.fetchone()[0])
            return 1

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend", Looks)
    assert notify(proposal_id)
    assert seen == [True]


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
    factories.person("lena", roles=["lead"])
    proposal_id = world.approved()
    world.inject({"t2": {"fail_apply": True}})
    world.execute(proposal_id)
    assert (len(results()), remind()) == (1, 0)
    for move in m.Transition.objects.filter(proposal_id=proposal_id):
        factories.backdate(move, hours=25)
    assert (remind(), remind(), len(results())) == (1, 0, 2)
    factories.halt_verdict(
        factories.halt(world.get(proposal_id), world.people["alice"], decision="settle")
    )
    for move in m.Transition.objects.filter(proposal_id=proposal_id):
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
    (message,) = results()
    assert lena.user.email in message.bcc
    # The reason stays one line, so nobody can add lines to the mail (A52).
    assert "A person halted it between two steps: The wrong⟨U+000A⟩account." in message.body
    assert "Step 2, not begun" in message.body


def test_a_rejection_is_notified_too(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id, "reject")
    world.settle(proposal_id)
    (message,) = results()
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
    said = notify_result._text(proposal)
    assert "https[://]evil.example/x [@]all" in said
