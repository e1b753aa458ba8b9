"""Preview what the gate would find now, for the review page. Writes nothing, calls no target.

It runs the gate's own code over the same rows. The web process does not know three things, and the
page says so: the approvers file (the preview assumes the enrolled keys), the target (it assumes
the pin), and whether the audit log covers the approval (step 7, which only the worker verifies).
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from remediation.domain import b64url
from remediation.domain.errors import BadInput
from remediation.domain.gate import gate
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.domain.gate.finding import Failure, Finding
from remediation.domain.observation import Observation, parse_pin
from remediation.domain.slots import KEY_ROLES
from remediation.models import Assessment, Narrowing, Proposal, Review
from remediation.services.load_plan import load_plan
from remediation.services.review import narrowings
from remediation.services.review.gather import gather


def preview(proposal: Proposal) -> tuple[Finding, ...]:
    """Return the seven findings as of now; none before the first assessment."""
    assessment = Assessment.objects.filter(proposal=proposal, round=proposal.round).first()
    if assessment is None:
        return ()
    try:
        plan = load_plan(bytes(proposal.plan))
        pinned = parse_pin(bytes(assessment.pin))
    except BadInput as error:
        return (Finding(1, "digests", Failure("digest", str(error))),)
    observations = {p.locator: Observation(p.exists, p.state, {}, False) for p in pinned}
    evidence = gather(proposal, plan, observations=observations, failures={})
    return gate.examine(
        evidence,
        approvers=_as_enrolled(proposal),
        now=evidence.database_now,
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
    )


def _as_enrolled(proposal: Proposal) -> Approvers:
    signed: list[Review | Narrowing] = [
        *Review.objects.filter(proposal=proposal, round=proposal.round),
        *Narrowing.objects.filter(pk__in=narrowings.keys(proposal)),
    ]
    by_key = {(one.person, bytes(one.credential_id)): one for one in signed}
    return Approvers(
        tuple(
            Approver(
                person=str(review.person),
                credential_id=b64url.encode(credential_id),
                cose_key=b64url.encode(bytes(review.cose_key)),
                rp_id=settings.RP_ID,
                origin=settings.ORIGIN,
                roles=KEY_ROLES,
                since=min(one.recorded_at for one in signed) - timedelta(seconds=1),
                until=None,
            )
            for (_, credential_id), review in by_key.items()
        )
    )
