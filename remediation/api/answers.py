"""Build the JSON answers for agents. They never contain names of people."""

from __future__ import annotations

import json
from uuid import UUID

from audit.tlog.canonical import Json
from remediation.api import containment, dry_run, waiting
from remediation.domain import instant
from remediation.domain.errors import BadInput, NoSuchObject
from remediation.domain.limits import limits
from remediation.domain.observation import parse_observations
from remediation.domain.outcome import outcomes
from remediation.domain.plan import Plan
from remediation.domain.report import Report
from remediation.domain.second_step import acts_of, left_alive
from remediation.domain.states import FINAL, ProposalState
from remediation.models import Assessment, Proposal, Refusal, Review, StepRecord, Transition
from remediation.services.access import authorize, looks
from remediation.services.actors import AgentActor
from remediation.services.load_plan import load_plan
from remediation.services.reporting import own_words
from remediation.services.reporting.submit import Submitted

# Retry-After by state, in seconds: the worker takes seconds, people take minutes.
RETRY_AFTER: dict[str, int] = {
    ProposalState.SUBMITTED: 2,
    ProposalState.IN_REVIEW: 15,
    ProposalState.APPROVED: 2,
    ProposalState.EXECUTING: 2,
    ProposalState.WAITING: 15,
    ProposalState.UNKNOWN: 10,
    ProposalState.STOPPED: 60,
}

_RAN = (
    ProposalState.EXECUTING,
    ProposalState.WAITING,
    ProposalState.UNKNOWN,
    ProposalState.STOPPED,
)


def url(proposal_id: UUID, verb: str = "") -> str:
    """Return the path of a proposal, or of an action on it."""
    return f"/api/v1/proposals/{proposal_id}" + (f"/{verb}" if verb else "")


def urls(proposal_id: UUID) -> dict[str, Json]:
    return {
        "proposal": url(proposal_id),
        "withdraw": url(proposal_id, "withdraw"),
        "supersede": url(proposal_id, "supersede"),
    }


def submitted(made: Submitted, report: Report) -> dict[str, Json]:
    """Return the answer to a report."""
    return {
        "incident": str(made.told.incident),
        "incident_is_new": made.told.is_new,
        "reports": made.told.reports,
        "secrets_found": made.told.secrets_found,
        "diagnosis_digest": made.told.diagnosis_digest,
        "proposal": str(made.proposal_id) if made.proposal_id else None,
        "plan_digest": report.plan.digest if report.plan else None,
        "left_open": _left_open(report.plan) if report.plan else [],
        "urls": urls(made.proposal_id) if made.proposal_id else {},
        "alternatives": [
            {
                "proposal": str(pk),
                "plan_digest": one.plan.digest,
                "left_open": _left_open(one.plan),
                "urls": urls(pk),
            }
            for pk, one in zip(made.alternatives, report.alternatives, strict=True)
        ],
    }


def _left_open(plan: Plan) -> list[Json]:
    """Return what the plan leaves alive that it could end, before anybody looked at the target."""
    return [
        {
            "step": left.index,
            "parameter": left.lives_on.parameter,
            "action": left.lives_on.action,
            "target": left.second.to_json() if left.second else None,
        }
        for left in left_alive(acts_of(plan.steps))
        if not left.lives_on.none
    ]


def own(actor: AgentActor, proposal_id: UUID) -> Proposal:
    """Return this agent's proposal. Raises NoSuchObject, also for another agent's proposal."""
    proposal = (
        Proposal.objects.select_related("diagnosis", "supersedes", "incident")
        .filter(pk=proposal_id, agent_id=actor.agent_id)
        .first()
    )
    if proposal is None:
        raise NoSuchObject()
    return proposal


def proposal(found: Proposal) -> dict[str, Json]:
    """Return a proposal's state and its history."""
    assessment = authorize.newest(found)
    decide_by = assessment.decide_by if assessment else None
    after = Proposal.objects.filter(supersedes=found).values_list("pk", flat=True).first()
    return {
        "proposal": str(found.pk),
        "incident": str(own_words.alias(found.incident, found.agent_id)),
        "state": found.state,
        "final": found.state in FINAL,
        "round": found.round,
        "plan_digest": found.plan_digest,
        "submitted_at": instant.dump(found.recorded_at),
        "decide_by": instant.dump(decide_by) if decide_by else None,
        "planned_by": "person" if found.planner else "agent",
        "alternatives": _alternatives(found),
        "supersedes": str(found.supersedes_id) if found.supersedes_id else None,
        "superseded_by": str(after) if after else None,
        "transitions": [_transition(row) for row in found.transitions.order_by("id")],
        "reasons": _reasons(found),
        "refusals": _refusals(found),
        "steps": _steps(found),
        "outcomes": _outcomes(found),
        "dry_run": dry_run.answer(found, assessment),
        "run": waiting.run(found, assessment),
        "does_not_stop": _does_not_stop(found, assessment),
        "result": _result(found),
        "containment": containment.answer(found),
        "urls": urls(found.pk),
    }


def _alternatives(found: Proposal) -> list[Json]:
    """Return the other proposals of its choice, by their numbers; empty when there is none."""
    if found.choice_id is None:
        return []
    others = Proposal.objects.filter(choice=found.choice_id).exclude(alternative=found.alternative)
    rows = others.order_by("alternative", "recorded_at").values_list("pk", "state")
    return [{"proposal": str(pk), "state": state} for pk, state in rows]


def _does_not_stop(found: Proposal, assessment: Assessment | None) -> list[Json]:
    """Return the limits of each step without the names that the worker saw at the target: an agent
    may be compromised, and has no business there."""
    try:
        plan = load_plan(bytes(found.plan))
    except BadInput:  # of another catalogue
        return []
    seen = parse_observations(looks.observation(assessment)) if assessment else {}
    at = instant.dump(looks.seen_at(assessment)) if assessment else None
    return [
        {
            "step": step.index,
            "seen_at": at,
            "seen": [one.sentence for one in found if not one.cuts],
            "cuts": [one.sentence for one in found if one.cuts],
            "never": list(step.spec.cannot),
        }
        for step in plan.steps
        for found in [limits(step, seen.get(step.target.locator))]
    ]


def _transition(row: Transition) -> dict[str, Json]:
    by = row.actor.partition(":")[0]
    return {
        "from": row.from_state,
        "to": row.to_state,
        "round": row.round,
        "at": instant.dump(row.recorded_at),
        "by": by,
        # A person's free text is for colleagues only: an agent may be compromised. Its own text
        # is masked by the secrets of others, so it would tell whether it guessed one (A79).
        "reason": "" if by in {"person", "agent"} else row.reason,
    }


def _reasons(found: Proposal) -> list[Json]:
    """Return why a proposal was rejected or returned.

    The worker verified the code. The text is included only for a return, which is a message to the
    agent.
    """
    last = found.transitions.filter(
        to_state__in=(ProposalState.REJECTED, ProposalState.RETURNED), actor__startswith="worker:"
    ).last()
    if last is None:
        return []
    if last.to_state == ProposalState.REJECTED:
        return [{"code": last.reason, "text": ""}]
    reviews = Review.objects.filter(proposal=found, round=last.round, decision="return")
    reasons = [json.loads(bytes(review.statement))["reason"] for review in reviews.order_by("id")]
    return [
        {"code": reason["code"], "text": reason["text"]}
        for reason in reasons
        if reason["code"] == last.reason
    ]


def _refusals(found: Proposal) -> list[Json]:
    """Return refusals of the gate and of the agent; those of people are omitted."""
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
    """Return the outcome of each step; empty until the run has started."""
    rows = StepRecord.objects.filter(execution__proposal=found).order_by("id")
    records = list(rows.values_list("step", "phase", "data"))
    if not records:
        return []
    return [
        {"step": each.step, "outcome": each.outcome.value, "reason": each.reason}
        for each in outcomes(found.targets.count(), records)
    ]


def _result(found: Proposal) -> dict[str, Json] | None:
    """Return the result of the run; None while it runs, and if nothing ran.

    A stopped run has one, too, although a person may still undo it.
    """
    end = found.transitions.filter(from_state__in=_RAN, to_state=found.state).last()
    if end is None or found.state not in (*FINAL, ProposalState.STOPPED):
        return None
    return {"state": end.to_state, "reason": end.reason, "at": instant.dump(end.recorded_at)}
