"""Open incidents by age, one incident, closing it; for auditors all incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext

from audit import log
from remediation import vocabulary
from remediation.domain import errors
from remediation.domain.catalogue import REPORT_ONLY, is_report_only
from remediation.domain.events import Event
from remediation.domain.states import FINAL, IncidentState
from remediation.models import (
    IdentityVersion,
    Incident,
    IncidentEntry,
    IncidentTransition,
    QueueEntry,
    User,
)
from remediation.services.access import authorize, slots, visibility
from remediation.services.reporting import incidents as service
from remediation.views import decorators
from remediation.views.forms import CLOSE_TITLES, CloseForm
from remediation.views.names import Names
from remediation.views.pages import HistoryRow, IncidentRow
from remediation.views.queue import rows as queue_rows

PAGE = 50
_ENDED = [state.value for state in FINAL]
NOTHING: dict[str, Any] = {"made": 0, "alive": 0, "soonest": None}


@decorators.page
def index(request: HttpRequest) -> HttpResponse:
    """Open and contained incidents, oldest first: nothing lingers unseen (promise 10)."""
    found = visibility.visible_incident_entries(slots.rights_of(decorators.person(request)))
    return _listed(
        request,
        found.exclude(state=IncidentState.CLOSED),
        heading=gettext("Open incidents"),
        explain=gettext(
            "Oldest first. An incident stays open until a person closes it, whatever becomes"
            " of its proposals."
        ),
    )


@decorators.page
def audit_index(request: HttpRequest) -> HttpResponse:
    """All incidents, for auditors, through the login that can only read."""
    person = decorators.person(request)
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
    return _listed(
        request,
        IncidentEntry.objects.using("auditor"),
        heading=gettext("All incidents"),
        explain=gettext(
            "Open and closed, oldest first. That you read this page is an audit entry too."
        ),
    )


@decorators.page
def show(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    return _detail(request, incident_id, None)


@decorators.form
def close(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    form = CloseForm(request.POST)
    if not form.is_valid():
        return _detail(request, incident_id, form, status=422)
    service.close(
        actor=decorators.person(request),
        incident_id=incident_id,
        outcome=form.cleaned_data["outcome"],
        reason=form.cleaned_data["reason"],
    )
    messages.success(request, gettext("The incident is closed, with your reason on record."))
    return redirect("incident", incident_id)


def _detail(
    request: HttpRequest, incident_id: UUID, form: CloseForm | None, status: int = 200
) -> HttpResponse:
    person = decorators.person(request)
    entry = visible(person, incident_id)
    incident, row = entry.incident, rows([entry])[0]
    closed = row.state == IncidentState.CLOSED
    may_close = not closed and visibility.may_close_incidents(person, incident)
    seen = visibility.visible_queue(slots.rights_of(person)).filter(incident=incident)
    context = {
        "incident": row,
        "proposals": queue_rows.rows(
            queue_rows.readable(seen).order_by("-proposal__recorded_at", "pk")
        ),
        "moves": moves(incident),
        "reports": incident.reports.count(),
        "earlier": incident.earlier_id,
        "report_only": vocabulary.saying(REPORT_ONLY) if is_report_only(incident.locator) else "",
        "form": (form or CloseForm()) if may_close else None,
    }
    return render(request, "remediation/incident.html", context, status=status)


def visible(person: User, incident_id: UUID) -> IncidentEntry:
    """The incident's line, if this person may see it; else NoSuchObject."""
    seen = visibility.visible_incident_entries(slots.rights_of(person))
    found = _whole(seen).filter(pk=incident_id).first()
    if found is None:
        raise errors.NoSuchObject()
    return found


def rows(entries: Sequence[IncidentEntry], using: str = "default") -> list[IncidentRow]:
    """Lines of incidents in the order given; two queries for all of them."""
    counts = _counts([entry.pk for entry in entries], using)
    owners = _owners({entry.incident.locator for entry in entries}, using)
    return [
        IncidentRow(
            incident_id=entry.pk,
            title_said=entry.incident.title,
            kind_said=entry.incident.kind,
            locator_said=entry.incident.locator,
            state=entry.state,
            detected_at=entry.detected_at,
            agent=entry.incident.agent.name,
            owner=owners.get(entry.incident.locator, ""),
            decide_by=counts.get(entry.pk, NOTHING)["soonest"],
            proposals=counts.get(entry.pk, NOTHING)["made"],
            open_proposals=counts.get(entry.pk, NOTHING)["alive"],
        )
        for entry in entries
    ]


def _whole(entries: QuerySet[IncidentEntry]) -> QuerySet[IncidentEntry]:
    return entries.select_related("incident__agent")


def _counts(incidents: list[UUID], using: str) -> dict[UUID, dict[str, Any]]:
    """How many proposals each has, how many of them are open, and the nearest deadline."""
    found = (
        QueueEntry.objects.using(using)
        .filter(incident__in=incidents)
        .order_by()
        .values("incident")
        .annotate(
            made=Count("pk"),
            alive=Count("pk", filter=~Q(state__in=_ENDED)),
            soonest=Min("due", filter=Q(state="in_review")),
        )
    )
    return {row["incident"]: {**row} for row in found}


def _owners(locators: set[str], using: str) -> dict[str, str]:
    """Who owns each identity, as the newest word of the inventory says."""
    newest = (
        IdentityVersion.objects.using(using)
        .filter(identity__locator__in=locators)
        .order_by("identity", "-pk")
        .distinct("identity")
    )
    return dict(newest.values_list("identity__locator", "owner_team"))


def moves(incident: Incident) -> list[HistoryRow]:
    """The incident's states, oldest first."""
    found = list(incident.transitions.order_by("pk"))
    names = Names.of_actors([incident.agent.actor, *(move.actor for move in found)])
    opened = HistoryRow(
        at=incident.recorded_at,
        kind="transition",
        word="open",
        title=capfirst(vocabulary.word("open")),
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
        title=capfirst(vocabulary.word(move.to_state)) + (f": {outcome}" if outcome else ""),
        actor=names.actor(move.actor),
        entry=move.entry,
        reason=move.reason,
        language="" if outcome else "en",
    )


def _listed(
    request: HttpRequest, found: QuerySet[IncidentEntry], *, heading: str, explain: str
) -> HttpResponse:
    """One page by key: where the last one ended, not how many were skipped."""
    after = _cursor(request.GET.get("after", ""), request.GET.get("id", ""))
    if after is not None:
        at, pk = after
        # The first condition is what the index begins at; the second is exact.
        found = found.filter(detected_at__gte=at).filter(
            Q(detected_at__gt=at) | Q(detected_at=at, incident__gt=pk)
        )
    page = list(_whole(found.order_by("detected_at", "incident"))[: PAGE + 1])
    more = page[PAGE - 1] if len(page) > PAGE else None
    context = {
        "rows": rows(page[:PAGE], found.db),
        "may_audit": authorize.may_audit(decorators.person(request)),
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
