"""Undoing a run that succeeded: a new proposal with the reversed plan, reviewed like any other.

There is no way back round the gate: what a run did is undone by another run, which other people
approve. Whoever asks for it is recorded as the plan's editor and cannot decide on it (promise 4).
That person has to be active and hold a role until it has run; the agent of what is undone is not
asked. A person's edit of it is an ordinary proposal again.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit.tlog.canonical import Json
from remediation.domain import errors, plan
from remediation.domain.actions import ACTIONS
from remediation.domain.errors import BadInput
from remediation.domain.plan import Plan, Step
from remediation.domain.states import ProposalState
from remediation.models import Proposal, StepRecord, User
from remediation.services import transition
from remediation.services.access import authorize, visibility
from remediation.services.actors import PersonActor
from remediation.services.execution.halt import checked
from remediation.services.outbox import dispatch
from remediation.services.plans import load_plan
from remediation.services.reporting import submit

MAX_REASON = 2_000


def propose(*, actor: User, proposal_id: UUID, reason: str) -> UUID:
    """Propose to undo what a successful run changed; the new proposal's id.

    One that waits already with the same plan is found, not doubled. Raises NoSuchObject,
    Separation, NotEntitled, ReasonRequired, TooLarge, BadValue, and WrongState when the run did
    not succeed or nothing of it can be undone. A crash before the commit leaves nothing.
    """
    reason = checked(reason, MAX_REASON)
    with transaction.atomic():
        transition.lock(proposal_id)
        old = (
            Proposal.objects.select_related("incident", "diagnosis").filter(pk=proposal_id).first()
        )
        if old is None or not visibility.may_view(actor, old):
            raise errors.NoSuchObject()
        visibility.refuse_to_halt(actor, old)
        back = reversed_plan(old)
        if back is None:
            raise errors.WrongState("there is nothing that can be undone by a plan")
        # Not an agent's plan that says the same: that one stands and falls with its agent.
        same = old.reversals.filter(plan_digest=back.digest, state__in=submit.ALIVE)
        # Nor one whose proposer left: nobody can approve that any more.
        for waiting in same:
            if waiting.editor is not None and authorize.holds_role(waiting.editor):
                return waiting.pk
        made = submit.propose_to_undo(
            actor=PersonActor(actor.person, actor.pk),
            old=old,
            plan=back,
            rationale=f"To undo proposal {old.pk}, which succeeded. {reason}",
        )
        transaction.on_commit(lambda: dispatch.wake("assess", made), robust=True)
    return made


def reversed_plan(proposal: Proposal) -> Plan | None:
    """The plan that leads from what a successful run left back to what it found; None if none does.

    Only steps after which the target was read to be another than before, the last one first; only
    those whose rollback is, by the catalogue, an action of its own that the step in turn undoes.
    Where the record does not say what was changed, nothing is taken for changed.
    """
    if proposal.state != ProposalState.SUCCEEDED:
        return None
    changed = _changed(proposal)
    try:
        done = load_plan(bytes(proposal.plan))
        back: list[Json] = [
            _back(step) for step in reversed(done.steps) if step.index in changed and _inverse(step)
        ]
        if not back:
            return None
        return plan.parse(
            {"version": 1, "environment": done.environment, "steps": back},
            protected=settings.PROTECTED_CLUSTERS,
            allow_test=settings.ALLOW_TEST_ACTIONS,
        )
    except BadInput:
        return None


def _changed(proposal: Proposal) -> frozenset[int]:
    """The steps before and after which the target was read with different values."""
    before: dict[int, Mapping[str, Json]] = {}
    after: dict[int, Mapping[str, Json]] = {}
    rows = StepRecord.objects.filter(execution__proposal=proposal)
    for row in rows.filter(phase__in=("intended", "verified")):
        if row.phase == "intended":
            before[row.step] = row.data.get("snapshot", {})
        else:
            after[row.step] = row.data
    return frozenset(
        step
        for step, found in before.items()
        if any(after.get(step, {}).get(name, value) != value for name, value in found.items())
    )


def _inverse(step: Step) -> bool:
    if step.rollback is None or step.rollback == step.action or not step.spec.reversible:
        return False
    return ACTIONS[step.rollback].rollback == step.action


def _back(step: Step) -> dict[str, Json]:
    return {"action": step.rollback, "target": step.target.to_json(), "parameters": {}}
