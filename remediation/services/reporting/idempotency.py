"""Do the work of a request once: store the answer to an Idempotency-Key together with the work.

Follows draft-ietf-httpapi-idempotency-key-header-07. Key and answer are inserted in the
transaction of the work and never change, so neither exists without the other. Each agent has its
own keys; they never expire. Refused requests are not stored: their key stays free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.db import connection, transaction

from audit.tlog.canonical import Json
from remediation.domain.errors import IdempotencyKeyReused, RequestInFlight
from remediation.models import IdempotencyRecord
from remediation.services.actors import AgentActor


@dataclass(frozen=True)
class Answer:
    """The answer to a request; ``location`` is the URL of the object that it created, or ""."""

    status: int
    body: dict[str, Json]
    location: str = ""


def once(
    *,
    actor: AgentActor,
    key: str,
    fingerprint: str,
    work: Callable[[], Answer],
) -> tuple[Answer, bool]:
    """Do the work in a transaction and return its answer, or return the stored answer.

    The second value says whether the answer was stored before. Never waits: raises
    RequestInFlight while another request holds the key. Raises IdempotencyKeyReused when the key
    was used for a request with another fingerprint, and what the work raises; then nothing is
    stored. A crash before the commit leaves nothing; after it, a repeated request gets the answer.
    """
    with transaction.atomic():
        _lock(actor.agent_id, key)
        kept = replay(actor=actor, key=key, fingerprint=fingerprint)
        if kept is not None:
            return kept, True
        answer = work()
        IdempotencyRecord.objects.create(
            agent_id=actor.agent_id,
            key=key,
            request_hash=fingerprint,
            status=answer.status,
            answer={"body": answer.body, "location": answer.location},
        )
        return answer, False


def replay(*, actor: AgentActor, key: str, fingerprint: str) -> Answer | None:
    """Return the stored answer, or None. Raises IdempotencyKeyReused, as `once` does.

    Asked also before the transaction, so that a repeated request does no work at all.
    """
    kept = IdempotencyRecord.objects.filter(agent_id=actor.agent_id, key=key).first()
    if kept is None:
        return None
    if kept.request_hash != fingerprint:
        raise IdempotencyKeyReused()
    return Answer(kept.status, kept.answer["body"], kept.answer["location"])


def lock_number(agent_id: UUID, key: str) -> int:
    """Return a signed 64-bit number for the advisory lock. Keys that collide only cause a 409."""
    seed = b"idempotency\0" + agent_id.bytes + key.encode()
    return int.from_bytes(sha256(seed).digest()[:8], signed=True)


def _lock(agent_id: UUID, key: str) -> None:
    # Released once the holder's commit is visible, so the next holder sees its record.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock_number(agent_id, key)])
        if not cursor.fetchone()[0]:
            raise RequestInFlight()
