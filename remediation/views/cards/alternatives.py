"""Page data of a choice: up to three plans for one incident, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from remediation.domain import checks
from remediation.domain.errors import BadInput
from remediation.domain.scope import Scope
from remediation.models import Assessment, Proposal, User
from remediation.services.access import authorize, visibility
from remediation.services.access.asked import owners_in
from remediation.services.reporting import propose
from remediation.views.cards.checks import CheckRow, check_rows
from remediation.views.cards.proposal import plan_of, sentences, undone
from remediation.views.cards.reviews import SlotRow, review_rows, slot_rows


@dataclass(frozen=True)
class Reach:
    """What a plan can reach: counts for comparing. `unknown` is what the inventory does not say."""

    services: int
    payment: tuple[str, ...]
    partners: tuple[str, ...]
    unknown: int


@dataclass(frozen=True)
class AlternativeCard:
    """One plan of the choice. Without an assessment risk, reach and slots are missing."""

    proposal_id: UUID
    number: int
    present: bool  # it is the proposal of this page
    state: str
    sentences: tuple[str, ...]
    undone: str
    rationale_untrusted: str
    risk: str = ""
    reach: Reach | None = None
    failed: tuple[CheckRow, ...] = ()
    slots: tuple[SlotRow, ...] = ()


@dataclass(frozen=True)
class AlternativesCard:
    """The alternatives that this person may see, by their numbers."""

    plans: tuple[AlternativeCard, ...]
    unseen: int  # how many others there are
    taken: bool  # another one was approved, so this one never is


def alternatives_card(user: User, proposal: Proposal) -> AlternativesCard | None:
    """Return the choice that the proposal belongs to; None for a proposal without one."""
    if proposal.choice_id is None:
        return None
    versions = Proposal.objects.filter(choice=proposal.choice_id).order_by("recorded_at")
    # Of each alternative the newest version; of this one the version of the page.
    newest = {one.alternative: one for one in versions} | {proposal.alternative: proposal}
    seen = set(
        visibility.visible_proposals(user)
        .filter(pk__in=[one.pk for one in newest.values()])
        .values_list("pk", flat=True)
    )
    shown = [one for _, one in sorted(newest.items(), key=_number) if one.pk in seen]
    return AlternativesCard(
        plans=tuple(_plan(one, present=one.pk == proposal.pk) for one in shown),
        unseen=len(newest) - len(shown),
        taken=propose.is_taken(proposal),
    )


def siblings_of(choices: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Return the open proposals of each choice, by their numbers; one query for lists."""
    found: dict[UUID, list[UUID]] = {}
    rows = Proposal.objects.filter(choice__in=set(choices), state__in=propose.ALIVE)
    for choice, pk in rows.order_by("alternative").values_list("choice_id", "pk"):
        if choice is not None:
            found.setdefault(choice, []).append(pk)
    return found


def _number(item: tuple[int | None, Proposal]) -> int:
    return item[0] or 0


def _plan(proposal: Proposal, *, present: bool) -> AlternativeCard:
    plan = plan_of(proposal)
    assessment = authorize.newest(proposal)
    failed, reach = _assessed(assessment) if assessment else ((), None)
    return AlternativeCard(
        proposal_id=proposal.pk,
        number=proposal.alternative or 0,
        present=present,
        state=proposal.state,
        sentences=sentences(plan),
        undone=undone(plan),
        rationale_untrusted=proposal.rationale,
        risk=assessment.risk if assessment else "",
        reach=reach,
        failed=failed,
        slots=slot_rows(
            tuple(assessment.slots),
            review_rows(proposal, assessment.round),
            owners_in(assessment),
        )
        if assessment
        else (),
    )


def _assessed(assessment: Assessment) -> tuple[tuple[CheckRow, ...], Reach | None]:
    try:
        rows = check_rows(checks.parse(bytes(assessment.checks)))
        scope = Scope.parse(bytes(assessment.scope))
    except BadInput:
        return (), None
    return (
        tuple(row for row in rows if row.outcome != "pass"),
        Reach(
            services=len(scope.services),
            payment=tuple(s.name for s in scope.services if s.payment_path),
            partners=tuple(s.name for s in scope.services if s.external_partner),
            unknown=len(scope.unknown),
        ),
    )
