"""Handle a refusal of the gate, as the refusal's class says (`Next`)."""

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
from remediation.services.outbox import notify_proposal, notify_result

logger = logging.getLogger(__name__)


def handle(proposal: Proposal, refusal: GateRefused, *, actor: Actor) -> None:
    """Record the refusal, then leave, assess again, expire or refuse, as `refusal.next` says."""
    if refusal.next is Next.RETRY:
        _stay(proposal, refusal, actor)
        return
    record(proposal, refusal, actor=actor)
    if isinstance(refusal, UnknownApproverKey):
        logger.critical("an approval of %s counts nothing: %s", proposal.pk, refusal)
        with transaction.atomic():
            notify_proposal.unknown_key(proposal)
    try:
        if refusal.next is Next.REVIEW:
            assess.assess(proposal.pk, actor=actor, reason=refusal.name)
        elif refusal.next is Next.EXPIRE:
            _move(proposal, ProposalState.EXPIRED, Event.WORKER_PROPOSAL_EXPIRED, refusal, actor)
        else:
            logger.critical("gate refused %s for good: %s", proposal.pk, refusal)
            _move(proposal, ProposalState.REFUSED, Event.WORKER_PROPOSAL_REFUSED, refusal, actor)
    except WrongState as error:
        # Withdrawn, superseded or moved by another worker meanwhile: nothing to do.
        logger.info("%s moved meanwhile: %s", proposal.pk, error)


def record(proposal: Proposal, refusal: Refused, *, actor: Actor) -> None:
    """Record the refusal, in a transaction of its own."""
    record_refusal.record(
        actor=actor,
        event=Event.WORKER_GATE_REFUSED,
        error=refusal,
        object=f"proposal:{proposal.pk}",
        proposal_id=proposal.pk,
        data={"round": proposal.round},
    )


def record_new(proposal: Proposal, refusal: Refused, *, actor: Actor) -> None:
    """Record the refusal if its reason is another one than that of the newest."""
    newest = Refusal.objects.filter(proposal=proposal).order_by("-id").first()
    if newest is None or newest.reason != refusal.name:
        record(proposal, refusal, actor=actor)


def _stay(proposal: Proposal, refusal: GateRefused, actor: Actor) -> None:
    """Leave the proposal approved, for the sweeper; record the refusal if its reason is new."""
    logger.info("%s stays approved: %s: %s", proposal.pk, refusal.name, refusal)
    record_new(proposal, refusal, actor=actor)


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
        notify_result.notify(proposal.pk, actor=actor)
