"""From rows to the data of a proposal's history."""

from __future__ import annotations

from remediation.models import Proposal
from remediation.views.cards import proposal_history
from remediation.views.cards.proposal import plan_of, sentences
from remediation.views.history.page import HistoryPage


def history_page(proposal: Proposal, *, may_audit: bool) -> HistoryPage:
    """Everything on record about one proposal."""
    return HistoryPage(
        proposal_id=proposal.pk,
        incident_id=proposal.incident_id,
        sentence=sentences(plan_of(proposal))[0],
        state=proposal.state,
        rows=tuple(proposal_history.rows(proposal)),
        may_audit=may_audit,
    )
