"""What the templates get: plain, finished data. Templates neither query nor decide.

Text that an agent wrote keeps the suffix ``_said``; templates pass it through ``inert``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from remediation.domain.attention import Attention
from remediation.domain.diagram import Diagram
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
class ScopeRow:
    name: str
    via: str
    depth: int
    environment: str
    criticality: str
    payment_path: bool
    external_partner: bool
    owner_team: str


@dataclass(frozen=True)
class ScopeTargetRow:
    locator: str
    known: bool
    environment: str
    owner_team: str


@dataclass(frozen=True)
class ScopeCard:
    digest: str
    targets: tuple[ScopeTargetRow, ...]
    services: tuple[ScopeRow, ...]
    unknown: tuple[str, ...]
    diagram: Diagram

    @property
    def direct(self) -> int:
        return sum(1 for row in self.services if row.depth == 1)

    @property
    def downstream(self) -> int:
        return len(self.services) - self.direct


@dataclass(frozen=True)
class Field:
    """One name and value, both shown whole; ``pinned`` fields are compared before the effect."""

    name: str
    value: str
    pinned: bool = False
    after: str = ""  # what the action makes of it; empty when it stays as it is


@dataclass(frozen=True)
class ObservedCard:
    exists: bool
    simulated: bool
    fields: tuple[Field, ...]

    @property
    def last_use(self) -> tuple[Field, ...]:
        """Who used it and when, as far as the target tells."""
        return tuple(f for f in self.fields if f.name.startswith(("last_", "sessions")))


@dataclass(frozen=True)
class StepCard:
    number: int
    action: str
    sentence: str
    locator: str
    target: tuple[Field, ...]
    parameters: tuple[Field, ...]
    reversible: bool
    rollback: str
    timeout_s: int
    propagation_s: int
    ends_sessions: str
    unpinned_reason: str
    cannot: tuple[str, ...]
    observed: ObservedCard | None
    unobservable: str = ""


@dataclass(frozen=True)
class CheckRow:
    name: str
    title: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class GateRow:
    """One numbered step of the gate as it stands now; ``outcome`` pass, fail or later."""

    number: int
    name: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class ReviewRow:
    person: str
    slot: str
    decision: str
    verdicts: tuple[tuple[str, str], ...]
    reason_code: str
    reason_text: str
    round: int
    at: datetime
    counts: bool  # of this round, over these digests


@dataclass(frozen=True)
class SlotRow:
    slot: str
    filled: ReviewRow | None = None


@dataclass(frozen=True)
class Choice:
    value: str
    title: str


@dataclass(frozen=True)
class Decide:
    """What the person who looks may do here."""

    slots: tuple[Choice, ...]
    why_not: str  # empty when the person may decide
    reject_reasons: tuple[Choice, ...]
    return_reasons: tuple[Choice, ...]
    person: str
    # What an approval asks a person to have looked at.
    attention: Attention = field(default_factory=Attention)
    may_report: bool = False
    may_correct: bool = False


@dataclass(frozen=True)
class Pin:
    digest: str
    text: str
    observed_at: datetime
    fresh_until: datetime
    fresh: bool


@dataclass(frozen=True)
class ReviewPage:
    proposal_id: UUID
    state: str
    round: int
    sentences: tuple[str, ...]
    undone: str
    environment: str
    agent: str
    agent_owner: str
    submitted_at: datetime
    incident_id: UUID
    incident_title_said: str
    incident_kind_said: str
    detected_at: datetime
    plan_digest: str
    plan_text: str
    steps: tuple[StepCard, ...]
    diagnosis: DiagnosisCard
    decide: Decide
    agent_enabled: bool = True
    # The proposal whose run this undoes: then a person proposed it, and not the agent.
    undoes: UUID | None = None
    # What the worker found; absent until it has assessed the proposal for the first time.
    assessed: Assessed | None = None
    earlier: tuple[ReviewRow, ...] = ()

    @property
    def open_for_review(self) -> bool:
        return self.state == "in_review" and self.assessed is not None


@dataclass(frozen=True)
class Assessed:
    """What the worker found in this round, and how the round stands."""

    assessment_id: int
    round: int
    risk: str
    reasons: tuple[str, ...]
    decide_by: datetime
    run_within_s: int
    ruling_digest: str
    checks_digest: str
    scope: ScopeCard
    checks: tuple[CheckRow, ...]
    pin: Pin
    gate: tuple[GateRow, ...]
    slots: tuple[SlotRow, ...]
    observe_requested: bool = False
    tally: tuple[tuple[str, int], ...] = field(default=())

    @property
    def unpassed(self) -> tuple[CheckRow, ...]:
        """What failed or warns stands open; what passed is one click away."""
        return tuple(row for row in self.checks if row.outcome != "pass")

    @property
    def passed(self) -> tuple[CheckRow, ...]:
        return tuple(row for row in self.checks if row.outcome == "pass")


@dataclass(frozen=True)
class Rail:
    """The part of a review page that is read again while it is open."""

    proposal_id: UUID
    state: str
    round: int
    assessed: Assessed | None
    earlier: tuple[ReviewRow, ...] = ()


@dataclass(frozen=True)
class QueueRow:
    proposal_id: UUID
    sentence: str
    more_steps: int
    environment: str
    risk: str
    state: str
    round: int
    incident_title_said: str
    agent: str
    detected_at: datetime
    due: datetime | None
    target: str
    slots: tuple[SlotRow, ...]
    mine: bool = False  # the person who looks could decide it now
    lookers: tuple[str, ...] = ()  # others who have its page open now


@dataclass(frozen=True)
class TargetGroup:
    """Proposals on one target: the most urgent one, and those behind it."""

    first: QueueRow
    others: tuple[QueueRow, ...] = ()
    total: int = 1

    @property
    def unseen(self) -> int:
        """How many more there are than this page shows."""
        return self.total - 1 - len(self.others)


@dataclass(frozen=True)
class QueueGroup:
    key: str
    title: str
    hint: str
    groups: tuple[TargetGroup, ...]
    more: str = ""  # the address of what follows; empty when this is all

    @property
    def count(self) -> int:
        return sum(group.total for group in self.groups)

    @property
    def rows(self) -> tuple[QueueRow, ...]:
        return tuple(row for group in self.groups for row in (group.first, *group.others))


@dataclass(frozen=True)
class QueuePage:
    """The part of the page that is drawn again when something changed; ``seen`` tells whether."""

    groups: tuple[QueueGroup, ...]
    mine: str  # how many wait for the person: a number, or one with a plus
    first: bool  # whether it is the first page
    may_see: bool  # whether the person's roles let it see any proposal
    seen: str = ""


@dataclass(frozen=True)
class HistoryRow:
    """One event of a proposal's life, newest last."""

    at: datetime
    kind: str  # transition, review, refusal, step, assessment, note
    word: str  # what TONES knows: a state, a decision, a phase
    title: str
    actor: str
    entry: int
    reason: str = ""
    fields: tuple[Field, ...] = ()
    whole: str = ""  # exact bytes, e.g. of a signed statement
    review: int = 0  # the number of the review that can be opened again
    proposal: UUID | None = None


@dataclass(frozen=True)
class IncidentRow:
    incident_id: UUID
    title_said: str
    kind_said: str
    locator_said: str
    state: str
    detected_at: datetime
    agent: str
    owner: str
    decide_by: datetime | None
    proposals: int
    open_proposals: int
