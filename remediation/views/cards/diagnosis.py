"""Page data of a diagnosis: each claim, with the artefact's own text at each citation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.utils.translation import gettext

from audit.tlog.canonical import Json
from remediation.domain.citations import Stored, Unreadable, problem_of, read_artefact
from remediation.domain.excerpt import Excerpt, Excerpts, NoRoom
from remediation.domain.report import Citation, Claim, load_diagnosis
from remediation.models import Diagnosis, Evidence, EvidenceBlob, Proposal
from remediation.services.reporting import secrets
from remediation.views.cards import agent_record
from remediation.views.cards.agent_record import AgentRecord
from remediation.views.cards.evidence import EvidenceRow, evidence_rows, is_whole
from remediation.views.cards.fields import format_json
from remediation.views.cards.folding import Folded, fold
from remediation.views.names import Names

# How many claims and artefacts are in sight; the templates fold the others.
CLAIMS, ARTEFACTS = 8, 8


@dataclass(frozen=True)
class CitationRow:
    """One citation of a claim; ``outcome`` is pass when the artefact has the value there."""

    sha256: str
    pointer_untrusted: str
    value_untrusted: str
    outcome: str
    reason: str = ""
    excerpt: Excerpt | None = None  # of the artefact; an attacker may have written it
    no_room: bool = False  # an excerpt is left out: those of the page are long enough
    source_untrusted: str = ""
    attacker_writable: bool = False


@dataclass(frozen=True)
class ClaimRow:
    text_untrusted: str
    citations: tuple[CitationRow, ...]

    @property
    def line(self) -> Folded:
        """Return the claim with the one line that is shown while it is folded."""
        return fold(self.text_untrusted, 110, 1)

    @property
    def others(self) -> int:
        """Return how many citations follow the first."""
        return len(self.citations) - 1

    @property
    def misquoted(self) -> int:
        """Return how many of its citations do not hold."""
        return sum(1 for citation in self.citations if citation.outcome == "fail")

    @property
    def strength(self) -> tuple[bool, bool, bool]:
        """Return how well it is supported: every citation holds, and no attacker could have
        written what it cites."""
        return (
            bool(self.citations),
            bool(self.citations) and not self.misquoted,
            bool(self.citations) and not any(c.attacker_writable for c in self.citations),
        )


@dataclass(frozen=True)
class DiagnosisCard:
    version: int
    digest: str
    identity: str
    confidence: int
    summary_untrusted: str
    rationale_untrusted: str
    rationale_by: str  # the person whose plan it is; empty when it is the agent's
    claims: tuple[ClaimRow, ...]
    evidence: tuple[EvidenceRow, ...]
    record: AgentRecord | None = None

    @property
    def folded_claims(self) -> int:
        """Return how many claims follow those in sight."""
        return len(self.claims) - CLAIMS

    @property
    def folded_artefacts(self) -> int:
        """Return how many artefacts follow those in sight."""
        return len(self.evidence) - ARTEFACTS


_ABSENT = read_artefact(None)


def diagnosis_card(proposal: Proposal) -> DiagnosisCard:
    """Return the diagnosis of a proposal; compare each citation with the stored artefact."""
    diagnosis = load_diagnosis(bytes(proposal.diagnosis.body), allow_test=True)
    cited = Counter(c.evidence for claim in diagnosis.claims for c in claim.citations)
    artefacts, whole = _artefacts(proposal.incident_id, set(cited))
    rows = {row.sha256: row for row in evidence_rows(proposal.incident_id, cited)}
    stored = secrets.stored(proposal.incident)
    return DiagnosisCard(
        version=proposal.diagnosis.version,
        digest=proposal.diagnosis.digest,
        identity=diagnosis.identity.locator,
        confidence=diagnosis.confidence,
        summary_untrusted=diagnosis.summary,
        rationale_untrusted=proposal.rationale,
        rationale_by=Names([proposal.editor]).person(proposal.editor) if proposal.editor else "",
        claims=_claim_rows(stored, diagnosis.claims, artefacts, rows),
        evidence=tuple(replace(row, whole=row.sha256 in whole) for row in rows.values()),
        record=agent_record.record_of(proposal, diagnosis.confidence),
    )


def _claim_rows(
    stored: Stored,
    claims: Sequence[Claim],
    artefacts: Mapping[str, Json | Unreadable],
    known: Mapping[str, EvidenceRow],
) -> tuple[ClaimRow, ...]:
    readable = {key: one for key, one in artefacts.items() if not isinstance(one, Unreadable)}
    excerpts = Excerpts(readable)

    def row_of(citation: Citation) -> CitationRow:
        document = artefacts.get(citation.evidence, _ABSENT)
        problem = problem_of(document, citation)
        row = known.get(citation.evidence)
        if problem and row and stored.holds(citation):
            problem = ""
        found, no_room = _excerpt(excerpts, citation)
        return CitationRow(
            sha256=citation.evidence,
            pointer_untrusted=citation.pointer or gettext("(the whole artefact)"),
            value_untrusted=format_json(citation.value),
            outcome="fail" if problem else "pass",
            reason=problem,
            excerpt=found,
            no_room=no_room,
            source_untrusted=row.source_untrusted if row else "",
            attacker_writable=bool(row and row.attacker_writable),
        )

    return tuple(
        ClaimRow(claim.text, tuple(row_of(one) for one in claim.citations)) for claim in claims
    )


def _excerpt(excerpts: Excerpts, citation: Citation) -> tuple[Excerpt | None, bool]:
    """Return the artefact's own text around the pointer, or whether there is no room for it."""
    try:
        return excerpts.at(citation.evidence, citation.pointer), False
    except NoRoom:
        return None, True
    except LookupError:
        return None, False


def _artefacts(
    incident_id: UUID, wanted: set[str]
) -> tuple[dict[str, Json | Unreadable], set[str]]:
    """Parse each cited artefact once, with its secrets masked.

    Also return the digests of those whose stored bytes match.
    """
    rows = list(Evidence.objects.filter(incident_id=incident_id, sha256__in=wanted))
    parsed = {digest: read_artefact(text) for digest, text in secrets.masked(rows).items()}
    blobs = EvidenceBlob.objects.filter(sha256__in=[row.sha256 for row in rows])
    return parsed, {b.sha256 for b in blobs if is_whole(bytes(b.content), b.sha256)}


def incident_diagnosis(row: Diagnosis) -> DiagnosisCard:
    """Return a diagnosis for the page of its incident, where no proposal need rest on it."""
    diagnosis = load_diagnosis(bytes(row.body), allow_test=True)
    cited = Counter(c.evidence for claim in diagnosis.claims for c in claim.citations)
    artefacts, whole = _artefacts(row.incident_id, set(cited))
    rows = {one.sha256: one for one in evidence_rows(row.incident_id, cited)}
    stored = secrets.stored(row.incident)
    return DiagnosisCard(
        version=row.version,
        digest=row.digest,
        identity=diagnosis.identity.locator,
        confidence=diagnosis.confidence,
        summary_untrusted=diagnosis.summary,
        rationale_untrusted="",
        rationale_by="",
        claims=_claim_rows(stored, diagnosis.claims, artefacts, rows),
        evidence=tuple(replace(one, whole=one.sha256 in whole) for one in rows.values()),
    )
