"""Agents, their versions and their tokens."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from remediation import models as m
from remediation.domain.events import Event
from tests.factories.logins import WEB, entry, joining, number
from tests.factories.people import Person, person

# Later than any test, at a whole second so that bodies stay readable.
SOON = timedelta(hours=1)


def agent(owner: Person | None = None, *, name: str = "", enabled: bool = True) -> m.Agent:
    owner = owner or person()
    with joining(WEB):
        made = m.Agent(name=name or f"agent{number()}")
        made.entry = entry(Event.PERSON_AGENT_CREATED, owner.actor, f"agent:{made.pk}")
        made.save(force_insert=True)
        agent_version(made, owner, enabled=enabled)
    return made


def agent_version(agent: m.Agent, owner: Person, *, enabled: bool = True) -> m.AgentVersion:
    """Record a new version of the agent: another owner, or suspended."""
    with joining(WEB):
        return m.AgentVersion.objects.create(
            agent=agent,
            owner=owner.id,
            enabled=enabled,
            author=owner.actor,
            entry=entry(Event.PERSON_AGENT_CHANGED, owner.actor, f"agent:{agent.pk}"),
        )


def token(
    agent: m.Agent, by: Person | None = None, *, secret: str = "", expires: timedelta = SOON
) -> m.AgentToken:
    """Make a token of the agent as that person; `secret` is what the agent would send."""
    by = by or person()
    secret = secret or secrets.token_urlsafe(32)
    with joining(WEB):
        return m.AgentToken.objects.create(
            agent=agent,
            prefix=secret[:8],
            hash=sha256(secret.encode()).hexdigest(),
            created_by=by.id,
            expires_at=datetime.now(UTC) + expires,
            entry=entry(Event.PERSON_TOKEN_CREATED, by.actor, f"agent:{agent.pk}"),
        )


def revoke(token: m.AgentToken, by: Person) -> m.AgentTokenRevocation:
    with joining(WEB):
        return m.AgentTokenRevocation.objects.create(
            token=token,
            revoked_by=by.actor,
            entry=entry(Event.PERSON_TOKEN_REVOKED, by.actor, f"agent:{token.agent_id}"),
        )
