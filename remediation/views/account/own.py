"""A person's own settings: what to be told, the theme, and where she is signed in."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from remediation.domain.act import Act
from remediation.services.people import choose_notices, sessions, stepup
from remediation.views import decorators, step_up
from remediation.views.account import own_presenter
from remediation.views.account import theme as own_theme


@decorators.page
def show(request: HttpRequest) -> HttpResponse:
    """Show the settings."""
    page = own_presenter.settings_page(
        decorators.person(request),
        session_key=request.session.session_key or "",
        theme=own_theme.chosen(request),
    )
    return render(request, "remediation/account/settings.html", {"page": page})


@decorators.form
def notices(request: HttpRequest) -> HttpResponse:
    """Keep what the person wants to be told."""
    wanted = [value[:120] for value in request.POST.getlist("on")[:500]]
    if choose_notices.choose(actor=decorators.person(request), wanted=wanted):
        messages.success(request, gettext("Saved: what you are told, and how."))
    return redirect("settings")


@decorators.form
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme in this browser."""
    response = redirect("settings")
    own_theme.keep(response, request.POST.get("theme", ""))
    return response


def _ending(request: HttpRequest) -> Act:
    return sessions.ending(decorators.person(request))


@step_up.signed_form(_ending)
def end_sessions(request: HttpRequest, proof: stepup.Proof | None) -> HttpResponse:
    """Sign out everywhere else. A stolen cookie must not sign its victim out."""
    person = decorators.person(request)
    sessions.end_others(actor=person, proof=proof)
    sessions.keep(person, request.session)
    messages.success(request, gettext("You are signed out everywhere else."))
    return redirect("settings")
