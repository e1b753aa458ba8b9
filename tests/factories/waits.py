"""Waits of a run: the wait itself, looks, and the rows with which it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from audit.tlog.canonical import Json
from remediation import models as m
from remediation.domain.events import Event
from remediation.domain.states import ProposalState
from remediation.services.clock import database_now
from tests.factories.logins import WORKER, acting, actor_of, entry
from tests.factories.proposals import move


def wait(
    execution: m.Execution,
    step: int = 0,
    *,
    conditions: Sequence[Json] = (),
    person: bool = True,
    within_s: int = 3600,
) -> m.Wait:
    """Insert a wait after this step; the run does not wait before `wait_for` moves it."""
    said: dict[str, Any] = {
        "step": step, "conditions": list(conditions), "person": person, "within_s": within_s,
    }  # fmt: skip
    with acting(WORKER):
        return m.Wait.objects.create(
            execution=execution,
            deadline=database_now(),
            entry=_entry(Event.WORKER_WAIT_BEGUN, execution, **said),
            **said,
        )


def wait_for(execution: m.Execution, step: int = 0, **said: Any) -> m.Wait:
    """Let the run wait after this step."""
    with transaction.atomic():
        made = wait(execution, step, **said)
        move(execution.proposal, ProposalState.WAITING)
    return made


def wait_look(wait: m.Wait, *unmet: str, met: bool | None = None) -> m.WaitLook:
    """Insert what was seen: these conditions are not met."""
    open_: list[Json] = [
        {"condition": name, "step": wait.step, "name": "not_moved", "detail": ""} for name in unmet
    ]
    with acting(WORKER):
        return m.WaitLook.objects.create(
            wait=wait,
            sightings=[],
            unmet=open_,
            met=not unmet if met is None else met,
            entry=_entry(Event.WORKER_WAIT_LOOKED, wait.execution),
        )


def wait_overdue(wait: m.Wait) -> m.WaitOverdue:
    with acting(WORKER):
        return m.WaitOverdue.objects.create(
            wait=wait,
            deadline=wait.deadline,
            entry=_entry(Event.WORKER_WAIT_OVERDUE, wait.execution),
        )


def resumption(wait: m.Wait) -> m.Resumption:
    with acting(WORKER):
        return m.Resumption.objects.create(
            wait=wait,
            holder=actor_of(WORKER),
            evidence=b"{}",
            entry=_entry(Event.WORKER_GATE_CLEARED, wait.execution),
        )


def _entry(event: Event, execution: m.Execution, **said: Any) -> int:
    return entry(event, actor_of(WORKER), f"proposal:{execution.proposal_id}", **said)
