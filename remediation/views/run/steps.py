"""Build the steps of a run: what was applied, read back and rolled back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from audit.tlog.canonical import Json
from remediation import vocabulary
from remediation.domain.catalogue import ACTIONS
from remediation.domain.containment import OF_PLACES
from remediation.domain.errors import GATE_REASONS
from remediation.domain.outcome import Outcome, outcomes
from remediation.domain.plan import Plan, Step
from remediation.models import Assessment, Execution, StepRecord
from remediation.views.cards.fields import format_recorded
from remediation.views.cards.limits import does_not_stop
from remediation.views.cards.step import observations_of
from remediation.views.run.page import PHASES, REASONS, Change, PhaseRow, RunStep
from remediation.views.run.traces import trace_card

# Members of a step record that are no fields of its target.
NOT_FIELDS = frozenset({"changed", "incomplete", "open", "settled", "made", *OF_PLACES})


def run_steps(
    plan: Plan,
    records: list[StepRecord],
    run: Execution | None,
    assessment: Assessment | None = None,
) -> tuple[RunStep, ...]:
    """Return each step of the plan with its recorded phases, and what people were told that it
    does not stop."""
    told = outcomes(len(plan.steps), ((r.step, r.phase, r.data) for r in records))
    seen = observations_of(assessment)
    at = assessment.recorded_at if assessment else None
    return tuple(
        replace(
            _step(
                step, [r for r in records if r.step == step.index], run, found.outcome, found.words
            ),
            does_not_stop=does_not_stop(step, seen.get(step.target.locator), at),
        )
        for step, found in zip(plan.steps, told, strict=True)
    )


def describe_reason(name: str) -> str:
    """Describe a recorded reason; an unknown name is shown as it is."""
    if name in GATE_REASONS:
        return vocabulary.message(GATE_REASONS[name])
    return str(REASONS[name]) if name in REASONS else vocabulary.word(name)


def _step(
    step: Step, records: list[StepRecord], run: Execution | None, outcome: Outcome, words: str
) -> RunStep:
    phases = tuple(_phase(record) for record in records)
    return RunStep(
        number=step.index + 1,
        sentence=step.sentence,
        locator=step.target.locator,
        outcome=outcome,
        words=vocabulary.saying(words),
        reason=next((row.reason for row in reversed(phases) if row.reason), ""),
        token=run.tokens.get(step.target.locator) if run else None,
        rollback=ACTIONS[step.rollback].title if step.rollback and step.spec.reversible else "",
        phases=phases,
        changes=_changes({record.phase: record.data for record in records}),
        was_undone=outcome is Outcome.UNDONE,
        made=_made(records),
        traces=trace_card(next((one.data for one in records if one.phase == "intended"), {})),
    )


def _made(records: list[StepRecord]) -> tuple[tuple[str, str], ...]:
    """Return what the step made, by name; never a secret."""
    return tuple(
        (name, str(value))
        for record in records
        if record.phase == "applied" and isinstance(made := record.data.get("made"), dict)
        for name, value in made.items()
    )


def _phase(record: StepRecord) -> PhaseRow:
    name = str(record.data.get("refusal", ""))
    return PhaseRow(
        phase=record.phase,
        title=str(PHASES.get(record.phase, record.phase)),
        at=record.recorded_at,
        entry=record.entry,
        reason=describe_reason(name) if name else "",
        detail=" ".join([str(record.data.get("detail", "")), *_left_open(record.data)]).strip(),
    )


def _left_open(data: Mapping[str, Json]) -> list[str]:
    """Return what the call did not reach, as the executor says it."""
    still = data.get("open")
    return [
        str(text)
        for text in (data.get("incomplete"), *(still if isinstance(still, list) else ()))
        if text
    ]


def _changes(data: Mapping[str, Mapping[str, Json]]) -> tuple[Change, ...]:
    """Return each field before the step, after it, and after its rollback.

    Until the worker has read the target again, "after" is the answer of the call.
    """
    before = data.get("intended", {}).get("snapshot")
    before = before if isinstance(before, dict) else {}
    after: dict[str, Json] = {}
    for phase in ("applied", "verified"):
        after |= data.get(phase, {})
    undone = data.get("undone", {})
    return tuple(
        Change(name, _value(before, name), _value(after, name), _value(undone, name))
        for name in dict.fromkeys([*before, *after, *undone])
        if name not in NOT_FIELDS
    )


def _value(values: Mapping[str, Json], name: str) -> str | None:
    if name not in values:
        return None
    return format_recorded(values[name])
