"""Whether the person who looks may decide, and if not, why; in words."""

from __future__ import annotations

from datetime import datetime

from remediation.domain.attention import Attention
from remediation.domain.statement import REJECT_REASONS, RETURN_REASONS
from remediation.models import Assessment, Proposal, Review, User
from remediation.services import authorize, correct, review, suspicion
from remediation.services.review import FRESH_FOR
from remediation.views.pages import Choice, Decide

SLOT_TITLES = {"any": "approver", "security": "security", "service_owner": "service owner"}


def decide(
    user: User,
    proposal: Proposal,
    assessment: Assessment | None,
    *,
    readable: bool,
    now: datetime,
) -> Decide:
    """The open slots for this person. The service asks all of it again; this is for the page."""
    slots = authorize.open_slots_for(user, proposal)
    return Decide(
        slots=tuple(Choice(slot, SLOT_TITLES.get(slot, slot)) for slot in slots),
        why_not=_why_not(user, proposal, assessment, slots, readable=readable, now=now),
        reject_reasons=tuple(Choice(code, title) for code, title in REJECT_REASONS.items()),
        return_reasons=tuple(Choice(code, title) for code, title in RETURN_REASONS.items()),
        person=user.get_username(),
        attention=(
            review.attention(proposal, assessment) if assessment and readable else Attention()
        ),
        may_report=suspicion.may_report(user, proposal),
        may_correct=correct.may_correct(user, proposal),
    )


def _why_not(
    user: User,
    proposal: Proposal,
    assessment: Assessment | None,
    slots: tuple[str, ...],
    *,
    readable: bool,
    now: datetime,
) -> str:
    if assessment is None:
        return "The worker has not assessed this yet."
    if not readable:
        return "The plan cannot be read under today's catalogue, so nobody can decide on it."
    mine = Review.objects.filter(
        proposal=proposal, round=proposal.round, person=user.person
    ).first()
    if mine is not None:
        return f"You decided in this round: {mine.decision} as {mine.slot.replace('_', ' ')}."
    excluded = authorize.excluded(proposal.pk).get(str(user.person))
    if excluded:
        return f"You may look but not decide: {excluded}."
    if not authorize.entitled_roles(user.person, assessment):
        return (
            "You may look but not decide: that needs an approver role and the right to review"
            " every service that uses the target directly."
        )
    if not slots:
        return "The roles that you hold are already filled in this round."
    if assessment.recorded_at + FRESH_FOR <= now:
        return (
            "What the worker saw is older than ten minutes, too old to sign on."
            " Ask it to observe again (section 3), then decide on what it finds."
        )
    return ""
