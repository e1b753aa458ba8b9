"""Slots in words for pages: the role, and for an owner's slot the team that is asked."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.slots import ANY, Owner
from remediation.models import Proposal, User
from remediation.services.access import authorize, deciders
from remediation.services.access.asked import owners_in


def title_of(slot: str, owners: Iterable[Owner] = ()) -> str:
    """Return a slot as a reader's words; `owners` are those of the ruling."""
    if slot == ANY:
        return gettext("any approver")
    for owner in owners:
        if owner.slot == slot:
            # Translators: a slot that an owner of this team's services can fill.
            return gettext("owner of team %(team)s") % {"team": owner.team}
    return vocabulary.word(slot)


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
