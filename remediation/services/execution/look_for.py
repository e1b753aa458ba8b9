"""Look for the conditions of a wait, with the observer's credentials, and record what was seen.

The executor looks, the domain judges. A look that shows nothing new is recorded only every ten
minutes, so that a wait of weeks stays readable.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.conditions import MAX_DETAIL, MOST_CONSUMERS, Sighting, Unmet
from remediation.domain.errors import TargetUnobservable
from remediation.domain.events import Event
from remediation.domain.gate.steps import MAX_SKEW
from remediation.domain.gate.waited import WaitEvidence, consumers_of, unmet
from remediation.domain.plan import Plan
from remediation.domain.scope import Scope, ScopeConsumer
from remediation.domain.waits import Condition
from remediation.executors.base import Question
from remediation.executors.run import run_look_for
from remediation.models import Proposal, StepRecord, Wait, WaitLook
from remediation.services import host_files
from remediation.services.access import authorize
from remediation.services.actors import Actor
from remediation.services.clock import database_now
from remediation.services.execution import waits
from remediation.services.execution.run import Run
from remediation.services.guards import translated
from remediation.services.outbox import notify_wait
from remediation.services.review.gather import Waited

logger = logging.getLogger(__name__)

# An unchanged look is recorded this often, and so the record shows that the worker looked.
EVERY = timedelta(minutes=10)
# A recorded look that is younger than this is not repeated for the gate, which takes ten minutes.
FRESH = timedelta(minutes=5)
# What changes from look to look although nothing has happened.
_PASSING = ("at", "alive_at", "covers_since")


def look(proposal: Proposal, plan: Plan, wait: WaitEvidence, so_far: Waited) -> WaitEvidence:
    """Look for each condition of a wait; return the wait with what was seen. Records nothing."""
    known = (*signed_consumers(proposal), *wait.consumers)
    before = _snapshots(proposal)
    found = tuple(_look(one, wait, plan, known, so_far, before) for one in wait.conditions)
    return replace(wait, sightings=found)


def not_met(proposal: Proposal, plan: Plan, wait: WaitEvidence, so_far: Waited) -> dict[str, Unmet]:
    """Return why each condition of a wait is not met now, by its name."""
    signed = signed_consumers(proposal)
    return unmet(wait, plan.steps, signed, so_far.applied_at, database_now())


def signed_consumers(proposal: Proposal) -> tuple[ScopeConsumer, ...]:
    """Return the consumers that the reviewers saw."""
    assessment = authorize.newest(proposal)
    return Scope.parse(bytes(assessment.scope)).consumers if assessment is not None else ()


def record(
    row: Wait, seen: WaitEvidence, why: Mapping[str, Unmet], *, actor: Actor, always: bool
) -> bool:
    """Record a look if it shows something new, is due, or must be on record; return whether."""
    newest = row.looks.order_by("-id").first()
    sightings: list[Json] = [one.to_json() for one in seen.sightings]
    open_: list[Json] = [
        {"condition": one.name, "step": one.step, "name": why[one.name].name,
         "detail": why[one.name].detail[:MAX_DETAIL]}
        for one in seen.conditions if one.name in why
    ]  # fmt: skip
    if not (always or newest is None or _is_new(newest, sightings, open_)):
        return False
    with transaction.atomic():
        entry = log.append(
            action=Event.WORKER_WAIT_LOOKED,
            actor=actor.ref,
            object=f"proposal:{row.execution.proposal_id}",
            data={"step": row.step, "sightings": sightings, "unmet": open_},
        )
        with translated():
            WaitLook.objects.create(
                wait=row, sightings=sightings, unmet=open_, met=not open_, entry=entry.id
            )
        _notify(row, newest, seen.sightings)
    return True


def _notify(row: Wait, before: WaitLook | None, sightings: Iterable[Sighting]) -> None:
    """Notify people of what nobody planned: of users at once, of a blind look in the second."""
    earlier = [Sighting.from_json(one) for one in before.sightings] if before is not None else []
    proposal = row.execution.proposal
    known = {name for one in earlier for name in one.others}
    if new := {name for one in sightings for name in one.others} - known:
        notify_wait.strangers(proposal, row, new)
    reasons = {one.why for one in earlier} - {""}
    for why in sorted({one.why for one in sightings} & reasons):
        notify_wait.blind(proposal, row, why)


def refresh(run: Run) -> None:
    """Look again for the conditions of every wait of a run whose recorded look is not fresh.

    The gate judges each wait of an applied step anew: what was met may not be any more.
    """
    assert run.execution is not None
    proposal, plan = run.proposal, run.plan
    stale = [row for row in run.execution.waits.order_by("step") if row.conditions and _old(row)]
    if not stale:
        return
    so_far = waits.waited(run.execution, plan)
    for row in stale:
        wait = next(one for one in so_far.waits if one.step == row.step)
        seen = look(proposal, plan, wait, so_far)
        record(row, seen, not_met(proposal, plan, seen, so_far), actor=run.actor, always=True)


def _old(row: Wait) -> bool:
    newest = row.looks.order_by("-id").first()
    return newest is None or newest.recorded_at < database_now() - FRESH


def _look(
    condition: Condition,
    wait: WaitEvidence,
    plan: Plan,
    known: Iterable[ScopeConsumer],
    so_far: Waited,
    before: Mapping[int, Mapping[str, Json]],
) -> Sighting:
    step = plan.steps[condition.step]
    question = Question(
        condition=condition.name,
        since=so_far.applied_at[condition.step],
        made=so_far.made.get(condition.step, {}),
        before=before.get(condition.step, {}),
        consumers=consumers_of(condition, plan.steps, known),
        previous=wait.sighting(condition),
    )
    try:
        if len(question.consumers) > MOST_CONSUMERS:
            raise TargetUnobservable(f"the inventory names more than {MOST_CONSUMERS} consumers")
        seen = run_look_for(question, step, host_files.targets(), so_far.made)
    except TargetUnobservable as error:
        why = (error.detail or error.message)[:MAX_DETAIL]
        logger.warning("%s cannot be looked for: %s", condition.name, why)
        seen = Sighting(condition.name, step.index, database_now(), None, None, 0, 0, why=why)
    # The worker's clock may be ahead of the database's, by which the look is judged.
    at = min(seen.at, database_now())
    alive_at = seen.alive_at
    if alive_at is not None and at < alive_at <= seen.at + MAX_SKEW:
        alive_at = at  # a clock that is a little ahead; one that is more so is not believed
    return replace(seen, condition=condition.name, step=condition.step, at=at, alive_at=alive_at)


def _snapshots(proposal: Proposal) -> dict[int, Mapping[str, Json]]:
    rows = StepRecord.objects.filter(execution__proposal=proposal, phase="intended")
    return {row.step: row.data.get("snapshot", {}) for row in rows}


def _is_new(newest: WaitLook, sightings: list[Json], open_: list[Json]) -> bool:
    if newest.recorded_at < database_now() - EVERY:
        return True
    return _lasting(newest.sightings) != _lasting(sightings) or _names(newest.unmet) != _names(
        open_
    )


def _lasting(sightings: Iterable[Json]) -> list[Json]:
    """Return what a look shows, without the times that change from look to look."""
    return [
        {
            **{name: value for name, value in one.items() if name not in _PASSING},
            "consumers": [_use(each) for each in _list(one.get("consumers"))],
        }
        for one in sightings
        if isinstance(one, dict)
    ]


def _use(consumer: Json) -> Json:
    """Return how far a consumer came, without when it was seen last."""
    if not isinstance(consumer, dict):
        return consumer
    return {name: consumer.get(name) for name in ("service", "use", "detail")}


def _names(open_: Iterable[Json]) -> list[Json]:
    return [[one.get("condition"), one.get("name")] for one in open_ if isinstance(one, dict)]


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
