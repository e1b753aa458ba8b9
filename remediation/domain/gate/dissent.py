"""Verify one review by itself: a dissent counts only if its signature is valid."""

from __future__ import annotations

from datetime import datetime

from remediation.domain.errors import Digest, SeparationOfDuties
from remediation.domain.gate import steps
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.case import Case
from remediation.domain.gate.evidence import Evidence
from remediation.domain.statement import Statement


def verify_review(
    evidence: Evidence,
    index: int,
    *,
    approvers: Approvers,
    now: datetime,
    protected: frozenset[str] = frozenset(),
    allow_test: bool = False,
) -> Statement:
    """Verify the review at ``index`` as the gate would, and return the signed statement.

    Raises Digest, Signature, UnknownApproverKey or SeparationOfDuties. The other reviews of the
    evidence are ignored: a forged one must not invalidate a real one.
    """
    review = evidence.reviews[index]
    alone = Evidence(**{**vars(evidence), "reviews": (review,)})
    case = Case(alone, approvers, now, None, None, protected, allow_test)
    (statement,) = case.statements
    if statement.digests != case.digests:
        raise Digest(f"{review.person} signed other digests than those of this evidence")
    steps.signature(case, review, statement, (review.recorded_at, now))
    if reasons := evidence.why_excluded(statement.person):
        raise SeparationOfDuties(f"{statement.person}: {'; '.join(reasons)}")
    return statement
