"""Agents in the admin: create, change owner, suspend; a token is shown once and never stored."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.core.cache import cache

from audit.models import Entry
from remediation import models as m
from remediation.services.reporting import agents
from tests import factories
from tests.admin.conftest import Desk, DeskOf, entries, refusals, text_of

pytestmark = pytest.mark.django_db

TOKEN = re.compile(r'id="token">(hitl_[0-9a-f]{8}_[\w-]{40,})<')


@pytest.fixture
def desk(desk_of: DeskOf) -> Desk:
    return desk_of("agent_admin")


def make(desk: Desk, owner: str, name: str = "triage") -> m.Agent:
    answer = desk.post("remediation_agent_add", name=name, owner=owner)
    assert answer.status_code == 302, text_of(answer)
    return m.Agent.objects.get(name=name)


def issue(desk: Desk, agent: m.Agent, **said: Any) -> str:
    page = text_of(desk.post("remediation_agent_token", agent.pk, **{"days": 30, **said}))
    found = TOKEN.search(page)
    assert found, page
    return found.group(1)


def test_an_agent_is_made_with_an_owner_and_suspended(desk: Desk) -> None:
    dave, erin = factories.person("dave"), factories.person("erin")
    agent = make(desk, "dave")
    assert agent.versions.get().owner == dave.id
    assert agent.versions.get().author == desk.actor

    answer = desk.post("remediation_agent_change", agent.pk, owner="erin", enabled="no")
    assert answer.status_code == 302, text_of(answer)
    assert [(v.owner, v.enabled) for v in agent.versions.order_by("id")] == [
        (dave.id, True),
        (erin.id, False),
    ]
    page = text_of(desk.get("remediation_agent_change", agent.pk))
    assert "dave" in page
    assert "erin" in text_of(desk.get("remediation_agent_changelist"))


def test_a_token_is_shown_once_and_kept_nowhere(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    factories.person("dave")
    agent = make(desk, "dave")
    text = issue(desk, agent)

    token = agents.authenticate(text)
    assert token.agent_id == agent.pk
    row = m.AgentToken.objects.get()
    assert (row.created_by, row.prefix) == (desk.someone.id, text.split("_")[1])
    for page in (
        text_of(desk.get("remediation_agent_change", agent.pk)),
        text_of(desk.get("remediation_agent_token", agent.pk)),
    ):
        assert text not in page
    secret = text.rsplit("_", 1)[-1]
    assert not any(secret in record.getMessage() for record in caplog.records)
    assert not any(secret.encode() in bytes(entry.body) for entry in Entry.objects.order_by("id"))
    kept = [cache.get(key.decode().split(":", 2)[-1]) for key in _cache_keys()]
    assert not any(secret in str(value) for value in kept)
    assert kept  # at least the session


def _cache_keys() -> list[bytes]:
    client = cache._cache.get_client(None)  # type: ignore[attr-defined]
    found: list[bytes] = client.keys("*")
    return found


def test_the_page_with_the_token_is_not_stored(desk: Desk) -> None:
    factories.person("dave")
    agent = make(desk, "dave")
    answer = desk.post("remediation_agent_token", agent.pk, days=30)
    assert "no-store" in answer["Cache-Control"]


def test_a17_a_get_makes_no_token_and_revokes_none(desk: Desk) -> None:
    factories.person("dave")
    agent = make(desk, "dave")
    assert desk.get("remediation_agent_token", agent.pk, days=30).status_code == 200
    assert not m.AgentToken.objects.exists()
    issue(desk, agent)
    token = m.AgentToken.objects.get()
    assert desk.get("remediation_agenttoken_revoke", token.pk).status_code == 200
    assert not m.AgentTokenRevocation.objects.exists()


@pytest.mark.parametrize("days", ["0", "366", "x", ""])
def test_a_token_ends_within_a_year(desk: Desk, days: str) -> None:
    factories.person("dave")
    agent = make(desk, "dave")
    answer = desk.post("remediation_agent_token", agent.pk, days=days)
    assert answer.status_code == 200
    assert not m.AgentToken.objects.exists()


def test_a_token_is_revoked_once(desk: Desk) -> None:
    factories.person("dave")
    agent = make(desk, "dave")
    text = issue(desk, agent)
    token = m.AgentToken.objects.get()
    assert desk.post("remediation_agenttoken_revoke", token.pk).status_code == 302
    with pytest.raises(agents.errors.TokenRevoked):
        agents.authenticate(text)
    assert token.revocation.revoked_by == desk.actor
    assert desk.post("remediation_agenttoken_revoke", token.pk).status_code == 302
    assert refusals() == ["wrong_state"]
    assert "revoked" in text_of(desk.get("remediation_agent_change", agent.pk))


def test_a_missing_agent_or_token_gives_404(desk: Desk) -> None:
    nowhere = factories.agent().pk
    with factories.unguarded("remediation_agentversion"), factories.unguarded("remediation_agent"):
        m.AgentVersion.objects.all().delete()
        m.Agent.objects.all().delete()
    assert desk.post("remediation_agent_token", nowhere, days=1).status_code == 404
    assert desk.post("remediation_agenttoken_revoke", nowhere).status_code == 404


def test_the_owner_is_an_active_person(desk: Desk) -> None:
    factories.person("gone", active=False)
    answer = desk.post("remediation_agent_add", name="triage", owner="gone")
    assert "Select a valid choice" in text_of(answer)
    assert not m.Agent.objects.exists()


@pytest.mark.parametrize("role", ["user_admin", "inventory_editor", "auditor"])
def test_a12_others_of_the_admin_administer_no_agent(desk_of: DeskOf, role: str) -> None:
    other, agent = desk_of(role), factories.agent()
    token = factories.token(agent)
    dave = factories.person("dave")
    before = agent.versions.count()
    answers = [
        other.post("remediation_agent_add", name="x", owner="dave"),
        other.post("remediation_agent_change", agent.pk, owner="dave", enabled="no"),
        other.get("remediation_agent_token", agent.pk),
        other.post("remediation_agent_token", agent.pk, days=1),
        other.post("remediation_agenttoken_revoke", token.pk),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert refusals() == ["not_entitled"] * 5
    assert agent.versions.count() == before
    assert not m.AgentTokenRevocation.objects.exists()
    assert not m.AgentToken.objects.filter(created_by=other.someone.id).exists()
    assert dave.user.is_active


def test_a11_who_made_the_token_is_on_record(desk: Desk) -> None:
    """eve made the token of dave's agent, so she is excluded from its proposals."""
    factories.person("dave")
    issue(desk, make(desk, "dave"))
    (entry,) = entries("person:token:created")
    assert entry["actor"] == desk.actor
