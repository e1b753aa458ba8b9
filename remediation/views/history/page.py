"""The data of the pages about the past: history, reopened review, changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from remediation.domain.differences import Difference, Item, Piece
from remediation.domain.ruling import Ruling
from remediation.views.cards.history import HistoryRow
from remediation.views.cards.proposal import ProposalPage
from remediation.views.cards.reviews import ReviewRow, SlotRow


@dataclass(frozen=True)
class HistoryPage:
    """Everything on record about one proposal."""

    proposal_id: UUID
    incident_id: UUID
    sentence: str
    state: str
    rows: tuple[HistoryRow, ...]
    may_audit: bool
    successor: UUID | None = None


@dataclass(frozen=True)
class Signed:
    """Who signed, with which passkey, and whether the signature is valid."""

    row: ReviewRow
    person: str
    fingerprint: str
    enrolled_at: datetime | None
    own_key: bool  # this person enrolled the key
    problem: str  # why the signature is not valid; empty when it is
    statement: str
    digest: str
    client_data: str
    entry: int
    at: datetime
    composed_at: datetime

    @property
    def holds(self) -> bool:
        return not self.problem and self.own_key


@dataclass(frozen=True)
class Proof:
    """One of the six signed digests, with the digest of the bytes stored now."""

    kind: str
    signed: str
    found: str
    text: str

    @property
    def holds(self) -> bool:
        return bool(self.found) and self.signed == self.found


@dataclass(frozen=True, kw_only=True)
class ReopenedPage(ProposalPage):
    """The cards as the reviewer saw them, without a decision."""

    # The cards then leave out what is current only.
    reopened = True
    open_for_review = False


@dataclass(frozen=True)
class Reopened:
    """A review with its proofs; ``page`` is None when a stored body cannot be read."""

    number: int
    count: int
    signed: Signed
    proofs: tuple[Proof, ...]
    page: ReopenedPage | None
    ruling: Ruling | None
    seat: str  # as what it was signed
    asked: tuple[str, ...]  # whom the round asked
    before: tuple[SlotRow, ...]
    unreadable: str

    @property
    def holds(self) -> bool:
        return self.signed.holds and all(proof.holds for proof in self.proofs)

    @property
    def broken(self) -> tuple[Proof, ...]:
        return tuple(proof for proof in self.proofs if not proof.holds)


@dataclass(frozen=True)
class Section:
    """One body of two rounds. ``old`` and ``new`` are their digests."""

    title: str
    old: str
    new: str
    rows: tuple[Difference, ...]
    unreadable: bool = False

    @property
    def same(self) -> bool:
        return self.old == self.new


@dataclass(frozen=True)
class RoundChange:
    """What changed from the previous round to this one."""

    number: int
    at: datetime
    why: str
    actor: str
    reviews: int  # of the previous round; they no longer count
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Versions:
    """Two proposals of one incident: plan and diagnosis."""

    other: UUID
    other_at: datetime
    supersedes: bool
    plan: tuple[Difference, ...]
    steps: tuple[Item, ...]
    rationale: tuple[Piece, ...]
    rationale_same: bool
    diagnosis: tuple[Difference, ...]
    summary: tuple[Piece, ...]
    claims: tuple[Item, ...]
    old_version: int
    new_version: int
    same_diagnosis: bool
    same_plan: bool
    # Scope, checks, ruling, pin and observation of the last assessment of each.
    assessed: tuple[Section, ...] = ()

    @property
    def changed_steps(self) -> tuple[Item, ...]:
        return tuple(item for item in self.steps if item.word != "same")

    @property
    def changed_claims(self) -> tuple[Item, ...]:
        return tuple(item for item in self.claims if item.word != "same")

    @property
    def same_summary(self) -> bool:
        return all(piece.word == "same" for piece in self.summary)


@dataclass(frozen=True)
class Other:
    """Another proposal of the incident, for comparison."""

    proposal_id: UUID
    state: str
    at: datetime


@dataclass(frozen=True)
class ChangesPage:
    """The differences between rounds, and from another proposal."""

    proposal_id: UUID
    state: str
    rounds: tuple[RoundChange, ...]
    versions: Versions | None
    others: tuple[Other, ...]
