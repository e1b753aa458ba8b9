"""Step records: each phase of each step once, with its audit entry, in its own transaction."""

from __future__ import annotations

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.events import Event
from remediation.models import Execution, StepRecord
from remediation.services.actors import Actor
from remediation.services.guards import translated


def record(
    actor: Actor, execution: Execution, step: int, phase: str, token: int, data: dict[str, Json]
) -> StepRecord:
    """Record one phase. The guard refuses a stale token (TargetBusy), a phase that already is or
    comes out of order (WrongState), and for `intended` a freeze or a passed deadline."""
    with transaction.atomic():
        entry = log.append(
            action=Event.WORKER_STEP_RECORDED,
            actor=actor.ref,
            object=f"proposal:{execution.proposal_id}",
            data={"step": step, "phase": phase, "token": token, "data": data},
        )
        with translated():
            return StepRecord.objects.create(
                execution=execution,
                step=step,
                phase=phase,
                token=token,
                data=data,
                entry=entry.id,
            )
