"""Confirm dissent: a signed reject or return moves the state once the worker verified it."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import transaction

from remediation.domain.errors import GateRefused, PolicyUnavailable
from remediation.domain.events import Event
from remediation.domain.gate.dissent import verify_review
from remediation.domain.statement import NONE_OF_THEM, OTHER, Decision, Statement
from remediation.domain.states import ProposalState
from remediation.models import Proposal
from remediation.services import host_files, transition
from remediation.services.access import record_refusal
from remediation.services.actors import Actor
from remediation.services.assessment import assess
from remediation.services.load_plan import load_plan
from remediation.services.outbox import notify_result
from remediation.services.review import none_of_them
from remediation.services.review.gather import gather

OUTCOMES = {
    Decision.REJECT: (ProposalState.REJECTED, Event.WORKER_PROPOSAL_REJECTED),
    Decision.RETURN: (ProposalState.RETURNED, Event.WORKER_PROPOSAL_RETURNED),
}


def confirm(proposal_id: UUID, *, actor: Actor) -> None:
    """Verify the round's rejections and returns; a valid rejection wins over a valid return.

    When none is valid, somebody wrote reviews that nobody signed. Each is then recorded as
    refused and a new round is opened, so that a forged dissent blocks nothing (docs/attacks.md
    A43).
    """
    proposal = (
        Proposal.objects.select_related("diagnosis", "incident").filter(pk=proposal_id).first()
    )
    if proposal is None or proposal.state != ProposalState.IN_REVIEW:
        return
    found, failed = _verified(proposal)
    for decision in (Decision.REJECT, Decision.RETURN):
        if decision in found:
            _end(proposal, decision, found[decision], actor)
            return
    for refusal in failed:
        record_refusal.record(
            actor=actor,
            event=Event.WORKER_REVIEW_REFUSED,
            error=refusal,
            object=f"proposal:{proposal.pk}",
            proposal_id=proposal.pk,
            data={"round": proposal.round},
        )
    if failed:
        assess.assess(proposal.pk, actor=actor, reason="review_refused")


def _verified(proposal: Proposal) -> tuple[dict[Decision, str], list[GateRefused]]:
    plan = load_plan(bytes(proposal.plan))
    evidence = gather(proposal, plan, observations={}, failures={})
    try:
        approvers = host_files.approvers()
    except PolicyUnavailable:
        # Without the file nothing can be verified; the sweeper sends the message again.
        return {}, []
    found: dict[Decision, str] = {}
    failed: list[GateRefused] = []
    for index in range(len(evidence.reviews)):
        try:
            statement = verify_review(
                evidence,
                index,
                approvers=approvers,
                now=evidence.database_now,
                protected=settings.PROTECTED_CLUSTERS,
                allow_test=settings.ALLOW_TEST_ACTIONS,
            )
        except GateRefused as error:
            failed.append(error)
            continue
        found[statement.decision] = _reason(proposal, statement)
    return found, failed


def _reason(proposal: Proposal, statement: Statement) -> str:
    """Return the code to record. Who may not decide on the other alternatives ends this one only,
    whatever the web process wrote."""
    code = statement.reason.code
    if code == NONE_OF_THEM and not none_of_them.speaks_for_all(UUID(statement.person), proposal):
        return OTHER
    return code


def _end(proposal: Proposal, decision: Decision, code: str, actor: Actor) -> None:
    target, event = OUTCOMES[decision]
    with transaction.atomic():
        transition.move(
            actor=actor,
            event=event,
            proposal_id=proposal.pk,
            source=ProposalState.IN_REVIEW,
            target=target,
            reason=code,
        )
        notify_result.notify(proposal.pk, actor=actor)
