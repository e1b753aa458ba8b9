"""The data of the page of one artefact."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from remediation.models import EvidenceErasure
from remediation.views.cards.evidence import EvidenceRow
from remediation.views.forms import RevealForm


@dataclass(frozen=True)
class ArtefactPart:
    """A part of the text; for a masked secret only its description."""

    text_untrusted: str = ""
    masked: str = ""


@dataclass(frozen=True)
class EvidencePage:
    """The full artefact: its facts, and its text in parts."""

    proposal_id: UUID
    row: EvidenceRow
    parts: tuple[ArtefactPart, ...]
    binary: bool  # shown in hexadecimal
    matches: bool  # the stored bytes have the SHA-256
    revealed: bool
    form: RevealForm | None  # None when this person may reveal nothing here
    erased: EvidenceErasure | None
    # Why a person of the role reveals nothing for some days; empty for all others.
    administered: str = ""

    @property
    def text_untrusted(self) -> str:
        """Return the shown text, to count its length."""
        return "".join(part.text_untrusted for part in self.parts)
