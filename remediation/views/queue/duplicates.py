"""Return duplicates: one form for several proposals, and one signed statement for each of them.

There is no batch decision (docs/attacks.md A18): the page's script starts and signs one review
after another, by the same routes as the review page, and stops at the first that fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from remediation import vocabulary
from remediation.domain.statement import MAX_REASON, MIN_REASON, RETURN_REASONS
from remediation.models import Proposal, QueueEntry, User
from remediation.services.access import slots, visibility
from remediation.views import decorators
from remediation.views.cards import proposal_rows
from remediation.views.cards.proposal import visible
from remediation.views.cards.proposal_rows import ProposalRow
from remediation.views.queue.filters import REVIEW, section

# More are returned in several goes: each takes a passkey.
MOST = 25


@dataclass(frozen=True)
class Duplicate:
    """A proposal that repeats another one, and the slot in which this person decides."""

    row: ProposalRow
    slot: str
    same_plan: bool


@decorators.page
def show(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show what repeats this proposal, for the person to choose from. Nothing is preselected."""
    person = decorators.person(request)
    kept = visible(person, proposal_id)
    (row,) = proposal_rows.rows(proposal_rows.readable(QueueEntry.objects.filter(pk=kept.pk)))
    return render(
        request,
        "remediation/queue/duplicates.html",
        {
            "kept": row,
            "found": duplicates_of(person, kept),
            "reasons": {code: vocabulary.saying(text) for code, text in RETURN_REASONS.items()},
            "shortest": MIN_REASON,
            "longest": MAX_REASON,
        },
    )


def duplicates_of(person: User, kept: Proposal) -> tuple[Duplicate, ...]:
    """Return the proposals in review that this person can decide and that repeat this one.

    They have the same plan, or work first on the same target for an incident of the same kind.
    """
    rights = slots.rights_of(person)
    target = QueueEntry.objects.filter(pk=kept.pk).values_list("target", flat=True).first()
    if not target:
        return ()
    same = visibility.places_of(visibility.seen_services(rights)).filter(target=target)
    entries = proposal_rows.readable(section(same, REVIEW).exclude(pk=kept.pk))
    found = [
        entry
        for entry in entries.order_by("place")[: 4 * MOST]
        if _same_plan(entry, kept) or entry.incident.kind == kept.incident.kind
    ]
    able = slots.open_slots_by_id(rights, [entry.pk for entry in found])
    mine = [entry for entry in found if entry.pk in able][:MOST]
    rows = {row.proposal_id: row for row in proposal_rows.rows(mine)}
    return tuple(
        Duplicate(rows[entry.pk], able[entry.pk][0], _same_plan(entry, kept)) for entry in mine
    )


def _same_plan(entry: QueueEntry, kept: Proposal) -> bool:
    return bytes(entry.proposal.plan) == bytes(kept.plan)
