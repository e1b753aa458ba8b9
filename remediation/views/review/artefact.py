"""One artefact, whole and inert: its secrets covered, and uncovered for those who may."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from remediation import vocabulary
from remediation.domain.errors import NoSuchObject, ReasonRequired
from remediation.domain.secrets import covering
from remediation.domain.secrets.detector import TITLES, Found
from remediation.models import Evidence, EvidenceBlob, EvidenceErasure, Proposal
from remediation.services.access import visibility
from remediation.services.reporting import secrets
from remediation.views import decorators
from remediation.views.forms import RevealForm
from remediation.views.pages import ArtefactPart
from remediation.views.review import presenter, views


@decorators.page
def show(request: HttpRequest, proposal_id: UUID, sha256: str) -> HttpResponse:
    """The artefact with every secret covered."""
    proposal, row = _artefact(request, proposal_id, sha256)
    return _page(request, proposal, row)


@decorators.form
def reveal(request: HttpRequest, proposal_id: UUID, sha256: str) -> HttpResponse:
    """The bytes as they are, in the answer to the POST and nowhere else: a page loaded again asks
    again, and each time is on record."""
    proposal, row = _artefact(request, proposal_id, sha256)
    form = RevealForm(request.POST)
    person = decorators.person(request)
    if visibility.may_reveal(person, proposal) and not form.is_valid():
        return _page(request, proposal, row, form=form, status=422)
    try:
        content = secrets.reveal(
            actor=person,
            proposal=proposal,
            sha256=sha256,
            reason=form.cleaned_data.get("reason", "") if form.is_valid() else "",
        )
    except ReasonRequired as refusal:
        form.add_error("reason", decorators.as_recorded(refusal.detail))
        return _page(request, proposal, row, form=form, status=422)
    answer = _page(request, proposal, row, revealed=content)
    answer["Cache-Control"] = "no-store"
    return answer


def _artefact(request: HttpRequest, proposal_id: UUID, sha256: str) -> tuple[Proposal, Evidence]:
    proposal = views.visible(decorators.person(request), proposal_id)
    row = proposal.incident.evidence.filter(sha256=sha256).first()
    if row is None:
        raise NoSuchObject()
    return proposal, row


def _page(
    request: HttpRequest,
    proposal: Proposal,
    row: Evidence,
    *,
    form: RevealForm | None = None,
    revealed: bytes | None = None,
    status: int = 200,
) -> HttpResponse:
    blob = EvidenceBlob.objects.filter(pk=row.sha256).first()
    content = bytes(blob.content) if blob else b""
    found = secrets.found_in([row]).get(row.sha256, Found())
    covered = bool(found) and revealed is None
    shown = _parts(content, found) if covered else _plain(content)
    binary = presenter.artefact_text(content)[1]
    may = bool(found) and visibility.may_reveal(decorators.person(request), proposal)
    context = {
        "proposal_id": proposal.pk,
        "row": presenter.evidence_row(row, kept=blob is not None, found=found),
        "parts": shown,
        # How much there is, counted on what is shown.
        "text": "".join(part.text_said for part in shown),
        "binary": binary,
        "matches": blob is not None and presenter.is_whole(content, row.sha256),
        "revealed": revealed is not None,
        "form": (form or RevealForm()) if may and covered else None,
        "erased": EvidenceErasure.objects.filter(sha256=row.sha256).first(),
    }
    part = request.GET.get("part") == "1" and blob is not None
    name = "review/artefact.html" if part else "evidence.html"
    return render(request, f"remediation/{name}", context, status=status)


def _plain(content: bytes) -> tuple[ArtefactPart, ...]:
    return (ArtefactPart(presenter.artefact_text(content)[0]),)


def _parts(content: bytes, found: Found) -> tuple[ArtefactPart, ...]:
    """Text around the secrets; where it is not UTF-8 each run is in hexadecimal."""
    return tuple(
        ArtefactPart(covered=_said(part.rule, len(part.content)))
        if part.rule
        else ArtefactPart(presenter.artefact_text(part.content)[0])
        for part in covering.parts(content, found)
    )


def _said(rule: str, length: int) -> str:
    kind = (
        vocabulary.saying(TITLES[rule]) if rule in TITLES else gettext("too many secrets to list")
    )
    number = number_format(length, force_grouping=True)
    values = {"kind": kind, "number": number}
    return ngettext("%(kind)s, %(number)s byte", "%(kind)s, %(number)s bytes", length) % values
