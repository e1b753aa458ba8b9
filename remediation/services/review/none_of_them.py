"""Whether a person may say for a whole choice that none of its alternatives fits.

One signature ends them all. So it takes the right to decide on each that is still open.
"""

from __future__ import annotations

from uuid import UUID

from remediation.domain import errors
from remediation.domain.states import ProposalState
from remediation.models import Proposal
from remediation.services.access import authorize

_OPEN = (ProposalState.SUBMITTED, ProposalState.IN_REVIEW)


def refuse_without_rights(person: UUID, proposal: Proposal) -> None:
    """Refuse who may not decide on another open alternative. Raises Separation, NotEntitled."""
    others = Proposal.objects.filter(choice=proposal.choice_id, state__in=_OPEN)
    for other in others.exclude(pk=proposal.pk):
        if why := authorize.excluded(other.pk).get(str(person)):
            raise errors.Separation(*why)
        if not authorize.entitled_roles(person, authorize.newest(other)):
            raise errors.NotEntitled(
                "only people who may decide on each of the offered plans say that none of them fits"
            )


def speaks_for_all(person: UUID, proposal: Proposal) -> bool:
    """Return whether the person may decide on every other open alternative."""
    try:
        refuse_without_rights(person, proposal)
    except errors.Refused:
        return False
    return True
