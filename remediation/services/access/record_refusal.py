"""Record refusals: after the refused transaction rolled back, before the answer is sent.

Each has its own transaction on the same connection. Refusals of unknown callers are only counted
by minute; otherwise anybody could fill the log.
"""

from __future__ import annotations

from uuid import UUID

from django.core.cache import cache
from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.errors import Refused
from remediation.domain.events import Event
from remediation.domain.secrets import masking
from remediation.models import Proposal, Refusal, User
from remediation.services import lines
from remediation.services.access import visibility
from remediation.services.actors import SYSTEM, Actor, AgentActor, PersonActor

# Long enough to explain, short enough that an attacker cannot store essays in the record.
DETAIL_MAX = 500


def record(
    *,
    actor: Actor,
    event: Event,
    error: Refused,
    object: str,
    proposal_id: UUID | None = None,
    data: dict[str, Json] | None = None,
) -> int:
    """Append the refusal to the log; return the entry's id.

    If ``proposal_id`` names a proposal, its history shows the refusal. Call it outside the
    refused transaction (the door catches `Refused` outside `atomic()`). A crash before this
    commit loses the entry; the refused action did not happen in any case.
    """
    detail = printable(error.detail or error.message)
    with transaction.atomic():
        entry = log.append(
            action=event,
            actor=actor.ref,
            object=object,
            data={**(data or {}), "refusal": error.name, "detail": detail},
        )
        if proposal_id is not None and Proposal.objects.filter(pk=proposal_id).exists():
            Refusal.objects.create(
                proposal_id=proposal_id,
                reason=error.name,
                detail=detail,
                actor=actor.ref,
                entry=entry.id,
            )
        lines.say(
            lines.Line.REFUSED,
            refusal=error.name,
            event=event,
            proposal=proposal_id,
            actor=actor.ref,
            entry=entry.id,
        )
    return entry.id


def seen(actor: Actor, proposal_id: UUID | None) -> UUID | None:
    """Return the proposal's id if the actor may see the proposal, else None.

    A refusal of a stranger must not appear in the proposal's history or in files about it.
    """
    if proposal_id is None:
        return None
    if isinstance(actor, AgentActor):
        mine = Proposal.objects.filter(pk=proposal_id, agent_id=actor.agent_id).exists()
        return proposal_id if mine else None
    if isinstance(actor, PersonActor):
        user = User.objects.filter(pk=actor.user_id).first()
        found = Proposal.objects.filter(pk=proposal_id).first()
        visible = user is not None and found is not None and visibility.may_view(user, found)
        return proposal_id if visible else None
    return proposal_id


def printable(text: str) -> str:
    """Return the text in a form that the record always accepts.

    Replaces control characters and lone surrogates, masks secrets, and cuts to DETAIL_MAX.
    """
    return inert.noted(masking.mask_text(text), DETAIL_MAX)


def count_unknown(kind: str, minute: int) -> None:
    """Count a refusal of an unknown caller.

    The first one of a minute is recorded at once, together with the total of the minute before.
    """
    key = f"unknown:{kind}:{minute}"
    if cache.add(key, 1, timeout=3600):
        before = cache.get(f"unknown:{kind}:{minute - 1}", 0)
        with transaction.atomic():
            log.append(
                action=Event.SYSTEM_REFUSALS_COUNTED,
                actor=SYSTEM.ref,
                object=f"door:{kind}",
                data={"minute": minute, "previous_minute_total": int(before)},
            )
    else:
        cache.incr(key)
