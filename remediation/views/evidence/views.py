"""Show one artefact as inert text: its secrets masked, or revealed to those who may see them."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from remediation.domain.act import Act
from remediation.domain.errors import NoSuchObject, ReasonRequired
from remediation.models import Evidence, Proposal, User
from remediation.services.access import visibility
from remediation.services.people import stepup
from remediation.services.reporting import secrets
from remediation.views import decorators, step_up
from remediation.views.cards.proposal import visible
from remediation.views.evidence import presenter
from remediation.views.evidence.page import EvidencePage
from remediation.views.forms import RevealForm
from remediation.views.refusals import as_recorded


@decorators.page
def show(request: HttpRequest, proposal_id: UUID, sha256: str) -> HttpResponse:
    """Show the artefact with every secret masked."""
    person = decorators.person(request)
    proposal, row = _artefact(person, proposal_id, sha256)
    return _answer(request, presenter.evidence_page(person, proposal, row))


def _revealing(request: HttpRequest, proposal_id: UUID, sha256: str) -> Act:
    proposal, _ = _artefact(decorators.person(request), proposal_id, sha256)
    return secrets.revealing(proposal, sha256, step_up.text_of(request, "reason"))


@step_up.signed_form(_revealing)
def reveal(
    request: HttpRequest, proposal_id: UUID, sha256: str, proof: stepup.Proof | None
) -> HttpResponse:
    """Reveal the bytes, only in the answer to this POST; each time is recorded."""
    person = decorators.person(request)
    proposal, row = _artefact(person, proposal_id, sha256)
    form = RevealForm(request.POST)
    if visibility.may_reveal(person, proposal) and not form.is_valid():
        page = presenter.evidence_page(person, proposal, row, form=form)
        return _answer(request, page, status=422)
    try:
        content = secrets.reveal(
            actor=person,
            proposal=proposal,
            sha256=sha256,
            reason=form.cleaned_data.get("reason", "") if form.is_valid() else "",
            proof=proof,
        )
    except ReasonRequired as refusal:
        form.add_error("reason", as_recorded(refusal.detail))
        page = presenter.evidence_page(person, proposal, row, form=form)
        return _answer(request, page, status=422)
    page = presenter.evidence_page(person, proposal, row, revealed=content)
    answer = _answer(request, page)
    answer["Cache-Control"] = "no-store"
    return answer


def _artefact(person: User, proposal_id: UUID, sha256: str) -> tuple[Proposal, Evidence]:
    """Return both, if this person may see the proposal. Raises NoSuchObject."""
    proposal = visible(person, proposal_id)
    row = proposal.incident.evidence.filter(sha256=sha256).first()
    if row is None:
        raise NoSuchObject()
    return proposal, row


def _answer(request: HttpRequest, page: EvidencePage, status: int = 200) -> HttpResponse:
    """Answer the page, or only the text when a review page asks for that part."""
    part = request.GET.get("part") == "1" and page.row.kept
    name = "text" if part else "page"
    return render(request, f"remediation/evidence/{name}.html", {"page": page}, status=status)
