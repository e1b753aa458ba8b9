"""Build the data of the pages about a proposal's past."""

from __future__ import annotations

from remediation.models import Proposal, User
from remediation.services.access import visibility
from remediation.views.cards import changed_since, proposal_history
from remediation.views.cards.proposal import plan_of, sentences
from remediation.views.history import versions
from remediation.views.history.page import ChangesPage, HistoryPage, Other


def history_page(proposal: Proposal, *, may_audit: bool) -> HistoryPage:
    """Return everything on record about one proposal."""
    return HistoryPage(
        proposal_id=proposal.pk,
        incident_id=proposal.incident_id,
        sentence=sentences(plan_of(proposal))[0],
        state=proposal.state,
        rows=tuple(proposal_history.rows(proposal)),
        may_audit=may_audit,
        successor=changed_since.successor(proposal),
    )


def changes_page(user: User, proposal: Proposal, wanted: str) -> ChangesPage:
    """Return everything that changed.

    ``wanted`` is the id of another proposal of the incident to compare with; the default is the
    superseded one. A proposal that this person may not see is ignored.
    """
    seen = list(
        visibility.visible_proposals(user)
        .filter(incident=proposal.incident_id)
        .exclude(pk=proposal.pk)
        .select_related("diagnosis")
        .order_by("recorded_at")
    )
    chosen = wanted or str(proposal.supersedes_id)
    other = next((row for row in seen if str(row.pk) == chosen), None)
    return ChangesPage(
        proposal_id=proposal.pk,
        state=proposal.state,
        rounds=versions.round_changes(proposal),
        versions=versions.compare(other, proposal) if other else None,
        others=tuple(Other(row.pk, row.state, row.recorded_at) for row in seen),
    )
