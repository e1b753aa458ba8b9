"""Who can do what: a search, and a page for a person, a service and a proposal."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from remediation.services.access import who
from remediation.views import decorators
from remediation.views.cards.proposal import visible
from remediation.views.who import presenter


@decorators.page
def index(request: HttpRequest) -> HttpResponse:
    """Find a person or a service by name."""
    page = presenter.index_page(decorators.person(request), request.GET.get("q", ""))
    return render(request, "remediation/who/page.html", {"page": page})


@decorators.page
def of_person(request: HttpRequest, person: UUID) -> HttpResponse:
    """Show what a person may see, decide and halt, and why."""
    viewer = decorators.person(request)
    page = presenter.person_page(viewer, who.find_person(viewer, person))
    return render(request, "remediation/who/person.html", {"page": page})


@decorators.page
def of_service(request: HttpRequest, service_id: int) -> HttpResponse:
    """Show who may see, decide and halt what affects a service."""
    viewer = decorators.person(request)
    page = presenter.service_page(viewer, who.find_service(viewer, service_id))
    return render(request, "remediation/who/service.html", {"page": page})


@decorators.page
def of_proposal(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show who has decided on a proposal, who still can, and who cannot and why."""
    page = presenter.proposal_page(visible(decorators.person(request), proposal_id))
    return render(request, "remediation/who/proposal.html", {"page": page})
