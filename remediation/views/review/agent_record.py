"""How people judged an agent's earlier diagnoses: what its confidence has been worth so far."""

from __future__ import annotations

from remediation.domain.errors import BadInput
from remediation.domain.report import load_diagnosis
from remediation.domain.statement import Statement
from remediation.models import Proposal, Review
from remediation.views.pages import AgentRecord

# Reviews looked at, newest first: an agent is what it has been lately.
MOST = 200
# "About as sure as this time": within so many per cent.
NEAR = 10


def of(proposal: Proposal, confidence: int) -> AgentRecord | None:
    """One verdict for each earlier incident of this agent: a no of anybody outweighs a yes.

    None when nobody has judged any. Two queries.
    """
    reviews = (
        Review.objects.filter(proposal__agent_id=proposal.agent_id)
        .exclude(proposal__incident_id=proposal.incident_id)
        .select_related("proposal__diagnosis")
        .order_by("-pk")[:MOST]
    )
    verdicts: dict[object, tuple[bool, int]] = {}
    for review in reviews:
        read = _read(review)
        if read is not None:
            right, sure = read
            key = review.proposal.incident_id
            verdicts[key] = (right and verdicts.get(key, (True, 0))[0], sure)
    if not verdicts:
        return None
    near = [right for right, sure in verdicts.values() if abs(sure - confidence) <= NEAR]
    return AgentRecord(
        judged=len(verdicts),
        confirmed=sum(right for right, _ in verdicts.values()),
        near_from=max(0, confidence - NEAR),
        near_to=min(100, confidence + NEAR),
        near_judged=len(near),
        near_confirmed=sum(near),
    )


def _read(review: Review) -> tuple[bool, int] | None:
    """The verdict on the diagnosis, and how sure the agent was."""
    try:
        statement = Statement.parse(bytes(review.statement))
        diagnosis = load_diagnosis(bytes(review.proposal.diagnosis.body), allow_test=True)
    except BadInput:
        return None
    return statement.verdicts.diagnosis, diagnosis.confidence
