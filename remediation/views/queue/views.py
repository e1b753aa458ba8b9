"""Show the queue, and redirect to the next proposal."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from remediation.views import decorators
from remediation.views.queue import choices, filters, presenter


def home(request: HttpRequest) -> HttpResponse:
    """Redirect to the queue."""
    return redirect("queue")


@decorators.page
def following(request: HttpRequest) -> HttpResponse:
    """Redirect to the next proposal that this person may decide, or to the queue.

    `?after=` leaves out the proposal that the person comes from. A route of its own: the search
    may fail, and a recorded decision must not fail with it.
    """
    skip = request.GET.get("after", "")
    proposal_id = presenter.next_for(decorators.person(request), skip=skip)
    return redirect("review", proposal_id) if proposal_id else redirect("queue")


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
