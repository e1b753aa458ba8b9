"""Slots in words for pages: the role, and for an owner's slot the team that is asked."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.slots import ANY, OWNERS, Owner, role_of
from remediation.models import Assessment, Proposal, Review, User
from remediation.services.access import authorize, deciders
from remediation.services.access.asked import owners_in


def title_of(slot: str, owners: Iterable[Owner] = ()) -> str:
    """Return a slot as a reader's words; `owners` are those of the ruling."""
    if slot == ANY:
        return gettext("any approver")
    for owner in owners:
        if owner.slot == slot:
            # Translators: a slot that an owner of this team's services can fill.
            return gettext("service owner of %(team)s") % {"team": owner.team}
    return vocabulary.word(role_of(slot))


def seat_of(slot: str, owners: Iterable[Owner] = ()) -> str:
    """Return as what somebody decides or has decided in this slot."""
    # Translators: the role of a person who decides.
    return gettext("approver") if slot == ANY else title_of(slot, owners)


class Seats:
    """As what each of these reviews was signed; one query, and only for owners' slots."""

    def __init__(self, reviews: Iterable[Review]) -> None:
        asked = {row.proposal_id for row in reviews if row.slot in OWNERS}
        rounds = Assessment.objects.filter(proposal__in=asked) if asked else ()
        self._owners = {(row.proposal_id, row.round): owners_in(row) for row in rounds}

    def of(self, review: Review) -> str:
        return seat_of(review.slot, self._owners.get((review.proposal_id, review.round), ()))


def titles_of(assessment: Assessment) -> tuple[str, ...]:
    """Return in words all slots that an assessment asks for."""
    owners = owners_in(assessment)
    return tuple(title_of(slot, owners) for slot in assessment.slots)


def services_of(slot: str, owners: Iterable[Owner]) -> tuple[str, ...]:
    """Return the services whose owners are asked for this slot; none for other slots."""
    return next((owner.services for owner in owners if owner.slot == slot), ())


def would_remain(proposal: Proposal, without: User) -> tuple[str, ...]:
    """Return in words the slots that nobody could fill if this person edited the proposal."""
    assessment = authorize.newest(proposal)
    if assessment is None:
        return ()
    owners = owners_in(assessment)
    left = deciders.would_remain(proposal, without=without.person)
    return tuple(title_of(slot, owners) for slot in left)
