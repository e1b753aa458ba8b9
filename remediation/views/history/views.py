"""Everything on record about one or several proposals, oldest first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy

from audit.tlog.canonical import Json
from remediation import vocabulary
from remediation.models import (
    Assessment,
    Halt,
    HaltVerdict,
    Notice,
    ObservationRequest,
    Proposal,
    Refusal,
    Review,
    StepRecord,
    Transition,
)
from remediation.services.access import authorize
from remediation.views import decorators
from remediation.views.cards import standing
from remediation.views.names import Names
from remediation.views.pages import Field, HistoryRow
from remediation.views.review import presenter, views

DECISIONS = {
    "approve": gettext_lazy("Approved as %(slot)s, round %(round)d"),
    "reject": gettext_lazy("Rejected as %(slot)s, round %(round)d"),
    "return": gettext_lazy("Returned as %(slot)s, round %(round)d"),
}


@decorators.page
def show(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    person = decorators.person(request)
    proposal = views.visible(person, proposal_id)
    context = {
        "proposal_id": proposal_id,
        "incident_id": proposal.incident_id,
        "sentence": presenter.sentences(presenter.plan_of(proposal))[0],
        "state": proposal.state,
        "rows": rows(proposal),
        "may_audit": authorize.may_audit(person),
    }
    return render(request, "remediation/history.html", context)


def rows(*proposals: Proposal) -> list[HistoryRow]:
    """Transitions, assessments, reviews, requests, refusals, steps, halts and notices.

    The number of queries does not grow with the number of proposals.
    """
    keys = [proposal.pk for proposal in proposals]
    transitions = list(Transition.objects.filter(proposal__in=keys))
    refusals = list(Refusal.objects.filter(proposal__in=keys))
    names = Names.of_actors(
        [
            *(proposal.agent.actor for proposal in proposals),
            *(f"person:{proposal.editor}" for proposal in proposals if proposal.editor),
            *(row.actor for row in transitions),
            *(row.actor for row in refusals),
        ]
    )
    return in_order(
        [
            *(_submitted(proposal, names) for proposal in proposals),
            *(_transition(row, names) for row in transitions),
            *(_refusal(row, names) for row in refusals),
            *_assessments(keys),
            *_reviews({proposal.pk: proposal.round for proposal in proposals}),
            *_requests(keys),
            *_steps(keys),
            *_halts(keys),
            *_notices(keys),
        ]
    )


def in_order(found: list[HistoryRow]) -> list[HistoryRow]:
    """By audit entry: those are numbered as they were written, also within one transaction, where
    times agree."""
    return sorted(found, key=lambda row: (row.entry, row.at))


def _submitted(proposal: Proposal, names: Names) -> HistoryRow:
    by = f"person:{proposal.editor}" if proposal.editor else proposal.agent.actor
    return HistoryRow(
        at=proposal.recorded_at,
        kind="transition",
        word="submitted",
        title=gettext("Submitted"),
        actor=names.actor(by),
        entry=proposal.entry,
        fields=(Field("plan digest", proposal.plan_digest),),
        whole=bytes(proposal.plan).decode(errors="backslashreplace"),
        proposal=proposal.pk,
    )


def _transition(row: Transition, names: Names) -> HistoryRow:
    return HistoryRow(
        at=row.recorded_at,
        kind="transition",
        word=row.to_state,
        title=_moved(row),
        actor=names.actor(row.actor),
        entry=row.entry,
        reason=row.reason.replace("_", " "),
        proposal=row.proposal_id,
    )


def _moved(row: Transition) -> str:
    if row.to_state == "in_review":
        return gettext("In review, round %(round)d") % {"round": row.round}
    return capfirst(vocabulary.word(row.to_state))


def _refusal(row: Refusal, names: Names) -> HistoryRow:
    return HistoryRow(
        at=row.recorded_at,
        kind="refusal",
        word="refused",
        title=gettext("Refused: %(name)s") % {"name": vocabulary.word(row.reason)},
        actor=names.actor(row.actor),
        entry=row.entry,
        reason=row.detail,
        proposal=row.proposal_id,
    )


def _assessments(keys: list[UUID]) -> Iterator[HistoryRow]:
    for row in Assessment.objects.filter(proposal__in=keys):
        slots = ", ".join(vocabulary.word(slot) for slot in row.slots)
        yield HistoryRow(
            at=row.recorded_at,
            kind="assessment",
            word="in_review",
            title=gettext("Assessed, round %(round)d: risk %(risk)s, asks for %(slots)s")
            % {"round": row.round, "risk": vocabulary.word(row.risk), "slots": slots},
            actor=gettext("the worker"),
            entry=row.entry,
            fields=(
                Field("pin digest", row.pin_digest),
                Field("scope digest", row.scope_digest),
                Field("checks digest", row.checks_digest),
                Field("ruling digest", row.ruling_digest),
            ),
            whole="\n".join(
                f"{name}: {bytes(body).decode(errors='backslashreplace')}"
                for name, body in (
                    ("pin", row.pin),
                    ("checks", row.checks),
                    ("scope", row.scope),
                    ("ruling", row.ruling),
                )
            ),
            proposal=row.proposal_id,
        )


def _reviews(rounds: dict[UUID, int]) -> Iterator[HistoryRow]:
    found = list(Review.objects.filter(proposal__in=list(rounds)).order_by("pk"))
    names = Names([row.person for row in found])
    numbers: Counter[UUID] = Counter()
    for row in found:
        numbers[row.proposal_id] += 1
        said = standing.review_row(row, names, counts=row.round == rounds[row.proposal_id])
        verdicts = ", ".join(
            f"{vocabulary.word(key)} {vocabulary.word(value)}" for key, value in said.verdicts
        )
        yield HistoryRow(
            at=row.recorded_at,
            kind="review",
            word=row.decision,
            title=str(DECISIONS[row.decision])
            % {"slot": vocabulary.word(row.slot), "round": row.round},
            actor=said.person,
            entry=row.entry,
            cause=said.reason_code,
            reason=said.reason_text,
            language="",
            fields=(Field("verdicts", verdicts),),
            whole=bytes(row.statement).decode(errors="backslashreplace"),
            review=numbers[row.proposal_id],
            proposal=row.proposal_id,
        )


def _requests(keys: list[UUID]) -> Iterator[HistoryRow]:
    found = list(ObservationRequest.objects.filter(proposal__in=keys))
    names = Names([row.person for row in found])
    for row in found:
        yield HistoryRow(
            at=row.recorded_at,
            kind="note",
            word="submitted",
            title=gettext("Asked the worker to observe again"),
            actor=names.person(row.person),
            entry=row.entry,
            proposal=row.proposal_id,
        )


def _steps(keys: list[UUID]) -> Iterator[HistoryRow]:
    found = StepRecord.objects.filter(execution__proposal__in=keys)
    for row in found.annotate(of=F("execution__proposal_id")):
        yield HistoryRow(
            at=row.recorded_at,
            kind="step",
            word=row.phase,
            title=gettext("Step %(number)d: %(phase)s")
            % {"number": row.step + 1, "phase": vocabulary.word(row.phase)},
            actor=gettext("the worker"),
            entry=row.entry,
            fields=tuple(Field(key, _said(value)) for key, value in row.data.items()),
            proposal=row.of,
        )


def _halts(keys: list[UUID]) -> Iterator[HistoryRow]:
    found = list(Halt.objects.filter(proposal__in=keys))
    verdicts = {row.halt_id: row for row in HaltVerdict.objects.filter(halt__in=found)}
    names = Names([row.person for row in found])
    for row in found:
        yield HistoryRow(
            at=row.recorded_at,
            kind="refusal",
            word="halted",
            title=_halt_title(verdicts.get(row.pk)),
            actor=names.person(row.person),
            entry=row.entry,
            reason=row.reason,
            language="",
            proposal=row.proposal_id,
        )


def _halt_title(verdict: HaltVerdict | None) -> str:
    if verdict is None:
        return gettext("A halt was signed; the worker has not verified it")
    if verdict.holds:
        return gettext("Halted between two steps")
    return gettext("A halt that the worker refused")


def _notices(keys: list[UUID]) -> Iterator[HistoryRow]:
    for row in Notice.objects.filter(proposal__in=keys):
        yield HistoryRow(
            at=row.recorded_at,
            kind="note",
            word="submitted",
            title=notice_title(row.kind),
            actor=gettext("the worker"),
            entry=row.entry,
            proposal=row.proposal_id,
        )


def notice_title(kind: str) -> str:
    """What was told by mail."""
    if kind.isdigit():
        return gettext("Told that %(share)s %% of the time to decide had passed") % {"share": kind}
    said = {"state": vocabulary.word(kind.removeprefix("told:"))}
    return gettext("Told the result: %(state)s") % said


def _said(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
