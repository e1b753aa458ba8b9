"""What waits, most urgent first: risk, then the clock, then how long it has been known."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, pgettext

from remediation.models import Agent, User
from remediation.services.access import authorize
from remediation.services.review import saved_views
from remediation.views import decorators
from remediation.views.queue import filters, presenter


@dataclass(frozen=True)
class Tab:
    title: str
    query: str
    current: bool


# More agents than one chooses from; the address and the search take any name.
AGENTS = 200


def home(request: HttpRequest) -> HttpResponse:
    return redirect("queue")


def show(request: HttpRequest) -> HttpResponse:
    """The queue; a poll by a page whose session ended gets told to load itself again."""
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
            # Nothing changed, so nothing is drawn: focus, selection and scroll stay by themselves.
            return HttpResponse(status=204)
        return render(request, "remediation/queue/polled.html", context)
    return render(request, "remediation/queue.html", {**context, **_around(person, chosen, odd)})


def _around(person: User, chosen: filters.Filters, odd: tuple[str, ...]) -> dict[str, object]:
    """What stands around the list and is not drawn again."""
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
