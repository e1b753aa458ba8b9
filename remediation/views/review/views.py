"""The review page, and the two steps of a decision: start and sign."""

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
from remediation.domain.act import Act
from remediation.domain.gate.quorum import Resolution
from remediation.services.people import stepup
from remediation.services.review import report_agent as suspicion
from remediation.services.review import sign as service
from remediation.services.review.old_page import Page
from remediation.views import bodies, decorators, step_up
from remediation.views.cards.proposal import visible
from remediation.views.errors import STOP_POLLING, signed_out
from remediation.views.review import presenter


@decorators.page
def show(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show the whole page."""
    proposal = visible(decorators.person(request), proposal_id)
    page = presenter.review_page(decorators.person(request), proposal)
    return render(request, "remediation/review/page.html", {"page": page})


@require_safe
def rail(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Update the side of the page every few seconds; warn when the page is out of date."""
    if not request.user.is_authenticated:
        return signed_out(request)
    return _rail(request, proposal_id=proposal_id)


@decorators.page
def _rail(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    page = presenter.rail(visible(decorators.person(request), proposal_id))
    seen = request.GET.get("seen", "")
    now = page.seen
    changed = seen != now or page.state != "in_review"
    return render(
        request,
        "remediation/review/rail.html",
        {"rail": page, "changed": changed},
        status=STOP_POLLING if changed else 200,
    )


def _observing(request: HttpRequest, proposal_id: UUID) -> Act:
    proposal = visible(decorators.person(request), proposal_id)
    return service.observing(proposal.pk, proposal.round)


@step_up.signed_form(_observing)
def observe(request: HttpRequest, proposal_id: UUID, proof: stepup.Proof | None) -> HttpResponse:
    """Ask the worker to read the target again; what differs opens a new round."""
    service.observe_again(actor=decorators.person(request), proposal_id=proposal_id, proof=proof)
    messages.info(
        request,
        gettext("The worker will read the target again. This page says when it has."),
    )
    return redirect("review", proposal_id)


@decorators.json_post
def start(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """Compose the statement, if the page showed the current state."""
    person = decorators.person(request)
    started = service.start(
        actor=person,
        proposal_id=proposal_id,
        page=Page(body.get("round"), body.get("look", 0)),
        decision=bodies.text(body, "decision"),
        verdicts=bodies.texts(body, "verdicts"),
        reason=bodies.texts(body, "reason"),
        slot=bodies.text(body, "slot"),
        opened=bodies.list_of_texts(body, "opened"),
        typed=bodies.list_of_texts(body, "typed"),
    )
    return JsonResponse({"session": str(started.session_id), "options": started.options})


def _reporting(request: HttpRequest, proposal_id: UUID) -> Act:
    proposal = visible(decorators.person(request), proposal_id)
    return suspicion.reporting(proposal, step_up.text_of(request, "reason"))


@step_up.signed_form(_reporting)
def report_agent(
    request: HttpRequest, proposal_id: UUID, proof: stepup.Proof | None
) -> HttpResponse:
    """Suspend the agent at once."""
    agent = suspicion.report(
        actor=decorators.person(request),
        proposal_id=proposal_id,
        reason=request.POST.get("reason", ""),
        proof=proof,
    )
    messages.warning(
        request,
        gettext(
            "%(name)s is suspended. Its proposals cannot be approved or run"
            " until an agent administrator enables it again."
        )
        % {"name": agent.name},
    )
    return redirect("review", proposal_id)


@decorators.json_post
def sign(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """Record the passkey's assertion; answer where to go next."""
    person = decorators.person(request)
    try:
        session_id = UUID(bodies.text(body, "session"))
    except ValueError:
        raise errors.BadValue("not an id", pointer="/session") from None
    signed = service.sign(
        actor=person, session_id=session_id, assertion=bodies.mapping(body, "assertion")
    )
    resolution = signed.resolution.value if signed.resolution else None
    # The decision is committed: what to say about it and the search for the next proposal may fail,
    # so they have a route of their own. The last approval leads to the run.
    onward = (
        reverse("execution", args=[signed.proposal_id])
        if signed.resolution is Resolution.APPROVED
        else f"{reverse('queue_next')}?decided={signed.proposal_id}"
    )
    return JsonResponse({"next": onward, "resolution": resolution})
