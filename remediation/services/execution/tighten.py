"""Try again what an applied step left open, under a clearance of its own.

A session that did not end may end at the second attempt. An attempt can only take access away, and
the executor changes nothing that somebody has set since. Each attempt is on record before its call;
a crash in between leaves an entry without effect.
"""

from __future__ import annotations

import time
from contextlib import suppress

from django.conf import settings
from django.db import transaction

from audit import log
from remediation.domain.errors import GateRefused, Next, Refused
from remediation.domain.events import Event
from remediation.domain.gate import gate
from remediation.domain.gate.gate import Clearance
from remediation.executors.errors import StepFailed
from remediation.executors.run import run_tighten
from remediation.services import host_files
from remediation.services.assessment.observe import Seen
from remediation.services.execution import gate_refusal, inclusion
from remediation.services.execution.run import Run


def tighten(run: Run, index: int) -> bool:
    """Try once; return False when the gate refuses for good, and nothing may be tried again.

    A refusal that can pass (a freeze, the log is away) leaves the step waiting.
    """
    try:
        clearance = _clear(run, index)
        run.leases.ensure(run.plan.steps[index].spec.hard_timeout_s)
    except Refused as refusal:
        if isinstance(refusal, GateRefused) and refusal.next is Next.RETRY:
            return True
        gate_refusal.record(run.proposal, refusal, actor=run.actor)
        return False
    with transaction.atomic():
        log.append(
            action=Event.WORKER_STEP_TIGHTENED,
            actor=run.actor.ref,
            object=f"proposal:{run.proposal.pk}",
            data={"step": index, "token": run.token(index)},
        )
    with suppress(StepFailed):  # the next look says what is still open
        run_tighten(clearance, run.body, index, host_files.targets(), run.made)
    return True


def _clear(run: Run, index: int) -> Clearance:
    """Run the gate for this step as it is now: approved, in time, not frozen, on record."""
    began = time.monotonic()
    with inclusion.judging(run.proposal, lambda: run.evidence(index, Seen({}, {}))) as judged:
        return gate.verify_tightening(
            judged.evidence,
            approvers=host_files.approvers(),
            now=judged.evidence.database_now,
            monotonic=began,
            log=judged.trust,
            protected=settings.PROTECTED_CLUSTERS,
            allow_test=settings.ALLOW_TEST_ACTIONS,
        )
