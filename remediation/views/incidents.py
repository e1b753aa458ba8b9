"""Open incidents by age, one incident, closing it; for auditors all incidents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, F, Min, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode

from audit import log
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.states import FINAL, IncidentState
from remediation.models import (
    Assessment,
    IdentityVersion,
    Incident,
    IncidentTransition,
    User,
)
from remediation.services import authorize
from remediation.services import incidents as service
from remediation.views import doors, queue
from remediation.views.forms import CLOSE_TITLES, CloseForm
from remediation.views.names import Names
from remediation.views.pages import HistoryRow, IncidentRow

PAGE = 100
_ENDED = [state.value for state in FINAL]


@doors.page
def index(request: HttpRequest) -> HttpResponse:
    """Open and contained incidents, oldest first: nothing lingers unseen (promise 10)."""
    found = authorize.visible_incidents(doors.person(request))
    alive = _with_state(found).exclude(state_now=IncidentState.CLOSED)
    return _listed(
        request,
        alive.order_by("detected_at", "pk"),
        heading="Open incidents",
        explain="Oldest first. An incident stays open until a person closes it, whatever becomes"
        " of its proposals.",
    )


@doors.page
def audit_index(request: HttpRequest) -> HttpResponse:
    """All incidents, for auditors, through the login that can only read."""
    person = doors.person(request)
    if not authorize.may_audit(person):
        raise errors.NotEntitled("this page is for auditors")
    if "auditor" not in settings.DATABASES:
        raise errors.NotEntitled("no database login for auditors is configured")
    with transaction.atomic():
        # On record before the first row is read.
        log.append(
            action=Event.PERSON_AUDIT_READ,
            actor=person.actor,
            object="page:incidents",
            data={"query": request.GET.urlencode()[:500]},
        )
    found = _with_state(Incident.objects.using("auditor").all())
    return _listed(
        request,
        found.order_by("detected_at", "pk"),
        heading="All incidents",
        explain="Open and closed, oldest first. That you read this page is an audit entry too.",
    )


@doors.page
def show(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    return _detail(request, incident_id, None)


@doors.form
def close(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    form = CloseForm(request.POST)
    if not form.is_valid():
        return _detail(request, incident_id, form, status=422)
    service.close(
        actor=doors.person(request),
        incident_id=incident_id,
        outcome=form.cleaned_data["outcome"],
        reason=form.cleaned_data["reason"],
    )
    messages.success(request, "The incident is closed, with your reason on record.")
    return redirect("incident", incident_id)


def _detail(
    request: HttpRequest, incident_id: UUID, form: CloseForm | None, status: int = 200
) -> HttpResponse:
    person = doors.person(request)
    incident = visible(person, incident_id)
    row = next(iter(rows([incident])))
    closed = row.state == IncidentState.CLOSED
    may_close = not closed and authorize.may_close_incidents(person, incident)
    seen = authorize.visible_proposals(person).select_related("incident", "agent")
    seen = seen.filter(incident=incident)
    context = {
        "incident": row,
        "proposals": queue.rows(seen.order_by("-recorded_at")),
        "moves": moves(incident),
        "reports": incident.reports.count(),
        "earlier": incident.earlier_id,
        "form": (form or CloseForm()) if may_close else None,
    }
    return render(request, "remediation/incident.html", context, status=status)


def visible(person: User, incident_id: UUID) -> Incident:
    """The incident, if this person may see it; else NoSuchObject."""
    found: Incident | None = (
        _with_state(authorize.visible_incidents(person)).filter(pk=incident_id).first()
    )
    if found is None:
        raise errors.NoSuchObject()
    return found


def rows(incidents: Iterable[Any]) -> Iterable[IncidentRow]:
    """Lines of incidents that `_with_state` annotated."""
    for incident in incidents:
        yield IncidentRow(
            incident_id=incident.pk,
            title_said=incident.title,
            kind_said=incident.kind,
            locator_said=incident.locator,
            state=str(incident.state_now),
            detected_at=incident.detected_at,
            agent=incident.agent.name,
            owner=incident.owner_team,
            decide_by=incident.due,
            proposals=incident.made,
            open_proposals=incident.alive,
        )


def moves(incident: Incident) -> list[HistoryRow]:
    """The incident's states, oldest first."""
    found = list(incident.transitions.order_by("pk"))
    names = Names.of_actors([incident.agent.actor, *(move.actor for move in found)])
    opened = HistoryRow(
        at=incident.recorded_at,
        kind="transition",
        word="open",
        title="Open",
        actor=names.actor(incident.agent.actor),
        entry=incident.entry,
    )
    return [opened, *(_move(move, names) for move in found)]


def _move(move: IncidentTransition, names: Names) -> HistoryRow:
    outcome = dict(CLOSE_TITLES).get(move.outcome, "")  # type: ignore[call-overload]
    return HistoryRow(
        at=move.recorded_at,
        kind="transition",
        word=move.to_state,
        title=move.to_state.capitalize() + (f": {outcome}" if outcome else ""),
        actor=names.actor(move.actor),
        entry=move.entry,
        reason=move.reason,
    )


def _with_state(incidents: QuerySet[Incident]) -> QuerySet[Any]:
    """Each with its state, owner, nearest deadline and number of proposals, in one query."""
    newest = IncidentTransition.objects.filter(incident=OuterRef("pk")).order_by("-pk")
    owner = IdentityVersion.objects.filter(identity__locator=OuterRef("locator")).order_by("-pk")
    due = (
        Assessment.objects.filter(
            proposal__incident=OuterRef("pk"),
            proposal__state="in_review",
            round=F("proposal__round"),
        )
        .order_by()
        .values("proposal__incident")
        .annotate(soonest=Min("decide_by"))
        .values("soonest")
    )
    return incidents.select_related("agent").annotate(
        state_now=Coalesce(Subquery(newest.values("to_state")[:1]), Value("open")),
        owner_team=Coalesce(Subquery(owner.values("owner_team")[:1]), Value("")),
        due=Subquery(due),
        made=Count("proposals"),
        alive=Count("proposals", filter=~Q(proposals__state__in=_ENDED)),
    )


def _listed(
    request: HttpRequest, found: QuerySet[Any], *, heading: str, explain: str
) -> HttpResponse:
    """One page by key: where the last one ended, not how many were skipped."""
    after = _cursor(request.GET.get("after", ""), request.GET.get("id", ""))
    if after is not None:
        at, pk = after
        found = found.filter(Q(detected_at__gt=at) | Q(detected_at=at, pk__gt=pk))
    page = list(found[: PAGE + 1])
    more = page[PAGE - 1] if len(page) > PAGE else None
    context = {
        "rows": list(rows(page[:PAGE])),
        "may_audit": authorize.may_audit(doors.person(request)),
        "heading": heading,
        "explain": explain,
        "next_page": (
            urlencode({"after": more.detected_at.isoformat(), "id": str(more.pk)}) if more else ""
        ),
    }
    return render(request, "remediation/incidents.html", context)


def _cursor(after: str, pk: str) -> tuple[datetime, UUID] | None:
    try:
        at = parse_datetime(after)
        return (at, UUID(pk)) if at is not None and at.tzinfo is not None else None
    except ValueError:
        return None
