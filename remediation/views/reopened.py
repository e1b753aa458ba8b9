"""A review opened again: the page as its reviewer had it, from the stored bytes that were signed.

Every digest of the signed statement is taken again from the bytes that the page is drawn from. A
section whose bytes have another digest, or cannot be read, says so; nothing is drawn from memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from remediation.domain import checks
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadInput, SignatureInvalid
from remediation.domain.ruling import Ruling
from remediation.domain.scope import Scope
from remediation.domain.signature import Assertion, verify
from remediation.domain.statement import Statement
from remediation.models import Assessment, PasskeyEnrolment, Proposal, Review
from remediation.views import present, standing
from remediation.views.names import Names, owner_of
from remediation.views.pages import (
    Assessed,
    Decide,
    DiagnosisCard,
    ReviewPage,
    ReviewRow,
    SlotRow,
)

NOBODY_DECIDES = Decide((), "This review is on record.", (), (), "")
KINDS = (Kind.DIAGNOSIS, Kind.SCOPE, Kind.CHECKS, Kind.PLAN, Kind.PIN, Kind.RULING)


@dataclass(frozen=True)
class Proof:
    """One of the six digests that were signed, beside the one taken now from the stored bytes."""

    kind: str
    signed: str
    found: str
    text: str

    @property
    def holds(self) -> bool:
        return bool(self.found) and self.signed == self.found


@dataclass(frozen=True)
class Signed:
    """Who signed, with which passkey, and whether the signature covers the stored statement."""

    row: ReviewRow
    person: str
    fingerprint: str
    enrolled_at: datetime | None
    own_key: bool  # the key is the one that this person enrolled
    problem: str  # why the signature does not hold; empty when it does
    statement: str
    digest: str
    client_data: str
    entry: int
    at: datetime
    composed_at: datetime

    @property
    def holds(self) -> bool:
        return not self.problem and self.own_key


class ReopenedPage(ReviewPage):
    """The review page's data, for looking only."""

    # What is said of "now" on the page is left out, or said of then.
    reopened = True

    @property
    def open_for_review(self) -> bool:
        return False


@dataclass(frozen=True)
class Reopened:
    """Everything of the page; ``page`` is None when a stored body cannot be read."""

    number: int
    count: int
    signed: Signed
    proofs: tuple[Proof, ...]
    page: ReopenedPage | None
    ruling: Ruling | None
    before: tuple[SlotRow, ...]
    unreadable: str

    @property
    def holds(self) -> bool:
        return self.signed.holds and all(proof.holds for proof in self.proofs)

    @property
    def broken(self) -> tuple[Proof, ...]:
        return tuple(proof for proof in self.proofs if not proof.holds)


def reopened(proposal: Proposal, number: int) -> Reopened | None:
    """The proposal's review of this number, counted from 1 as recorded; None if there is none."""
    reviews = list(
        Review.objects.filter(proposal=proposal).order_by("pk").select_related("session")
    )
    if not 1 <= number <= len(reviews):
        return None
    row = reviews[number - 1]
    assessment = Assessment.objects.filter(proposal=proposal, round=row.round).first()
    page, ruling, unreadable = _page(proposal, assessment, row)
    earlier = [r for r in reviews[: number - 1] if r.round == row.round]
    names = Names([review.person for review in earlier])
    return Reopened(
        number=number,
        count=len(reviews),
        signed=_signed(row),
        proofs=_proofs(proposal, assessment, row),
        page=page,
        ruling=ruling,
        before=standing.seats(
            tuple(assessment.slots) if assessment else (),
            [standing.review_row(review, names, counts=True) for review in earlier],
        ),
        unreadable=unreadable,
    )


def _proofs(proposal: Proposal, assessment: Assessment | None, row: Review) -> tuple[Proof, ...]:
    signed = _statement(row)
    bodies = _bodies(proposal, assessment)
    return tuple(
        Proof(
            kind=kind.value,
            signed=getattr(signed.digests, kind.value) if signed else "",
            found=digest(kind, bodies[kind]) if kind in bodies else "",
            text=bodies.get(kind, b"").decode(errors="backslashreplace"),
        )
        for kind in KINDS
    )


def _bodies(proposal: Proposal, assessment: Assessment | None) -> dict[Kind, bytes]:
    found = {Kind.PLAN: bytes(proposal.plan), Kind.DIAGNOSIS: bytes(proposal.diagnosis.body)}
    if assessment is not None:
        for kind in (Kind.SCOPE, Kind.CHECKS, Kind.PIN, Kind.RULING):
            found[kind] = bytes(getattr(assessment, kind.value))
    return found


def _statement(row: Review) -> Statement | None:
    """The signed statement, if it can be read and speaks of this review."""
    try:
        statement = Statement.parse(bytes(row.statement))
    except BadInput:
        return None
    said = (statement.proposal, statement.round, statement.person, statement.slot)
    recorded = (str(row.proposal_id), row.round, str(row.person), row.slot)
    return statement if said == recorded and statement.decision == row.decision else None


def _signed(row: Review) -> Signed:
    names = Names([row.person])
    key = bytes(row.cose_key)
    enrolled = PasskeyEnrolment.objects.filter(credential_id=bytes(row.credential_id)).first()
    own = enrolled is not None and (enrolled.person, bytes(enrolled.cose_key)) == (row.person, key)
    statement = bytes(row.statement)
    return Signed(
        row=standing.review_row(row, names, counts=True),
        person=names.person(row.person),
        fingerprint=enrolled.fingerprint if enrolled else "",
        enrolled_at=enrolled.recorded_at if enrolled else None,
        own_key=own,
        problem=_problem(row, key),
        statement=statement.decode(errors="backslashreplace"),
        digest=digest(Kind.STATEMENT, statement),
        client_data=bytes(row.client_data_json).decode(errors="backslashreplace"),
        entry=row.entry,
        at=row.recorded_at,
        composed_at=row.session.recorded_at,
    )


def _problem(row: Review, key: bytes) -> str:
    statement = _statement(row)
    if statement is None:
        return "the stored statement cannot be read, or speaks of another review"
    given = Assertion(
        bytes(row.credential_id),
        bytes(row.authenticator_data),
        bytes(row.client_data_json),
        bytes(row.signature),
    )
    try:
        verify(
            given,
            challenge=statement.challenge(),
            cose_key=key,
            rp_id=statement.rp_id,
            origin=statement.origin,
        )
    except SignatureInvalid as error:
        return error.detail or error.message
    return ""


def _page(
    proposal: Proposal, assessment: Assessment | None, row: Review
) -> tuple[ReopenedPage | None, Ruling | None, str]:
    if assessment is None:
        return None, None, "the assessment of the round is not stored"
    try:
        ruling = Ruling.parse(bytes(assessment.ruling))
        return _drawn(proposal, assessment, row, ruling), ruling, ""
    except BadInput as error:
        return None, None, str(error)


def _drawn(proposal: Proposal, assessment: Assessment, row: Review, ruling: Ruling) -> ReopenedPage:
    plan = present.plan_of(proposal)
    return ReopenedPage(
        proposal_id=proposal.pk,
        state=proposal.state,
        round=row.round,
        sentences=present.sentences(plan),
        undone=present.undone(plan),
        environment=plan.environment if plan else "",
        agent=proposal.agent.name,
        agent_owner=owner_of(proposal.agent),
        submitted_at=proposal.recorded_at,
        incident_id=proposal.incident_id,
        incident_title_said=proposal.incident.title,
        incident_kind_said=proposal.incident.kind,
        detected_at=proposal.incident.detected_at,
        plan_digest=digest(Kind.PLAN, bytes(proposal.plan)),
        plan_text=bytes(proposal.plan).decode(),
        steps=present.step_cards(plan, assessment),
        diagnosis=_diagnosis(proposal, row),
        decide=NOBODY_DECIDES,
        assessed=_assessed(assessment, row, ruling),
    )


def _diagnosis(proposal: Proposal, row: Review) -> DiagnosisCard:
    """With the artefacts that were there when the statement was composed."""
    card = present.diagnosis_card(proposal)
    there = set(
        proposal.incident.evidence.filter(entry__lt=row.session.entry).values_list(
            "sha256", flat=True
        )
    )
    return replace(
        card,
        digest=digest(Kind.DIAGNOSIS, bytes(proposal.diagnosis.body)),
        evidence=tuple(artefact for artefact in card.evidence if artefact.sha256 in there),
    )


def _assessed(assessment: Assessment, row: Review, ruling: Ruling) -> Assessed:
    rows = standing.check_rows(checks.parse(bytes(assessment.checks)))
    return Assessed(
        assessment_id=assessment.pk,
        round=row.round,
        risk=ruling.risk,
        reasons=ruling.reasons,
        decide_by=ruling.decide_by,
        run_within_s=ruling.run_within_s,
        ruling_digest=digest(Kind.RULING, bytes(assessment.ruling)),
        checks_digest=digest(Kind.CHECKS, bytes(assessment.checks)),
        scope=standing.scope_card(Scope.parse(bytes(assessment.scope))),
        checks=rows,
        pin=standing.pin_of(assessment, row.recorded_at),
        gate=(),
        slots=(),
        tally=standing.tally(rows),
    )
