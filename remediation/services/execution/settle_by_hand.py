"""Settle a run as people say, when no worker can tell: verify who signed, then move the state.

Two different people settle an unknown run: then it ends as stopped, or as failed when they say that
the step changed nothing and no other step was applied. That is on record as what people said;
nothing was seen at the target, so no step is recorded as applied and no incident is contained. One
person settles a stopped run: it stays stopped, marked as settled.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from remediation.domain.events import Event
from remediation.domain.halt.statement import Found, RunDecision
from remediation.domain.states import ProposalState
from remediation.models import Halt, Proposal, StepRecord
from remediation.services import transition
from remediation.services.actors import Actor
from remediation.services.execution import contain, judge_halt
from remediation.services.load_plan import read_plan
from remediation.services.outbox import notify_result
from remediation.services.review.reversal import BY_PEOPLE


def settle(proposal_id: UUID, *, actor: Actor) -> bool:
    """Verify the run's settlements; return whether they ended an unknown run.

    Its leases are kept until they run out, because a call without an answer may still run at the
    target. A crash before the commit leaves the statements without a verdict and the run unknown;
    the sweeper sends the message again. Raises PolicyUnavailable.
    """
    if not Halt.objects.filter(proposal=proposal_id, decision=RunDecision.SETTLE).exists():
        return False  # the rule; it takes no lock
    with transaction.atomic():
        transition.lock(proposal_id)
        proposal = Proposal.objects.select_related("incident").filter(pk=proposal_id).first()
        if proposal is None:
            return False
        plan = read_plan(bytes(proposal.plan))
        found = judge_halt.settlement(judge_halt.Unheld(actor, proposal, plan))
        if found is None:
            return False
        changed = found == Found.APPLIED or _was_applied(proposal)
        target = ProposalState.STOPPED if changed else ProposalState.FAILED
        transition.move(
            actor=actor,
            event=Event.WORKER_PROPOSAL_STOPPED if changed else Event.WORKER_PROPOSAL_FAILED,
            proposal_id=proposal_id,
            source=ProposalState.UNKNOWN,
            target=target,
            reason=BY_PEOPLE[found],
        )
        contain.after_rollback(actor=actor, proposal=proposal, plan=plan)
        notify_result.notify(proposal_id, actor=actor)
    return True


def _was_applied(proposal: Proposal) -> bool:
    """Return whether the record has an applied step that was not undone."""
    rows = StepRecord.objects.filter(execution__proposal=proposal)
    phases = set(rows.values_list("step", "phase"))
    return any(phase == "applied" and (step, "undone") not in phases for step, phase in phases)
