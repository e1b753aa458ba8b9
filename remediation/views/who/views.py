"""Who can do what: a search, and a page for a person, a service and a proposal."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from remediation.domain import errors
from remediation.models import Proposal, Service, User
from remediation.services.access import visibility, who
from remediation.views import decorators
from remediation.views.who import presenter


@decorators.page
def index(request: HttpRequest) -> HttpResponse:
    """Find a person or a service by name."""
    page = presenter.index_page(decorators.person(request), request.GET.get("q", ""))
    return render(request, "remediation/who/index.html", {"page": page})


@decorators.page
def of_person(request: HttpRequest, person: UUID) -> HttpResponse:
    """Show what a person may see, decide and halt, and why."""
    viewer = decorators.person(request)
    about = User.objects.filter(person=person).first()
    if about is None:
        raise errors.NoSuchObject()
    who.refuse_strangers(viewer, about)
    page = presenter.person_page(viewer, about)
    return render(request, "remediation/who/person.html", {"page": page})


@decorators.page
def of_service(request: HttpRequest, service_id: int) -> HttpResponse:
    """Show who may see, decide and halt what affects a service."""
    viewer = decorators.person(request)
    service = Service.objects.filter(pk=service_id).first()
    if service is None:
        raise errors.NoSuchObject()
    who.refuse_outsiders(viewer, service)
    page = presenter.service_page(viewer, service)
    return render(request, "remediation/who/service.html", {"page": page})


@decorators.page
def of_proposal(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show who has decided on a proposal, who still can, and who cannot and why."""
    viewer = decorators.person(request)
    proposal = Proposal.objects.select_related("incident").filter(pk=proposal_id).first()
    if proposal is None or not visibility.may_view(viewer, proposal):
        raise errors.NoSuchObject()
    page = presenter.proposal_page(proposal)
    return render(request, "remediation/who/proposal.html", {"page": page})
