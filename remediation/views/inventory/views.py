"""List the services and the identities of the inventory."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from remediation.domain import errors
from remediation.models import User
from remediation.services.access import authorize
from remediation.services.people import accounts
from remediation.views import decorators
from remediation.views.inventory import presenter

READERS = frozenset({accounts.INVENTORY_EDITOR, accounts.USER_ADMIN, authorize.AUDITOR})


@decorators.page
def services(request: HttpRequest) -> HttpResponse:
    """List services, for those who keep the inventory and for auditors."""
    person = _reader(request)
    page = presenter.services_page(person, request.GET)
    return render(request, "remediation/inventory/page.html", {"page": page})


@decorators.page
def identities(request: HttpRequest) -> HttpResponse:
    """List identities, for those who keep the inventory and for auditors."""
    person = _reader(request)
    page = presenter.identities_page(person, request.GET)
    return render(request, "remediation/inventory/identities.html", {"page": page})


def _reader(request: HttpRequest) -> User:
    person = decorators.person(request)
    if not authorize.roles(person) & READERS:
        raise errors.NotEntitled("only people who keep the inventory, and auditors")
    return person
