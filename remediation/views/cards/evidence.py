"""Page data of the artefacts of an incident: facts, masked secrets, text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.utils.translation import gettext, ngettext

from remediation import vocabulary
from remediation.domain.secrets.detector import MOST, TITLES, Found
from remediation.models import Evidence, EvidenceBlob
from remediation.services.reporting import secrets


@dataclass(frozen=True)
class EvidenceRow:
    sha256: str
    size: int
    source_untrusted: str
    media_type_untrusted: str
    collected_at: datetime
    attacker_writable: bool
    kept: bool  # the bytes are still stored, not erased under law
    cited: int
    whole: bool = False  # the stored bytes have this SHA-256; checked for cited artefacts only
    secrets: str = ""  # the masked secrets in words; empty when there are none


def evidence_rows(incident_id: UUID, cited: Counter[str]) -> tuple[EvidenceRow, ...]:
    """Return the artefacts as submitted, in order; ``cited`` counts the citations of each."""
    rows = list(Evidence.objects.filter(incident_id=incident_id).order_by("pk"))
    found = secrets.found_in(rows)
    kept = set(
        EvidenceBlob.objects.filter(sha256__in=[row.sha256 for row in rows]).values_list(
            "sha256", flat=True
        )
    )
    return tuple(
        evidence_row(row, row.sha256 in kept, cited[row.sha256], found.get(row.sha256))
        for row in rows
    )


def evidence_row(
    row: Evidence, kept: bool, cited: int = 0, found: Found | None = None
) -> EvidenceRow:
    """Return one artefact; ``found`` are the secrets that are masked in it."""
    return EvidenceRow(
        sha256=row.sha256,
        size=row.size,
        source_untrusted=row.source,
        media_type_untrusted=row.media_type,
        collected_at=row.collected_at,
        attacker_writable=row.attacker_writable,
        kept=kept,
        cited=cited,
        secrets=describe_secrets(found) if found else "",
    )


def describe_secrets(found: Found) -> str:
    """Describe the masked secrets: "2 secrets: AWS secret access key, private key"."""
    if not found.whole:
        return gettext("more than %(most)d secrets") % {"most": MOST}
    kinds = dict.fromkeys(vocabulary.saying(TITLES.get(s.rule, s.rule)) for s in found.secrets)
    count = len(found.secrets)
    values = {"count": count, "kinds": ", ".join(kinds)}
    return ngettext("%(count)d secret: %(kinds)s", "%(count)d secrets: %(kinds)s", count) % values


def artefact_text(content: bytes) -> tuple[str, bool]:
    """Return the full artefact: as text if it is UTF-8, else in hexadecimal (second value True)."""
    try:
        return content.decode(), False
    except UnicodeDecodeError:
        return "\n".join(
            content[start : start + 32].hex(" ") for start in range(0, len(content), 32)
        ), True


def is_whole(content: bytes, digest: str) -> bool:
    """Tell whether the stored bytes have the SHA-256 that the agent submitted."""
    return sha256(content).hexdigest() == digest
