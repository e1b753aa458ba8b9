"""Read the waits of a run: what it waits for, what the worker saw, and what people answered.

A plan without waits needs none of these queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from audit.tlog.canonical import Json
from remediation.domain import holds, waits
from remediation.domain.conditions import Sighting
from remediation.domain.gate.signature import Assertion
from remediation.domain.gate.signed_halt import MOST_SEEN_AGE, SignedHalt
from remediation.domain.gate.waited import MOST_ANSWERS, Answer, WaitEvidence
from remediation.domain.halt.statement import HaltStatement, RunDecision, seen_digest
from remediation.domain.plan import SECOND, Plan
from remediation.domain.plan_rules import consumed
from remediation.domain.ruling import Ruling
from remediation.domain.scope import ScopeConsumer
from remediation.models import Execution, Halt, Proposal, StepRecord, Wait, WaitLook
from remediation.services.access import authorize
from remediation.services.inventory.consumers import consumers_of
from remediation.services.review.gather import Waited

ANSWERS = (RunDecision.GO_ON, RunDecision.LONGER)
# After the deadline people have the same time again to answer, within these bounds. Then the run
# stops and keeps what was applied.
LEAST_GRACE, MOST_GRACE = timedelta(hours=1), timedelta(hours=24)
# Looks that can lie between what a person saw and the signature, five minutes later at most.
MOST_NEWER = 300


@dataclass(frozen=True)
class Shown:
    """What the page of a waiting run shows, and what an answer signs."""

    sightings: tuple[Sighting, ...]
    # The record of the step before the wait.
    record: Mapping[str, Json]
    # The names of the conditions that are not met.
    unmet: tuple[str, ...]

    @property
    def digest(self) -> str:
        return seen_digest(self.sightings, self.record)


def planned(plan: Plan, ruling: bytes) -> Mapping[int, waits.Wait]:
    """Return every wait that the plan and its ruling ask for, by the step that it comes after."""
    asked = Ruling.parse(ruling).holds if b'"holds"' in ruling else ()
    return holds.waits_of(plan, asked)


def has_waits(plan: Plan, ruling: bytes) -> bool:
    """Return whether the evidence of a run has to say something about waits."""
    return plan.version == SECOND or bool(planned(plan, ruling))


def grace(within_s: int) -> timedelta:
    """Return how long people can answer after the deadline of a wait."""
    return max(LEAST_GRACE, min(MOST_GRACE, timedelta(seconds=within_s)))


def newest(proposal: Proposal | UUID) -> Wait | None:
    """Return the wait in which a run is, or was last."""
    rows = Wait.objects.filter(execution__proposal=proposal).order_by("-step")
    return rows.select_related("execution").first()


def deadline_of(wait: Wait) -> datetime:
    """Return the deadline of a wait, which a person's verified answer may have moved."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT remediation.wait_deadline_v1(%s)", [wait.pk])
        at: datetime = cursor.fetchone()[0]
    return at


def names_of(wait: Wait) -> tuple[str, ...]:
    """Return the names of a wait's conditions."""
    return tuple(str(one["condition"]) for one in wait.conditions)


def shown(wait: Wait) -> Shown:
    """Return what the page shows of a wait now."""
    return _shown(wait, wait.looks.order_by("-id").first(), _record(wait))


def shown_to(halt: Halt) -> tuple[Wait, Shown] | None:
    """Return the wait that an answer is about, and what the page had shown; None if there is none.

    Looks can lie between the page and the answer, so the signed digest decides. If it fits none
    that is young enough, the answer does not verify.
    """
    statement = HaltStatement.parse(bytes(halt.statement))
    wait = Wait.objects.filter(execution__proposal=halt.proposal_id, step=statement.step).first()
    if wait is None:
        return None
    before = wait.looks.filter(recorded_at__lte=halt.recorded_at)
    since = halt.recorded_at - MOST_SEEN_AGE
    young = before.filter(recorded_at__gte=since).order_by("-id")[:MOST_NEWER]
    # The page showed no look only before the first one.
    none = () if before.filter(recorded_at__lt=since).exists() else (None,)
    record = _record(wait)
    for look in (*young, *none):
        page = _shown(wait, look, record)
        if page.digest == statement.seen:
            return wait, page
    return wait, Shown((), {}, ())


def _shown(wait: Wait, look: WaitLook | None, record: Mapping[str, Json]) -> Shown:
    unmet = names_of(wait) if look is None else (str(one["condition"]) for one in look.unmet)
    return Shown(_sightings(look), record, tuple(sorted(set(unmet))))


def _sightings(look: WaitLook | None) -> tuple[Sighting, ...]:
    return tuple(Sighting.from_json(one) for one in look.sightings) if look is not None else ()


def _record(wait: Wait) -> dict[str, Json]:
    """Return what is on record of the step before the wait, when it was applied and confirmed."""
    rows = StepRecord.objects.filter(
        execution=wait.execution_id, step=wait.step, phase__in=("applied", "verified")
    )
    return {row.phase: row.data for row in rows.order_by("id")}


def signed(halt: Halt, page: Shown | None = None) -> SignedHalt:
    """Return a recorded statement as it is verified; ``page`` is what an answer was given to."""
    return SignedHalt(
        person=str(halt.person),
        decision=halt.decision,
        reason=halt.reason,
        statement=bytes(halt.statement),
        assertion=Assertion(
            bytes(halt.credential_id),
            bytes(halt.authenticator_data),
            bytes(halt.client_data_json),
            bytes(halt.signature),
        ),
        recorded_at=halt.recorded_at,
        sightings=page.sightings if page is not None else (),
        record=page.record if page is not None else {},
    )


def answers(wait: Wait) -> list[Answer]:
    """Return the answers to a wait that the worker verified."""
    return [
        Answer(HaltStatement.parse(bytes(halt.statement)), halt.recorded_at)
        for halt in _verified(wait)
    ]


def _verified(wait: Wait) -> list[Halt]:
    rows = Halt.objects.filter(
        proposal=wait.execution.proposal_id,
        decision__in=ANSWERS,
        verdict__refusal="",
        recorded_at__gte=wait.recorded_at,
    )
    newest_first = rows.order_by("-id")[:MOST_ANSWERS]
    return [
        halt
        for halt in reversed(newest_first)
        if HaltStatement.parse(bytes(halt.statement)).step == wait.step
    ]


def evidence_of(wait: Wait, plan: Plan) -> WaitEvidence:
    """Return a wait as the gate judges it: the newest look, the inventory now, and the answers."""
    asked = tuple(waits.Condition.from_json(one) for one in wait.conditions)
    look = wait.looks.order_by("-id").first()
    about = dict.fromkeys(locator for one in asked for locator in consumed(plan.steps, one))
    return WaitEvidence(
        step=wait.step,
        conditions=asked,
        person=wait.person,
        since=wait.recorded_at,
        deadline=wait.deadline,
        sightings=_sightings(look),
        consumers=tuple(
            ScopeConsumer(locator, one) for locator in about for one in consumers_of(locator)
        ),
        answers=tuple(
            signed(halt, page[1] if (page := shown_to(halt)) else None) for halt in _verified(wait)
        ),
    )


def waited(execution: Execution, plan: Plan) -> Waited:
    """Return what the gate's evidence says of the waits and of what the applied steps made."""
    rows = Wait.objects.filter(execution=execution).select_related("execution").order_by("step")
    records = StepRecord.objects.filter(execution=execution, phase__in=("applied", "verified"))
    found = list(records.order_by("id").values_list("step", "phase", "recorded_at", "data"))
    made: dict[int, dict[str, str]] = {}
    for step, _, _, data in found:
        if values := made_by(data):
            made.setdefault(step, {}).update(values)
    return Waited(
        waits=tuple(evidence_of(wait, plan) for wait in rows),
        made=made,
        applied_at={step: at for step, phase, at, _ in found if phase == "applied"},
        waited_s=waited_s(execution.proposal_id),
    )


def made_by(recorded: Mapping[str, Json]) -> dict[str, str]:
    """Return what a step made, from the record that it was applied or confirmed."""
    made = recorded.get("made")
    return {name: str(value) for name, value in made.items()} if isinstance(made, dict) else {}


def waited_s(proposal_id: UUID) -> int:
    """Return how long a run has waited in all, in whole seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT floor(extract(epoch FROM remediation.waited_v1(%s)))::bigint", [proposal_id]
        )
        return int(cursor.fetchone()[0])


def ruling_of(proposal: Proposal) -> bytes:
    """Return the ruling of the proposal's newest round."""
    assessment = authorize.newest(proposal)
    assert assessment is not None  # a run was assessed
    return bytes(assessment.ruling)
