"""Have people told of a run that waits: it asks for a verdict, its time has passed, or something
was seen that nobody planned."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256

from remediation.domain import inert
from remediation.domain.slots import LEAD
from remediation.domain.telling import Kind
from remediation.models import Proposal, Wait, WaitOverdue
from remediation.services.clock import database_now
from remediation.services.outbox.audience import entitled, holders
from remediation.services.outbox.tell import tell

# A message names so many; the page has them all.
MOST_NAMED = 5


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


def strangers(proposal: Proposal, wait: Wait, names: Collection[str]) -> None:
    """Tell that somebody whom the inventory does not name uses the old credential.

    At most once an hour, so that an attacker who comes by ever new names fills no mailbox.
    """
    hour = int((database_now() - wait.recorded_at) / timedelta(hours=1))
    shown = sorted(names)[:MOST_NAMED]
    more = f", and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    _unplanned(
        proposal,
        f"wait_strangers:{wait.pk}:{hour}",
        f"The run waits after step {wait.step + 1}. Somebody whom the inventory does not name uses"
        f" the old credential: {'; '.join(inert.line(one) for one in shown)}{more}. If that is an"
        " attacker, a run that moves consumers first leaves the credential to them until it ends:"
        " the page of the run has the answers.",
    )


def blind(proposal: Proposal, wait: Wait, why: str) -> None:
    """Tell, once for each reason, that the worker cannot see what the run waits for."""
    _unplanned(
        proposal,
        f"wait_blind:{wait.pk}:{sha256(why.encode()).hexdigest()[:16]}",
        f"The run waits after step {wait.step + 1}. What it waits for cannot be judged, in two"
        f" looks that followed each other: {inert.line(why)}. As long as that stays so, the run"
        " does not go on by itself.",
    )


def _unplanned(proposal: Proposal, once: str, text: str) -> None:
    people = {*entitled(proposal), *holders(LEAD)}
    tell(Kind.WAIT_UNPLANNED, people=people, once=once, text=text, proposal=proposal)
