"""From rows to the execution page's data: what runs, how far it is, what was undone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.utils.translation import ngettext

from audit.tlog.canonical import Json
from remediation import vocabulary
from remediation.domain.errors import GATE_REASONS
from remediation.domain.halt.statement import taken_back
from remediation.domain.outcome import Outcome, outcomes
from remediation.domain.plan import Plan, Step
from remediation.models import Execution, Halt, HaltVerdict, Lease, Proposal, StepRecord, User
from remediation.services.access import visibility
from remediation.services.clock import database_now
from remediation.services.review.reversal import reversed_plan
from remediation.views.names import Names
from remediation.views.review import presenter
from remediation.views.run.page import (
    ENDS,
    LIVE,
    PHASES,
    REASONS,
    Change,
    HaltCard,
    LeaseRow,
    PhaseRow,
    RunPage,
    RunStep,
    S,
)


def run_page(user: User, proposal: Proposal) -> RunPage:
    """Everything about the proposal's run, as it stands now; reads only."""
    plan = presenter.plan_of(proposal)
    run = Execution.objects.defer("evidence").filter(proposal=proposal).first()
    records = list(run.steps.order_by("id")) if run else []
    moves = {
        move.to_state: move
        for move in proposal.transitions.order_by("id")
        if move.to_state == "executing" or move.from_state in ("executing", "unknown")
    }
    end = moves.get(proposal.state) if proposal.state != S.EXECUTING else None
    waiting = _waiting_for(proposal)
    upcoming = _next_step(proposal, plan, records)
    may_halt = proposal.state == S.EXECUTING and visibility.may_halt(user, proposal)
    return RunPage(
        proposal_id=proposal.pk,
        state=proposal.state,
        sentences=presenter.sentences(plan),
        environment=plan.environment if plan else "",
        undone=presenter.undone(plan) if plan and len(plan.steps) == 1 else "",
        live=is_live(proposal),
        begun=run is not None,
        steps=_steps(plan, records, run) if plan else (),
        tally=_tally(plan, records, proposal.state),
        said=str(ENDS.get(S(proposal.state), "")),
        reason=reason_words(end.reason) if end else "",
        waiting_for=waiting,
        started=moves["executing"].recorded_at if "executing" in moves else None,
        ended=end.recorded_at if end and proposal.state not in LIVE else None,
        holder=run.holder if run else "",
        leases=_leases(run),
        halts=_halts(proposal),
        takes_back=_takes_back(plan) if may_halt else (),
        next_step=upcoming,
        may_halt=may_halt,
        undo=_undo(user, proposal),
        version=version(proposal),
    )


def is_live(proposal: Proposal) -> bool:
    """Whether there is more to come by itself."""
    return proposal.state in LIVE


def version(proposal: Proposal) -> str:
    """Another one whenever the page would say something else; asked for every two seconds."""
    steps = StepRecord.objects.filter(execution__proposal=proposal).count()
    halts = Halt.objects.filter(proposal=proposal).count()
    verified = HaltVerdict.objects.filter(halt__proposal=proposal).count()
    return f"{proposal.state}.{steps}.{halts}.{verified}.{_waiting_for(proposal)}"


def reason_words(name: str) -> str:
    """The name of a refusal in words; a name that is not known speaks for itself."""
    if name in GATE_REASONS:
        return vocabulary.message(GATE_REASONS[name])
    return str(REASONS[name]) if name in REASONS else vocabulary.word(name)


def _steps(plan: Plan, records: list[StepRecord], run: Execution | None) -> tuple[RunStep, ...]:
    told = outcomes(len(plan.steps), ((r.step, r.phase, r.data) for r in records))
    return tuple(
        _step(step, [r for r in records if r.step == step.index], run, found.outcome, found.words)
        for step, found in zip(plan.steps, told, strict=True)
    )


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
        rollback=step.rollback or "" if step.spec.reversible else "",
        phases=phases,
        changes=_changes({record.phase: record.data for record in records}),
        was_undone=outcome is Outcome.UNDONE,
    )


def _phase(record: StepRecord) -> PhaseRow:
    name = str(record.data.get("refusal", ""))
    return PhaseRow(
        phase=record.phase,
        title=str(PHASES.get(record.phase, record.phase)),
        at=record.recorded_at,
        entry=record.entry,
        reason=reason_words(name) if name else "",
        detail=str(record.data.get("detail", "")),
    )


def _changes(data: Mapping[str, Mapping[str, Json]]) -> tuple[Change, ...]:
    """What the worker saw before the step, what it read back (where it has not read yet: what the
    call said), and what it read after undoing it."""
    before = data.get("intended", {}).get("snapshot")
    before = before if isinstance(before, dict) else {}
    after: dict[str, Json] = {}
    for phase in ("applied", "verified"):
        after |= data.get(phase, {})
    undone = data.get("undone", {})
    return tuple(
        Change(name, _said(before, name), _said(after, name), _said(undone, name))
        for name in dict.fromkeys([*before, *after, *undone])
    )


def _said(values: Mapping[str, Json], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _halts(proposal: Proposal) -> tuple[HaltCard, ...]:
    rows = list(Halt.objects.filter(proposal=proposal).order_by("id"))
    verdicts = {row.halt_id: row for row in HaltVerdict.objects.filter(halt__in=rows)}
    names = Names([row.person for row in rows])
    return tuple(
        HaltCard(
            person=names.person(row.person),
            reason=row.reason,
            at=row.recorded_at,
            entry=row.entry,
            holds=(verdict := verdicts.get(row.pk)) is not None and verdict.holds,
            refusal=reason_words(verdict.refusal) if verdict and verdict.refusal else "",
        )
        for row in rows
    )


def _takes_back(plan: Plan | None) -> tuple[str, ...]:
    if plan is None:
        return ()
    return tuple(plan.steps[step.step].sentence for step in taken_back(plan) if step.by)


def _next_step(proposal: Proposal, plan: Plan | None, records: Iterable[StepRecord]) -> int:
    """The number of the first step that has not begun, while a halt can still hold it up."""
    if plan is None or proposal.state != S.EXECUTING:
        return 0
    phases = {(row.step, row.phase) for row in records}
    if any(phase not in ("intended", "applied", "verified") for _, phase in phases):
        return 0
    begun = sum(1 for _, phase in phases if phase == "intended")
    return begun + 1 if begun < len(plan.steps) else 0


def _tally(plan: Plan | None, records: Iterable[StepRecord], state: str) -> str:
    """How far it is, or how far back."""
    phases = [row.phase for row in records]
    if state in (S.ROLLED_BACK, S.FAILED):
        begun = phases.count("undo_intended")
        said = {"undone": phases.count("undone"), "begun": begun}
        return (
            ngettext(
                "%(undone)d of %(begun)d applied step undone",
                "%(undone)d of %(begun)d applied steps undone",
                begun,
            )
            % said
        )
    steps = len(plan.steps) if plan else 0
    said = {"verified": phases.count("verified"), "steps": steps}
    return (
        ngettext(
            "%(verified)d of %(steps)d step verified",
            "%(verified)d of %(steps)d steps verified",
            steps,
        )
        % said
    )


def _undo(user: User, proposal: Proposal) -> tuple[str, ...]:
    if proposal.state != S.SUCCEEDED or not visibility.may_halt(user, proposal):
        return ()
    back = reversed_plan(proposal)
    return tuple(step.sentence for step in back.steps) if back else ()


def _leases(run: Execution | None) -> tuple[LeaseRow, ...]:
    """The run's own tokens, and whether each is still held, by the database's clock."""
    if run is None:
        return ()
    held = {row.target: row for row in Lease.objects.filter(pk__in=list(run.tokens))}
    now = database_now()
    return tuple(
        LeaseRow(locator, token, _is_held(held.get(locator), run, token, now))
        for locator, token in sorted(run.tokens.items())
    )


def _is_held(lease: Lease | None, run: Execution, token: int, now: datetime) -> bool:
    return (
        lease is not None
        and (lease.token, lease.holder) == (token, run.holder)
        and lease.until > now
    )


def _waiting_for(proposal: Proposal) -> str:
    """Why an approved proposal has not begun, as the worker said last."""
    if proposal.state != S.APPROVED:
        return ""
    since = proposal.transitions.filter(to_state=S.APPROVED).order_by("-id").first()
    newest = proposal.refusals.filter(actor__startswith="worker:").order_by("-id").first()
    if since is None or newest is None or newest.recorded_at < since.recorded_at:
        return ""
    return newest.reason
