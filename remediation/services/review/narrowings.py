"""Read narrowings: which one counts as an approval, and those that the gate has to verify."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

from remediation.domain.digest import Digests
from remediation.domain.gate.narrowed import Bodies, NarrowingEvidence
from remediation.domain.gate.quorum import CountedReview
from remediation.domain.gate.signature import Assertion
from remediation.domain.statement import Decision
from remediation.models import Assessment, Narrowing, Proposal

# The narrowings of a proposal and of those that it supersedes, with the bodies that were signed.
_CHAIN = """
WITH RECURSIVE chain AS (
  SELECT p.id, p.supersedes_id, p.plan FROM public.remediation_proposal p WHERE p.id = %s
  UNION
  SELECT p.id, p.supersedes_id, p.plan
    FROM chain c JOIN public.remediation_proposal p ON p.id = c.supersedes_id
)
SELECT n.proposal_id, c.plan, n.person, n.slot, n.statement, n.recorded_at,
       o.plan, d.body, a.scope, a.checks, a.ruling, a.pin,
       n.credential_id, n.authenticator_data, n.client_data_json, n.signature
  FROM chain c
  JOIN public.remediation_narrowing n ON n.proposal_id = c.id AND n.narrows_id = c.supersedes_id
  JOIN public.remediation_proposal o ON o.id = n.narrows_id
  JOIN public.remediation_diagnosis d ON d.id = o.diagnosis_id
  JOIN public.remediation_assessment a ON a.proposal_id = o.id
   AND a.round = (convert_from(n.statement, 'UTF8')::jsonb ->> 'round')::integer
 ORDER BY n.id
"""


def keys(proposal: Proposal) -> tuple[int, ...]:
    """Return the row numbers of the proposal's narrowing and of those that it supersedes."""
    found: list[int] = []
    at: Proposal | None = proposal
    while at is not None and at.supersedes_id is not None:
        found += Narrowing.objects.filter(proposal_id=at.pk).values_list("pk", flat=True)
        at = at.supersedes
    return tuple(found)


def counting(assessment: Assessment) -> Narrowing | None:
    """Return the narrowing that counts as an approval of this round."""
    if not assessment.narrowing_counts:
        return None
    return Narrowing.objects.filter(proposal_id=assessment.proposal_id).first()


def by(person: UUID, assessment: Assessment) -> bool:
    """Return whether this person's narrowing counts in the round."""
    found = counting(assessment)
    return found is not None and found.person == person


def as_approvals(assessment: Assessment, digests: Digests) -> list[CountedReview]:
    """Return the narrowing that counts as its author's approval of these digests."""
    found = counting(assessment)
    if found is None:
        return []
    return [
        CountedReview(str(found.person), found.slot, Decision.APPROVE, assessment.round, digests)
    ]


def evidence(proposal: Proposal) -> tuple[NarrowingEvidence, ...]:
    """Return the narrowings that the gate verifies, oldest first."""
    if proposal.supersedes_id is None:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(_CHAIN, [proposal.pk])
        return tuple(_one(*row) for row in cursor.fetchall())


def _one(*row: Any) -> NarrowingEvidence:
    made, plan, person, slot, statement, recorded_at = row[:6]
    return NarrowingEvidence(
        proposal=str(made),
        plan=bytes(plan).decode(),
        person=str(person),
        slot=slot,
        statement=bytes(statement).decode(),
        assertion=Assertion(*(bytes(part) for part in row[12:])),
        recorded_at=recorded_at,
        signed=Bodies(*(bytes(body).decode() for body in row[6:12])),
    )
