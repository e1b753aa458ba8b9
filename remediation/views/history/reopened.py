"""Reopen a review: show the page as its reviewer saw it, from the stored bytes.

Computes every digest of the signed statement again, from the bytes that the page shows, and marks
a section whose digest differs or whose bytes cannot be read.
"""

from __future__ import annotations

from dataclasses import replace

from remediation.domain import checks
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadInput
from remediation.domain.ruling import Ruling
from remediation.domain.scope import Scope
from remediation.models import Assessment, Proposal, Review
from remediation.services.access.asked import owners_in
from remediation.views.cards.assessed import Assessed, pin_of
from remediation.views.cards.checks import check_rows, tally
from remediation.views.cards.diagnosis import DiagnosisCard, diagnosis_card
from remediation.views.cards.plan_waits import plan_flow
from remediation.views.cards.proposal import plan_of, sentences, undone
from remediation.views.cards.reviews import review_row, slot_rows
from remediation.views.cards.scope import scope_card
from remediation.views.cards.slots import seat_of, titles_of
from remediation.views.cards.step import step_cards
from remediation.views.history.page import Proof, Reopened, ReopenedPage
from remediation.views.history.signed import signed_of, statement_of
from remediation.views.names import Names, owner_of

KINDS = (Kind.DIAGNOSIS, Kind.SCOPE, Kind.CHECKS, Kind.PLAN, Kind.PIN, Kind.RULING)


def reopened(proposal: Proposal, number: int) -> Reopened | None:
    """Return the proposal's review of this number, counted from 1; None if there is none."""
    reviews = list(
        Review.objects.filter(proposal=proposal).order_by("pk").select_related("session")
    )
    if not 1 <= number <= len(reviews):
        return None
    row = reviews[number - 1]
    assessment = Assessment.objects.filter(proposal=proposal, round=row.round).first()
    page, ruling, unreadable = _page(proposal, assessment, row)
    owners = owners_in(assessment) if assessment else ()
    earlier = [r for r in reviews[: number - 1] if r.round == row.round]
    names = Names([review.person for review in earlier])
    return Reopened(
        number=number,
        count=len(reviews),
        signed=signed_of(row),
        proofs=_proofs(proposal, assessment, row),
        page=page,
        ruling=ruling,
        seat=seat_of(row.slot, owners),
        asked=titles_of(assessment) if assessment else (),
        before=slot_rows(
            tuple(assessment.slots) if assessment else (),
            [review_row(review, names, counts=True) for review in earlier],
            owners,
        ),
        unreadable=unreadable,
    )


def _proofs(proposal: Proposal, assessment: Assessment | None, row: Review) -> tuple[Proof, ...]:
    signed = statement_of(row)
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
    plan = plan_of(proposal)
    return ReopenedPage(
        proposal_id=proposal.pk,
        state=proposal.state,
        round=row.round,
        sentences=sentences(plan),
        undone=undone(plan),
        environment=plan.environment if plan else "",
        agent=proposal.agent.name,
        agent_owner=owner_of(proposal.agent),
        submitted_at=proposal.recorded_at,
        incident_id=proposal.incident_id,
        incident_title_untrusted=proposal.incident.title,
        incident_kind_untrusted=proposal.incident.kind,
        detected_at=proposal.incident.detected_at,
        plan_digest=digest(Kind.PLAN, bytes(proposal.plan)),
        plan_text=bytes(proposal.plan).decode(),
        steps=step_cards(plan, assessment),
        flow=plan_flow(plan, assessment),
        diagnosis=_diagnosis(proposal, row),
        assessed=_assessed(assessment, row, ruling),
    )


def _diagnosis(proposal: Proposal, row: Review) -> DiagnosisCard:
    """Return the diagnosis with only the artefacts that existed when the statement was composed."""
    card = diagnosis_card(proposal)
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
    rows = check_rows(checks.parse(bytes(assessment.checks)))
    return Assessed(
        assessment_id=assessment.pk,
        round=row.round,
        risk=ruling.risk,
        reasons=ruling.reasons,
        decide_by=ruling.decide_by,
        run_within_s=ruling.run_within_s,
        ruling_digest=digest(Kind.RULING, bytes(assessment.ruling)),
        checks_digest=digest(Kind.CHECKS, bytes(assessment.checks)),
        scope=scope_card(Scope.parse(bytes(assessment.scope))),
        checks=rows,
        pin=pin_of(assessment, row.recorded_at),
        gate=(),
        slots=(),
        tally=tally(rows),
    )
