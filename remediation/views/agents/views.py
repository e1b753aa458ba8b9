"""List agents."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from remediation.domain import errors
from remediation.services.access import authorize
from remediation.services.people import accounts
from remediation.views import decorators
from remediation.views.agents import presenter


@decorators.page
def index(request: HttpRequest) -> HttpResponse:
    """List agents with owner, tokens, use and quality, for their administrators and auditors."""
    person = decorators.person(request)
    if not authorize.roles(person) & {accounts.AGENT_ADMIN, authorize.AUDITOR}:
        raise errors.NotEntitled("only agent administrators and auditors")
    page = presenter.agents_page(person, request.GET)
    return render(request, "remediation/agents/page.html", {"page": page})
