"""Settle what a dead worker left staged in a store, before its step is settled by reading.

The staged value is tried at the target first. One that is in force is promoted, any other is
discarded: this run made it, and nobody uses it. Left there, it would stop every later delivery.

A halt that was signed while the call was open does not stop that: the target takes the new value
already, and consumers that go on reading the old one are cut off. An undo comes after it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from django.conf import settings
from django.db import transaction

from audit import log
from remediation.domain.errors import GateRefused, Next, Refused
from remediation.domain.events import Event
from remediation.domain.gate import gate
from remediation.domain.gate.gate import Clearance
from remediation.executors.errors import OutcomeUnknown, StepFailed
from remediation.executors.run import run_tighten
from remediation.executors.stores.store import StoreUnavailable
from remediation.services import host_files
from remediation.services.assessment.observe import Seen
from remediation.services.execution.run import Run

logger = logging.getLogger(__name__)


def settle_delivery(run: Run, index: int) -> bool:
    """Settle what the open call of a step left staged; return whether its target can be read now.

    What the step made, as its version in the store says, goes to `run.made`. False: the store, the
    target or the gate cannot tell now, so the call stays open, and is settled again later. A
    refusal for good leaves the version to people. The attempt is on record before its call; a
    crash in between leaves an entry without effect.
    """
    step = run.plan.steps[index]
    if not step.spec.delivers:
        return True
    try:
        clearance = _clear(run, index)
        run.leases.ensure(step.spec.hard_timeout_s)
    except Refused as refusal:
        logger.error("what step %s of %s staged is left: %s", index, run.proposal.pk, refusal)
        return isinstance(refusal, GateRefused) and refusal.next is not Next.RETRY
    with transaction.atomic():
        log.append(
            action=Event.WORKER_STEP_TIGHTENED,
            actor=run.actor.ref,
            object=f"proposal:{run.proposal.pk}",
            data={"step": index, "token": run.token(index)},
        )
    try:
        done = run_tighten(clearance, run.body, index, host_files.targets(), run.made)
        if done.made.keys() == step.spec.makes.keys():
            run.made.setdefault(index, done.made)
    except (StoreUnavailable, OutcomeUnknown) as error:
        logger.warning("what %s staged is not settled yet: %s", run.proposal.pk, error)
        return False
    except StepFailed as error:
        # Discarded, or there was nothing of this step, or somebody else's version is promoted.
        logger.info("%s: %s", run.proposal.pk, error)
    return True


def _clear(run: Run, index: int) -> Clearance:
    evidence = replace(run.evidence(index, Seen({}, {})), applied=tuple(range(index)))
    return gate.verify_settling(
        evidence,
        approvers=host_files.approvers(),
        now=evidence.database_now,
        monotonic=time.monotonic(),
        protected=settings.PROTECTED_CLUSTERS,
        allow_test=settings.ALLOW_TEST_ACTIONS,
    )
