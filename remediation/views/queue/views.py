"""The queue, and the way to the next proposal."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, pgettext

from remediation.models import Agent, User
from remediation.services.access import authorize
from remediation.services.review import saved_views
from remediation.views import decorators
from remediation.views.queue import filters, presenter
from remediation.views.queue.page import Tab

# The most agents in the list of choices; the address and the search take any name.
AGENTS = 200


def home(request: HttpRequest) -> HttpResponse:
    """The portal begins at the queue."""
    return redirect("queue")


@decorators.page
def following(request: HttpRequest) -> HttpResponse:
    """Redirect to the next proposal that this person may decide, or to the queue.

    A route of its own: the search may fail, and a decision that is on record must not fail with
    it.
    """
    proposal_id = presenter.next_for(decorators.person(request))
    return redirect("review", proposal_id) if proposal_id else redirect("queue")


def show(request: HttpRequest) -> HttpResponse:
    """The queue; a page that polls after its session ended is told to load itself again."""
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
            # Nothing changed, so nothing is drawn: focus, selection and scroll stay.
            return HttpResponse(status=204)
        return render(request, "remediation/queue/polled.html", context)
    return render(
        request, "remediation/queue/page.html", {**context, **_around(person, chosen, odd)}
    )


def _around(person: User, chosen: filters.Filters, odd: tuple[str, ...]) -> dict[str, object]:
    """The parts of the page around the list; polling does not draw them again."""
    roles = authorize.roles(person)
    saved = saved_views.views_of(person)
    agents = list(Agent.objects.order_by("name")[:AGENTS]) if roles else []
    return {
        "choices": filters.CHOICES,
        "tabs": _tabs(chosen),
        "agents": agents,
        "lone_agent": "" if chosen.agent in {agent.name for agent in agents} else chosen.agent,
        "without_target": chosen.but(target=""),
        "saved": saved,
        "current": next((view.name for view in saved if view.query == chosen.query), ""),
        "odd": odd,
    }


def _tabs(chosen: filters.Filters) -> list[Tab]:
    titles = {
        # Translators: all proposals.
        "": pgettext("tab of the queue", "All"),
        filters.MINE: gettext("Mine to decide"),
        filters.SERVICES: gettext("My services"),
    }
    return [Tab(title, chosen.but(show=key), chosen.show == key) for key, title in titles.items()]
