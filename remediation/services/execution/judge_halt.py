"""Verify, before each step, whether a person halted the run with a valid signature.

The worker asks immediately before the step, and again under the proposal's lock, which a halt
takes too, so that one of the two is first. An invalid halt is recorded by its refusal, leads are
notified, and the run continues (see `domain.halt.signed_halt`).
"""

from __future__ import annotations

import logging

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.errors import GateRefused, Halted
from remediation.domain.events import Event
from remediation.domain.gate.signature import Assertion
from remediation.domain.halt.signed_halt import HaltedRun, SignedHalt, verify_halt
from remediation.models import Halt, HaltVerdict
from remediation.services import host_files, transition
from remediation.services.access import authorize, record_refusal
from remediation.services.clock import database_now
from remediation.services.execution.run import Run
from remediation.services.outbox import mail

logger = logging.getLogger(__name__)


def refuse_if_halted(run: Run) -> None:
    """Refuse to go on when the run has a valid halt. Commits the verdicts.

    Raises Halted, and PolicyUnavailable when a halt waits and the approvers file cannot be read.
    """
    found = judge(run)
    if found is not None:
        raise found


@transaction.atomic
def judge(run: Run) -> Halted | None:
    """Verify the run's halts that have no verdict; return the first valid one as a refusal.

    Inside a transaction it holds the proposal's lock until the end, so that no other halt comes
    between. A crash before the commit leaves the halts unverified; no step begins before the next
    call verifies them. Raises PolicyUnavailable.
    """
    transition.lock(run.proposal.pk)
    held = HaltVerdict.objects.filter(halt__proposal=run.proposal, refusal="").first()
    if held is not None:
        return _halted(held.halt)
    waiting = Halt.objects.filter(proposal=run.proposal, verdict__isnull=True).order_by("id")
    refused: list[str] = []
    found = None
    for halt in waiting:
        refusal = _refusal(run, halt)
        _record(run, halt, refusal)
        if refusal is None:
            found = _halted(halt)
            break
        refused.append(refusal.name)
    if refused:
        key = run.proposal.pk
        transaction.on_commit(lambda: mail.halt_refused(key, refused), robust=True)
    return found


def _halted(halt: Halt) -> Halted:
    halted = Halted(f"by person:{halt.person}: {halt.reason}")
    halted.undo = True
    return halted


def _refusal(run: Run, halt: Halt) -> GateRefused | None:
    """Return why the halt is invalid, or None. Raises PolicyUnavailable (no verdict possible)."""
    approvers = host_files.approvers()
    assessment = authorize.newest(run.proposal)
    about = HaltedRun(
        proposal=str(run.proposal.pk),
        round=run.proposal.round,
        plan=run.plan,
        slots=tuple(assessment.slots) if assessment is not None else (),
        excluded=authorize.excluded(run.proposal.pk),
    )
    signed = SignedHalt(
        person=str(halt.person),
        reason=halt.reason,
        statement=bytes(halt.statement),
        assertion=Assertion(
            bytes(halt.credential_id),
            bytes(halt.authenticator_data),
            bytes(halt.client_data_json),
            bytes(halt.signature),
        ),
        recorded_at=halt.recorded_at,
    )
    try:
        verify_halt(signed, about, approvers=approvers, now=database_now())
    except GateRefused as error:
        logger.critical("a halt of %s does not hold: %s", run.proposal.pk, error)
        return error
    return None


def _record(run: Run, halt: Halt, refusal: GateRefused | None) -> None:
    about: dict[str, Json] = {"halt": halt.entry, "person": str(halt.person)}
    if refusal is None:
        entry = log.append(
            action=Event.WORKER_HALT_VERIFIED,
            actor=run.actor.ref,
            object=f"proposal:{run.proposal.pk}",
            data=about,
        ).id
    else:
        entry = record_refusal.record(
            actor=run.actor,
            event=Event.WORKER_HALT_REFUSED,
            error=refusal,
            object=f"proposal:{run.proposal.pk}",
            proposal_id=run.proposal.pk,
            data=about,
        )
    HaltVerdict.objects.create(
        halt=halt,
        actor=run.actor.ref,
        refusal=refusal.name if refusal else "",
        detail=record_refusal.printable(refusal.detail) if refusal else "",
        entry=entry,
    )


def settlement(run: Run) -> str | None:
    """Return what two people said about an unknown run, or None."""
    return None
