"""Explain the portal: what each role does here, the words, the keys."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from remediation.views import decorators
from remediation.views.help import presenter

VISITED = "portal_visited"
YEAR_S = 365 * 86_400


@decorators.page
def show(request: HttpRequest) -> HttpResponse:
    """Show the help page; the first visit's hint is not shown again in this browser."""
    page = presenter.help_page(decorators.person(request))
    return _visited(render(request, "remediation/help/page.html", {"page": page}))


@decorators.form
def dismiss(request: HttpRequest) -> HttpResponse:
    """Hide the hint of the first visit."""
    return _visited(redirect("home"))


def _visited(answer: HttpResponse) -> HttpResponse:
    """Remember in the browser alone; the server keeps nothing about it."""
    answer.set_cookie(VISITED, "1", max_age=YEAR_S, samesite="Lax", httponly=True)
    return answer
