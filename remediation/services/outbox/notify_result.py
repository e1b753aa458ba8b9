"""Have the people who decided told of a result: once per result, in the transaction of its end.

The notice is a fact and stands beside the end state, so no crash lies between them. Agents read
the result themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.errors import BadInput
from remediation.domain.events import Event
from remediation.domain.halt.statement import RunDecision
from remediation.domain.outcome import outcomes
from remediation.domain.slots import LEAD
from remediation.domain.states import ProposalState
from remediation.domain.telling import Kind
from remediation.models import Halt, Notice, Proposal, Review, StepRecord
from remediation.services import transition
from remediation.services.actors import Actor
from remediation.services.load_plan import read_plan
from remediation.services.outbox import audience
from remediation.services.outbox.tell import tell

# Results that people are notified of. Not among them: what a person or an agent ended by hand.
TOLD = (
    ProposalState.SUCCEEDED,
    ProposalState.FAILED,
    ProposalState.STOPPED,
    ProposalState.ROLLED_BACK,
    ProposalState.UNKNOWN,
    ProposalState.REJECTED,
    ProposalState.RETURNED,
    ProposalState.REFUSED,
)
# Results that leave something to people.
OPEN = (ProposalState.STOPPED, ProposalState.UNKNOWN)
WHAT_NOW = {
    ProposalState.FAILED: "Nothing was changed.",
    ProposalState.STOPPED: (
        "What is applied stays; nothing is undone by itself. Propose the rest, undo what was done,"
        " or settle it by hand, on the page of the run."
    ),
    ProposalState.UNKNOWN: (
        "Nobody knows yet whether the call took effect. The worker goes on reading the target. Two"
        " people can settle it by hand, on the page of the run."
    ),
}
UNDO_FAILED = "told:undo_failed"
# What a run left to people, told again each day for a month, until they have settled it.
STILL_OPEN = """
SELECT p.id, floor(extract(epoch FROM clock_timestamp() - t.at) / 86400)::integer
  FROM public.remediation_proposal p
 CROSS JOIN LATERAL (SELECT max(m.recorded_at) AS at FROM public.remediation_transition m
                      WHERE m.proposal_id = p.id) AS t
 WHERE p.state = ANY (%(states)s)
   AND t.at < clock_timestamp() - interval '1 day'
   AND t.at > clock_timestamp() - interval '31 days'
   AND NOT (p.state = 'stopped' AND EXISTS (
         SELECT 1 FROM public.remediation_halt h
           JOIN public.remediation_haltverdict w ON w.halt_id = h.id AND w.refusal = ''
          WHERE h.proposal_id = p.id AND h.decision = 'settle' AND h.recorded_at > t.at))
   AND NOT EXISTS (
         SELECT 1 FROM public.remediation_notice n
          WHERE n.proposal_id = p.id AND n.round = p.round
            AND n.kind = 'open:' || floor(extract(epoch FROM clock_timestamp() - t.at) / 86400))
 ORDER BY t.at LIMIT 20
"""


def notify(proposal_id: UUID, *, actor: Actor) -> None:
    """Record whom to tell of the proposal's result, in the transaction that moved its state."""
    proposal = Proposal.objects.select_related("incident").get(pk=proposal_id)
    if proposal.state in TOLD:
        _tell(proposal, f"told:{proposal.state}", Kind.RESULT, actor)


def notify_undo_failed(proposal_id: UUID, *, actor: Actor) -> None:
    """Record whom to tell that a stopped run was not undone, or in part."""
    proposal = Proposal.objects.select_related("incident").get(pk=proposal_id)
    _tell(proposal, UNDO_FAILED, Kind.RESULT, actor)


def undo_was_told(proposal: Proposal) -> bool:
    """Return whether people were notified that a stopped run was not undone."""
    return _was_told(proposal, UNDO_FAILED)


def remind(*, actor: Actor) -> int:
    """Tell again what a run left to people, once a day; return of how many runs."""
    with connection.cursor() as cursor:
        cursor.execute(STILL_OPEN, {"states": [state.value for state in OPEN]})
        found = cursor.fetchall()
    for proposal_id, day in found:
        with transaction.atomic():
            transition.lock(proposal_id)
            proposal = Proposal.objects.select_related("incident").get(pk=proposal_id)
            if proposal.state in OPEN:
                _tell(proposal, f"open:{day}", Kind.STILL_OPEN, actor)
    return len(found)


def _tell(proposal: Proposal, kind: str, about: Kind, actor: Actor) -> None:
    if _was_told(proposal, kind):
        return
    people = _people(proposal)
    entry = log.append(
        action=Event.WORKER_NOTICE_SENT,
        actor=actor.ref,
        object=f"proposal:{proposal.pk}",
        data={"kind": kind, "round": proposal.round, "people": len(people)},
    )
    Notice.objects.create(proposal=proposal, round=proposal.round, kind=kind, entry=entry.id)
    tell(
        about,
        people=people,
        once=f"result:{proposal.pk}:{proposal.round}:{kind}",
        text=_text(proposal),
        proposal=proposal,
    )


def _was_told(proposal: Proposal, kind: str) -> bool:
    return Notice.objects.filter(proposal=proposal, round=proposal.round, kind=kind).exists()


def _people(proposal: Proposal) -> set[UUID]:
    """Return the people who decided in any round, who halted, or who may review.

    Where people must act next, leads too.
    """
    leads = audience.holders(LEAD) if proposal.state in OPEN else ()
    decided = Review.objects.filter(proposal=proposal).values_list("person", flat=True)
    halted = _halts(proposal).values_list("person", flat=True)
    return {*audience.entitled(proposal), *decided, *halted, *leads}


def _halts(proposal: Proposal) -> QuerySet[Halt]:
    """Return what people signed about the run and the worker verified, but for answers to waits."""
    return Halt.objects.filter(proposal=proposal, verdict__refusal="").exclude(
        decision__in=(RunDecision.GO_ON, RunDecision.LONGER)
    )


def _text(proposal: Proposal) -> str:
    """Describe the result of the proposal and of each step."""
    end = proposal.transitions.order_by("-id").first()
    reason = f" ({end.reason.replace('_', ' ')})" if end and end.reason else ""
    lines = [f"The proposal is now: {proposal.state.replace('_', ' ')}{reason}."]
    now_what = WHAT_NOW.get(ProposalState(proposal.state))
    if now_what:
        lines.append(now_what)
    halt = _halts(proposal).first()
    if halt is not None:
        lines.append(f"A person halted it between two steps: {inert.line(halt.reason)}")
    return "\n".join([*lines, *_steps(proposal)])


def _steps(proposal: Proposal) -> list[str]:
    records = StepRecord.objects.filter(execution__proposal=proposal).order_by("id")
    found = list(records.values_list("step", "phase", "data"))
    if not found:
        return []
    try:
        plan = read_plan(bytes(proposal.plan))
    except BadInput:
        return []
    told = [
        f"Step {outcome.step + 1}, {outcome.words}: {inert.line(step.sentence)}"
        for step, outcome in zip(plan.steps, outcomes(len(plan.steps), found), strict=True)
    ]
    return ["", *told, *_open(found)]


def _open(records: Iterable[tuple[int, str, Mapping[str, Json]]]) -> list[str]:
    """Say what is still open, by server and session, as it was seen last."""
    lines: list[str] = []
    for step, phase, data in records:
        texts = data.get("open") if phase == "unconfirmed" else None
        for text in texts if isinstance(texts, list) else ():
            lines.append(f"Step {step + 1}, still open: {inert.line(str(text))}")
    return lines
