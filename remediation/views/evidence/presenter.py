"""Build the data of an artefact's page from stored bytes: secrets masked, or revealed."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from remediation import vocabulary
from remediation.domain.secrets import masking
from remediation.domain.secrets.detector import TITLES, Found
from remediation.models import Evidence, EvidenceBlob, EvidenceErasure, Proposal, User
from remediation.services.access import visibility
from remediation.services.access.administered import administered
from remediation.services.access.authorize import SECURITY, roles
from remediation.services.reporting import secrets
from remediation.views.cards.administered import describe_administered
from remediation.views.cards.evidence import artefact_text, evidence_row, is_whole
from remediation.views.evidence.page import ArtefactPart, EvidencePage
from remediation.views.forms import RevealForm


def evidence_page(
    person: User,
    proposal: Proposal,
    row: Evidence,
    *,
    form: RevealForm | None = None,
    revealed: bytes | None = None,
) -> EvidencePage:
    """Return the artefact with every secret masked, unless its bytes were ``revealed``."""
    blob = EvidenceBlob.objects.filter(pk=row.sha256).first()
    content = bytes(blob.content) if blob else b""
    found = secrets.found_in([row]).get(row.sha256, Found())
    masked = bool(found) and revealed is None
    may = bool(found) and visibility.may_reveal(person, proposal)
    return EvidencePage(
        proposal_id=proposal.pk,
        row=evidence_row(row, kept=blob is not None, found=found),
        parts=_parts(content, found) if masked else _plain(content),
        binary=artefact_text(content)[1],
        matches=blob is not None and is_whole(content, row.sha256),
        revealed=revealed is not None,
        form=(form or RevealForm()) if may and masked else None,
        erased=EvidenceErasure.objects.filter(sha256=row.sha256).first(),
        administered=_administered(person) if masked and not may else "",
    )


def _administered(person: User) -> str:
    held = administered(person.person) if SECURITY in roles(person) else None
    return describe_administered(held) if held else ""


def _plain(content: bytes) -> tuple[ArtefactPart, ...]:
    return (ArtefactPart(artefact_text(content)[0]),)


def _parts(content: bytes, found: Found) -> tuple[ArtefactPart, ...]:
    """Return the text with each secret replaced by its description; hexadecimal if not UTF-8."""
    return tuple(
        ArtefactPart(masked=_describe_masked(part.rule, len(part.content)))
        if part.rule
        else ArtefactPart(artefact_text(part.content)[0])
        for part in masking.parts(content, found)
    )


def _describe_masked(rule: str, length: int) -> str:
    """Describe the kind of the secret, and how many bytes are masked."""
    kind = (
        vocabulary.saying(TITLES[rule]) if rule in TITLES else gettext("too many secrets to list")
    )
    number = number_format(length, force_grouping=True)
    values = {"kind": kind, "number": number}
    return ngettext("%(kind)s, %(number)s byte", "%(kind)s, %(number)s bytes", length) % values
