"""The page of a run: live progress, and halting it between two steps."""

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
from remediation.domain.halt_statement import MAX_REASON, MIN_REASON
from remediation.services import authorize, reversal
from remediation.services import halt as service
from remediation.views import doors, running
from remediation.views.review import STOP_POLLING, visible
from remediation.views.run_pages import RunPage


@doors.page
def show(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    return render(request, "remediation/execution.html", _context(request, proposal_id))


@require_safe
def progress(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """The part that moves; asked for every two seconds until the run has ended."""
    if not request.user.is_authenticated:
        return render(request, "remediation/review/signed_out.html", status=STOP_POLLING)
    answer = _progress(request, proposal_id=proposal_id)
    if answer.status_code >= 400:
        # Refused, and on record. Asked again every two seconds it would fill the record.
        return render(request, "remediation/execution/gone.html", status=STOP_POLLING)
    return answer


@doors.page
def _progress(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    proposal = visible(doors.person(request), proposal_id)
    if running.is_live(proposal) and request.GET.get("seen") == running.version(proposal):
        # Nothing is swapped: what somebody reads, selected or focused stays as it is.
        return HttpResponse(status=204)
    context = _context(request, proposal_id)
    page: RunPage = context["page"]  # type: ignore[assignment]
    # The form is replaced only when it comes or goes, so that a reason being typed is not lost.
    context["moved"] = True
    context["swap_halt"] = request.GET.get("halt") != page.halt_key
    return render(
        request,
        "remediation/execution/progress.html",
        context,
        status=200 if page.live else STOP_POLLING,
    )


@doors.json_post
def halt_start(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """What this person signs in order to stop the run before its next step."""
    started = service.start(
        actor=doors.person(request),
        proposal_id=proposal_id,
        reason=doors.text(body, "reason"),
    )
    return JsonResponse({"session": str(started.session_id), "options": started.options})


@doors.json_post
def halt_sign(request: HttpRequest, proposal_id: UUID, body: Mapping[str, Json]) -> HttpResponse:
    """The passkey's assertion; on record before this answers."""
    try:
        session_id = UUID(doors.text(body, "session"))
    except ValueError:
        raise errors.BadValue("not an id", pointer="/session") from None
    service.sign(
        actor=doors.person(request),
        session_id=session_id,
        assertion=doors.mapping(body, "assertion"),
    )
    messages.warning(
        request,
        gettext(
            "Signed. No further step begins before the worker has verified it; then it undoes the"
            " steps that it applied."
        ),
    )
    return JsonResponse({"next": reverse("execution", args=[proposal_id])})


@doors.form
def undo(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Propose to undo a run that succeeded; others decide on it."""
    made = reversal.propose(
        actor=doors.person(request),
        proposal_id=proposal_id,
        reason=request.POST.get("reason", ""),
    )
    messages.info(
        request,
        gettext(
            "Proposed. Nothing has been undone yet: the worker assesses it and others decide on it."
            " You cannot, since the plan is yours."
        ),
    )
    return redirect("review", made)


def _context(request: HttpRequest, proposal_id: UUID) -> dict[str, object]:
    person = doors.person(request)
    proposal = visible(person, proposal_id)
    return {
        "page": running.run_page(person, proposal),
        "may_audit": authorize.may_audit(person),
        "longest": MAX_REASON,
        "shortest": MIN_REASON,
        "longest_undo": reversal.MAX_REASON,
    }
