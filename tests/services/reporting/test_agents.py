"""Agents and tokens: who may make them, what is stored, which tokens are accepted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from threading import Event as Signal
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.services.access import authorize
from remediation.services.actors import AgentActor, PersonActor, ProcessActor
from remediation.services.reporting import agents
from tests import factories
from tests.conftest import AsLogin
from tests.factories import Person

pytestmark = pytest.mark.django_db


def acting(person: Person) -> PersonActor:
    return PersonActor(person.id, person.user.pk)


@pytest.fixture
def eve() -> Person:
    """A person who administers agents."""
    return factories.person(roles=["agent_admin"])


@pytest.fixture
def dave() -> Person:
    """The person who owns the agent."""
    return factories.person()


@pytest.fixture
def agent(eve: Person, dave: Person, as_login: AsLogin) -> m.Agent:
    with as_login("hitl_web"):
        return agents.create(
            actor=acting(eve), name=f"scanner {factories.number()}", owner_person=dave.id
        )


@pytest.fixture
def made(eve: Person, agent: m.Agent, as_login: AsLogin) -> tuple[m.AgentToken, str]:
    with as_login("hitl_web"):
        return agents.issue_token(actor=acting(eve), agent_id=agent.pk)


def entries(event: Event) -> list[dict[str, object]]:
    found = [entry.data for entry in Entry.objects.order_by("id")]
    return [data for data in found if data["action"] == event]


# ---- making and changing -------------------------------------------------------------------------


def test_an_agent_is_made_enabled_with_its_owner_and_on_record(
    agent: m.Agent, eve: Person, dave: Person
) -> None:
    (version,) = agent.versions.all()
    assert (version.owner, version.enabled, version.author) == (dave.id, True, eve.actor)
    (entry,) = entries(Event.PERSON_AGENT_CREATED)
    assert entry["actor"] == eve.actor
    assert entry["object"] == f"agent:{agent.pk}"


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\u202eb", "x" * 101])
def test_an_invalid_name_is_refused(name: str, eve: Person, dave: Person) -> None:
    with pytest.raises(errors.BadValue):
        agents.create(actor=acting(eve), name=name, owner_person=dave.id)


def test_an_agents_name_is_unique(agent: m.Agent, eve: Person, dave: Person) -> None:
    with pytest.raises(errors.AlreadyExists):
        agents.create(actor=acting(eve), name=agent.name, owner_person=dave.id)
    assert m.Agent.objects.filter(name=agent.name).count() == 1
    assert len(entries(Event.PERSON_AGENT_CREATED)) == 1


def test_the_owner_is_an_active_person(eve: Person) -> None:
    gone = factories.person(active=False)
    for nobody in (gone.id, uuid4()):
        with pytest.raises(errors.NoSuchObject):
            agents.create(actor=acting(eve), name="x", owner_person=nobody)


def test_a_change_adds_a_version_with_the_other_values_kept(
    agent: m.Agent, eve: Person, dave: Person, as_login: AsLogin
) -> None:
    heir = factories.person()
    with as_login("hitl_web"):
        agents.change(actor=acting(eve), agent_id=agent.pk, enabled=False)
        agents.change(actor=acting(eve), agent_id=agent.pk, owner=heir.id)
        agents.change(actor=acting(eve), agent_id=agent.pk, owner=heir.id, enabled=False)
    said = [(v.owner, v.enabled) for v in agent.versions.order_by("id")]
    assert said == [(dave.id, True), (dave.id, False), (heir.id, False)]
    assert [entry["data"] for entry in entries(Event.PERSON_AGENT_CHANGED)] == [
        {"enabled": False},
        {"owner": heir.actor},
    ]


@pytest.mark.django_db(transaction=True)
def test_a_change_of_owner_never_undoes_a_suspension(
    agent: m.Agent, eve: Person, as_login: AsLogin
) -> None:
    """Without a lock, both would read the same previous version."""
    heir, began = factories.person(), Signal()

    def suspend() -> None:
        try:
            with as_login("hitl_web"):
                began.set()
                agents.change(actor=acting(eve), agent_id=agent.pk, enabled=False)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with as_login("hitl_web"), transaction.atomic():
            agents.change(actor=acting(eve), agent_id=agent.pk, owner=heir.id)
            second = pool.submit(suspend)
            assert began.wait(timeout=30)
            _until_somebody_waits()
            assert not second.done()
        second.result(timeout=30)
    newest = agent.versions.order_by("-id")[0]
    assert (newest.owner, newest.enabled) == (heir.id, False)


def _until_somebody_waits() -> None:
    until = time.monotonic() + 30
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks"
                " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
            )
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")


# ---- who may -------------------------------------------------------------------------------------


def test_a11_only_a_person_with_the_role_administers_agents(
    agent: m.Agent, made: tuple[m.AgentToken, str], dave: Person
) -> None:
    token, text = made
    lost = factories.person(roles=["agent_admin"])
    lost.user.is_active = False
    lost.user.save()
    for actor in (
        acting(dave),
        acting(factories.person(roles=["security", "service_owner", "lead", "user_admin"])),
        acting(lost),
        PersonActor(uuid4(), 1),
        agents.authenticate(text),
        AgentActor(agent.pk, token.pk),
        ProcessActor("operator:root@host"),
        ProcessActor("worker:host"),
    ):
        for refused in (
            lambda a=actor: agents.create(actor=a, name="mine", owner_person=dave.id),
            lambda a=actor: agents.change(actor=a, agent_id=agent.pk, enabled=False),
            lambda a=actor: agents.issue_token(actor=a, agent_id=agent.pk),
            lambda a=actor: agents.revoke_token(actor=a, token_id=token.pk),
            lambda a=actor: agents.rotate_token(actor=a, token_id=token.pk),
        ):
            with pytest.raises(errors.NotEntitled):
                refused()
    assert m.AgentToken.objects.count() == 1
    assert agents.authenticate(text).agent_id == agent.pk


def test_a11_the_owner_and_the_makers_of_tokens_are_excluded(
    agent: m.Agent, made: tuple[m.AgentToken, str], eve: Person, dave: Person, as_login: AsLogin
) -> None:
    second = factories.person(roles=["agent_admin"])
    proposal = factories.proposal(agent=agent, token=made[0])
    with as_login("hitl_web"):
        agents.rotate_token(actor=acting(second), token_id=made[0].pk)
    excluded = authorize.excluded(proposal.pk)
    assert excluded[str(dave.id)] == ("owner of the agent",)
    assert excluded[str(eve.id)] == ("made a token of the agent",)
    assert "rotated a token of the agent" in excluded[str(second.id)]


# ---- tokens --------------------------------------------------------------------------------------


def test_the_text_of_a_token_is_not_stored(
    made: tuple[m.AgentToken, str], eve: Person, agent: m.Agent
) -> None:
    token, text = made
    kind, prefix, secret = text.split("_", 2)
    assert (kind, prefix, len(secret)) == ("hitl", token.prefix, 43)
    assert token.hash == sha256(text.encode()).hexdigest()
    assert token.created_by == eve.id
    row = m.AgentToken.objects.filter(pk=token.pk).values()[0]
    assert secret not in repr(row)
    assert not any(secret in repr(entry.data) for entry in Entry.objects.order_by("id"))
    (entry,) = entries(Event.PERSON_TOKEN_CREATED)
    assert entry["actor"] == eve.actor
    assert text != agents.issue_token(actor=acting(eve), agent_id=agent.pk)[1]


def test_a_token_ends_after_at_most_a_year(agent: m.Agent, eve: Person) -> None:
    for days in (0, -1, 366):
        with pytest.raises(errors.BadValue):
            agents.issue_token(actor=acting(eve), agent_id=agent.pk, days=days)
    token, _ = agents.issue_token(actor=acting(eve), agent_id=agent.pk, days=365)
    assert timedelta(days=364) < token.expires_at - token.recorded_at <= timedelta(days=365)


def test_the_database_too_ends_a_token_after_a_year(agent: m.Agent, eve: Person) -> None:
    with pytest.raises(IntegrityError, match="agent_token_life"):
        factories.token(agent, eve, expires=timedelta(days=367))


def test_a_known_token_belongs_to_its_agent(agent: m.Agent, made: tuple[m.AgentToken, str]) -> None:
    token, text = made
    assert agents.authenticate(text) == AgentActor(agent.pk, token.pk, agent.name)


@pytest.mark.parametrize(
    "text", ["", "x", "hitl_", "hitl_00000000_" + "A" * 43, "é\ud800\0", "x" * 100_000]
)
def test_an_unknown_token_belongs_to_no_agent(text: str, made: tuple[m.AgentToken, str]) -> None:
    with pytest.raises(errors.NotAuthenticated):
        agents.authenticate(text)


def test_a_token_with_one_changed_character_is_unknown(
    made: tuple[m.AgentToken, str],
) -> None:
    text = made[1]
    for other in (
        text[:-1],
        text + "A",
        text.upper(),
        text[:-1] + ("A" if text[-1] != "A" else "B"),
    ):
        with pytest.raises(errors.NotAuthenticated):
            agents.authenticate(other)


def test_known_and_unknown_tokens_cost_one_query_each(
    made: tuple[m.AgentToken, str], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for text in (made[1], "hitl_nobody", ""):
        with django_assert_num_queries(1):
            agents.identify(text)


def test_a_revoked_token_is_refused_by_name(
    made: tuple[m.AgentToken, str], eve: Person, as_login: AsLogin
) -> None:
    token, text = made
    with as_login("hitl_web"):
        agents.revoke_token(actor=acting(eve), token_id=token.pk)
    with pytest.raises(errors.TokenRevoked):
        agents.authenticate(text)
    with pytest.raises(errors.WrongState):
        agents.revoke_token(actor=acting(eve), token_id=token.pk)
    (entry,) = entries(Event.PERSON_TOKEN_REVOKED)
    assert entry["object"] == f"token:{token.pk}"


def test_an_expired_token_is_refused_by_name(agent: m.Agent, eve: Person) -> None:
    text = f"hitl_{uuid4()}"
    factories.token(agent, eve, secret=text, expires=timedelta(seconds=-1))
    with pytest.raises(errors.TokenExpired):
        agents.authenticate(text)


def test_a16_a_suspended_agent_is_refused_by_name_until_it_may_act_again(
    agent: m.Agent, made: tuple[m.AgentToken, str], eve: Person
) -> None:
    agents.change(actor=acting(eve), agent_id=agent.pk, enabled=False)
    with pytest.raises(errors.AgentDisabled):
        agents.authenticate(made[1])
    agents.change(actor=acting(eve), agent_id=agent.pk, enabled=True)
    assert agents.authenticate(made[1]).agent_id == agent.pk


def test_a_rotation_revokes_the_old_token_and_makes_a_new_one(
    agent: m.Agent, made: tuple[m.AgentToken, str], eve: Person
) -> None:
    _, text = agents.rotate_token(actor=acting(eve), token_id=made[0].pk)
    assert agents.authenticate(text).agent_id == agent.pk
    with pytest.raises(errors.TokenRevoked):
        agents.authenticate(made[1])


def test_a_rotation_that_cannot_make_a_token_keeps_the_old_one(
    made: tuple[m.AgentToken, str], eve: Person
) -> None:
    with pytest.raises(errors.BadValue):
        agents.rotate_token(actor=acting(eve), token_id=made[0].pk, days=0)
    assert agents.authenticate(made[1]).token_id == made[0].pk


def test_an_unknown_agent_or_token_cannot_be_changed(eve: Person) -> None:
    for missing in (
        lambda: agents.change(actor=acting(eve), agent_id=uuid4(), enabled=False),
        lambda: agents.issue_token(actor=acting(eve), agent_id=uuid4()),
        lambda: agents.revoke_token(actor=acting(eve), token_id=uuid4()),
        lambda: agents.rotate_token(actor=acting(eve), token_id=uuid4()),
    ):
        with pytest.raises(errors.NoSuchObject):
            missing()
