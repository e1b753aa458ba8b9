"""Record the phases of steps: each phase once, with its audit entry, in its own transaction."""

from __future__ import annotations

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.events import Event
from remediation.models import Execution, StepRecord
from remediation.services import lines
from remediation.services.actors import Actor
from remediation.services.guards import translated


def record(
    actor: Actor, execution: Execution, step: int, phase: str, token: int, data: dict[str, Json]
) -> StepRecord:
    """Record one phase of a step.

    Raises TargetBusy for a stale token, WrongState for a phase that is recorded already or comes
    out of order; for `intended` also Frozen, Deadline and Halted.
    """
    with transaction.atomic():
        entry = log.append(
            action=Event.WORKER_STEP_RECORDED,
            actor=actor.ref,
            object=f"proposal:{execution.proposal_id}",
            data={"step": step, "phase": phase, "token": token, "data": data},
        )
        with translated():
            made = StepRecord.objects.create(
                execution=execution,
                step=step,
                phase=phase,
                token=token,
                data=data,
                entry=entry.id,
            )
        lines.say(
            lines.Line.STEP,
            proposal=execution.proposal_id,
            run=execution.pk,
            step=step,
            phase=phase,
            entry=entry.id,
        )
    return made
