"""Pages about the past: the history, one review as it was seen, the changes."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from remediation.domain import errors
from remediation.services.access import authorize
from remediation.views import decorators
from remediation.views.cards.proposal import visible
from remediation.views.history import presenter, reopened


@decorators.page
def show(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show everything on record about the proposal."""
    person = decorators.person(request)
    page = presenter.history_page(
        visible(person, proposal_id), may_audit=authorize.may_audit(person)
    )
    return render(request, "remediation/history/page.html", {"page": page})


@decorators.page
def review(request: HttpRequest, proposal_id: UUID, number: int) -> HttpResponse:
    """Show what one reviewer saw and signed, from the stored bytes."""
    person = decorators.person(request)
    found = reopened.reopened(visible(person, proposal_id), number)
    if found is None:
        raise errors.NoSuchObject()
    context = {
        "proposal_id": proposal_id,
        "review": found,
        "page": found.page,
        "may_audit": authorize.may_audit(person),
    }
    return render(request, "remediation/history/reopened.html", context)


@decorators.page
def changes(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show the differences between its rounds, and from another proposal of the incident."""
    person = decorators.person(request)
    proposal = visible(person, proposal_id)
    page = presenter.changes_page(person, proposal, request.GET.get("from", ""))
    return render(request, "remediation/history/changes.html", {"page": page})
