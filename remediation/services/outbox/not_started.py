"""Find approved proposals that do not start, and have those concerned told, once an approval.

No worker, no broker, no credentials: to people these look the same, since nothing happens. While
execution is frozen nothing is told here: somebody froze it, and the pages say so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from audit import log
from remediation.domain.errors import GATE_REASONS, Frozen
from remediation.domain.events import Event
from remediation.domain.slots import LEAD
from remediation.domain.states import ProposalState
from remediation.domain.telling import Kind
from remediation.models import Notice, Proposal, Review
from remediation.services import transition
from remediation.services.actors import Actor
from remediation.services.clock import database_now
from remediation.services.outbox import audience
from remediation.services.outbox.tell import tell

NOTICE = "not_started"
NO_WORKER = "No worker has taken it: none runs for it, or the broker is away."
# The time counts from the approval, or from the end of a freeze after it.
LATE = """
SELECT p.id, a.at, f.frozen IS TRUE, coalesce(r.reason, '')
  FROM public.remediation_proposal p
 CROSS JOIN LATERAL (SELECT max(t.recorded_at) AS at FROM public.remediation_transition t
                      WHERE t.proposal_id = p.id AND t.to_state = 'approved') AS a
  LEFT JOIN LATERAL (SELECT x.reason FROM public.remediation_refusal x
                      WHERE x.proposal_id = p.id AND x.actor LIKE 'worker:%%'
                        AND x.recorded_at > a.at
                      ORDER BY x.id DESC LIMIT 1) AS r ON true
  LEFT JOIN (SELECT z.frozen, z.recorded_at FROM public.remediation_freeze z
              ORDER BY z.id DESC LIMIT 1) AS f ON true
 WHERE p.state = 'approved' AND (%(keys)s::uuid[] IS NULL OR p.id = ANY (%(keys)s::uuid[]))
   AND a.at <= clock_timestamp() - %(limit)s * interval '1 second'
   AND (f.frozen IS NOT FALSE
        OR f.recorded_at <= clock_timestamp() - %(limit)s * interval '1 second')
 ORDER BY a.at LIMIT 1000
"""


@dataclass(frozen=True)
class Late:
    """An approved proposal that should have started; ``reason`` is a refusal's name, or empty."""

    approved_at: datetime
    frozen: bool
    reason: str

    @property
    def why(self) -> str:
        """Return a sentence in English; `vocabulary.saying` translates it."""
        refusal = GATE_REASONS.get(self.reason)
        return " ".join((refusal.__doc__ or "").split()) if refusal else NO_WORKER


def late(keys: Collection[UUID] | None = None) -> Mapping[UUID, Late]:
    """Return which proposals are late to start, of these or of all, with the worker's last reason.

    With the web's or the worker's login; reads only.
    """
    wanted = None if keys is None else list(keys)
    with connection.cursor() as cursor:
        cursor.execute(LATE, {"keys": wanted, "limit": settings.START_WITHIN_S})
        return {
            key: Late(at, frozen, _reason(frozen, reason))
            for key, at, frozen, reason in cursor.fetchall()
        }


def _reason(frozen: bool, reason: str) -> str:
    """Return the reason of now: the worker may have recorded a freeze that is over."""
    if frozen:
        return Frozen.name
    return "" if reason == Frozen.name else reason


def tell_late(*, actor: Actor) -> int:
    """Tell, once for each approval, that it does not start; return of how many proposals."""
    told = 0
    for key, found in late().items():
        if not found.frozen and not _was_told(key):
            with transaction.atomic():
                told += _tell(key, found, actor)
    return told


def _was_told(proposal_id: UUID) -> bool:
    return Notice.objects.filter(
        proposal=proposal_id, proposal__round=F("round"), kind=NOTICE
    ).exists()


def _tell(key: UUID, found: Late, actor: Actor) -> bool:
    transition.lock(key)
    proposal = Proposal.objects.get(pk=key)
    if proposal.state != ProposalState.APPROVED or _was_told(key):
        return False
    decided = Review.objects.filter(proposal=key).values_list("person", flat=True)
    people = {*audience.entitled(proposal), *decided, *audience.holders(LEAD)}
    entry = log.append(
        action=Event.WORKER_NOTICE_SENT,
        actor=actor.ref,
        object=f"proposal:{key}",
        data={"kind": NOTICE, "round": proposal.round, "people": len(people)},
    )
    Notice.objects.create(proposal=proposal, round=proposal.round, kind=NOTICE, entry=entry.id)
    minutes = int((database_now() - found.approved_at).total_seconds() // 60)
    tell(
        Kind.NOT_STARTED,
        people=people,
        once=f"not_started:{key}:{proposal.round}",
        text=f"It was approved {minutes} min ago and has not started: {found.why} It starts by"
        " itself when that has passed, until its time to run is over; then it expires, and nothing"
        " was executed. Tell an operator: `hitlportal doctor` says what is wrong.",
        proposal=proposal,
    )
    return True
