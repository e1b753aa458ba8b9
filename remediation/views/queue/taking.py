"""Take a proposal from the queue: "I take it" assigns its incident."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext

from remediation.domain import errors
from remediation.services.reporting import assign
from remediation.services.review import saved_views
from remediation.views import decorators
from remediation.views.queue import filters


@decorators.form
def take(request: HttpRequest) -> HttpResponse:
    """Assign the incident to the person, if nobody has it.

    Who wants it from somebody else takes it over on the incident's page, where that person stands.
    """
    person = decorators.person(request)
    try:
        incident_id = UUID(request.POST.get("incident", ""))
    except ValueError:
        raise errors.BadValue("not an id", pointer="/incident") from None
    assign.assign(actor=person, incident_id=incident_id, person=person.person, seen=None)
    messages.success(request, gettext("It is yours now. Others see your name beside it."))
    chosen, _ = filters.read(QueryDict(request.POST.get("query", "")[: saved_views.QUERY_MAX]))
    return redirect(f"{reverse('queue')}?{chosen.query}" if chosen.query else "queue")
