"""Comment on an incident, assign it, and open its evidence where it has no proposal."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from remediation.domain import errors
from remediation.models import Proposal, User
from remediation.services.access import visibility
from remediation.services.reporting import assign as assign_
from remediation.services.reporting import comment as comment_
from remediation.views import decorators
from remediation.views.cards.artefact import artefact as artefact_card
from remediation.views.cards.comments import comments_card, to_ask
from remediation.views.forms import CommentForm
from remediation.views.incidents import presenter, whole


@decorators.form
def comment(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Put a comment on record; it may be about one proposal, and ask people."""
    person = decorators.person(request)
    entry = presenter.visible(person, incident_id)
    proposal = _proposal(person, incident_id, request.POST.get("proposal", ""))
    form = CommentForm(request.POST, people=to_ask(person, entry.incident, proposal))
    if form.is_valid():
        comment_.comment(
            actor=person,
            incident_id=incident_id,
            text=form.cleaned_data["text"],
            asked=[UUID(one) for one in form.cleaned_data["asked"]],
            proposal_id=proposal.pk if proposal else None,
        )
    if request.headers.get("HX-Request") == "true":
        # htmx swaps only answers of success; the card itself says what is wrong.
        again = None if form.is_valid() else form
        card = comments_card(person, entry.incident, proposal, again)
        return render(request, "remediation/cards/comments.html", {"it": card})
    if not form.is_valid():
        page = whole.incident_page(person, entry, comment=form)
        return render(request, "remediation/incidents/incident.html", {"page": page}, status=422)
    messages.success(request, gettext("Your comment is on record."))
    return redirect("review", proposal.pk) if proposal else redirect("incident", incident_id)


@decorators.form
def assign(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """Give the incident to a person or to nobody."""
    person = decorators.person(request)
    made = assign_.assign(
        actor=person,
        incident_id=incident_id,
        person=_person(request.POST.get("person", "")),
        seen=_person(request.POST.get("seen", "")),
    )
    if made.person is None:
        messages.success(request, gettext("Nobody has the incident now."))
    elif made.person == person.person:
        messages.success(request, gettext("The incident is yours."))
    else:
        messages.success(request, gettext("The incident is assigned."))
    return redirect("incident", incident_id)


@decorators.page
def artefact(request: HttpRequest, incident_id: UUID, sha256: str) -> HttpResponse:
    """Show one artefact with every secret masked."""
    incident = presenter.visible(decorators.person(request), incident_id).incident
    row = incident.evidence.filter(sha256=sha256).first()
    if row is None:
        raise errors.NoSuchObject()
    part = request.GET.get("part") == "1"
    name = "artefact_text" if part else "artefact"
    page = {"incident_id": incident_id, "it": artefact_card(row)}
    return render(request, f"remediation/incidents/{name}.html", page)


def _proposal(person: User, incident_id: UUID, text: str) -> Proposal | None:
    """Return the proposal that a comment is about. Raises NoSuchObject."""
    if not text:
        return None
    seen = visibility.visible_proposals(person).select_related("incident")
    found = seen.filter(incident=incident_id, pk=_id(text)).first()
    if found is None:
        raise errors.NoSuchObject()
    return found


def _person(text: str) -> UUID | None:
    """Read a person's id; None where it is empty. Raises BadValue."""
    return _id(text) if text else None


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise errors.BadValue("not an id") from None
