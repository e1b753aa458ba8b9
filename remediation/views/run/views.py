"""The page of a run: live progress, a halt, and people's ways out of a stopped or unknown run."""

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
from remediation.domain.halt.statement import MAX_REASON, MIN_REASON, RunDecision
from remediation.services.access import authorize
from remediation.services.execution import halt as service
from remediation.services.execution import propose_rest, reverse_run
from remediation.views import bodies, decorators
from remediation.views.cards.outcomes import outcomes_card
from remediation.views.cards.proposal import visible
from remediation.views.errors import STOP_POLLING, signed_out
from remediation.views.run import presenter
from remediation.views.run.page import LIVE, RunPage
from remediation.views.run.waiting import LONGER


@decorators.page
def show(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show the whole page."""
    person = decorators.person(request)
    proposal = visible(person, proposal_id)
    ended = proposal.state not in LIVE and hasattr(proposal, "execution")
    card = outcomes_card(person, proposal.incident, proposal) if ended else None
    context = {**_context(request, proposal_id), "outcomes": card}
    return render(request, "remediation/run/page.html", context)


@require_safe
def progress(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show the part that changes; polled every two seconds until the run has ended."""
    if not request.user.is_authenticated:
        return signed_out(request)
    answer = _progress(request, proposal_id=proposal_id)
    if answer.status_code >= 400:
        # The refusal is recorded. Further polls would record it every two seconds.
        return render(request, "remediation/run/gone.html", status=STOP_POLLING)
    return answer


@decorators.page
def _progress(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    proposal = visible(decorators.person(request), proposal_id)
    if presenter.is_live(proposal) and request.GET.get("seen") == presenter.version(proposal):
        # Nothing changed: without a new part, selection and focus stay.
        return HttpResponse(status=204)
    context = _context(request, proposal_id)
    page: RunPage = context["page"]  # type: ignore[assignment]
    # Replace the form only when it appears or disappears, so that a typed reason is not lost.
    context["moved"] = True
    context["swap_halt"] = request.GET.get("halt") != page.halt_key
    return render(
        request,
        "remediation/run/progress.html",
        context,
        status=200 if page.live else STOP_POLLING,
    )


@decorators.json_post
def halt_start(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """Compose the statement that this person signs about the run."""
    started = service.start(
        actor=decorators.person(request),
        proposal_id=proposal_id,
        decision=bodies.text(body, "decision"),
        reason=bodies.text(body, "reason"),
        found=bodies.text({"found": "", **body}, "found"),
        answer=_answer(body),
    )
    return JsonResponse({"session": str(started.session_id), "options": started.options})


def _answer(body: Mapping[str, Json]) -> service.Answer | None:
    """Return what an answer to a run that waits says; None of any other statement."""
    decision = bodies.text(body, "decision")
    if decision not in (RunDecision.GO_ON, RunDecision.LONGER):
        return None
    longer_s = body.get("longer_s")
    if decision == RunDecision.LONGER and longer_s not in LONGER:
        raise errors.BadValue("choose how much longer it waits", pointer="/longer_s")
    step = body.get("step")
    if not isinstance(step, int) or isinstance(step, bool):
        raise errors.BadValue("say to which wait it is an answer", pointer="/step")
    return service.Answer(
        step=step,
        seen=bodies.text(body, "seen"),
        longer_s=int(longer_s) if isinstance(longer_s, int) and decision == "longer" else 0,
    )


@decorators.json_post
def halt_sign(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """Record the passkey's assertion before this answers."""
    try:
        session_id = UUID(bodies.text(body, "session"))
    except ValueError:
        raise errors.BadValue("not an id", pointer="/session") from None
    # No flash: the run's page shows the statement, and whether it counts, as long as it matters.
    service.sign(
        actor=decorators.person(request),
        session_id=session_id,
        assertion=bodies.mapping(body, "assertion"),
    )
    return JsonResponse({"next": reverse("execution", args=[proposal_id])})


@decorators.form
def rest(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Propose the steps that a stopped run did not confirm; others decide on them."""
    made = propose_rest.propose(
        actor=decorators.person(request),
        proposal_id=proposal_id,
        reason=request.POST.get("reason", ""),
    )
    messages.info(
        request,
        gettext(
            "Proposed. Nothing runs yet: the worker assesses it and others decide on it. You cannot"
            " decide, because you are its author."
        ),
    )
    return redirect("review", made)


@decorators.form
def propose_reversal(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Propose to reverse a run that succeeded or stopped; others decide on it."""
    made = reverse_run.propose(
        actor=decorators.person(request),
        proposal_id=proposal_id,
        reason=request.POST.get("reason", ""),
    )
    messages.info(
        request,
        gettext(
            "Proposed. Nothing is reversed yet: the worker assesses it and others decide on it."
            " You cannot decide, because you are its author."
        ),
    )
    return redirect("review", made)


def _context(request: HttpRequest, proposal_id: UUID) -> dict[str, object]:
    person = decorators.person(request)
    proposal = visible(person, proposal_id)
    return {
        "page": presenter.run_page(person, proposal),
        "may_audit": authorize.may_audit(person),
        "longest": MAX_REASON,
        "shortest": MIN_REASON,
        "longest_undo": reverse_run.MAX_REASON,
        "longer": LONGER,
    }
