"""List people, and invite one by a one-time code."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from remediation.domain import errors
from remediation.domain.act import Act
from remediation.models import User
from remediation.services.access import authorize
from remediation.services.actors import PersonActor
from remediation.services.people import accounts, enroll, stepup
from remediation.views import decorators, step_up
from remediation.views.people import presenter
from remediation.views.people.page import InvitedPage


@decorators.page
def index(request: HttpRequest) -> HttpResponse:
    """List people with their state and next step, for user administrators and auditors."""
    person = decorators.person(request)
    if not authorize.roles(person) & {accounts.USER_ADMIN, authorize.AUDITOR}:
        raise errors.NotEntitled("only user administrators and auditors")
    page = presenter.people_page(person, request.GET)
    return render(request, "remediation/people/page.html", {"page": page})


def _inviting(request: HttpRequest, user_id: int) -> Act:
    person = decorators.person(request)
    accounts.require(PersonActor(person.person, person.pk), accounts.USER_ADMIN)
    return enroll.inviting(User.objects.get(username=presenter.username_of(user_id)))


@step_up.signed_form(_inviting)
def invite(request: HttpRequest, user_id: int, proof: stepup.Proof | None) -> HttpResponse:
    """Show a new one-time code; earlier ones are void. It is in no address and no log."""
    person = decorators.person(request)
    username = presenter.username_of(user_id)
    code = enroll.invite(
        actor=PersonActor(person.person, person.pk), username=username, proof=proof
    )
    page = InvitedPage(username, code, settings.ORIGIN + reverse("invite"))
    answer = render(request, "remediation/people/invited.html", {"page": page})
    answer["Cache-Control"] = "no-store"
    return answer
