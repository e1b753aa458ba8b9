"""Make a plan for an incident: the form, its preview, and the submission."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from remediation.domain import errors
from remediation.domain.draft import Draft, Problem, draft_of
from remediation.domain.errors import BadInput
from remediation.domain.plan import Plan
from remediation.models import Incident, User
from remediation.services.load_plan import read_plan
from remediation.services.reporting import make_plan
from remediation.views import decorators
from remediation.views.plan import form, presenter


@require_http_methods(["GET", "HEAD", "POST"])
def plan(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Show the form (GET), or do what its buttons ask (POST)."""
    door = _posted if request.method == "POST" else _show
    return door(request, incident_id=incident_id)


@decorators.page
def _show(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    person = decorators.person(request)
    incident = make_plan.plannable(person, incident_id)
    follows = form.follows(request.GET)
    draft = _start(person, incident, follows)
    return _page(request, incident, draft, follows=follows)


@decorators.form
def _posted(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Add, move or remove a step, preview, or submit exactly what was previewed."""
    person = decorators.person(request)
    incident = make_plan.plannable(person, incident_id)
    follows, asked = form.follows(request.POST), form.asked(request.POST)
    draft = form.draft(request.POST)
    if asked.verb in ("add", "remove", "up", "end"):
        return _page(request, incident, form.changed(draft, asked), follows=follows)
    if asked.verb == "edit":
        return _page(request, incident, draft, follows=follows)
    made, problems = presenter.checked(draft)
    if made is None:
        return _page(request, incident, draft, follows=follows, problems=problems, status=422)
    if asked.verb == "submit" and request.POST.get("previewed") == made.digest:
        return _submit(request, incident, made, draft, follows)
    return _page(request, incident, draft, follows=follows, preview=made)


def _submit(
    request: HttpRequest, incident: Incident, made: Plan, draft: Draft, follows: UUID | None
) -> HttpResponse:
    proposal_id = make_plan.make(
        actor=decorators.person(request),
        incident_id=incident.pk,
        plan=made,
        rationale=draft.rationale.strip(),
        follows=follows,
    )
    messages.success(
        request,
        gettext(
            "Your plan is submitted. The worker assesses it now. Others decide on it, because it"
            " is yours."
        ),
    )
    return redirect("review", proposal_id)


def _start(person: User, incident: Incident, follows: UUID | None) -> Draft:
    """Return the draft to begin with: the steps of an ended proposal, or none."""
    if follows is None:
        return Draft(environment=presenter.environment_of(person, incident))
    old = make_plan.starting_point(person, incident, follows)
    try:
        return draft_of(read_plan(bytes(old.plan)))
    except BadInput:
        raise errors.WrongState("the current catalogue cannot read that plan") from None


def _page(
    request: HttpRequest,
    incident: Incident,
    draft: Draft,
    *,
    follows: UUID | None,
    problems: tuple[Problem, ...] = (),
    preview: Plan | None = None,
    status: int = 200,
) -> HttpResponse:
    page = presenter.plan_page(
        decorators.person(request),
        incident,
        draft,
        follows=follows,
        problems=problems,
        preview=preview,
    )
    return render(request, "remediation/plan/page.html", {"page": page}, status=status)
