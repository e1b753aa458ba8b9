"""Say what the end of a run means for incidents, in the transaction that ends it.

A success contains the run's incident only if the incident's own identity was seen without access
at every place, shortly before the run ended; after a longer run the next look decides. What gave
access back opens contained incidents again, however its run ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from remediation.domain.containment import Missing, Seen, Why, missing
from remediation.domain.errors import BadInput
from remediation.domain.plan import Plan, Step
from remediation.domain.states import ProposalState
from remediation.models import Incident, Proposal, StepRecord
from remediation.services.actors import Actor
from remediation.services.clock import database_now
from remediation.services.load_plan import read_plan
from remediation.services.reporting import incidents


def after_success(*, actor: Actor, proposal: Proposal, plan: Plan) -> bool:
    """Contain the incident of a run that succeeded, or open incidents again; return if contained.

    Call it after the transition to `succeeded`, in its transaction. Reads what the step records
    keep of each step when it was verified: the key `points`.
    """
    back = [step for step in plan.steps if _gives_access(proposal, step)]
    _reopen(actor, proposal, back, f"proposal {proposal.pk} gave access back")
    if missing(plan, proposal.incident.locator, verified(proposal), database_now()):
        return False
    return incidents.contain(
        actor=actor,
        incident=proposal.incident,
        proposal=proposal,
        reason=f"proposal {proposal.pk}",
    )


def after_rollback(*, actor: Actor, proposal: Proposal, plan: Plan) -> None:
    """Open incidents again whose identity got its access back by this run, or by its rollback.

    Call it after every end of a run that did not succeed, in its transaction: a reversal that
    stopped may have given access back, and some steps of a plan may be rolled back.
    """
    phases: dict[str, set[int]] = {"applied": set(), "undone": set()}
    rows = StepRecord.objects.filter(execution__proposal=proposal, phase__in=phases)
    for index, phase in rows.values_list("step", "phase"):
        phases[phase].add(index)
    given = [
        step
        for step in plan.steps
        if step.index in phases["applied"] - phases["undone"] and _gives_access(proposal, step)
    ]
    undone = [
        step for step in plan.steps if step.index in phases["undone"] and step.spec.removes_access
    ]
    _reopen(actor, proposal, given, f"proposal {proposal.pk} gave access back")
    _reopen(actor, proposal, undone, f"proposal {proposal.pk} was rolled back")


def lacks(proposal: Proposal) -> tuple[Missing, ...]:
    """Return what keeps this run from containing its incident; empty if nothing does."""
    try:
        plan = read_plan(bytes(proposal.plan))
    except BadInput:
        return (Missing(Why.NO_PLACES),)
    return missing(plan, proposal.incident.locator, verified(proposal), _ended(proposal))


def verified(proposal: Proposal) -> Mapping[int, Seen]:
    """Return what the step records keep of each step when it was seen, by its index."""
    rows = StepRecord.objects.filter(execution__proposal=proposal, phase="verified")
    return {row.step: Seen(row.data.get("points"), row.recorded_at) for row in rows}


def _ended(proposal: Proposal) -> datetime:
    """Return when the run succeeded; now if it did not."""
    end = proposal.transitions.filter(to_state=ProposalState.SUCCEEDED).order_by("-id").first()
    return end.recorded_at if end is not None else database_now()


def _gives_access(proposal: Proposal, step: Step) -> bool:
    spec = step.spec
    return spec.grants_access or (proposal.reverses_id is not None and not spec.removes_access)


def _reopen(actor: Actor, proposal: Proposal, steps: Iterable[Step], reason: str) -> None:
    """Open every contained incident about these identities, also those of other proposals."""
    locators = [step.target.locator for step in steps]
    # In the order of the ids, so that two runs never wait for each other.
    for incident in Incident.objects.filter(locator__in=locators).order_by("pk"):
        incidents.reopen(actor=actor, incident=incident, reason=reason, proposal=proposal)
