"""What an agent gets to read, as JSON values. Names of people are in none of it."""

from __future__ import annotations

import json
from uuid import UUID

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.errors import NoSuchObject
from remediation.domain.outcome import outcomes
from remediation.domain.report import Report
from remediation.domain.states import FINAL, ProposalState
from remediation.models import Proposal, Refusal, Review, StepRecord, Transition
from remediation.services.access import authorize
from remediation.services.actors import AgentActor
from remediation.services.reporting.submit import Submitted

# Seconds until asking again is worth it: the worker takes seconds, people take minutes.
RETRY_AFTER: dict[str, int] = {
    ProposalState.SUBMITTED: 2,
    ProposalState.IN_REVIEW: 15,
    ProposalState.APPROVED: 2,
    ProposalState.EXECUTING: 2,
    ProposalState.UNKNOWN: 10,
}


def url(proposal_id: UUID, verb: str = "") -> str:
    """The path of a proposal, or of what can be done with it."""
    return f"/api/v1/proposals/{proposal_id}" + (f"/{verb}" if verb else "")


def urls(proposal_id: UUID) -> dict[str, Json]:
    return {
        "proposal": url(proposal_id),
        "withdraw": url(proposal_id, "withdraw"),
        "supersede": url(proposal_id, "supersede"),
    }


def submitted(made: Submitted, report: Report) -> dict[str, Json]:
    """The answer to a report."""
    return {
        "incident": str(made.incident_id),
        "incident_is_new": made.incident_is_new,
        "evidence_new": made.evidence_new,
        "secrets_found": made.secrets_found,
        "diagnosis_version": made.diagnosis_version,
        "diagnosis_digest": made.diagnosis_digest,
        "proposal": str(made.proposal_id) if made.proposal_id else None,
        "plan_digest": report.plan.digest if report.plan else None,
        "urls": urls(made.proposal_id) if made.proposal_id else {},
    }


def own(actor: AgentActor, proposal_id: UUID) -> Proposal:
    """A proposal of this agent; another's is as unknown as one that does not exist."""
    proposal = (
        Proposal.objects.select_related("diagnosis", "supersedes")
        .filter(pk=proposal_id, agent_id=actor.agent_id)
        .first()
    )
    if proposal is None:
        raise NoSuchObject()
    return proposal


def proposal(found: Proposal) -> dict[str, Json]:
    """Where a proposal stands and how it came there."""
    assessment = authorize.newest(found)
    decide_by = assessment.decide_by if assessment else None
    after = Proposal.objects.filter(supersedes=found).values_list("pk", flat=True).first()
    return {
        "proposal": str(found.pk),
        "incident": str(found.incident_id),
        "state": found.state,
        "final": found.state in FINAL,
        "round": found.round,
        "plan_digest": found.plan_digest,
        "diagnosis_digest": found.diagnosis.digest,
        "submitted_at": instant.dump(found.recorded_at),
        "decide_by": instant.dump(decide_by) if decide_by else None,
        "supersedes": str(found.supersedes_id) if found.supersedes_id else None,
        "superseded_by": str(after) if after else None,
        "transitions": [_transition(row) for row in found.transitions.order_by("id")],
        "reasons": _reasons(found),
        "refusals": _refusals(found),
        "steps": _steps(found),
        "outcomes": _outcomes(found),
        "result": _result(found),
        "urls": urls(found.pk),
    }


def _transition(row: Transition) -> dict[str, Json]:
    by = row.actor.partition(":")[0]
    return {
        "from": row.from_state,
        "to": row.to_state,
        "round": row.round,
        "at": instant.dump(row.recorded_at),
        "by": by,
        # A person's free text is for colleagues; an agent may be in an attacker's hands.
        "reason": "" if by == "person" else row.reason,
    }


def _reasons(found: Proposal) -> list[Json]:
    """Why it was rejected or returned. The code is what the worker verified; the text only goes
    with a return, which is a message to the agent."""
    last = found.transitions.filter(
        to_state__in=(ProposalState.REJECTED, ProposalState.RETURNED), actor__startswith="worker:"
    ).last()
    if last is None:
        return []
    if last.to_state == ProposalState.REJECTED:
        return [{"code": last.reason, "text": ""}]
    told = Review.objects.filter(proposal=found, round=last.round, decision="return")
    reasons = [json.loads(bytes(review.statement))["reason"] for review in told.order_by("id")]
    return [
        {"code": reason["code"], "text": reason["text"]}
        for reason in reasons
        if reason["code"] == last.reason
    ]


def _refusals(found: Proposal) -> list[Json]:
    """The gate's and the agent's own; those of people are for people."""
    rows = Refusal.objects.filter(proposal=found).order_by("id")
    return [
        {"name": row.reason, "by": by, "at": instant.dump(row.recorded_at)}
        for row in rows
        if (by := row.actor.partition(":")[0]) in {"agent", "worker"}
    ]


def _steps(found: Proposal) -> list[Json]:
    rows = StepRecord.objects.filter(execution__proposal=found).order_by("id")
    return [
        {"step": row.step, "phase": row.phase, "at": instant.dump(row.recorded_at)} for row in rows
    ]


def _outcomes(found: Proposal) -> list[Json]:
    """What became of each step; empty until the run has begun."""
    rows = StepRecord.objects.filter(execution__proposal=found).order_by("id")
    records = list(rows.values_list("step", "phase", "data"))
    if not records:
        return []
    return [
        {"step": told.step, "outcome": told.outcome.value, "reason": told.reason}
        for told in outcomes(found.targets.count(), records)
    ]


def _result(found: Proposal) -> dict[str, Json] | None:
    """How the run ended, by name; None while it goes on, and where nothing ran."""
    end = found.transitions.filter(
        from_state__in=(ProposalState.EXECUTING, ProposalState.UNKNOWN), to_state=found.state
    ).last()
    if end is None or found.state not in FINAL:
        return None
    return {"state": end.to_state, "reason": end.reason, "at": instant.dump(end.recorded_at)}
