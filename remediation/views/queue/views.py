"""Show the queue, and redirect to the next proposal."""

from __future__ import annotations

import logging
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from remediation.models import User
from remediation.views import decorators
from remediation.views.queue import choices, decided, filters, landing, presenter

logger = logging.getLogger(__name__)


@decorators.page
def home(request: HttpRequest) -> HttpResponse:
    """Redirect to the first page of the person's own work."""
    return redirect(landing.landing(decorators.person(request)))


@decorators.page
def following(request: HttpRequest) -> HttpResponse:
    """Say what the decision before did, and redirect to the next proposal, or to the queue.

    `?after=` leaves out the proposal that the person comes from. A route of its own: what fails
    here comes after a decision that is recorded, so it only loses the line or the next proposal,
    never the answer.
    """
    person = decorators.person(request)
    said = decided.described(person, just) if (just := _decided(request)) else ""
    if said:
        messages.success(request, said)
    proposal_id = _next_for(person, skip=request.GET.get("after", ""))
    return redirect("review", proposal_id) if proposal_id else redirect("queue")


def _decided(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("decided", ""))
    except ValueError:
        return None


def _next_for(person: User, *, skip: str) -> UUID | None:
    try:
        return presenter.next_for(person, skip=skip)
    except Exception:
        logger.exception("the search for the next proposal")
        return None


def show(request: HttpRequest) -> HttpResponse:
    """Show the queue; make a page reload that polls after its session ended."""
    if not request.user.is_authenticated and request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return _show(request)


@decorators.page
def _show(request: HttpRequest) -> HttpResponse:
    person = decorators.person(request)
    chosen, odd = filters.read(request.GET)
    page = presenter.page(person, chosen, filters.cursor(request.GET))
    context = {"page": page, "filters": chosen, "address": request.get_full_path()}
    if request.headers.get("HX-Request"):
        if request.headers.get("X-Seen") == page.seen:
            # Nothing changed: without a new list, focus, selection and scroll stay.
            return HttpResponse(status=204)
        return render(request, "remediation/queue/polled.html", context)
    return render(
        request, "remediation/queue/page.html", {**context, **choices.around(person, chosen, odd)}
    )
