"""Compose the statement that a reviewer signs, and enforce the approval conditions."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from uuid import UUID

from django.conf import settings

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.approval_conditions import Conditions, asked
from remediation.domain.checks import parse as parse_checks
from remediation.domain.digest import Digests
from remediation.domain.report import load_diagnosis
from remediation.domain.secrets import masking
from remediation.domain.statement import Decision, Reason, Statement, Verdicts
from remediation.models import Assessment, Proposal, User
from remediation.services.clock import database_now
from remediation.services.load_plan import load_plan
from remediation.services.people import passkeys
from remediation.services.reporting import secrets as secrecy
from remediation.services.review import report_agent


def compose(
    actor: User,
    proposal: Proposal,
    assessment: Assessment,
    decision: str,
    verdicts: Mapping[str, str],
    reason: Reason,
    slot: str,
) -> Statement:
    """Compose the statement of the present round. Raises BadInput."""
    try:
        decided = Decision(decision)
    except ValueError:
        raise errors.BadValue("approve, reject or return", pointer="/decision") from None
    return Statement(
        proposal=str(proposal.pk),
        round=proposal.round,
        digests=digests_of(proposal, assessment),
        decision=decided,
        verdicts=Verdicts.from_json(dict(verdicts), "/verdicts"),
        reason=reason,
        slot=slot,
        person=str(actor.person),
        nonce=secrets.token_hex(32),
        expires=database_now() + passkeys.SESSION_LIFE,
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
    )


def reason_of(proposal_id: UUID, said: Mapping[str, str]) -> Reason:
    """Return the reason to sign, with secrets masked: the record keeps it for ever (A61).

    It searches the evidence, so call it before any lock. Raises BadInput.
    """
    reason = Reason.from_json(dict(said), "/reason")
    found = Proposal.objects.select_related("incident").filter(pk=proposal_id).first()
    if not reason.text or found is None:
        return reason
    known = secrecy.known_values(found.incident)
    return Reason(reason.code, masking.mask_text(reason.text, known))


def digests_of(proposal: Proposal, assessment: Assessment) -> Digests:
    """Return the six digests that a statement of this round names."""
    return Digests(
        plan=proposal.plan_digest,
        diagnosis=proposal.diagnosis.digest,
        scope=assessment.scope_digest,
        ruling=assessment.ruling_digest,
        pin=assessment.pin_digest,
        checks=assessment.checks_digest,
    )


def judged(proposal: Proposal, assessment: Assessment) -> dict[str, str]:
    """Return a digest of what each verdict judges, the action with its targets' state.

    A browser keeps a typed verdict as a draft while that is unchanged.
    """
    action = sha256(f"{proposal.plan_digest} {assessment.pin_digest}".encode()).hexdigest()
    return {
        "diagnosis": proposal.diagnosis.digest,
        "scope": assessment.scope_digest,
        "action": action,
    }


def conditions(proposal: Proposal, assessment: Assessment) -> Conditions:
    """Return what an approval of this round needs besides yes three times.

    Raises BadInput when a stored document cannot be read.
    """
    return asked(
        load_plan(bytes(proposal.plan)),
        load_diagnosis(bytes(proposal.diagnosis.body), allow_test=True),
        parse_checks(bytes(assessment.checks)),
        assessment.risk,
    )


def looked(
    proposal: Proposal,
    assessment: Assessment,
    decision: Decision,
    opened: set[str],
    typed: Sequence[str],
) -> dict[str, Json]:
    """Refuse an approval whose conditions are not met; return what is recorded about them.

    Raises AgentDisabled, ProposerLost, EvidenceNotOpened, NameNotTyped.
    """
    if decision is not Decision.APPROVE:
        return {}
    report_agent.check_proposer(proposal)
    wanted = conditions(proposal, assessment)
    wanted.check(opened, typed)
    return {"opened": list(wanted.artefacts), "typed": list(wanted.names)}
