"""Create, change, revoke and authenticate agents and their tokens. Nothing else writes these rows.

Only people with the role `agent_admin` administer agents. So every token has a creator, and its
creator never decides on what the agent proposes (docs/attacks.md A11, promise 4).
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid4

from django.db import IntegrityError, connection, transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.models import Agent, AgentToken, AgentTokenRevocation, AgentVersion, User
from remediation.services.actors import Actor, AgentActor, PersonActor
from remediation.services.clock import database_now
from remediation.services.guards import constraint
from remediation.services.people import accounts

MAX_NAME = 100
DEFAULT_DAYS, MAX_DAYS = 90, 365
# 256 bits cannot be guessed, so one SHA-256 is enough (NIST SP 800-63B, 3.1.2.2, look-up secrets).
SECRET_BYTES = 32

IDENTIFY = """
SELECT t.agent_id, t.id, g.name, t.hash, r.id IS NOT NULL, t.expires_at <= clock_timestamp(),
       n.enabled
  FROM public.remediation_agenttoken t
  JOIN public.remediation_agent g ON g.id = t.agent_id
  JOIN LATERAL (SELECT v.enabled FROM public.remediation_agentversion v
                 WHERE v.agent_id = t.agent_id ORDER BY v.id DESC LIMIT 1) n ON true
  LEFT JOIN public.remediation_agenttokenrevocation r ON r.token_id = t.id
 WHERE t.hash = %s
"""


@dataclass(frozen=True)
class Known:
    """The owner of a token; ``refusal`` says why the token may not be used, None if it may."""

    actor: AgentActor
    refusal: errors.AccessRefused | None


# ---- the agent -----------------------------------------------------------------------------------


@transaction.atomic
def create(*, actor: Actor, name: str, owner_person: UUID) -> Agent:
    """Create an enabled agent. Raises NotEntitled, BadValue (name), AlreadyExists, NoSuchObject
    (owner)."""
    person = _administrator(actor)
    if not (0 < len(name) <= MAX_NAME and name.isprintable() and name == name.strip()):
        raise errors.BadValue(f"1 to {MAX_NAME} printable characters", pointer="/name")
    _refuse_unknown_owner(owner_person)
    agent_id = uuid4()
    entry = log.append(
        action=Event.PERSON_AGENT_CREATED,
        actor=person.ref,
        object=f"agent:{agent_id}",
        data={"name": name, "owner": f"person:{owner_person}", "enabled": True},
    )
    try:
        agent = Agent.objects.create(id=agent_id, name=name, entry=entry.id)
    except IntegrityError as error:
        if constraint(error) != "remediation_agent_name_key":
            raise
        raise errors.AlreadyExists(f"there is already an agent named {name}") from None
    AgentVersion.objects.create(
        agent=agent, owner=owner_person, enabled=True, author=person.ref, entry=entry.id
    )
    return agent


@transaction.atomic
def change(
    *, actor: Actor, agent_id: UUID, owner: UUID | None = None, enabled: bool | None = None
) -> Agent:
    """Change the agent's owner, suspend it or enable it again; None keeps the present value.

    Writes nothing when nothing changes. Raises NotEntitled, NoSuchObject.
    """
    person = _administrator(actor)
    agent = locked(agent_id)
    now = agent.versions.order_by("-id")[0]
    changed: dict[str, Json] = {}
    if owner is not None and owner != now.owner:
        _refuse_unknown_owner(owner)
        changed["owner"] = f"person:{owner}"
    if enabled is not None and enabled != now.enabled:
        changed["enabled"] = enabled
    if not changed:
        return agent
    entry = log.append(
        action=Event.PERSON_AGENT_CHANGED,
        actor=person.ref,
        object=f"agent:{agent.pk}",
        data=changed,
    )
    AgentVersion.objects.create(
        agent=agent,
        owner=now.owner if owner is None else owner,
        enabled=now.enabled if enabled is None else enabled,
        author=person.ref,
        entry=entry.id,
    )
    return agent


# ---- its tokens ----------------------------------------------------------------------------------


@transaction.atomic
def issue_token(
    *, actor: Actor, agent_id: UUID, days: int = DEFAULT_DAYS
) -> tuple[AgentToken, str]:
    """Create a token; return it with its text, which is stored nowhere.

    Raises NotEntitled, NoSuchObject, BadValue (days).
    """
    person = _administrator(actor)
    if not 1 <= days <= MAX_DAYS:
        raise errors.BadValue(f"1 to {MAX_DAYS} days", pointer="/days")
    agent = locked(agent_id)
    prefix = secrets.token_hex(4)
    text = f"hitl_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    token_id, expires_at = uuid4(), database_now() + timedelta(days=days)
    entry = log.append(
        action=Event.PERSON_TOKEN_CREATED,
        actor=person.ref,
        object=f"token:{token_id}",
        data={
            "agent": str(agent.pk),
            "prefix": prefix,
            "expires_at": expires_at.isoformat(timespec="seconds"),
        },
    )
    token = AgentToken.objects.create(
        id=token_id,
        agent=agent,
        prefix=prefix,
        hash=_hash(text),
        created_by=person.person,
        expires_at=expires_at,
        entry=entry.id,
    )
    return token, text


@transaction.atomic
def revoke_token(*, actor: Actor, token_id: UUID) -> AgentTokenRevocation:
    """Revoke a token now. Raises NotEntitled, NoSuchObject, WrongState (already revoked)."""
    person = _administrator(actor)
    token = AgentToken.objects.filter(pk=token_id).first()
    if token is None:
        raise errors.NoSuchObject()
    locked(token.agent_id)
    if AgentTokenRevocation.objects.filter(token=token).exists():
        raise errors.WrongState("the token is already revoked")
    entry = log.append(
        action=Event.PERSON_TOKEN_REVOKED,
        actor=person.ref,
        object=f"token:{token.pk}",
        data={"agent": str(token.agent_id), "prefix": token.prefix},
    )
    return AgentTokenRevocation.objects.create(token=token, revoked_by=person.ref, entry=entry.id)


@transaction.atomic
def rotate_token(
    *, actor: Actor, token_id: UUID, days: int = DEFAULT_DAYS
) -> tuple[AgentToken, str]:
    """Revoke a token and create another one for the same agent, in one transaction."""
    revoked = revoke_token(actor=actor, token_id=token_id)
    return issue_token(actor=actor, agent_id=revoked.token.agent_id, days=days)


# ---- callers -------------------------------------------------------------------------------------


def identify(bearer: str) -> Known | None:
    """Return the agent that owns this token, with a refusal if it may not be used; None if unknown.

    Every token costs the same: one hash and one look-up by that hash, so the timing reveals
    nothing about a secret. The database's clock decides about expiry.
    """
    digest = _hash(bearer)
    with connection.cursor() as cursor:
        cursor.execute(IDENTIFY, [digest])
        row = cursor.fetchone()
    if row is None or not hmac.compare_digest(row[3], digest):
        return None
    agent_id, token_id, name, _, revoked, expired, enabled = row
    refusal: errors.AccessRefused | None = None
    if revoked:
        refusal = errors.TokenRevoked()
    elif expired:
        refusal = errors.TokenExpired()
    elif not enabled:
        refusal = errors.AgentDisabled()
    return Known(AgentActor(agent_id, token_id, name), refusal)


def authenticate(bearer: str) -> AgentActor:
    """Return the agent that owns this token. Raises NotAuthenticated, TokenExpired, TokenRevoked,
    AgentDisabled."""
    known = identify(bearer)
    if known is None:
        raise errors.NotAuthenticated()
    if known.refusal is not None:
        raise known.refusal
    return known.actor


def _hash(text: str) -> str:
    # Headers hold latin-1 at most; any other text gets a hash that no token has.
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _administrator(actor: Actor) -> PersonActor:
    """Return the actor; refuse everybody but an active person with the role `agent_admin`."""
    if not isinstance(actor, PersonActor):
        raise errors.NotEntitled("only people may administer agents")
    accounts.require(actor, accounts.AGENT_ADMIN)
    return actor


def _refuse_unknown_owner(person: UUID) -> None:
    if not User.objects.filter(person=person, is_active=True).exists():
        raise errors.NoSuchObject("the owner is not an active person", pointer="/owner")


def locked(agent_id: UUID) -> Agent:
    """Return the agent and lock it until the transaction ends. Raises NoSuchObject.

    Without the lock a change of owner could read the version before a suspension and write
    `enabled` back.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"agent:{agent_id}"]
        )
    agent = Agent.objects.filter(pk=agent_id).first()
    if agent is None:
        raise errors.NoSuchObject()
    return agent
