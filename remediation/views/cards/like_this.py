"""Earlier proposals like this one: what was decided, why, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef

from remediation.domain.headline import headline
from remediation.domain.states import FINAL, ProposalState
from remediation.models import AssessmentService, Proposal, ProposalTarget, Review, User
from remediation.services.access import visibility
from remediation.views.cards.proposal import UNREADABLE, plan_of
from remediation.views.cards.reviews import ReviewRow, review_row
from remediation.views.names import Names

MOST = 5
# States in which something was decided or went on; a superseded proposal has a successor.
ENDED = (FINAL | {ProposalState.SUCCEEDED, ProposalState.STOPPED}) - {ProposalState.SUPERSEDED}


@dataclass(frozen=True)
class LikeRow:
    """One earlier proposal; `state` says how it went."""

    proposal_id: UUID
    sentence: str
    state: str
    at: datetime
    decided: tuple[ReviewRow, ...]


def like_this(user: User, proposal: Proposal) -> tuple[LikeRow, ...]:
    """Return the newest ended proposals that this person may see, of the same kind of incident and
    with a target or a directly affected service in common. Three queries."""
    services = AssessmentService.objects.filter(assessment__proposal=proposal, depth=1)
    same_target = ProposalTarget.objects.filter(
        proposal=OuterRef("pk"),
        locator__in=ProposalTarget.objects.filter(proposal=proposal).values("locator"),
    )
    same_service = AssessmentService.objects.filter(
        assessment__proposal=OuterRef("pk"), depth=1, service_id__in=services.values("service_id")
    )
    found = list(
        visibility.visible_proposals(user)
        .filter(Exists(same_target) | Exists(same_service))
        .filter(incident__kind=proposal.incident.kind, state__in=ENDED)
        .exclude(pk=proposal.pk)
        .order_by("-recorded_at")[:MOST]
    )
    reviews = list(Review.objects.filter(proposal__in=found).order_by("pk"))
    names = Names([review.person for review in reviews])
    rows: dict[UUID, list[ReviewRow]] = {}
    for review in reviews:
        rows.setdefault(review.proposal_id, []).append(review_row(review, names, counts=True))
    return tuple(
        LikeRow(
            proposal_id=one.pk,
            sentence=headline(plan) if (plan := plan_of(one)) else UNREADABLE,
            state=one.state,
            at=one.recorded_at,
            decided=tuple(row for row in rows.get(one.pk, ()) if row.round == one.round),
        )
        for one in found
    )
