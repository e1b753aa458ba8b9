"""Verify what people signed about a run: a halt before each step, a settlement when one waits.

The worker asks immediately before the step, and again under the proposal's lock, which a halt
takes too, so that one of the two is first. It asks again when a step is applied and before the run
ends, since an undo may come until then. An invalid statement is recorded by its refusal, leads are
notified, and it has no effect (see `domain.gate.signed_halt`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.errors import ClockSkew, GateRefused, Halted
from remediation.domain.events import Event
from remediation.domain.gate.signed_halt import (
    HaltedRun,
    check_answer,
    refuse_excluded,
    verify_signed,
)
from remediation.domain.gate.steps import MAX_SKEW
from remediation.domain.gate.waited import Answer
from remediation.domain.halt.statement import HaltStatement, RunDecision
from remediation.domain.plan import Plan
from remediation.domain.states import ProposalState
from remediation.models import Halt, HaltVerdict, Proposal, Wait
from remediation.services import host_files, transition
from remediation.services.access import authorize, record_refusal
from remediation.services.actors import Actor
from remediation.services.clock import database_now
from remediation.services.execution import waits
from remediation.services.execution.halt import found_of
from remediation.services.outbox import notify_proposal

logger = logging.getLogger(__name__)

# How many different people must say the same about an unknown run.
PEOPLE = 2
# How many statements are refused in one transaction, so that a flood holds no lock for long.
AT_ONCE = 50
# How long a signed undo counts, if a crash or a target that cannot be read delays it.
UNDO_FOR = timedelta(days=1)


class Judging(Protocol):
    """What the statements are about; a `Run` has it."""

    @property
    def actor(self) -> Actor: ...
    @property
    def proposal(self) -> Proposal: ...
    @property
    def plan(self) -> Plan: ...


@dataclass(frozen=True)
class Judged:
    """A valid halt: stop and keep, or stop and undo (so also a halt of version 1)."""

    decision: RunDecision
    person: UUID
    reason: str

    @property
    def undo(self) -> bool:
        return self.decision.undoes

    @property
    def name(self) -> str:
        """Return the reason of a run that ends by it."""
        return Halted.name

    def refusal(self) -> Halted:
        """Return the halt as the refusal of the next step."""
        return Halted(f"by person:{self.person}: {self.reason}", decision=self.decision.value)


@dataclass(frozen=True)
class Unheld:
    """A run that no worker holds, about which somebody signed."""

    actor: Actor
    proposal: Proposal
    plan: Plan


def refuse_if_halted(run: Judging) -> None:
    """Refuse to go on when the run has a valid halt. Commits the verdicts.

    Raises Halted, and PolicyUnavailable when a halt waits and the approvers file cannot be read.
    """
    found = judge_all(run)
    if found is not None:
        raise found.refusal()


def judge_all(run: Judging) -> Judged | None:
    """Judge until no halt waits, piece by piece, so that forgeries hide no valid one."""
    waiting = Halt.objects.filter(proposal=run.proposal, verdict__isnull=True)
    while True:
        found = judge(run)
        if found is not None or not waiting.exclude(decision__in=NO_HALTS).exists():
            return found


@transaction.atomic
def judge(run: Judging) -> Judged | None:
    """Verify the run's halts that have no verdict; return the valid one that decides.

    A valid undo wins over a keep, whichever was first; of several alike, the first decides and
    the others stay without a verdict. Inside a transaction it holds the proposal's lock until the
    end, so that no other halt comes between. A crash before the commit leaves the halts
    unverified; no step begins before the next call verifies them. Raises PolicyUnavailable.
    """
    transition.lock(run.proposal.pk)
    halts = Halt.objects.filter(proposal=run.proposal)
    undo = _first_valid(run, halts.exclude(decision__in=NO_UNDO).order_by("id"))
    found = undo or _first_valid(run, halts.filter(decision=RunDecision.KEEP).order_by("id"))
    if found is None:
        return None
    decision = RunDecision.UNDO if undo and _may_still_undo(run, undo) else RunDecision.KEEP
    return Judged(decision, found.person, found.reason)


def _may_still_undo(run: Judging, halt: Halt) -> bool:
    """Return whether a valid undo may still give access back now; if not, it only stops.

    The run may have waited for long: the key must still be in the file and the person must still
    hold a role, and after a day a person has to decide anew. Raises ClockSkew, because a clock that
    was set back would make an old signature a new one.
    """
    if abs(database_now() - datetime.now(UTC)) > MAX_SKEW:
        raise ClockSkew()
    return (
        halt.recorded_at > database_now() - UNDO_FOR
        and authorize.holds_role(halt.person)
        and _refusal(run, halt) is None
    )


# Statements about a run that stop nothing, and those that undo nothing.
NO_HALTS = (RunDecision.SETTLE, *waits.ANSWERS)
NO_UNDO = (RunDecision.KEEP, *NO_HALTS)


@transaction.atomic
def settlement(run: Judging) -> str | None:
    """Verify the settlements of a run; return what two people say of an unknown one.

    That is "applied" or "not_applied", when two different people say the same and nobody who signed
    says the other. A person may say something else later; the newest valid statement counts.
    For a stopped run it records the verdicts, which mark the run as settled, and returns None.
    Raises PolicyUnavailable.
    """
    proposal = run.proposal
    transition.lock(proposal.pk)
    proposal.refresh_from_db(fields=["state", "round"])
    rows = Halt.objects.filter(proposal=proposal, decision=RunDecision.SETTLE).order_by("id")
    said = {row.person: found_of(row) for row in valid(run, rows)}
    if proposal.state != ProposalState.UNKNOWN or len(set(said.values())) != 1:
        return None
    found = next(iter(said.values()))
    return found.value if found and len(said) >= PEOPLE else None


def judge_answers(about: Judging, wait: Wait) -> list[Answer]:
    """Verify the answers that have no verdict; return the valid ones to this wait, oldest first.

    In a transaction for each batch, so that a flood of forgeries holds no lock for long. A crash
    leaves answers without a verdict; the next tick verifies them. Raises PolicyUnavailable.
    """
    rows = Halt.objects.filter(
        proposal=about.proposal, decision__in=waits.ANSWERS, verdict__isnull=True
    )
    while rows.exists():
        with transaction.atomic():
            transition.lock(about.proposal.pk)
            valid(about, rows.order_by("id")[:AT_ONCE])
    return waits.answers(wait)


def _first_valid(run: Judging, halts: Iterable[Halt]) -> Halt | None:
    """Return the first valid halt. Those that have a verdict need no file and no passkey."""
    rows = list(halts)
    held = HaltVerdict.objects.filter(halt__in=rows, refusal="").order_by("halt_id").first()
    return held.halt if held is not None else next(iter(valid(run, rows, most=1)), None)


def valid(run: Judging, halts: Iterable[Halt], most: int | None = None) -> list[Halt]:
    """Verify statements without a verdict; return the valid ones, at most so many."""
    rows = list(halts)
    verdicts = {row.halt_id: row for row in HaltVerdict.objects.filter(halt__in=rows)}
    valid: list[Halt] = []
    refused: list[str] = []
    newest = 0
    for halt in rows:
        known = verdicts.get(halt.pk)
        if known is None:
            if len(refused) >= AT_ONCE:
                break  # the next call, in a transaction of its own, goes on
            refusal = _refusal(run, halt)
            _record(run, halt, refusal)
            if refusal is not None:
                refused.append(refusal.name)
                newest = halt.pk
                continue
        elif not known.holds:
            continue
        valid.append(halt)
        if len(valid) == most:
            break
    if refused:
        decision = RunDecision(rows[0].decision)
        with transaction.atomic():
            notify_proposal.halt_refused(run.proposal, refused, newest, decision)
    return valid


def _refusal(run: Judging, halt: Halt) -> GateRefused | None:
    """Return why the statement is invalid, or None. Raises PolicyUnavailable (no verdict)."""
    approvers = host_files.approvers()
    assessment = authorize.newest(run.proposal)
    about = HaltedRun(
        proposal=str(run.proposal.pk),
        round=run.proposal.round,
        plan=run.plan,
        slots=tuple(assessment.slots) if assessment is not None else (),
        excluded=authorize.excluded(run.proposal.pk),
    )
    try:
        given = waits.signed(halt)
        statement = verify_signed(given, about, approvers=approvers, now=database_now())
        refuse_excluded(given, about)
        if statement.decision.waits:
            _refuse_answer(statement, halt, about)
    except GateRefused as error:
        logger.critical("a signature about %s does not hold: %s", run.proposal.pk, error)
        return error
    return None


def _refuse_answer(statement: HaltStatement, halt: Halt, about: HaltedRun) -> None:
    """Refuse an answer to another wait or page. Only of a signed one are the looks searched."""
    wait, page = waits.shown_to(halt) or (None, None)
    if wait is not None:
        about = replace(about, waiting=wait.step, conditions=waits.names_of(wait))
    check_answer(statement, waits.signed(halt, page), about)


_HALT = (Event.WORKER_HALT_VERIFIED, Event.WORKER_HALT_REFUSED)
_ANSWER = (Event.WORKER_ANSWER_VERIFIED, Event.WORKER_ANSWER_REFUSED)
_EVENTS = {
    **dict.fromkeys((RunDecision.HALT, RunDecision.KEEP, RunDecision.UNDO), _HALT),
    **dict.fromkeys(waits.ANSWERS, _ANSWER),
    RunDecision.SETTLE: (Event.WORKER_SETTLEMENT_VERIFIED, Event.WORKER_SETTLEMENT_REFUSED),
}


def _record(run: Judging, halt: Halt, refusal: GateRefused | None) -> None:
    verified, refused = _EVENTS[RunDecision(halt.decision)]
    about: dict[str, Json] = {
        "halt": halt.entry, "person": str(halt.person), "decision": halt.decision,
    }  # fmt: skip
    if refusal is None:
        entry = log.append(
            action=verified,
            actor=run.actor.ref,
            object=f"proposal:{run.proposal.pk}",
            data=about,
        ).id
    else:
        entry = record_refusal.record(
            actor=run.actor,
            event=refused,
            error=refusal,
            object=f"proposal:{run.proposal.pk}",
            proposal_id=run.proposal.pk,
            data=about,
        )
    HaltVerdict.objects.create(
        halt=halt,
        actor=run.actor.ref,
        refusal=refusal.name if refusal else "",
        detail=record_refusal.printable(refusal.detail) if refusal else "",
        entry=entry,
    )
