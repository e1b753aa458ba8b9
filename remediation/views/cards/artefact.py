"""One artefact as inert text with its secrets masked, for the page of an incident."""

from __future__ import annotations

from dataclasses import dataclass

from remediation.models import Evidence, EvidenceBlob
from remediation.services.reporting import secrets
from remediation.views.cards.evidence import EvidenceRow, artefact_text, evidence_row, is_whole


@dataclass(frozen=True)
class Artefact:
    """The whole artefact; its text is empty where the bytes were erased."""

    row: EvidenceRow
    text_untrusted: str
    binary: bool
    matches: bool  # the stored bytes have the SHA-256


def artefact(row: Evidence) -> Artefact:
    """Return it with every secret masked. Nobody reveals one here: that takes a proposal."""
    blob = EvidenceBlob.objects.filter(pk=row.sha256).first()
    masked = secrets.masked([row]).get(row.sha256, b"")
    text, binary = artefact_text(masked)
    return Artefact(
        row=evidence_row(row, kept=blob is not None, found=secrets.found_in([row]).get(row.sha256)),
        text_untrusted=text,
        binary=binary,
        matches=blob is not None and is_whole(bytes(blob.content), row.sha256),
    )
