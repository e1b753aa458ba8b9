"""The live state of identities, and leaked passwords, on a real PostgreSQL cluster (A61)."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest
from django.core.cache import cache
from django.db import transaction
from psycopg import sql
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors, instant
from remediation.domain.live import Reading
from remediation.domain.secrets.compared import parse
from remediation.services.assessment import leaked, live, read_live
from tests import factories
from tests.factories import WEB, WORKER
from tests.flows import role_world
from tests.flows.role_world import RoleWorld
from tests.flows.world import WORKER_ACTOR, acts
from tests.servers import Addresses

pytestmark = pytest.mark.django_db(transaction=True)
LEAKED = "Tr0ub4dor-and-3"
TWIN = "Tr0ub4dor-and-4"


class LeakyWorld(RoleWorld):
    """Its report holds a password in an artefact."""

    password = LEAKED

    def report(self, **changes: Any) -> Any:
        content = json.dumps({"role": self.pg.role, "line": f"password={self.password} host=db"})
        digest = sha256(content.encode()).hexdigest()
        cited = {"evidence": digest, "pointer": "/role", "value": self.pg.role}
        artefact = {
            "sha256": digest,
            "source": "ci log",
            "media_type": "application/json",
            "collected_at": "2026-11-22T10:00:00Z",
            "attacker_writable": False,
            "content": content,
            "encoding": "utf-8",
        }
        diagnosis = {
            "summary": "It leaked.",
            "identity": self.pg.target,
            "confidence": 90,
            "claims": [{"text": "The role is misused.", "citations": [cited]}],
        }
        return super().report(**{"evidence": [artefact], "diagnosis": diagnosis, **changes})


@pytest.fixture
def world(
    transactional_db: None, tmp_path: Path, settings: Settings, addresses: Addresses
) -> LeakyWorld:
    cache.clear()
    made = role_world.make(tmp_path, settings, addresses)
    made.__class__ = LeakyWorld
    assert isinstance(made, LeakyWorld)
    return made


def rotate(world: RoleWorld, password: str | None) -> None:
    """Change the password as an administrator of the cluster does, unseen by its log."""
    with psycopg.connect(world.pg.superuser, autocommit=True) as connection:
        connection.execute("SET log_statement = 'none'")
        connection.execute("SET log_min_duration_statement = -1")
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(world.pg.role), password)
        )


def incident_of(world: RoleWorld) -> m.Incident:
    return world.get(world.submit()).incident


def ask(world: RoleWorld, incident: m.Incident, name: str = "alice") -> int:
    locators = [one.locator for one in live.identities(incident)]
    with acts(WEB):
        return live.ask(actor=world.people[name].user, incident=incident, locators=locators)


def answer() -> int:
    with acts(WORKER):
        return read_live.answer_due(actor=WORKER_ACTOR)


def again(world: RoleWorld, incident: m.Incident) -> str:
    """Let the last answer grow old, ask, answer; return whether a secret is in force."""
    for row in m.LiveRequest.objects.filter(incident=incident):
        for one in (row, getattr(row, "answer", None)):
            if one is not None:
                factories.backdate(one, minutes=1)
    assert ask(world, incident) == 1 and answer() == 1
    return m.SecretCheck.objects.latest("pk").in_force


def test_the_live_state_is_read_without_a_new_round(world: LeakyWorld) -> None:
    incident = incident_of(world)
    proposal = incident.proposals.get()
    assert ask(world, incident) == 1
    assert ask(world, incident, "bob") == 0, "it is asked for already"
    assert answer() == 1 and answer() == 0
    reading = Reading.parse(bytes(m.LiveObservation.objects.get().body))
    assert reading.observation is not None and reading.observation.state["login"] is True
    assert [one.place for one in reading.places] == ["server orders-db"]
    assert reading.found == "access" and reading.at
    proposal.refresh_from_db()
    assert proposal.round == incident.proposals.get().round
    assert ask(world, incident) == 0, "it was read a moment ago"
    said = [e.data["action"] for e in Entry.objects.order_by("id")]
    assert said.count("person:live:asked") == said.count("worker:live:observed") == 1


def test_a_leaked_password_in_force_then_rotated_elsewhere(world: LeakyWorld) -> None:
    rotate(world, LEAKED)
    before = world.pg.log.stat().st_size
    incident = incident_of(world)
    assert again(world, incident) == "yes"
    assert again(world, incident) == "yes"
    told_people = m.Telling.objects.filter(kind="secret_in_force", incident=incident)
    people = list(told_people.values_list("person", flat=True))
    assert world.people["alice"].id in people and len(people) == len(set(people)), "told once"
    rotate(world, "something-else-1")
    assert again(world, incident) == "no"
    assert told_people.count() == len(people)
    checked = parse(bytes(m.SecretCheck.objects.earliest("pk").body))
    ((spot, told),) = checked.answers
    assert told == "yes" and spot.sha256 == incident.evidence.get().sha256
    assert checked.place == "server orders-db"
    # A61: neither the target's log, nor the record, nor a row holds the password.
    with world.pg.log.open("rb") as log:
        log.seek(before)
        assert LEAKED not in log.read().decode(errors="replace")
    assert LEAKED.encode() not in b"".join(bytes(e.body) for e in Entry.objects.order_by("id"))
    assert all(LEAKED.encode() not in bytes(row.body) for row in m.SecretCheck.objects.all())


def test_a_twin_with_one_other_character_is_not_in_force(world: LeakyWorld) -> None:
    rotate(world, TWIN)
    assert again(world, incident_of(world)) == "no"


def test_a_role_without_a_password(world: LeakyWorld) -> None:
    rotate(world, None)
    assert again(world, incident_of(world)) == "no"
    checked = parse(bytes(m.SecretCheck.objects.get().body))
    assert checked.why == "the role has no password"


def test_a_role_that_is_not_enrolled_cannot_be_told(world: LeakyWorld) -> None:
    rotate(world, LEAKED)
    incident = incident_of(world)
    with psycopg.connect(world.pg.superuser, autocommit=True) as connection:
        connection.execute("SELECT hitl_ops.unmanage(%s)", [world.pg.role])
    assert again(world, incident) == "unknown"
    checked = parse(bytes(m.SecretCheck.objects.get().body))
    assert "is not a member of hitl_managed" in checked.why


def test_a_target_that_does_not_answer_is_said_and_the_old_value_stays(world: LeakyWorld) -> None:
    incident = incident_of(world)
    assert again(world, incident) in ("yes", "no")
    world.write_targets("")
    assert again(world, incident) == "unknown"
    newest, older = m.LiveObservation.objects.order_by("-pk")
    assert (newest.found, older.found) == ("unread", "access")
    assert "no credentials" in Reading.parse(bytes(newest.body)).why


def test_an_identity_that_the_inventory_does_not_have_is_not_looked_at(world: LeakyWorld) -> None:
    incident = incident_of(world)
    ask(world, incident)
    looks = world.pg.log_lines(".")  # of this role: other tests write into the log, too
    elsewhere = m.LiveRequest.objects.get()
    work = read_live._Work(elsewhere, instant.dump(elsewhere.recorded_at), None, False,
                           leaked.Leaked())  # fmt: skip
    assert read_live._read(work, None, "").reading.found == "not_known"
    assert world.pg.log_lines(".") == looks
    assert answer() == 1
    assert len(world.pg.log_lines(".")) > len(looks), "a look would stand in the log"


def test_only_people_who_see_the_incident_ask(world: LeakyWorld) -> None:
    incident = incident_of(world)
    world.people["nobody"] = factories.person(f"nobody{factories.number()}")
    with pytest.raises(errors.NoSuchObject):
        ask(world, incident, "nobody")


def test_an_identity_of_another_incident_is_refused(world: LeakyWorld) -> None:
    incident = incident_of(world)
    with pytest.raises(errors.NoSuchObject), acts(WEB):
        live.ask(
            actor=world.people["alice"].user,
            incident=incident,
            locators=["postgres.role:orders-db/other"],
        )


def test_one_person_asks_within_a_budget(world: LeakyWorld) -> None:
    """A control of the guard: without the count a page could use the logins without limit."""
    incident = incident_of(world)
    person = world.people["alice"]
    with acts(WEB), transaction.atomic():
        for _ in range(200):
            entry = factories.entry("person:live:asked", person.actor, f"incident:{incident.pk}")
            m.LiveRequest.objects.create(
                incident=incident, locator=incident.locator, person=person.id, entry=entry
            )
    for row in m.LiveRequest.objects.all():
        factories.backdate(row, minutes=2)
    with pytest.raises(errors.WrongState):
        ask(world, incident)


def test_a_target_that_hangs_holds_up_no_other(
    world: LeakyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The healthy one is recorded at once; the other one as unanswered, and nothing waits."""
    hanging, healthy = incident_of(world), incident_of(world)
    assert hanging.pk == healthy.pk, "one incident: the same identity"
    release = Event()
    real = read_live.run_live
    calls = iter([True, False])

    def run_live(step: Any, targets: Any) -> Any:
        if next(calls):
            release.wait(20)
        return real(step, targets)

    monkeypatch.setattr(read_live, "run_live", run_live)
    monkeypatch.setattr(read_live, "SECONDS", 4.0)
    with acts(WEB), transaction.atomic():
        for name in ("alice", "bob"):
            person = world.people[name]
            entry = factories.entry("person:live:asked", person.actor, f"incident:{hanging.pk}")
            m.LiveRequest.objects.create(
                incident=hanging, locator=hanging.locator, person=person.id, entry=entry
            )
    try:
        assert answer() == 2
    finally:
        release.set()
    assert [one.found for one in m.LiveObservation.objects.order_by("pk")] == ["access", "unread"]
    newest = Reading.parse(bytes(m.LiveObservation.objects.latest("pk").body))
    assert newest.why == "no answer within 4 s"
