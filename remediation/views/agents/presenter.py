"""Build the data of the list of agents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q

from remediation.models import Agent, AgentToken, AgentVersion, Proposal, User
from remediation.services.access import authorize
from remediation.services.clock import database_now
from remediation.services.people import accounts
from remediation.services.reporting import token_use
from remediation.views.agents.page import AgentRow, AgentsPage, Next
from remediation.views.cards import agent_record

TODO, ENABLED, SUSPENDED = "todo", "enabled", "suspended"
STATES = (TODO, ENABLED, SUSPENDED)
LONGEST = 100
SOON = timedelta(days=14)
# A token that nobody uses for a month is one that nobody would miss, and nobody watches.
UNUSED = timedelta(days=30)
NONE = {"made": 0, "waiting": 0}


def agents_page(viewer: User, query: Mapping[str, str]) -> AgentsPage:
    """Return the list for this viewer, limited by ``q`` and ``state``."""
    rows = _rows(list(Agent.objects.order_by("name")))
    q = query.get("q", "").strip()[:LONGEST]
    state = query.get("state", "") if query.get("state", "") in STATES else ""
    return AgentsPage(
        rows=tuple(row for row in rows if _fits(row, q.lower(), state)),
        total=len(rows),
        q=q,
        state=state,
        states=STATES,
        may_change=accounts.AGENT_ADMIN in authorize.roles(viewer),
    )


def _fits(row: AgentRow, q: str, state: str) -> bool:
    wanted = {
        "": True,
        TODO: bool(row.next),
        ENABLED: row.enabled,
        SUSPENDED: not row.enabled,
    }[state]
    return wanted and (q in row.name.lower() or q in row.owner_name.lower())


def _rows(agents: list[Agent]) -> list[AgentRow]:
    now = database_now()
    versions = {
        row.agent_id: row
        for row in AgentVersion.objects.filter(agent__in=agents).order_by("pk").iterator()
    }
    owners = {
        user.person: user
        for user in User.objects.filter(person__in={row.owner for row in versions.values()})
    }
    tokens = _tokens(now)
    used = token_use.last_used(token.pk for held in tokens.values() for token in held)
    uses = token_use.of_agents(agent.pk for agent in agents)
    counts = {
        row["agent_id"]: row
        for row in Proposal.objects.order_by()
        .values("agent_id")
        .annotate(
            made=Count("pk"), waiting=Count("pk", filter=Q(state__in=("submitted", "in_review")))
        )
    }
    rows = []
    for agent in agents:
        version = versions.get(agent.pk)
        owner = owners.get(version.owner) if version else None
        held = tokens.get(agent.pk, [])
        seen = [used[token.pk] for token in held if token.pk in used]
        quality = agent_record.judged_by_people(agent.pk)
        rows.append(
            AgentRow(
                agent_id=agent.pk,
                name=agent.name,
                owner_name=owner.username if owner else "",
                owner_active=bool(owner and owner.is_active),
                enabled=bool(version and version.enabled),
                tokens=len(held),
                token_until=max((token.expires_at for token in held), default=None),
                last_used=max(seen, default=None),
                calls=uses[agent.pk].calls,
                refused=uses[agent.pk].refused,
                proposals=counts.get(agent.pk, NONE)["made"],
                waiting=counts.get(agent.pk, NONE)["waiting"],
                judged=quality[0],
                confirmed=quality[1],
                next=_next(
                    bool(version and version.enabled),
                    bool(owner and owner.is_active),
                    held,
                    max(seen, default=None),
                    now,
                ),
            )
        )
    return rows


def _tokens(now: datetime) -> dict[UUID, list[AgentToken]]:
    """Return the tokens that can be used now, by agent."""
    found: dict[UUID, list[AgentToken]] = defaultdict(list)
    for token in AgentToken.objects.filter(expires_at__gt=now, revocation__isnull=True):
        found[token.agent_id].append(token)
    return found


def _next(
    enabled: bool,
    owned: bool,
    held: list[AgentToken],
    last_used: datetime | None,
    now: datetime,
) -> Next:
    if not owned:
        return Next.NEW_OWNER
    if not enabled:
        return Next.NOTHING
    if not held:
        return Next.NO_TOKEN
    if max(token.expires_at for token in held) < now + SOON:
        return Next.ROTATE
    newest = max(token.recorded_at for token in held)
    return Next.UNUSED if max(newest, last_used or newest) < now - UNUSED else Next.NOTHING
