"""What is done, not done and still open of a run, and what this person can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from remediation.domain.catalogue import ACTIONS
from remediation.domain.halt.statement import Found, RunDecision, undone_steps
from remediation.domain.plan import Plan
from remediation.domain.states import ProposalState
from remediation.models import Halt, Lease, Proposal, StepRecord, User
from remediation.services.access import visibility
from remediation.services.clock import database_now
from remediation.services.execution import propose_rest
from remediation.services.execution.halt import found_of
from remediation.services.review.reversal import inverse_plan

S = ProposalState
# As the guard in halt.sql: one person's signature undoes a stopped run for this long.
UNDO_FOR = timedelta(hours=1)
_UNDOING = frozenset({"undo_intended", "undone", "undo_failed"})


@dataclass(frozen=True)
class Undoing:
    """What an undo would do: its steps in this order, and the targets that get access back."""

    steps: tuple[str, ...] = ()
    gives_back: tuple[str, ...] = ()
    until: datetime | None = None  # of a stopped run: how long one person may sign it

    @property
    def possible(self) -> bool:
        return bool(self.steps)


@dataclass(frozen=True)
class Said:
    """A valid settlement, and what its person found."""

    halt: Halt
    found: Found


@dataclass(frozen=True)
class Glance:
    """A stopped or unknown run at one glance: sentences of steps, and what is still open."""

    done: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    not_done: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    open: tuple[str, ...] = ()  # by server and session, in the executor's words


@dataclass(frozen=True)
class Ways:
    """The ways of one person out of a stopped or an unknown run."""

    glance: Glance = Glance()
    may: bool = False
    undo: Undoing = Undoing()
    rest: tuple[str, ...] = ()
    # Steps are left that would end the old credential without the wait before them.
    rest_withheld: bool = False
    reversal: tuple[str, ...] = ()
    may_settle: bool = False
    since: datetime | None = None  # since when it is stopped or unknown
    next_look: datetime | None = None  # the worker looks at an unknown run not before


def ways_of(user: User, proposal: Proposal, plan: Plan | None) -> Ways:
    """Return the ways out of a stopped or unknown run for this person; reads only."""
    state = S(proposal.state)
    if plan is None or state not in (S.STOPPED, S.UNKNOWN, S.SUCCEEDED):
        return Ways()
    may = visibility.may_halt(user, proposal)
    if state is S.SUCCEEDED:
        return Ways(may=may, reversal=_reversal(proposal) if may else ())
    rows = list(StepRecord.objects.filter(execution__proposal=proposal).order_by("id"))
    move = proposal.transitions.filter(to_state=state).order_by("-id").first()
    since = move.recorded_at if move else None
    found = glance(plan, rows)
    if state is S.UNKNOWN:
        return Ways(found, may, may_settle=may, since=since, next_look=_next_look(plan))
    if not may:
        return Ways(found, since=since)
    rest = propose_rest.rest_of(proposal)
    return Ways(
        glance=found,
        may=True,
        undo=_undo(proposal, plan, rows, since),
        rest=tuple(step.sentence for step in rest.steps) if rest else (),
        rest_withheld=rest is None and propose_rest.why_none(proposal) == propose_rest.WAITED,
        reversal=_reversal(proposal),
        may_settle=not is_settled(proposal),
        since=since,
    )


def undoing(plan: Plan, applied: frozenset[int] | None = None) -> Undoing:
    """Describe what an undo does to the plan's steps, or to those that are applied."""
    steps = [
        plan.steps[one.step]
        for one in undone_steps(plan)
        if one.by and plan.steps[one.step].spec.reversible and _in(one.step, applied)
    ]
    return Undoing(
        steps=tuple(
            ACTIONS[step.rollback].sentence.format_map(step.target.fields)
            for step in steps
            if step.rollback
        ),
        gives_back=tuple(s.target.locator for s in steps if s.spec.removes_access),
    )


def glance(plan: Plan, rows: list[StepRecord]) -> Glance:
    """Sort the plan's steps by what the record shows; collect what is still open."""
    data: dict[int, dict[str, StepRecord]] = {}
    for row in rows:
        data.setdefault(row.step, {})[row.phase] = row
    groups: dict[str, list[str]] = {"done": [], "unconfirmed": [], "not_done": [], "undone": []}
    for step in plan.steps:
        groups[_group(data.get(step.index, {}))].append(step.sentence)
    still = [
        text
        for phases in data.values()
        if "verified" not in phases and "undone" not in phases
        for text in _left(phases)
    ]
    return Glance(
        done=tuple(groups["done"]),
        unconfirmed=tuple(groups["unconfirmed"]),
        not_done=tuple(groups["not_done"]),
        undone=tuple(groups["undone"]),
        open=tuple(dict.fromkeys(still)),
    )


def is_settled(proposal: Proposal) -> bool:
    """Return whether a person settled a stopped run, as the guard counts it (`settled_v1`)."""
    return any(said.found is Found.NOTHING_SAID for said in valid_settlements(proposal))


def valid_settlements(proposal: Proposal) -> tuple[Said, ...]:
    """Return what people said about a run that no worker can settle, verified by the worker."""
    rows = Halt.objects.filter(
        proposal=proposal, decision=RunDecision.SETTLE, verdict__refusal=""
    ).order_by("id")
    return tuple(Said(row, found_of(row)) for row in rows)


def _in(step: int, applied: frozenset[int] | None) -> bool:
    return applied is None or step in applied


def _group(phases: dict[str, StepRecord]) -> str:
    if "undone" in phases:
        return "undone"
    if "verified" in phases:
        return "done"
    # A step that began and has no result may have changed its target.
    began = "applied" in phases or "unknown" in phases
    return "unconfirmed" if began or set(phases) == {"intended"} else "not_done"


def _left(phases: dict[str, StepRecord]) -> list[str]:
    """Return what a step left open: the newest list of sessions, or the words of a part."""
    for row in sorted(phases.values(), key=lambda one: -one.pk):
        sessions = row.data.get("open")
        if isinstance(sessions, list) and sessions:
            return [str(text) for text in sessions]
        if row.data.get("incomplete"):
            return [str(row.data["incomplete"])]
    return []


def _undo(
    proposal: Proposal, plan: Plan, rows: list[StepRecord], since: datetime | None
) -> Undoing:
    """Return what one person's signature can undo now; nothing when the guard would refuse it."""
    if since is None or since + UNDO_FOR <= database_now():
        return Undoing()
    signed = Halt.objects.filter(proposal=proposal, verdict__refusal="")
    if any(row.phase in _UNDOING for row in rows) or signed.exclude(
        decision__in=(RunDecision.KEEP, RunDecision.SETTLE)
    ):
        return Undoing()
    found = undoing(plan, frozenset(row.step for row in rows if row.phase == "applied"))
    return Undoing(found.steps, found.gives_back, since + UNDO_FOR)


def _reversal(proposal: Proposal) -> tuple[str, ...]:
    back = inverse_plan(proposal)
    return tuple(step.sentence for step in back.steps) if back else ()


def _next_look(plan: Plan) -> datetime | None:
    """Return when the last lease on the plan's targets runs out; None when none is held."""
    held = Lease.objects.filter(pk__in=[t.locator for t in plan.targets], until__gt=database_now())
    return max((row.until for row in held), default=None)
