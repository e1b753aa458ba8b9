"""Let a reviewer correct a diagnosis or a scope; others decide on the result."""

from __future__ import annotations

import re
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from remediation.domain import errors
from remediation.domain.act import Act
from remediation.domain.errors import Refused
from remediation.services.people import stepup
from remediation.services.reporting import correct as service
from remediation.views import decorators, refusals, step_up
from remediation.views.cards.proposal import visible
from remediation.views.review import correcting

_CLAIM = re.compile(r"claim-[0-9]{1,4}", re.ASCII)


@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show the form (GET), or make the new version (POST)."""
    door = _correct if request.method == "POST" else _show
    return door(request, proposal_id=proposal_id)


@decorators.page
def _show(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    person = decorators.person(request)
    proposal = visible(person, proposal_id)
    if not service.may_correct(person, proposal):
        raise errors.NotEntitled("only those who could decide may correct")
    page = correcting.correct_page(person, proposal)
    return render(request, "remediation/review/correct.html", {"page": page})


def _again(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """Show the form again when something typed was refused; else the refusal's own page."""
    person = decorators.person(request)
    match = request.resolver_match
    if match is None or not isinstance(refusal, correcting.TYPED):
        return refusals.refused_page(request, refusal)
    proposal = visible(person, match.kwargs["proposal_id"])
    page = correcting.again(correcting.correct_page(person, proposal), request.POST.dict(), refusal)
    return render(
        request,
        "remediation/review/correct.html",
        {"page": page},
        status=refusals.status_of(refusal),
    )


def _correcting(request: HttpRequest, proposal_id: UUID) -> Act:
    proposal = visible(decorators.person(request), proposal_id)
    reason = correcting.lines(step_up.text_of(request, "reason"))
    return service.correcting(proposal, _correction(request), reason)


@step_up.signed_form(_correcting, _again)
def _correct(request: HttpRequest, proposal_id: UUID, proof: stepup.Proof | None) -> HttpResponse:
    made = service.correct(
        actor=decorators.person(request),
        proposal_id=proposal_id,
        correction=_correction(request),
        reason=correcting.lines(request.POST.get("reason", "")),
        proof=proof,
    )
    messages.success(
        request,
        gettext(
            "This is the corrected version. The worker assesses it now. Others decide on it,"
            " because you edited it."
        ),
    )
    return redirect("review", made)


def _correction(request: HttpRequest) -> service.Correction:
    """Return what the form asks to change. Raises BadValue when the confidence is not a number."""
    sent = request.POST
    confidence = sent.get("confidence", "")
    if not re.fullmatch("[0-9]{1,3}", confidence, re.ASCII):
        raise errors.BadValue("a whole number of per cent", pointer="/confidence")
    texts = {
        int(name.removeprefix("claim-")): correcting.lines(sent[name])
        for name in sent
        if _CLAIM.fullmatch(name)
    }
    return service.Correction(
        summary=correcting.lines(sent.get("summary", "")),
        confidence=int(confidence),
        claims={n: None if f"leave-{n}" in sent else text for n, text in texts.items()},
        missing=[line.strip() for line in sent.get("missing", "").splitlines() if line.strip()],
    )
