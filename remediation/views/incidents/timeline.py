"""For auditors: the life of an incident as one timeline of entries, and its evidence bundle."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from audit import log, reading
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.sentences import describe
from remediation.models import Incident, Proposal, User
from remediation.services.access import authorize
from remediation.services.actors import PersonActor
from remediation.services.execution import export_bundle
from remediation.views import decorators

ALIAS = "auditor"


@decorators.page
def timeline(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Every entry about the incident and its proposals, oldest first."""
    person = _auditor(request)
    with transaction.atomic():
        # On record before the first row is read.
        log.append(
            action=Event.PERSON_AUDIT_READ,
            actor=person.actor,
            object=f"incident:{incident_id}",
            data={"as": "timeline"},
        )
    incident = Incident.objects.using(ALIAS).filter(pk=incident_id).first()
    if incident is None:
        raise errors.NoSuchObject()
    proposals = Proposal.objects.using(ALIAS).filter(incident=incident).values_list("pk", flat=True)
    rows = reading.timeline(
        [f"incident:{incident_id}", *(f"proposal:{key}" for key in proposals)], ALIAS
    )
    shown = rows[: reading.TIMELINE]
    context = {
        "incident": incident,
        "lines": [(row, describe(row.said)) for row in shown],
        "cut": len(shown) if len(rows) > len(shown) else 0,
    }
    return render(request, "remediation/record.html", context)


@decorators.page
def download(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """The evidence bundle, streamed; that it is taken is on record before its first byte."""
    person = _auditor(request)
    made = export_bundle.make(incident_id, actor=PersonActor(person.person, person.pk), using=ALIAS)
    answer = StreamingHttpResponse(iter(made), content_type="application/json")
    # Said first, so that the browser shows progress.
    answer["Content-Length"] = str(made.octets)
    answer["Content-Disposition"] = f'attachment; filename="incident-{incident_id}.json"'
    return cast(HttpResponse, answer)  # to the door it is one


def _auditor(request: HttpRequest) -> User:
    person = decorators.person(request)
    if not authorize.may_audit(person):
        raise errors.NotEntitled("this page is for auditors")
    if ALIAS not in settings.DATABASES:
        raise errors.NotEntitled("no database login for auditors is configured")
    return person
