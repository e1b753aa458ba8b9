"""Have people told about a proposal, in the transaction of the fact: rounds, deadlines, forgeries.

Nobody can decide by a message: it only leads to the page.
"""

from __future__ import annotations

from collections.abc import Iterable

from remediation.domain.halt.statement import RunDecision
from remediation.domain.slots import LEAD
from remediation.domain.telling import Kind
from remediation.models import Proposal
from remediation.services.outbox.audience import entitled, holders
from remediation.services.outbox.tell import tell


def round_opened(proposal: Proposal, number: int) -> None:
    """Tell the people who may decide that a proposal waits for them in this round."""
    tell(
        Kind.ROUND_OPENED,
        people=entitled(proposal),
        once=f"round:{proposal.pk}:{number}",
        proposal=proposal,
    )


def time_passes(proposal: Proposal, per_cent: int) -> None:
    """Tell the people who may decide that this share of the time has passed."""
    tell(
        Kind.TIME_PASSES,
        people=entitled(proposal),
        once=f"time:{proposal.pk}:{proposal.round}:{per_cent}",
        text=f"{per_cent} % of the time to decide has passed, and approvals are still missing.",
        proposal=proposal,
    )


def overdue(proposal: Proposal) -> None:
    """Tell leads, and the people who could have decided, that a deadline passed."""
    tell(
        Kind.OVERDUE,
        people={*entitled(proposal), *holders(LEAD)},
        once=f"overdue:{proposal.pk}",
        proposal=proposal,
    )


def late_result(proposal: Proposal, step: int, entry: int) -> None:
    """Tell leads that a worker reported a result after another one had taken over the run."""
    text = (
        f"A worker reported the result of step {step} after its lease had ended and another worker"
        " had taken over. The record keeps both. Compare the target with what the page says, and"
        " ask an operator why the worker was that slow."
    )
    tell(Kind.LATE_RESULT, people=holders(LEAD), once=f"late:{entry}", text=text, proposal=proposal)


def halt_refused(
    proposal: Proposal, refusals: Iterable[str], newest: int, decision: RunDecision
) -> None:
    """Tell leads of invalid statements about a run: somebody forged them, or used a wrong key.

    ``newest`` is the id of the last one that was refused now.
    """
    names = ", ".join(name.replace("_", " ") for name in refusals)
    if decision is RunDecision.SETTLE:
        text = (
            f"A statement that this run is settled by hand was refused ({names}). It is not signed"
            " by a key that may halt the run, so the run stays as it is. If nobody meant to sign"
            " it, somebody is writing into the portal's database."
        )
    elif decision.waits:
        text = (
            f"An answer to this run, which waits, was refused ({names}). It is not signed by a key"
            " that may decide this, so the run waits as before. If nobody meant to sign it,"
            " somebody is writing into the portal's database."
        )
    else:
        text = (
            f"A halt was refused ({names}). It is not signed by a key that may halt the run, so it"
            " stops nothing and undoes nothing. To stop a run, halt it with a key of the approvers"
            " file, or ask an operator to freeze execution. If nobody meant to halt it, somebody is"
            " writing into the portal's database."
        )
    tell(
        Kind.HALT_REFUSED,
        people=holders(LEAD),
        once=f"halt_refused:{newest}",
        text=text,
        proposal=proposal,
    )


def unknown_key(proposal: Proposal) -> None:
    """Tell leads that an approval was signed by a key that is not in the approvers file.

    Either an operator has to add the key, or somebody made an account for an attack.
    """
    text = (
        "An approval of this proposal was signed by a key that does not have this role in the"
        " approvers file. So nothing was executed, and a new round of review is open. The history"
        " shows whose approval it was. If this person may decide, an operator must add the key on"
        " the worker's host. If not, somebody else must decide; please investigate the account."
    )
    tell(
        Kind.UNKNOWN_KEY,
        people=holders(LEAD),
        once=f"unknown_key:{proposal.pk}:{proposal.round}",
        text=text,
        proposal=proposal,
    )
