"""Enforce deadlines: warn at 50 and 80 per cent, then expire. Expiry is never an approval."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction

from audit import log
from remediation.domain.errors import WrongState
from remediation.domain.events import Event
from remediation.domain.states import ProposalState
from remediation.models import Assessment, Notice, Proposal
from remediation.services import transition
from remediation.services.actors import Actor
from remediation.services.clock import database_now
from remediation.services.outbox import notify_proposal

logger = logging.getLogger(__name__)

# A submission expires when no worker could assess it for a day (the guard has the same number).
UNASSESSED = timedelta(hours=24)
WARN_AT = (50, 80)


def expire(*, actor: Actor) -> int:
    """Expire proposals past their deadline and warn of near ones; return how many expired."""
    now, ended = database_now(), 0
    waiting = Proposal.objects.filter(
        state__in=[ProposalState.SUBMITTED, ProposalState.IN_REVIEW, ProposalState.APPROVED]
    )
    for proposal in waiting:
        try:
            ended += _look(proposal, now, actor)
        except DatabaseError as error:
            # A locked proposal must not keep the others from expiring; the next call tries again.
            logger.error("%s was not looked at: %s", proposal.pk, error)
    return ended


def _look(proposal: Proposal, now: datetime, actor: Actor) -> bool:
    due = deadline(proposal)
    if due is not None and due <= now:
        return _expire(proposal, actor)
    if proposal.state == ProposalState.IN_REVIEW and due is not None:
        _warn(proposal, due, now, actor)
    return False


def deadline(proposal: Proposal) -> datetime | None:
    """Return when the proposal's present state expires; None if it does not."""
    if proposal.state == ProposalState.SUBMITTED:
        return proposal.recorded_at + UNASSESSED
    assessment = Assessment.objects.filter(proposal=proposal, round=proposal.round).first()
    if assessment is None:
        return None
    if proposal.state == ProposalState.IN_REVIEW:
        return assessment.decide_by
    approval = proposal.transitions.filter(to_state="approved").order_by("-id").first()
    if proposal.state == ProposalState.APPROVED and approval is not None:
        return approval.recorded_at + timedelta(seconds=assessment.run_within_s)
    return None


def _expire(proposal: Proposal, actor: Actor) -> bool:
    try:
        with transaction.atomic():
            _wait_a_second_at_most()
            transition.move(
                actor=actor,
                event=Event.WORKER_PROPOSAL_EXPIRED,
                proposal_id=proposal.pk,
                source=ProposalState(proposal.state),
                target=ProposalState.EXPIRED,
                reason="deadline",
            )
            notify_proposal.overdue(proposal)
    except WrongState as error:
        logger.info("%s was not expired: %s", proposal.pk, error)
        return False
    return True


def _wait_a_second_at_most() -> None:
    """Limit the wait for the proposal's lock in this transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")


def _warn(proposal: Proposal, due: datetime, now: datetime, actor: Actor) -> None:
    first = proposal.assessments.order_by("round").first()
    if first is None or due <= first.recorded_at:
        return
    elapsed = 100 * ((now - first.recorded_at) / (due - first.recorded_at))
    passed = [mark for mark in WARN_AT if elapsed >= mark]
    if not passed:
        return
    # Only the newest mark: people need one warning, not two at once.
    kind = str(passed[-1])
    with transaction.atomic():
        _wait_a_second_at_most()
        transition.lock(proposal.pk)
        if Notice.objects.filter(proposal=proposal, round=proposal.round, kind=kind).exists():
            return
        entry = log.append(
            action=Event.WORKER_NOTICE_SENT,
            actor=actor.ref,
            object=f"proposal:{proposal.pk}",
            data={"kind": kind, "round": proposal.round},
        )
        Notice.objects.create(proposal=proposal, round=proposal.round, kind=kind, entry=entry.id)
        notify_proposal.time_passes(proposal, passed[-1])
