"""People are told that an incident is open again, whatever hitl_web does about it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from django.core import mail
from django.core.cache import cache
from pytest_django import Settings

from remediation import models as m
from tests.database.logins import connect
from tests.flows import role_world
from tests.flows.role_world import RoleWorld
from tests.servers import Addresses

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(
    transactional_db: None, tmp_path: Path, settings: Settings, addresses: Addresses
) -> RoleWorld:
    cache.clear()
    return role_world.make(tmp_path, settings, addresses)


def test_an_advisory_lock_of_hitl_web_does_not_keep_people_from_being_told(
    world: RoleWorld,
) -> None:
    """The key of the lock is guessable, and every login may take advisory locks."""
    proposal_id: UUID = world.approved()
    world.execute(proposal_id)
    incident: m.Incident = world.incident(proposal_id)
    world.alter("LOGIN")
    world.let_pass(incident, minutes=1)
    with connect("hitl_web", autocommit=True) as web:
        for name in ("deliver:mail", "notice_channels"):
            web.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        world.look()
        world.deliver()
        told = [one for one in mail.outbox if "open again" in one.subject]
    assert told


def test_an_address_that_no_server_takes_does_not_keep_the_others_from_being_told(
    world: RoleWorld, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One approver's address is text that the mail library refuses, past the guard of power."""
    proposal_id: UUID = world.approved()
    world.execute(proposal_id)
    incident: m.Incident = world.incident(proposal_id)
    m.User.objects.filter(pk=world.people["mallory"].user.pk).update(email="a\nb@example.org")
    sent: list[tuple[str, ...]] = []

    class Server:
        """An SMTP server that takes everything."""

        local_hostname = "x"

        def __init__(self, *given: object, **named: object) -> None: ...
        def sendmail(self, sender: str, to: list[str], body: bytes) -> None:
            sent.append(tuple(to))

        def send_message(self, *given: object, **named: object) -> None: ...
        def quit(self) -> None: ...
        def close(self) -> None: ...

    import smtplib

    monkeypatch.setattr(smtplib, "SMTP", Server)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    world.alter("LOGIN")
    world.let_pass(incident, minutes=1)
    world.look()
    assert world.moves(incident) == ["contained", "open"]
    world.deliver()
    assert {one for (one,) in sent} >= {world.people[name].user.email for name in ("alice", "lena")}
