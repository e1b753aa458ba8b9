"""Leave something out of a plan: the form, and its two steps start and sign."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.narrowing import Kept
from remediation.domain.plan import Step
from remediation.services.load_plan import load_plan
from remediation.services.review import narrow as service
from remediation.services.review.old_page import Page
from remediation.views import bodies, decorators
from remediation.views.cards.proposal import visible
from remediation.views.narrow import presenter


@decorators.page
def show(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show the form."""
    person = decorators.person(request)
    proposal = visible(person, proposal_id)
    if not service.may_narrow(person, proposal):
        raise errors.NotEntitled("only those who could decide may leave something out")
    page = presenter.narrow_page(person, proposal)
    return render(request, "remediation/narrow/page.html", {"page": page})


@decorators.json_post
def start(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """Compose the statement, if the page showed the current state."""
    person = decorators.person(request)
    started = service.start(
        actor=person,
        proposal_id=proposal_id,
        page=Page(body.get("round"), body.get("look", 0)),
        kept=_kept(load_plan(bytes(visible(person, proposal_id).plan)).steps, body),
        verdicts=bodies.texts(body, "verdicts"),
        reason=bodies.text(body, "reason"),
        slot=bodies.text(body, "slot"),
        opened=bodies.list_of_texts(body, "opened"),
        typed=bodies.list_of_texts(body, "typed"),
    )
    return JsonResponse({"session": str(started.session_id), "options": started.options})


@decorators.json_post
def sign(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """Record the signed narrowing; answer where the new version is."""
    try:
        session_id = UUID(bodies.text(body, "session"))
    except ValueError:
        raise errors.BadValue("not an id", pointer="/session") from None
    made = service.sign(
        actor=decorators.person(request),
        session_id=session_id,
        assertion=bodies.mapping(body, "assertion"),
    )
    messages.success(
        request,
        gettext(
            "This is the version that you signed. The worker assesses it now; then the others"
            " decide. If what you saw has not changed, your approval counts already."
        ),
    )
    return JsonResponse({"next": reverse("review", args=[made])})


def _kept(steps: tuple[Step, ...], body: Mapping[str, Json]) -> list[Kept]:
    """Return what is kept: each step by its index, with the parameters that were made smaller.

    The other parameters are those of the plan. The service judges whether it is narrower.
    """
    kept = body.get("kept")
    if not isinstance(kept, list):
        raise errors.WrongType("not a list", pointer="/kept")
    found = []
    for one in kept:
        index = one.get("step") if isinstance(one, dict) else None
        if not isinstance(one, dict) or type(index) is not int or not 0 <= index < len(steps):
            raise errors.BadValue("the plan has no such step", pointer="/kept")
        smaller = bodies.mapping(one, "smaller")
        found.append(Kept(index, {**steps[index].parameters, **smaller}))
    return found
