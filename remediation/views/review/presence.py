"""Who else has a proposal's page open: told by the page itself, by POST, every few seconds."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from remediation.domain.errors import Refused
from remediation.services.review import presence
from remediation.views import decorators
from remediation.views.names import Names
from remediation.views.review import views

# htmx: a response with this status stops the polling of the element.
STOP_POLLING = 286


@require_POST
def look(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Note that this person looks, or that they left; answer who else looks now.

    Whoever may not see the proposal is told nothing and leaves no mark. This is no request that a
    refusal is recorded of: the page that was open when a right went away goes on asking.
    """
    if not request.user.is_authenticated:
        return HttpResponse(status=STOP_POLLING)
    person = decorators.person(request)
    try:
        views.visible(person, proposal_id)
    except Refused:
        return HttpResponse(status=STOP_POLLING)
    if request.POST.get("left"):
        presence.leave(person.person, proposal_id)
        return HttpResponse(status=204)
    presence.look(person.person, proposal_id)
    others = [one for one in presence.lookers([proposal_id])[proposal_id] if one != person.person]
    names = Names(others)
    lookers = [names.person(one) for one in others]
    # What the page says already is not said again: a screen reader would read it out each time.
    if request.POST.get("was", "") == ", ".join(lookers):
        return HttpResponse(status=204)
    return render(request, "remediation/review/lookers.html", {"lookers": lookers})
