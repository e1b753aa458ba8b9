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
from remediation.services.reporting import correct as service
from remediation.views import decorators
from remediation.views.cards import slots as slot_cards
from remediation.views.cards.proposal import visible
from remediation.views.review import presenter

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
    # Said before the correction is made: its editor does not decide (A81).
    nobody = slot_cards.would_remain(proposal, person)
    context = {"page": presenter.correct_page(proposal), "nobody_for": nobody}
    return render(request, "remediation/review/correct.html", context)


@decorators.form
def _correct(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    made = service.correct(
        actor=decorators.person(request),
        proposal_id=proposal_id,
        correction=_correction(request),
        reason=request.POST.get("reason", ""),
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
        int(name.removeprefix("claim-")): _lines(sent[name])
        for name in sent
        if _CLAIM.fullmatch(name)
    }
    return service.Correction(
        summary=_lines(sent.get("summary", "")),
        confidence=int(confidence),
        claims={n: None if f"leave-{n}" in sent else text for n, text in texts.items()},
        missing=[line.strip() for line in sent.get("missing", "").splitlines() if line.strip()],
    )


def _lines(text: str) -> str:
    # A form sends every line end as CR LF.
    return text.replace("\r\n", "\n")
