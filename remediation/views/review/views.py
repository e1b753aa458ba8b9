"""The page on which a person decides, and the two steps of deciding."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.models import Proposal, User
from remediation.services.access import visibility
from remediation.services.review import report_agent as suspicion
from remediation.services.review import sign as service
from remediation.views import decorators
from remediation.views.queue import presenter as queue_page
from remediation.views.review import presenter

# django-htmx: a response with this status stops the polling of the element.
STOP_POLLING = 286


@decorators.page
def show(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    proposal = visible(decorators.person(request), proposal_id)
    page = presenter.review_page(decorators.person(request), proposal)
    return render(request, "remediation/review.html", {"page": page})


@require_safe
def rail(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """The side of the page, read again every few seconds; says when the page has grown old."""
    if not request.user.is_authenticated:
        return render(request, "remediation/review/signed_out.html", status=STOP_POLLING)
    return _rail(request, proposal_id=proposal_id)


@decorators.page
def _rail(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    page = presenter.rail(visible(decorators.person(request), proposal_id))
    seen = request.GET.get("seen", "")
    now = str(page.assessed.assessment_id) if page.assessed else ""
    changed = seen != now or page.state != "in_review"
    return render(
        request,
        "remediation/review/rail.html",
        {"page": page, "changed": changed},
        status=STOP_POLLING if changed else 200,
    )


@decorators.form
def observe(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Ask the worker to look again; that opens a new round."""
    service.observe_again(actor=decorators.person(request), proposal_id=proposal_id)
    messages.info(
        request,
        gettext(
            "The worker was asked to look again. The page says when it has; that is a new round."
        ),
    )
    return redirect("review", proposal_id)


@decorators.json_post
def start(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """A statement over what stands now, if that is what the page showed."""
    person = decorators.person(request)
    started = service.start(
        actor=person,
        proposal_id=proposal_id,
        round=body.get("round"),
        decision=decorators.text(body, "decision"),
        verdicts=decorators.texts(body, "verdicts"),
        reason=decorators.texts(body, "reason"),
        slot=decorators.text(body, "slot"),
        opened=decorators.list_of_texts(body, "opened"),
        typed=decorators.list_of_texts(body, "typed"),
    )
    return JsonResponse({"session": str(started.session_id), "options": started.options})


@decorators.form
def report_agent(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Suspend the agent at once. The one decision that needs no passkey: it only stops."""
    agent = suspicion.report(
        actor=decorators.person(request),
        proposal_id=proposal_id,
        reason=request.POST.get("reason", ""),
    )
    messages.warning(
        request,
        gettext(
            "%(name)s is suspended. Nothing that it proposed can be approved or run"
            " until an agent administrator lets it act again."
        )
        % {"name": agent.name},
    )
    return redirect("review", proposal_id)


@decorators.json_post
def sign(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """The passkey's assertion; answers where to go next."""
    person = decorators.person(request)
    try:
        session_id = UUID(decorators.text(body, "session"))
    except ValueError:
        raise errors.BadValue("not an id", pointer="/session") from None
    signed = service.sign(
        actor=person, session_id=session_id, assertion=decorators.mapping(body, "assertion")
    )
    messages.success(request, _said(signed))
    following = queue_page.next_for(person)
    address = reverse("review", args=[following]) if following else reverse("queue")
    resolution = signed.resolution.value if signed.resolution else None
    return JsonResponse({"next": address, "resolution": resolution})


def visible(person: User, proposal_id: UUID) -> Proposal:
    """The proposal, if this person may see it; else NoSuchObject."""
    found = (
        visibility.visible_proposals(person)
        .select_related("incident", "diagnosis", "agent")
        .filter(pk=proposal_id)
        .first()
    )
    if found is None:
        raise errors.NoSuchObject()
    return found


def _said(signed: service.Signed) -> str:
    if signed.resolution is None:
        return gettext("Your decision is on record. Others still have to decide.")
    return {
        "approved": gettext("Your decision is on record. It was the last one needed: approved."),
        "rejected": gettext("Your rejection is on record. The worker verifies its signature now."),
        "returned": gettext("Your return is on record. The worker verifies its signature now."),
    }[signed.resolution.value]
