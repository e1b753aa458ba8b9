"""Have people told of a run that waits: that it asks for a verdict, that its time has passed."""

from __future__ import annotations

from datetime import timedelta

from remediation.domain import inert
from remediation.domain.slots import LEAD
from remediation.domain.telling import Kind
from remediation.models import Proposal, Wait, WaitOverdue
from remediation.services.outbox.audience import entitled, holders
from remediation.services.outbox.tell import tell


def asked(proposal: Proposal, wait: Wait) -> None:
    """Tell the people who may decide that the run waits for one of them."""
    tell(
        Kind.RUN_ASKS,
        people=entitled(proposal),
        once=f"run_asks:{wait.pk}",
        text=f"It waits after step {wait.step + 1}. Look at what that step left, then say on the"
        " page of the run whether it goes on.",
        proposal=proposal,
    )


def overdue(proposal: Proposal, made: WaitOverdue, left: timedelta) -> None:
    """Tell leads, and the people who may decide, that the deadline of a wait has passed."""
    hours = max(1, round(left.total_seconds() / 3600))
    why = f" Why it did not go on: {inert.line(made.detail)}." if made.detail else ""
    tell(
        Kind.WAIT_OVERDUE,
        people={*entitled(proposal), *holders(LEAD)},
        once=f"wait_overdue:{made.wait_id}:{made.pk}",
        text=f"The run has waited after step {made.wait.step + 1} until its deadline.{why} Somebody"
        " has to say on the page of the run whether it goes on, waits longer, stops and keeps what"
        f" was applied, or is undone. If nobody does within {hours} h, it stops and keeps what was"
        " applied.",
        proposal=proposal,
    )
