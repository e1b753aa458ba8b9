"""Take an answer how an incident, or a run of it, turned out."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from remediation.domain import errors
from remediation.domain.retrospect import ANSWERS, Answer
from remediation.services.learning import answer_outcome
from remediation.views import decorators


@decorators.form
def answer(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Record the answer of a person who was asked."""
    given = {name: request.POST.get(name, "") for name in ANSWERS}
    proposal_id = _id(request.POST.get("proposal", ""))
    answer_outcome.answer(
        actor=decorators.person(request),
        incident_id=incident_id,
        proposal_id=proposal_id,
        said=Answer(**given),
        unseen=request.POST.get("unseen", ""),
    )
    messages.success(request, gettext("Thank you. Your answer is recorded."))
    if proposal_id is not None:
        return redirect("execution", proposal_id)
    return redirect("incident", incident_id)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise errors.BadValue("not an id", pointer="/proposal") from None
