"""Build the data of the page of a run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.utils.translation import ngettext

from remediation.domain.plan import Plan
from remediation.models import (
    Execution,
    Halt,
    HaltVerdict,
    Lease,
    Proposal,
    StepRecord,
    User,
    WaitLook,
    WaitOverdue,
)
from remediation.services.access import authorize, visibility
from remediation.services.access.asked import owners_in
from remediation.services.clock import database_now
from remediation.services.execution.halt import found_of
from remediation.services.outbox import not_started
from remediation.services.outbox.expire import deadline
from remediation.views.cards import changed_since
from remediation.views.cards.plan_waits import plan_flow
from remediation.views.cards.proposal import describe_late, plan_of, title_of
from remediation.views.cards.reviews import review_rows
from remediation.views.cards.slots import seat_of
from remediation.views.names import Names
from remediation.views.run.next_steps import alive, next_steps
from remediation.views.run.outcome import Ended, Standing, outcome, sessions_of
from remediation.views.run.page import HALTS, LIVE, HaltCard, HaltParts, LeaseRow, RunPage, S
from remediation.views.run.steps import describe_reason, run_steps
from remediation.views.run.waiting import wait_card
from remediation.views.run.ways import Undoing, glance, is_settled, undoing, ways_of


def run_page(user: User, proposal: Proposal) -> RunPage:
    """Return the current state of the run of the proposal; reads only."""
    plan = plan_of(proposal)
    run = Execution.objects.defer("evidence").filter(proposal=proposal).first()
    records = list(run.steps.order_by("id")) if run else []
    moved = _moved(proposal)
    steps = run_steps(plan, records, run, authorize.newest(proposal)) if plan else ()
    halts = _halts(proposal)
    settled = proposal.state == S.STOPPED and is_settled(proposal)
    wait = wait_card(user, proposal, plan)
    may_halt = proposal.state in (S.EXECUTING, S.WAITING) and visibility.may_halt(user, proposal)
    standing = Standing(
        state=proposal.state,
        plan=plan,
        steps=steps,
        moved=moved,
        waiting_for=_waiting_for(proposal),
        late=not_started.late([proposal.pk]).get(proposal.pk),
        halted=any(one.holds and one.decision in HALTS for one in halts),
        undoing=any(one.holds and one.decision in ("undo", "halt") for one in halts),
        settled=settled,
        ended_sessions=sum(sessions_of(row.data) for row in records if row.phase == "applied"),
        wait=wait,
    )
    waited = wait is not None and wait.stopped_at is not None
    return RunPage(
        proposal_id=proposal.pk,
        state=proposal.state,
        title_untrusted=title_of(plan),
        incident_id=proposal.incident_id,
        incident_title_untrusted=proposal.incident.title,
        successor=changed_since.successor(proposal),
        environment=plan.environment if plan else "",
        live=is_live(proposal),
        begun=run is not None,
        outcome=outcome(standing),
        next_steps=next_steps(user, proposal),
        open_untrusted=glance(plan, records).open if plan else (),
        alive=alive(steps),
        steps=steps,
        tally=_tally(plan, records, proposal.state),
        run_by=deadline(proposal) if proposal.state == S.APPROVED else None,
        approvals=_approvals(proposal),
        started=_begun_at(proposal),
        ended=moved.at if run and proposal.state not in LIVE else None,
        holder=run.holder if run else "",
        leases=_leases(run),
        halts=halts,
        undo=undoing(plan) if plan and may_halt else Undoing(),
        halt_parts=_halt_parts(plan, records) if plan and may_halt else HaltParts(),
        next_step=_next_step(proposal, plan, records),
        may_halt=may_halt,
        can_undo=may_halt and _can_undo(plan, records),
        ways=ways_of(user, proposal, plan),
        settled=settled,
        version=version(proposal),
        wait=None if waited else wait,
        waited=wait if waited else None,
        flow=plan_flow(plan, authorize.newest(proposal)),
    )


def _moved(proposal: Proposal) -> Ended:
    """Return the proposal's newest move."""
    move = proposal.transitions.order_by("-id").first()
    if move is None:
        return Ended()
    reason = describe_reason(move.reason) if move.reason else ""
    return Ended(move.from_state, move.recorded_at, reason)


def _begun_at(proposal: Proposal) -> datetime | None:
    moves = proposal.transitions.filter(to_state=S.EXECUTING).order_by("id")
    return moves.values_list("recorded_at", flat=True).first()


def _approvals(proposal: Proposal) -> tuple[tuple[str, str], ...]:
    """Return who approved the round that ran, as which role."""
    rows = review_rows(proposal, proposal.round)
    assessment = authorize.newest(proposal)
    owners = owners_in(assessment) if assessment else ()
    return tuple(
        (row.person, seat_of(row.slot, owners)) for row in rows if row.decision == "approve"
    )


def _halt_parts(plan: Plan, records: Iterable[StepRecord]) -> HaltParts:
    begun = {row.step for row in records if row.phase == "intended"}
    return HaltParts(
        kept=tuple(step.sentence for step in plan.steps if step.index in begun),
        never=tuple(step.sentence for step in plan.steps if step.index not in begun),
    )


def is_live(proposal: Proposal) -> bool:
    """Tell whether the worker still changes its state by itself, or has a statement to verify."""
    if proposal.state != S.STOPPED:
        return proposal.state in LIVE
    halts = Halt.objects.filter(proposal=proposal)
    waiting = halts.filter(verdict__isnull=True)
    undo = halts.filter(decision="undo", verdict__refusal="")
    # An undoing that failed has ended: people must look.
    failed = StepRecord.objects.filter(execution__proposal=proposal, phase="undo_failed")
    return waiting.exists() or (undo.exists() and not failed.exists())


def version(proposal: Proposal) -> str:
    """Return a text that changes whenever the page would; requested every two seconds."""
    steps = StepRecord.objects.filter(execution__proposal=proposal).count()
    halts = Halt.objects.filter(proposal=proposal).count()
    verified = HaltVerdict.objects.filter(halt__proposal=proposal).count()
    about = {"wait__execution__proposal": proposal}
    looks, late = WaitLook.objects.filter(**about), WaitOverdue.objects.filter(**about)
    waited = f"{looks.count()}.{late.count()}" if proposal.state == S.WAITING else ""
    found = not_started.late([proposal.pk]).get(proposal.pk)
    why = describe_late(found) if found else _waiting_for(proposal)
    return f"{proposal.state}.{steps}.{halts}.{verified}.{waited}.{why}"


def _halts(proposal: Proposal) -> tuple[HaltCard, ...]:
    rows = list(Halt.objects.filter(proposal=proposal).order_by("id"))
    verdicts = {row.halt_id: row for row in HaltVerdict.objects.filter(halt__in=rows)}
    names = Names([row.person for row in rows])
    return tuple(
        HaltCard(
            person=names.person(row.person),
            decision=row.decision,
            found=found_of(row).value if row.decision == "settle" else "",
            reason=row.reason,
            at=row.recorded_at,
            entry=row.entry,
            holds=(verdict := verdicts.get(row.pk)) is not None and verdict.holds,
            refusal=describe_reason(verdict.refusal) if verdict and verdict.refusal else "",
        )
        for row in rows
    )


def _can_undo(plan: Plan | None, records: Iterable[StepRecord]) -> bool:
    """Return whether an undo has an effect: a step is not confirmed yet, and none is being undone.

    The guard asks the same (`halt_late_v1`).
    """
    phases = [row.phase for row in records]
    ending = any(phase.startswith("undo") for phase in phases) or "undone" in phases
    return plan is not None and not ending and phases.count("verified") < len(plan.steps)


def _next_step(proposal: Proposal, plan: Plan | None, records: Iterable[StepRecord]) -> int:
    """Return the number of the first step that a halt can still prevent; 0: none."""
    if plan is None or proposal.state != S.EXECUTING:
        return 0
    phases = {(row.step, row.phase) for row in records}
    if any(phase not in ("intended", "applied", "verified") for _, phase in phases):
        return 0
    begun = sum(1 for _, phase in phases if phase == "intended")
    return begun + 1 if begun < len(plan.steps) else 0


def _tally(plan: Plan | None, records: Iterable[StepRecord], state: str) -> str:
    """Describe how many steps are confirmed, or undone."""
    phases = [row.phase for row in records]
    begun = phases.count("undo_intended")
    if state == S.ROLLED_BACK or begun:
        values = {"undone": phases.count("undone"), "begun": begun}
        return (
            ngettext(
                "%(undone)d of %(begun)d applied step undone",
                "%(undone)d of %(begun)d applied steps undone",
                begun,
            )
            % values
        )
    steps = len(plan.steps) if plan else 0
    values = {"verified": phases.count("verified"), "steps": steps}
    return (
        ngettext(
            "%(verified)d of %(steps)d step confirmed",
            "%(verified)d of %(steps)d steps confirmed",
            steps,
        )
        % values
    )


def _leases(run: Execution | None) -> tuple[LeaseRow, ...]:
    """Return the run's fencing tokens, and whether each lease is held, by the database's clock."""
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
    """Return why an approved proposal has not started, as the worker last recorded."""
    if proposal.state != S.APPROVED:
        return ""
    since = proposal.transitions.filter(to_state=S.APPROVED).order_by("-id").first()
    newest = proposal.refusals.filter(actor__startswith="worker:").order_by("-id").first()
    if since is None or newest is None or newest.recorded_at < since.recorded_at:
        return ""
    return newest.reason
