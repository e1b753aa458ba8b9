"""Say in one line what a decision did and what is still missing.

Read from what was recorded, after the decision: nothing here can make a decision fail.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain import inert
from remediation.domain.statement import Decision
from remediation.models import Assessment, Proposal, Review, User
from remediation.services.access import visibility
from remediation.views.cards.proposal import plan_of, title_of

logger = logging.getLogger(__name__)
# Of a title, at most this many characters stand in the line; the page behind it has all of it.
LONGEST = 160


def described(person: User, proposal_id: UUID) -> str:
    """Return what this person decided on the proposal, in one line; "" if nothing.

    A failure is logged and says nothing: the decision is on record already.
    """
    try:
        return _describe(person, proposal_id)
    except Exception:
        logger.exception("the line about the decision on %s", proposal_id)
        return ""


def _describe(person: User, proposal_id: UUID) -> str:
    found = visibility.visible_proposals(person).filter(pk=proposal_id).first()
    if found is None:
        return ""
    mine = Review.objects.filter(proposal=found, person=person.person).order_by("-pk").first()
    if mine is None:
        return ""
    title = _title(found)
    if mine.decision != Decision.APPROVE:
        said = {
            Decision.REJECT: gettext("You rejected “%(title)s”. The worker checks your signature."),
            Decision.RETURN: gettext("You returned “%(title)s”. The worker checks your signature."),
        }
        return said[Decision(mine.decision)] % {"title": title}
    waiting = _still_waiting(found)
    if not waiting:
        return gettext("You approved “%(title)s”. It has all its approvals.") % {"title": title}
    values = {"title": title, "waiting": "; ".join(waiting)}
    return gettext("You approved “%(title)s”. Still waiting for: %(waiting)s.") % values


def _title(proposal: Proposal) -> str:
    plan = plan_of(proposal)
    if plan is None:
        return str(proposal.pk)
    whole = inert.line(title_of(plan))
    return whole if len(whole) <= LONGEST else whole[:LONGEST] + "…"


def _still_waiting(proposal: Proposal) -> list[str]:
    """Return the slots that nobody has filled."""
    if proposal.state != "in_review":
        return []
    assessment = Assessment.objects.filter(proposal=proposal, round=proposal.round).first()
    free = list(assessment.slots) if assessment else []
    taken = Review.objects.filter(proposal=proposal, round=proposal.round, decision="approve")
    for slot in taken.values_list("slot", flat=True):
        if slot in free:
            free.remove(slot)
    return [_slot(slot) for slot in free]


def _slot(slot: str) -> str:
    # Translators: the role of a person who decides; "any" of them may.
    return gettext("any approver") if slot == "any" else vocabulary.word(slot)
