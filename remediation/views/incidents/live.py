"""Ask the worker to read identities now, and show what it read.

The script of a page asks by POST when the page is opened; a GET changes nothing.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from remediation.domain import errors
from remediation.models import Incident, Proposal
from remediation.services.access import visibility
from remediation.services.assessment import live as service
from remediation.views import decorators
from remediation.views.cards.live import live_card
from remediation.views.cards.proposal import visible


@decorators.page
def incident_state(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Show what is known of the incident's identities; the page polls it until an answer comes."""
    return _card(request, _incident(request, incident_id), None)


@decorators.form
def incident_read(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Ask the worker to read the incident's identities now."""
    return _asked(request, _incident(request, incident_id), None)


@decorators.page
def proposal_state(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show what is known of the identities of the plan and of its diagnosis."""
    proposal = visible(decorators.person(request), proposal_id)
    return _card(request, proposal.incident, proposal)


@decorators.form
def proposal_read(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Ask the worker to read the identities of the plan and of its diagnosis now."""
    proposal = visible(decorators.person(request), proposal_id)
    return _asked(request, proposal.incident, proposal)


def _incident(request: HttpRequest, incident_id: UUID) -> Incident:
    seen = visibility.visible_incidents(decorators.person(request))
    found = seen.filter(pk=incident_id).first()
    if found is None:
        raise errors.NoSuchObject()
    return found


def _asked(request: HttpRequest, incident: Incident, proposal: Proposal | None) -> HttpResponse:
    named = service.identities(incident, proposal)
    said = ""
    try:
        service.ask(
            actor=decorators.person(request),
            incident=incident,
            locators=[one.locator for one in named],
        )
    except errors.WrongState:
        said = gettext("You asked very often. Wait some minutes; what was read last stands below.")
    if request.headers.get("HX-Request"):
        return _card(request, incident, proposal, said)
    messages.success(request, said or gettext("The worker reads the identities within seconds."))
    return redirect("review", proposal.pk) if proposal else redirect("incident", incident.pk)


def _card(
    request: HttpRequest, incident: Incident, proposal: Proposal | None, said: str = ""
) -> HttpResponse:
    card = live_card(decorators.person(request), incident, proposal)
    return render(
        request, "remediation/cards/live.html", {"live": card, "swap": True, "said": said}
    )
