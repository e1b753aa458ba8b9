"""Say in one line what a decision did and what is still missing.

Read from what was recorded, after the decision: nothing here can make a decision fail.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.utils.translation import gettext

from remediation.domain import inert
from remediation.domain.slots import left_open
from remediation.domain.statement import Decision
from remediation.models import Proposal, Review, User
from remediation.services.access import authorize, deciders, visibility
from remediation.services.access.asked import owners_in
from remediation.views.cards.proposal import plan_of
from remediation.views.cards.proposal import title_of as plan_title
from remediation.views.cards.slots import title_of

logger = logging.getLogger(__name__)
# Of a title, at most this many characters stand in the line; the page behind it has all of it.
LONGEST = 160
# Of the people who can fill a slot, at most this many are named.
MOST_NAMES = 4


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
    whole = inert.line(plan_title(plan))
    return whole if len(whole) <= LONGEST else whole[:LONGEST] + "…"


def _still_waiting(proposal: Proposal) -> list[str]:
    """Return the slots that nobody has filled, each with the people who can fill it."""
    if proposal.state != "in_review":
        return []
    found = deciders.deciders(proposal)
    assessment = authorize.newest(proposal)
    filled = [slot for one in found if one.decided == Decision.APPROVE for slot in one.slots]
    owners = owners_in(assessment) if assessment else ()
    left = left_open(tuple(assessment.slots) if assessment else (), filled)
    return [
        _slot(
            title_of(slot, owners),
            [one.name for one in found if one.can_decide and slot in one.slots],
        )
        for slot in left
    ]


def _slot(role: str, names: list[str]) -> str:
    if not names:
        return gettext("%(role)s (nobody can now)") % {"role": role}
    if len(names) > MOST_NAMES:
        more = len(names) - MOST_NAMES
        names = [*names[:MOST_NAMES], gettext("%(number)s more") % {"number": more}]
    return f"{role} ({', '.join(names)})"
