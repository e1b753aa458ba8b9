"""Leases, executions, steps and the freeze."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection, transaction

from remediation import models as m
from remediation.domain.events import Event
from remediation.domain.states import ProposalState
from tests.factories.logins import (
    OPERATOR,
    WORKER,
    WORKER_ACTOR,
    acting,
    actor_of,
    entry,
    unguarded,
)
from tests.factories.proposals import move


def lease(target: str, *, holder: str = WORKER_ACTOR, secs: float = 60) -> m.Lease:
    """Claim a target's lease; return the new token."""
    with acting(WORKER), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO remediation_lease AS l (target, token, holder, until)"
            " VALUES (%s, 1, %s, clock_timestamp() + make_interval(secs => %s))"
            " ON CONFLICT (target) DO UPDATE"
            " SET token = l.token + 1, holder = excluded.holder, until = excluded.until,"
            " proposal_id = NULL",
            [target, holder, secs],
        )
    return m.Lease.objects.get(pk=target)


def end_lease(target: str) -> None:
    """Make the lease end a second ago."""
    with unguarded("remediation_lease"), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE remediation_lease SET until = clock_timestamp() - interval '1 second'"
            " WHERE target = %s",
            [target],
        )


def execution(
    proposal: m.Proposal,
    *,
    holder: str = WORKER_ACTOR,
    login: str = WORKER,
    tokens: Mapping[str, int] | None = None,
) -> m.Execution:
    """Insert the run's row, with leases on all targets unless `tokens` are given."""
    if tokens is None:
        locators = sorted({row.locator for row in proposal.targets.all()})
        tokens = {locator: lease(locator, holder=holder).token for locator in locators}
    with acting(login):
        return m.Execution.objects.create(
            proposal=proposal,
            tokens=dict(tokens),
            holder=holder,
            evidence=b"{}",
            entry=entry(
                Event.WORKER_PROPOSAL_EXECUTING, actor_of(login), f"proposal:{proposal.pk}"
            ),
        )


def step(
    execution: m.Execution,
    phase: str,
    step: int = 0,
    *,
    token: int | None = None,
    login: str = WORKER,
) -> m.StepRecord:
    """Insert one phase of one step, with the run's token unless another is given."""
    if token is None:
        locator = execution.proposal.targets.get(step=step).locator
        token = execution.tokens[locator]
    with acting(login):
        return m.StepRecord.objects.create(
            execution=execution,
            step=step,
            phase=phase,
            token=token,
            data={},
            entry=entry(
                Event.WORKER_STEP_RECORDED, actor_of(login), f"proposal:{execution.proposal_id}"
            ),
        )


def execute(proposal: m.Proposal, *, tokens: Mapping[str, int] | None = None) -> m.Execution:
    """Move approved → executing and record the first step as intended, in one transaction."""
    with transaction.atomic():
        made = execution(proposal, tokens=tokens)
        move(proposal, ProposalState.EXECUTING)
        step(made, "intended")
    return made


def finish_steps(execution: m.Execution) -> None:
    """Record every step as applied and verified."""
    for row in execution.proposal.targets.order_by("step"):
        if row.step:
            step(execution, "intended", row.step)
        step(execution, "applied", row.step)
        step(execution, "verified", row.step)


def freeze(frozen: bool = True, reason: str = "a drill") -> m.Freeze:
    with acting(WORKER):
        event = Event.OPERATOR_FREEZE_SET if frozen else Event.OPERATOR_FREEZE_LIFTED
        return m.Freeze.objects.create(
            frozen=frozen, reason=reason, actor=OPERATOR, entry=entry(event, OPERATOR, "freeze:all")
        )
