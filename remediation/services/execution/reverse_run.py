"""Reverse a run that succeeded or stopped: propose the inverse plan, reviewed like any other.

A reversal does not bypass the gate: it is another run, which other people approve. The person who
proposes it is recorded as the plan's editor and cannot decide on it (promise 4). That person must
stay active and keep a role until it has run; the agent of the reversed run need not be enabled. A
person's edit of a reversal is an ordinary proposal.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from remediation.domain import errors
from remediation.domain.states import ProposalState
from remediation.models import Proposal, User
from remediation.services import transition
from remediation.services.access import authorize, visibility
from remediation.services.actors import PersonActor
from remediation.services.execution.halt import checked
from remediation.services.outbox import dispatch
from remediation.services.reporting.propose import ALIVE, propose_reversal
from remediation.services.review.reversal import inverse_plan

MAX_REASON = 2_000


def propose(*, actor: User, proposal_id: UUID, reason: str) -> UUID:
    """Propose the reversal of a run that succeeded or stopped; return the new proposal's id.

    If a reversal with the same plan already waits, its id is returned. Raises NoSuchObject,
    Separation, NotEntitled, ReasonRequired, TooLarge, BadValue, and WrongState when the run did
    neither or nothing of it can be reversed. A crash before the commit leaves nothing; after
    it the sweeper gets the new proposal assessed.
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
        back = inverse_plan(old)
        if back is None:
            raise errors.WrongState("nothing that this run changed can be reversed by a plan")
        # Only reversals: an agent's proposal with the same plan depends on its agent.
        same = old.reversals.filter(plan_digest=back.digest, state__in=ALIVE)
        # Not one whose proposer lost the role: nobody can approve that any more.
        for waiting in same:
            if waiting.editor is not None and authorize.holds_role(waiting.editor):
                return waiting.pk
        made = propose_reversal(
            actor=PersonActor(actor.person, actor.pk),
            old=old,
            plan=back,
            rationale=f"Reverses proposal {old.pk}, which {_ended(old)}. {reason}",
        )
        transaction.on_commit(lambda: dispatch.wake("assess", made), robust=True)
    return made


def _ended(old: Proposal) -> str:
    if old.state == ProposalState.STOPPED:
        return "stopped and kept what was applied"
    return "succeeded"
