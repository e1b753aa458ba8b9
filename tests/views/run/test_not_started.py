"""People are told once that an approved proposal does not start, and its pages say why (A72)."""

from __future__ import annotations

import re
import smtplib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from pytest_django import Settings

from hitlportal import lookout
from remediation import models as m
from remediation.services.actors import ProcessActor
from remediation.services.execution import freeze
from remediation.services.outbox import not_started
from tests import factories
from tests.factories import WORKER
from tests.flows.world import WORKER_ACTOR, World, acts
from tests.views.conftest import BrowserOf, text_of

pytestmark = pytest.mark.django_db
OPERATOR = ProcessActor("operator:test")
SUBJECT = "approved, and does not start"


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    cache.clear()
    return World(tmp_path, settings)


def approved(world: World, minutes: float) -> UUID:
    proposal_id = world.approved()
    age(m.Transition.objects.get(proposal_id=proposal_id, to_state="approved"), minutes)
    return proposal_id


def age(row: Any, minutes: float) -> None:
    factories.backdate(row, seconds=minutes * 60)


def told() -> int:
    with acts(WORKER):
        return not_started.tell_late(actor=WORKER_ACTOR)


def mails(world: World) -> list[Any]:
    mail.outbox.clear()
    world.deliver()
    return [one for one in mail.outbox if SUBJECT in one.subject]


def shown(browser_of: BrowserOf, world: World, proposal_id: UUID) -> tuple[str, str]:
    """The head of the proposal's page, and its line in the queue."""
    alice = browser_of(world.people["alice"])
    page = text_of(alice.get("execution", proposal_id))
    head = page[page.index('id="outcome"') : page.index("</header>", page.index('id="outcome"'))]
    queue = text_of(alice.get("queue"))
    line = queue[queue.index(f'id="row-{proposal_id}"') :]
    return head, re.sub(r"<[^>]+>", " ", line[: line.index("</div>")])


def test_a72_those_concerned_are_told_once_and_the_pages_say_why(
    world: World, browser_of: BrowserOf
) -> None:
    lena = factories.person("lena", roles=["lead"])
    proposal_id = approved(world, 2)
    assert told() == 0
    assert "ago, not started" not in "".join(shown(browser_of, world, proposal_id))
    age(m.Transition.objects.get(proposal_id=proposal_id, to_state="approved"), 10)
    assert (told(), told()) == (1, 0)
    sent = mails(world)
    asked = {world.people[name].user.email for name in ("alice", "bob")} | {lena.user.email}
    assert asked <= {one.to[0] for one in sent}
    assert len(sent) == len({one.to[0] for one in sent})
    assert f"min ago and has not started: {not_started.NO_WORKER}" in sent[0].body
    assert f"/proposals/{proposal_id}/execution/" in sent[0].body
    assert m.Notice.objects.get(kind="not_started").proposal_id == proposal_id
    for part in shown(browser_of, world, proposal_id):
        assert re.search(rf"Approved 1\d min ago, not started: {not_started.NO_WORKER}", part)


def test_the_reason_is_what_the_worker_recorded_last(world: World, browser_of: BrowserOf) -> None:
    """Credentials that are missing: the worker runs, and cannot read its target."""
    proposal_id = world.approved()
    world.settings.START_WITHIN_S = 0
    (world.directory / "targets.toml").unlink()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "approved"
    assert told() == 1
    assert "has not started: The target cannot be observed." in mails(world)[0].body
    for part in shown(browser_of, world, proposal_id):
        assert "Approved 0 s ago, not started: The target cannot be observed." in part


def test_a_halted_system_is_told_as_halted_and_not_as_late(
    world: World, browser_of: BrowserOf
) -> None:
    proposal_id = approved(world, 12)
    with acts(WORKER):
        row = freeze.freeze(actor=OPERATOR, reason="a drill")
    age(row, 11)
    assert told() == 0
    for part in shown(browser_of, world, proposal_id):
        assert "min ago, not started: Execution is frozen." in part
    with acts(WORKER):
        row = freeze.lift(actor=OPERATOR, reason="it is over")
    assert told() == 0  # a worker has its time from now on
    age(row, 4)
    assert told() == 1


def test_what_has_begun_or_ended_is_not_late(world: World) -> None:
    world.settings.START_WITHIN_S = 0
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), told()) == ("succeeded", 0)


def test_a72_without_a_broker_the_messenger_tells_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(world, 12)
    monkeypatch.setattr(connection, "close", lambda: None)  # it is the test's own
    mail.outbox.clear()
    with acts(WORKER):
        assert not lookout.turn(lookout.SILENT_S - 1)
        assert mail.outbox == []
        assert lookout.turn(lookout.SILENT_S)
    assert [one for one in mail.outbox if SUBJECT in one.subject]


def test_a_messenger_that_cannot_tell_tries_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: object) -> int:
        raise smtplib.SMTPException("away")

    monkeypatch.setattr(connection, "close", lambda: None)
    monkeypatch.setattr(not_started, "tell_late", away)
    assert lookout.turn(lookout.SILENT_S)
