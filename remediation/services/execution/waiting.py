"""Look after a run that waits: what people signed, what the target shows, whether its time is over.

Between two looks there is no worker and no credential. Nothing here goes on by itself: `reconcile`
takes the leases for that, and the whole gate runs anew.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.db import transaction

from audit import log
from remediation.domain.events import Event
from remediation.domain.gate.waited import Answer, why_waiting
from remediation.domain.plan import Plan
from remediation.domain.ruling import Ruling
from remediation.models import Execution, Refusal, Wait, WaitOverdue
from remediation.services import transition
from remediation.services.actors import Actor
from remediation.services.clock import database_now
from remediation.services.execution import judge_halt, look_for, waits
from remediation.services.guards import translated
from remediation.services.outbox import notify_wait, pause

# Between two looks: as long as it has waited, within these bounds, and at most a quarter of the
# time that is left (seconds).
LEAST_PAUSE, MOST_PAUSE = 1.0, 60.0


class Verdict(StrEnum):
    """What a tick came to."""

    WAITS = "waits"
    GOES_ON = "goes_on"  # if the gate clears the next step
    HALTED = "halted"
    OVER = "over"  # nobody answered in time


def tick(execution: Execution, plan: Plan, *, actor: Actor) -> Verdict:
    """Look after one run that waits.

    Commits verdicts and looks, each in its own transaction; a crash between them loses nothing but
    a look. Raises PolicyUnavailable when somebody signed and the approvers file cannot be read.
    """
    about = judge_halt.Unheld(actor, execution.proposal, plan)
    if judge_halt.judge_all(about) is not None:
        return Verdict.HALTED
    row = waits.newest(execution.proposal)
    assert row is not None  # a run waits with a wait
    answers = judge_halt.judge_answers(about, row)
    deadline = waits.deadline_of(row)
    why = None
    if _due(row, answers, deadline):
        why = _why_held(execution, plan, row, answers, actor)
    if why == "" and not _cannot(row, deadline):
        return Verdict.GOES_ON
    return _at_deadline(row, deadline, why, actor=actor)


def refused(execution: Execution, *, actor: Actor) -> None:
    """Tell people when the gate keeps a run waiting beyond the deadline."""
    row = waits.newest(execution.proposal)
    assert row is not None
    newest = Refusal.objects.filter(proposal=execution.proposal).order_by("-id").first()
    why = f"the gate refused: {newest.reason}" if newest is not None else ""
    _at_deadline(row, waits.deadline_of(row), why, actor=actor)


def _due(row: Wait, answers: list[Answer], deadline: datetime) -> bool:
    """Return whether to look now; after each new answer at once."""
    now = database_now()
    age, left = (now - row.recorded_at).total_seconds(), (deadline - now).total_seconds()
    seconds = max(LEAST_PAUSE, min(MOST_PAUSE, age, left / 4 if left > 0 else MOST_PAUSE))
    return pause.first(f"wait:{row.pk}:{len(answers)}", int(seconds))


def _why_held(
    execution: Execution, plan: Plan, row: Wait, answers: list[Answer], actor: Actor
) -> str:
    """Look for the conditions; return why the wait has not ended, "" if it has."""
    so_far = waits.waited(execution, plan)
    wait = next(one for one in so_far.waits if one.step == row.step)
    if wait.conditions:
        wait = look_for.look(execution.proposal, plan, wait, so_far)
    missing = look_for.not_met(execution.proposal, plan, wait, so_far)
    ruling = Ruling.parse(waits.ruling_of(execution.proposal))
    why = why_waiting(
        wait, missing, answers, now=database_now(), last=True, fresh_s=ruling.run_within_s
    )
    new = bool(wait.conditions) and look_for.record(row, wait, missing, actor=actor, always=not why)
    if new and not missing and why:
        with transaction.atomic():
            notify_wait.asked(execution.proposal, row)
    return why


def _cannot(row: Wait, deadline: datetime) -> bool:
    """Return whether the gate has refused to go on until long after the deadline."""
    if database_now() < deadline:
        return False
    overdue = row.overdue.filter(deadline=deadline).first()
    return overdue is not None and database_now() >= overdue.recorded_at + 2 * waits.grace(
        row.within_s
    )


def _at_deadline(row: Wait, deadline: datetime, why: str | None, *, actor: Actor) -> Verdict:
    """Tell people once that the deadline has passed; end the run when nobody answered in time."""
    now = database_now()
    if now < deadline or why is None:
        return Verdict.WAITS
    overdue = row.overdue.filter(deadline=deadline).first()
    if overdue is None:
        _record_overdue(row, deadline, why, actor)
    elif now >= overdue.recorded_at + waits.grace(row.within_s):
        return Verdict.OVER
    return Verdict.WAITS


def _record_overdue(row: Wait, deadline: datetime, why: str, actor: Actor) -> None:
    proposal = row.execution.proposal
    with transaction.atomic():
        transition.lock(proposal.pk)
        if waits.deadline_of(row) != deadline:
            return  # somebody signed meanwhile that it waits longer
        entry = log.append(
            action=Event.WORKER_WAIT_OVERDUE,
            actor=actor.ref,
            object=f"proposal:{proposal.pk}",
            data={"step": row.step, "detail": why[:500]},
        )
        with translated():
            made = WaitOverdue.objects.create(
                wait=row, deadline=deadline, detail=why[:500], entry=entry.id
            )
        notify_wait.overdue(proposal, made, waits.grace(row.within_s))
