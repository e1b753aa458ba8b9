"""Notify the people who decided of the result: by mail, once per result, also after a crash.

The notice is a fact. The mail is sent before the notice is recorded, under a lock, so that only
one worker sends. If a worker dies between the two, the mail is sent again with the same
Message-ID, so that mail systems can recognise the duplicate. Agents read the result themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import QuerySet
from redis.exceptions import RedisError

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.errors import BadInput
from remediation.domain.events import Event
from remediation.domain.outcome import outcomes
from remediation.domain.states import ProposalState
from remediation.models import Halt, Notice, Proposal, Review, StepRecord
from remediation.services.actors import Actor
from remediation.services.load_plan import read_plan
from remediation.services.outbox import mail
from remediation.services.outbox.notice_lock import alone

logger = logging.getLogger(__name__)

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
# Results of the last days without a notice, once the newest transition is five seconds old.
PENDING = """
SELECT p.id FROM public.remediation_proposal p
 WHERE p.state = ANY (%(states)s) AND p.recorded_at > clock_timestamp() - interval '8 days'
   AND NOT EXISTS (SELECT 1 FROM public.remediation_notice n
                    WHERE n.proposal_id = p.id AND n.round = p.round
                      AND n.kind = 'told:' || p.state)
   AND (SELECT max(t.recorded_at) FROM public.remediation_transition t WHERE t.proposal_id = p.id)
       < clock_timestamp() - interval '5 seconds'
 ORDER BY p.recorded_at LIMIT 20
"""
RETRY_S = 60
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


def notify(proposal_id: UUID, *, actor: Actor) -> bool:
    """Mail the proposal's result unless that is done; return whether it was sent now.

    Call it after the commit of the end state. Nothing is written before the mail is out: a
    transaction that has written and waits for a mail server would hold up the log's sequencer.
    """
    proposal = Proposal.objects.select_related("incident").get(pk=proposal_id)
    if proposal.state not in TOLD:
        return False
    return _tell(proposal, f"told:{proposal.state}", _message_id(proposal), actor)


def notify_undo_failed(proposal_id: UUID, *, actor: Actor) -> None:
    """Notify when this transaction is committed that a stopped run was not undone, or in part.

    After a crash before that, the reconciler comes here again.
    """
    proposal = Proposal.objects.select_related("incident").get(pk=proposal_id)
    message_id = _message_id(proposal, "undo_failed")
    transaction.on_commit(
        lambda: _tell(proposal, UNDO_FAILED, message_id, actor) and None, robust=True
    )


def undo_was_told(proposal: Proposal) -> bool:
    """Return whether people were notified that a stopped run was not undone."""
    return _was_told(proposal, UNDO_FAILED)


def remind(*, actor: Actor) -> int:
    """Mail again what a run left to people, once a day; return how many mails were sent."""
    with connection.cursor() as cursor:
        cursor.execute(STILL_OPEN, {"states": [state.value for state in OPEN]})
        found = cursor.fetchall()
    sent = 0
    for proposal_id, day in found:
        if _is_due(proposal_id):
            proposal = Proposal.objects.select_related("incident").get(pk=proposal_id)
            sent += _tell(proposal, f"open:{day}", _message_id(proposal, f"open{day}"), actor)
    return sent


def _tell(proposal: Proposal, kind: str, message_id: str, actor: Actor) -> bool:
    with transaction.atomic():
        if not alone(f"{kind}:{proposal.pk}") or _was_told(proposal, kind):
            return False
        people = _people(proposal)
        if not mail.send_result(proposal, people, text=_text(proposal), message_id=message_id):
            return False
        entry = log.append(
            action=Event.WORKER_NOTICE_SENT,
            actor=actor.ref,
            object=f"proposal:{proposal.pk}",
            data={"kind": kind, "round": proposal.round, "people": len(people)},
        )
        Notice.objects.create(proposal=proposal, round=proposal.round, kind=kind, entry=entry.id)
    return True


def notify_after_commit(proposal_id: UUID, *, actor: Actor) -> None:
    """Notify when this transaction is committed; `notify_pending` repeats what fails there."""
    transaction.on_commit(lambda: notify(proposal_id, actor=actor) and None, robust=True)


def notify_pending(*, actor: Actor) -> int:
    """Notify of results that a crash or the mail server prevented; return how many were sent."""
    with connection.cursor() as cursor:
        cursor.execute(PENDING, {"states": [state.value for state in TOLD]})
        found = [row[0] for row in cursor.fetchall()]
    return sum(notify(key, actor=actor) for key in found if _is_due(key))


def _is_due(proposal_id: UUID) -> bool:
    """Return whether to try again: once a minute, or always when the cache does not answer."""
    try:
        return cache.add(f"told:{proposal_id}", 1, timeout=RETRY_S)
    except RedisError:
        return True


def _was_told(proposal: Proposal, kind: str) -> bool:
    return Notice.objects.filter(proposal=proposal, round=proposal.round, kind=kind).exists()


def _people(proposal: Proposal) -> set[UUID]:
    """Return the people who decided in any round, who halted, or who may review.

    Where people must act next, leads too.
    """
    leads = mail.holders("lead") if proposal.state in OPEN else ()
    decided = Review.objects.filter(proposal=proposal).values_list("person", flat=True)
    halted = _halts(proposal).values_list("person", flat=True)
    return {*mail.entitled(proposal), *decided, *halted, *leads}


def _halts(proposal: Proposal) -> QuerySet[Halt]:
    """Return the halts that the worker verified as valid."""
    return Halt.objects.filter(proposal=proposal, verdict__refusal="")


def _message_id(proposal: Proposal, what: str = "") -> str:
    host = urlsplit(settings.ORIGIN).hostname or "localhost"
    return f"<{proposal.pk}.{proposal.round}.{what or proposal.state}@{host}>"


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
        lines.append(f"A person halted it between two steps: {inert.message(halt.reason)}")
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
        f"Step {outcome.step + 1}, {outcome.words}: {inert.message(step.sentence)}"
        for step, outcome in zip(plan.steps, outcomes(len(plan.steps), found), strict=True)
    ]
    return ["", *told, *_open(found)]


def _open(records: Iterable[tuple[int, str, Mapping[str, Json]]]) -> list[str]:
    """Say what is still open, by server and session, as it was seen last."""
    lines: list[str] = []
    for step, phase, data in records:
        texts = data.get("open") if phase == "unconfirmed" else None
        for text in texts if isinstance(texts, list) else ():
            lines.append(f"Step {step + 1}, still open: {inert.message(str(text))}")
    return lines
