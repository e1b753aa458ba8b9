"""Build the form for a correction: as it stands, or again with what was typed and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain import errors, inert
from remediation.domain.errors import Refused
from remediation.domain.report import load_diagnosis
from remediation.models import Proposal, User
from remediation.views import step_up
from remediation.views.cards import slots as slot_cards
from remediation.views.review.page import ClaimField, CorrectPage

# Refusals of something typed, or of its signature; any other one has a page of its own.
TYPED = (errors.BadInput, errors.ReasonRequired, errors.NothingToCorrect, *step_up.UNSIGNED)
_CLAIM = re.compile(r"/diagnosis/claims/([0-9]+)(?:/|$)")


def correct_page(user: User, proposal: Proposal) -> CorrectPage:
    """Return the form with the current diagnosis.

    Hidden characters are shown as code points; a text that is sent back so stays as it was.
    """
    diagnosis = load_diagnosis(bytes(proposal.diagnosis.body), allow_test=True)
    return CorrectPage(
        proposal_id=proposal.pk,
        version=proposal.diagnosis.version,
        by_person=bool(proposal.diagnosis.editor),
        confidence=str(diagnosis.confidence),
        summary_now=inert.visible(diagnosis.summary),
        claims=tuple(ClaimField(inert.visible(c.text), len(c.citations)) for c in diagnosis.claims),
        nobody_for=slot_cards.would_remain(proposal, user),
    )


def again(page: CorrectPage, sent: Mapping[str, str], refusal: Refused) -> CorrectPage:
    """Return the form with what was typed, and the error at its field."""
    at, words = _place(sent, refusal), _words(refusal)
    claims = tuple(
        replace(
            claim,
            text=lines(sent.get(f"claim-{number}", claim.text)),
            left_out=f"leave-{number}" in sent,
            error=words if at == f"claim-{number}" else "",
        )
        for number, claim in enumerate(page.claims, 1)
    )
    return replace(
        page,
        summary_now=lines(sent.get("summary", "")),
        confidence=sent.get("confidence", ""),
        claims=claims,
        missing=lines(sent.get("missing", "")),
        reason=lines(sent.get("reason", "")),
        errors={at: words},
    )


def lines(text: str) -> str:
    """Return the text with the line ends that were typed: a form sends each as CR LF."""
    return text.replace("\r\n", "\n")


def _place(sent: Mapping[str, str], refusal: Refused) -> str:
    """Return the name of the field that the refusal is about."""
    if isinstance(refusal, errors.ReasonRequired):
        return "reason"
    claim = _CLAIM.match(refusal.pointer)
    if claim:
        # The diagnosis counts the claims that are left.
        numbers = sorted(int(n[6:]) for n in sent if re.fullmatch(r"claim-[0-9]+", n))
        left = [number for number in numbers if f"leave-{number}" not in sent]
        index = int(claim[1])
        return f"claim-{left[index]}" if index < len(left) else "form"
    for name in ("summary", "confidence", "missing"):
        if refusal.pointer.endswith(f"/{name}"):
            return name
    return "form"


def _words(refusal: Refused) -> str:
    if isinstance(refusal, step_up.UNSIGNED):
        return vocabulary.message(refusal)
    if isinstance(refusal, errors.ReasonRequired):
        return gettext("Say what was wrong, in 10 to 4,000 characters.")
    if isinstance(refusal, errors.NothingToCorrect):
        return gettext("Nothing is different yet. Change the diagnosis, or name a missing service.")
    if refusal.pointer.endswith("/confidence"):
        return gettext("Write a whole number from 0 to 100.")
    if refusal.detail:
        return f"{refusal.detail[:1].upper()}{refusal.detail[1:]}."
    return vocabulary.message(refusal)
