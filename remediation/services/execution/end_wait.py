"""End a run after the wait behind its last step: the whole gate again, then `succeeded`.

Nothing is left to do at a target. But that the wait has ended is what the run claims, so the
worker verifies the answers and the looks itself, and keeps the evidence, as before any other step.
"""

from __future__ import annotations

from django.db import transaction

from remediation.domain.errors import Refused
from remediation.domain.gate.evidence import Evidence
from remediation.domain.states import ProposalState
from remediation.services.execution import clear_step, intend, judge_halt
from remediation.services.execution import run as runs
from remediation.services.execution.run import Run


def end(run: Run) -> None:
    """Gate the end of a run that waits behind its last step, and end it as succeeded.

    A refusal that can pass leaves it waiting; any other, or a halt, ends it otherwise.
    """
    try:
        judge_halt.refuse_if_halted(run)
        _succeed(run, clear_step.clear_end(run))
    except Refused as error:
        intend.refuse(run, error)


def _succeed(run: Run, evidence: Evidence) -> None:
    """Record the evidence and the end, unless a halt arrived meanwhile. Raises Refused.

    One transaction under the proposal's lock. A crash before its commit leaves the run waiting.
    The verdict on a halt that comes first is committed.
    """
    with transaction.atomic():
        halted = judge_halt.judge(run)
        if halted is None:
            intend.record_resumption(run, evidence.step, evidence)
            runs.conclude(run, ProposalState.SUCCEEDED, "")
    if halted is not None:
        raise halted.refusal()
