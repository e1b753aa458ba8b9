"""Record a result that came too late: another worker has taken over the run meanwhile (A73).

It changes no state: what others concluded stays. But what a call did at the target is never lost,
and where the two disagree people must look, so leads are notified.
"""

from __future__ import annotations

import logging

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.errors import Refused
from remediation.domain.events import Event
from remediation.models import LateResult
from remediation.services.execution import record_step
from remediation.services.execution.run import Run
from remediation.services.outbox import notify_proposal

logger = logging.getLogger(__name__)


def record_result(run: Run, index: int, phase: str, data: dict[str, Json]) -> None:
    """Record the result of a call. Raises Refused after it was recorded as a late one."""
    assert run.execution is not None
    try:
        record_step.record(run.actor, run.execution, index, phase, run.token(index), data)
    except Refused as refusal:
        _record_late(run, index, phase, data, refusal)
        raise


def _record_late(run: Run, index: int, phase: str, data: dict[str, Json], refusal: Refused) -> None:
    assert run.execution is not None
    logger.critical("a result of %s came too late: step %s %s", run.proposal.pk, index, phase)
    said: dict[str, Json] = {
        "step": index, "phase": phase, "token": run.token(index), "data": data,
        "refusal": refusal.name,
    }  # fmt: skip
    with transaction.atomic():
        entry = log.append(
            action=Event.WORKER_STEP_LATE,
            actor=run.actor.ref,
            object=f"proposal:{run.proposal.pk}",
            data=said,
        )
        LateResult.objects.create(
            execution=run.execution,
            step=index,
            phase=phase,
            token=run.token(index),
            data=data,
            entry=entry.id,
        )
        notify_proposal.late_result(run.proposal, index + 1, entry.id)
