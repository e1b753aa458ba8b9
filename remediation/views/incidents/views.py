"""List, show and close incidents; for auditors all incidents and their entries."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.act import Act
from remediation.domain.errors import Refused
from remediation.domain.states import IncidentState
from remediation.models import (
    IncidentEntry,
)
from remediation.services.access import slots, visibility
from remediation.services.actors import PersonActor
from remediation.services.execution import export_bundle
from remediation.services.people import stepup
from remediation.services.reporting import incidents as service
from remediation.views import decorators, refusals, step_up
from remediation.views.forms import CloseForm
from remediation.views.incidents import history as histories
from remediation.views.incidents import presenter, whole
from remediation.views.incidents import record as records


@decorators.page
def index(request: HttpRequest) -> HttpResponse:
    """List open and contained incidents, oldest first, so that none is forgotten."""
    person = decorators.person(request)
    found = visibility.visible_incident_entries(slots.rights_of(person))
    page = presenter.incidents_page(
        found,
        request,
        person,
        heading=gettext("Incidents"),
        explain=gettext("Oldest first. An incident stays here until a person closes it."),
        acts=True,
    )
    return render(request, "remediation/incidents/page.html", {"page": page})


@decorators.page
def audit_index(request: HttpRequest) -> HttpResponse:
    """List all incidents, for auditors, through the login that can only read."""
    person = decorators.person(request)
    records.check_auditor(person)
    records.note_reading(person, "page:incidents", {"query": request.GET.urlencode()[:500]})
    page = presenter.incidents_page(
        IncidentEntry.objects.using(records.ALIAS),
        request,
        person,
        heading=gettext("All incidents"),
        explain=gettext("Open and closed. Reading this page is recorded too."),
        acts=False,
    )
    return render(request, "remediation/incidents/page.html", {"page": page})


@decorators.page
def show(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Show one incident."""
    return _answer(request, incident_id, None)


@decorators.form
def look(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Ask the worker to look at the incident's identity."""
    service.ask_look(actor=decorators.person(request), incident_id=incident_id)
    messages.success(request, gettext("The worker looks at the identity within some seconds."))
    return redirect("incident", incident_id)


@decorators.form
def confirm(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Confirm that the identity was seen without access, which contains the incident."""
    look_id = request.POST.get("look", "")
    service.confirm_look(
        actor=decorators.person(request),
        incident_id=incident_id,
        look_id=int(look_id) if look_id.isascii() and look_id.isdigit() else 0,
    )
    messages.success(request, gettext("The incident is contained. Your confirmation is recorded."))
    return redirect("incident", incident_id)


def _closing(request: HttpRequest, incident_id: UUID) -> Act:
    entry = presenter.visible(decorators.person(request), incident_id)
    reason = step_up.text_of(request, "reason")
    form = CloseForm(request.POST, contained=entry.state == IncidentState.CONTAINED)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
    return service.closing(entry.incident, step_up.text_of(request, "outcome", 40), reason)


def _close_again(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """Show the form again, with what was typed, when only the signature is missing."""
    match = request.resolver_match
    if match is None or not isinstance(refusal, step_up.UNSIGNED):
        return refusals.refused_page(request, refusal)
    form = CloseForm(request.POST)
    form.add_error(None, vocabulary.message(refusal))
    status = refusals.status_of(refusal)
    return _answer(request, match.kwargs["incident_id"], form, status=status)


@step_up.signed_form(_closing, _close_again)
def close(request: HttpRequest, incident_id: UUID, proof: stepup.Proof | None) -> HttpResponse:
    """Close the incident, with an outcome and a reason."""
    entry = presenter.visible(decorators.person(request), incident_id)
    form = CloseForm(request.POST, contained=entry.state == IncidentState.CONTAINED)
    if not form.is_valid():
        return _answer(request, incident_id, form, status=422)
    service.close(
        actor=decorators.person(request),
        incident_id=incident_id,
        outcome=form.cleaned_data["outcome"],
        reason=form.cleaned_data["reason"],
        proof=proof,
    )
    messages.success(request, gettext("The incident is closed. Your reason is recorded."))
    return redirect("incident", incident_id)


@decorators.page
def history(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Show the full history of an incident."""
    person = decorators.person(request)
    page = histories.history_page(person, presenter.visible(person, incident_id))
    return render(request, "remediation/incidents/history.html", {"page": page})


@decorators.page
def record(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Show auditors every entry of the log about the incident and its proposals."""
    person = decorators.person(request)
    records.check_auditor(person)
    records.note_reading(person, f"incident:{incident_id}", {"as": "timeline"})
    page = records.record_page(incident_id)
    return render(request, "remediation/incidents/record.html", {"page": page})


@decorators.page
def download(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Stream the evidence bundle; the download is recorded before its first byte."""
    person = decorators.person(request)
    records.check_auditor(person)
    actor = PersonActor(person.person, person.pk)
    made = export_bundle.make(incident_id, actor=actor, using=records.ALIAS)
    answer = StreamingHttpResponse(iter(made), content_type="application/json")
    # So that the browser shows progress.
    answer["Content-Length"] = str(made.octets)
    answer["Content-Disposition"] = f'attachment; filename="incident-{incident_id}.json"'
    return cast(HttpResponse, answer)  # the decorator reads only its status


def _answer(
    request: HttpRequest, incident_id: UUID, form: CloseForm | None, status: int = 200
) -> HttpResponse:
    person = decorators.person(request)
    page = whole.incident_page(person, presenter.visible(person, incident_id), form)
    return render(request, "remediation/incidents/incident.html", {"page": page}, status=status)
