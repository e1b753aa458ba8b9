"""Where a refusal of the gate leads: the refusal table, in one place."""

from __future__ import annotations

import logging

from django.db import transaction

from remediation.domain.errors import (
    GateRefused,
    Next,
    Refused,
    UnknownApproverKey,
    WrongState,
)
from remediation.domain.events import Event
from remediation.domain.states import ProposalState
from remediation.models import Proposal, Refusal
from remediation.services import transition
from remediation.services.access import record_refusal
from remediation.services.actors import Actor
from remediation.services.assessment import assess
from remediation.services.outbox import mail, report_result

logger = logging.getLogger(__name__)


def handle(proposal: Proposal, refusal: GateRefused, *, actor: Actor) -> None:
    """Record the refusal and do what the table says; raises nothing that the table foresees."""
    if refusal.next is Next.RETRY:
        _stay(proposal, refusal, actor)
        return
    record(proposal, refusal, actor=actor)
    if isinstance(refusal, UnknownApproverKey):
        logger.critical("an approval of %s counts nothing: %s", proposal.pk, refusal)
        mail.unknown_key(proposal.pk)
    try:
        if refusal.next is Next.REVIEW:
            assess.assess(proposal.pk, actor=actor, reason=refusal.name)
        elif refusal.next is Next.EXPIRE:
            _move(proposal, ProposalState.EXPIRED, Event.WORKER_PROPOSAL_EXPIRED, refusal, actor)
        else:
            logger.critical("gate refused %s for good: %s", proposal.pk, refusal)
            _move(proposal, ProposalState.REFUSED, Event.WORKER_PROPOSAL_REFUSED, refusal, actor)
    except WrongState as error:
        # Somebody else moved it meanwhile (withdrawn, superseded, another worker): that stands.
        logger.info("%s moved meanwhile: %s", proposal.pk, error)


def record(proposal: Proposal, refusal: Refused, *, actor: Actor) -> None:
    """Put the refusal on record, in a transaction of its own."""
    record_refusal.record(
        actor=actor,
        event=Event.WORKER_GATE_REFUSED,
        error=refusal,
        object=f"proposal:{proposal.pk}",
        proposal_id=proposal.pk,
        data={"round": proposal.round},
    )


def _stay(proposal: Proposal, refusal: GateRefused, actor: Actor) -> None:
    """The proposal stays approved; the sweeper comes back. On record when the reason changes."""
    newest = Refusal.objects.filter(proposal=proposal).order_by("-id").first()
    if newest is None or newest.reason != refusal.name:
        record(proposal, refusal, actor=actor)


def _move(
    proposal: Proposal, target: ProposalState, event: Event, refusal: GateRefused, actor: Actor
) -> None:
    with transaction.atomic():
        transition.move(
            actor=actor,
            event=event,
            proposal_id=proposal.pk,
            source=ProposalState.APPROVED,
            target=target,
            reason=refusal.name,
        )
        report_result.after_commit(proposal.pk, actor=actor)
