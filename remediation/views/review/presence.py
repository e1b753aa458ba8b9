"""Show who else has the review page open: the page posts every few seconds."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from remediation.domain.errors import Refused
from remediation.services.review import presence
from remediation.views import decorators
from remediation.views.cards.proposal import visible
from remediation.views.errors import STOP_POLLING
from remediation.views.names import Names


@require_POST
def look(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Note that this person views the page or left it; answer who else views it now.

    A person who may not see the proposal gets an empty answer and is not noted. No refusal is
    recorded: a page that was open when a right was taken away continues to post.
    """
    if not request.user.is_authenticated:
        return HttpResponse(status=STOP_POLLING)
    person = decorators.person(request)
    try:
        visible(person, proposal_id)
    except Refused:
        return HttpResponse(status=STOP_POLLING)
    if request.POST.get("left"):
        presence.leave(person.person, proposal_id)
        return HttpResponse(status=204)
    presence.look(person.person, proposal_id)
    # The cache may have lost the mark since: presence is never worth an error.
    everybody = presence.lookers([proposal_id]).get(proposal_id, [])
    others = [one for one in everybody if one != person.person]
    names = Names(others)
    lookers = [names.person(one) for one in others]
    # An unchanged list is not sent again: a screen reader would read it out each time.
    if request.POST.get("was", "") == ", ".join(lookers):
        return HttpResponse(status=204)
    return render(request, "remediation/review/lookers.html", {"lookers": lookers})
