"""Undoing a run that succeeded: a new proposal with the reversed plan, reviewed like any other.

There is no way back round the gate: what a run did is undone by another run, which other people
approve. Whoever asks for it is recorded as the plan's editor and cannot decide on it (promise 4).
That person has to be active and hold a role until it has run; the agent of what is undone is not
asked. A person's edit of it is an ordinary proposal again.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from remediation.domain import errors
from remediation.models import Proposal, User
from remediation.services import transition
from remediation.services.access import authorize, visibility
from remediation.services.actors import PersonActor
from remediation.services.execution.halt import checked
from remediation.services.outbox import dispatch
from remediation.services.reporting.propose import ALIVE, to_undo
from remediation.services.review.reversal import reversed_plan

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
        same = old.reversals.filter(plan_digest=back.digest, state__in=ALIVE)
        # Nor one whose proposer left: nobody can approve that any more.
        for waiting in same:
            if waiting.editor is not None and authorize.holds_role(waiting.editor):
                return waiting.pk
        made = to_undo(
            actor=PersonActor(actor.person, actor.pk),
            old=old,
            plan=back,
            rationale=f"To undo proposal {old.pk}, which succeeded. {reason}",
        )
        transaction.on_commit(lambda: dispatch.wake("assess", made), robust=True)
    return made
