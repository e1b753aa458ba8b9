"""What waits, most urgent first: risk, then the clock, then how long it has been known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db.models import Case, F, IntegerField, OuterRef, QuerySet, Subquery, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from remediation.domain.ruling import Risk
from remediation.domain.states import FINAL, ProposalState
from remediation.models import Assessment, Proposal, User
from remediation.services import authorize
from remediation.views import doors, present, standing
from remediation.views.pages import QueueGroup, QueueRow, ReviewRow

# A page that a person reads; what does not fit is less urgent than what does.
MOST = 100
LATELY = timedelta(hours=24)
RUNNING = (ProposalState.APPROVED, ProposalState.EXECUTING, ProposalState.UNKNOWN)


def home(request: HttpRequest) -> HttpResponse:
    return redirect("queue")


def show(request: HttpRequest) -> HttpResponse:
    """The queue; a poll by a page whose session ended gets told to load itself again."""
    if not request.user.is_authenticated and request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return _show(request)


@doors.page
def _show(request: HttpRequest) -> HttpResponse:
    person = doors.person(request)
    groups = _groups(person)
    mine = sum(len(group.rows) for group in groups if group.key == "mine")
    return render(request, "remediation/queue.html", {"groups": groups, "mine": mine})


def next_for(person: User) -> UUID | None:
    """The most urgent proposal that this person could decide now."""
    for proposal in _in_review(person):
        if authorize.open_slots_for(person, proposal):
            return proposal.pk
    return None


def _groups(person: User) -> tuple[QueueGroup, ...]:
    visible = authorize.visible_proposals(person)
    waiting = list(_in_review(person))
    mine = [proposal for proposal in waiting if authorize.open_slots_for(person, proposal)]
    ours = {proposal.pk for proposal in mine}
    others = [proposal for proposal in waiting if proposal.pk not in ours]
    new = _urgent(visible.filter(state=ProposalState.SUBMITTED))
    running = _urgent(visible.filter(state__in=RUNNING))
    ended = _ended(visible)
    return (
        QueueGroup("mine", "Yours to decide", "A role that you hold is still needed.", rows(mine)),
        QueueGroup("others", "Waiting for others", "", rows(others)),
        QueueGroup("new", "Waiting for the worker's assessment", "", rows(new)),
        QueueGroup("running", "Approved and running", "", rows(running)),
        QueueGroup("ended", "Ended in the last 24 hours", "", rows(ended)),
    )


def _in_review(person: User) -> QuerySet[Proposal]:
    return _urgent(authorize.visible_proposals(person).filter(state=ProposalState.IN_REVIEW))


def _urgent(proposals: QuerySet[Proposal]) -> QuerySet[Proposal]:
    """Never by arrival alone: a flood of small ones must not bury the grave one (A34)."""
    current = Assessment.objects.filter(proposal=OuterRef("pk"), round=OuterRef("round"))
    rank = Case(
        *(When(risk_now=risk.value, then=Value(-risk.rank)) for risk in Risk),
        default=Value(1),
        output_field=IntegerField(),
    )
    return (
        proposals.annotate(
            risk_now=Subquery(current.values("risk")[:1]),
            due=Subquery(current.values("decide_by")[:1]),
        )
        .annotate(rank=rank)
        .order_by("rank", F("due").asc(nulls_last=True), "incident__detected_at", "pk")
        .select_related("incident", "agent")[:MOST]
    )


def _ended(proposals: QuerySet[Proposal]) -> QuerySet[Proposal]:
    since = timezone.now() - LATELY
    return (
        proposals.filter(state__in=FINAL, transitions__to_state=F("state"))
        .annotate(ended=F("transitions__recorded_at"))
        .filter(ended__gte=since)
        .order_by("-ended")
        .select_related("incident", "agent")[:20]
    )


def rows(proposals: Iterable[Proposal]) -> tuple[QueueRow, ...]:
    """Lines of the queue, in the order given; two queries for all of them."""
    found = list(proposals)
    keys = [proposal.pk for proposal in found]
    assessments = {
        assessment.proposal_id: assessment
        for assessment in Assessment.objects.filter(proposal__in=keys, round=F("proposal__round"))
    }
    reviews = standing.reviews_by_proposal(keys)
    return tuple(
        _row(proposal, assessments.get(proposal.pk), reviews.get(proposal.pk, ()))
        for proposal in found
    )


def _row(
    proposal: Proposal, assessment: Assessment | None, reviews: Iterable[ReviewRow]
) -> QueueRow:
    """The sentence is the portal's, from the plan's bytes."""
    plan = present.plan_of(proposal)
    sentences = present.sentences(plan)
    return QueueRow(
        proposal_id=proposal.pk,
        sentence=sentences[0],
        more_steps=len(sentences) - 1,
        environment=plan.environment if plan else "",
        risk=assessment.risk if assessment else "",
        state=proposal.state,
        round=proposal.round,
        incident_title_said=proposal.incident.title,
        agent=proposal.agent.name,
        detected_at=proposal.incident.detected_at,
        decide_by=assessment.decide_by if assessment else None,
        slots=standing.seats(tuple(assessment.slots), reviews) if assessment else (),
    )
