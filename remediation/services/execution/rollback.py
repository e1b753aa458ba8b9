"""Roll back a run: restore its applied steps in reverse, each under a clearance for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Set
from dataclasses import replace

from django.conf import settings

from remediation.domain.errors import GateRefused, Next, Refused
from remediation.domain.gate import gate
from remediation.domain.gate.gate import Clearance
from remediation.domain.states import ProposalState
from remediation.executors.run import run_rollback
from remediation.services import host_files
from remediation.services.assessment.observe import Seen
from remediation.services.execution import record_step
from remediation.services.execution import run as runs
from remediation.services.execution.run import Run, mark

logger = logging.getLogger(__name__)


def roll_back(
    run: Run, reason: str, *, begun: Set[int] = frozenset(), lost: Set[int] = frozenset()
) -> None:
    """Roll back the applied steps in reverse, regardless of the deadline or a freeze.

    ``begun`` are steps whose rollback a dead worker began; it is repeated, since restoring twice
    changes nothing. ``lost`` are steps whose rollback failed; it is never repeated. Raises a
    GateRefused that can be retried; `reconcile` then settles the run after its lease.
    """
    undone = [
        index not in lost and _roll_back_step(run, index, index in begun)
        for index in reversed(run.applied)
    ]
    target = ProposalState.ROLLED_BACK if undone and all(undone) else ProposalState.FAILED
    runs.conclude(run, target, reason)


def _roll_back_step(run: Run, index: int, begun: bool) -> bool:
    assert run.execution is not None
    token = run.token(index)
    spec = run.plan.steps[index].spec
    try:
        run.leases.ensure(spec.hard_timeout_s)
        if not begun:
            record_step.record(run.actor, run.execution, index, "undo_intended", token, {})
        outcome = run_rollback(
            _clear_rollback(run, index), run.body, index, host_files.targets(), run.snapshots[index]
        )
    except Refused as error:
        if isinstance(error, GateRefused) and error.next is Next.RETRY:
            raise
        logger.error("rollback of step %s of %s failed: %s", index, run.proposal.pk, error)
        mark(run, index, "undo_failed", error)
        return False
    record_step.record(run.actor, run.execution, index, "undone", token, dict(outcome.detail))
    return True


def _clear_rollback(run: Run, index: int) -> Clearance:
    """Return a clearance to roll back an applied step. Raises GateRefused.

    The gate verifies that the plan was approved, not that it is still in time.
    """
    evidence = replace(run.evidence(index, Seen({}, {})), applied=tuple(range(index + 1)))
    return gate.verify_rollback(
        evidence,
        approvers=host_files.approvers(),
        now=evidence.database_now,
        monotonic=time.monotonic(),
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
    )
