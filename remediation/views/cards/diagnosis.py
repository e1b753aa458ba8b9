"""The diagnosis, its claims and the evidence that they cite."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from remediation.domain.excerpt import Excerpt


@dataclass(frozen=True)
class CitationRow:
    """One citation of a claim; ``outcome`` is pass when the value stands at the pointer."""

    sha256: str
    pointer_said: str
    value_said: str
    outcome: str
    reason: str = ""
    excerpt: Excerpt | None = None  # of an artefact: what an attacker may have written
    source_said: str = ""
    attacker_writable: bool = False


@dataclass(frozen=True)
class ClaimRow:
    text_said: str
    citations: tuple[CitationRow, ...]


@dataclass(frozen=True)
class EvidenceRow:
    sha256: str
    size: int
    source_said: str
    media_type_said: str
    collected_at: datetime
    attacker_writable: bool
    kept: bool  # the bytes are still stored, not erased under law
    cited: int
    whole: bool = False  # the stored bytes have this SHA-256, as far as they were asked for
    secrets: str = ""  # what is covered in it, in words; empty when nothing is


@dataclass(frozen=True)
class ArtefactPart:
    """A run of an artefact's text; with ``covered`` it is a secret, and the text is not given."""

    text_said: str = ""
    covered: str = ""


@dataclass(frozen=True)
class AgentRecord:
    """How people judged this agent's earlier diagnoses; ``near`` those of similar confidence."""

    judged: int
    confirmed: int
    near_from: int
    near_to: int
    near_judged: int
    near_confirmed: int


@dataclass(frozen=True)
class DiagnosisCard:
    version: int
    digest: str
    identity: str
    confidence: int
    summary_said: str
    rationale_said: str
    rationale_by: str  # the person whose plan it is; empty when it is the agent's
    claims: tuple[ClaimRow, ...]
    evidence: tuple[EvidenceRow, ...]
    record: AgentRecord | None = None
