"""How a proposal stands: what the worker found, who decided, what the gate would say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import F, OuterRef, Subquery
from django.utils.translation import gettext, gettext_lazy

from remediation import vocabulary
from remediation.domain import checks, diagram
from remediation.domain.errors import BadInput
from remediation.domain.gate.gate import Finding
from remediation.domain.ruling import Ruling
from remediation.domain.scope import Scope
from remediation.domain.statement import REJECT_REASONS, RETURN_REASONS, Statement
from remediation.models import (
    Assessment,
    Dependency,
    DependencyVersion,
    ObservationRequest,
    Proposal,
    Review,
)
from remediation.services.execution.preview_gate import preview
from remediation.services.review.sign import FRESH_FOR
from remediation.views.names import Names
from remediation.views.pages import (
    Assessed,
    CheckRow,
    GateRow,
    Pin,
    ReviewRow,
    ScopeCard,
    ScopeRow,
    ScopeTargetRow,
    SlotRow,
)

# What each check asserts; its own name stands for a check that is not in this list.
TITLES = {
    "evidence_names_other_identity": gettext_lazy("The evidence is about the target"),
    "citation_value_not_found": gettext_lazy("Cited values stand in the evidence"),
    "claim_without_citation": gettext_lazy("Each claim cites evidence"),
    "hidden_characters": gettext_lazy("No hidden characters"),
    "precheck_refused": gettext_lazy("The executor would take it"),
    "secret_in_evidence": gettext_lazy("No secrets in the evidence"),
    "target_unknown": gettext_lazy("The inventory knows the target"),
    "target_unobservable": gettext_lazy("The target was observed"),
    "earlier_rejection": gettext_lazy("No earlier rejection"),
    "environment_mismatch": gettext_lazy("The environment agrees"),
    "claim_not_in_evidence": gettext_lazy("The evidence holds what claims name"),
    "denied_told_as_done": gettext_lazy("What was denied is told as denied"),
    "place_and_time_mismatch": gettext_lazy("Account, region and times agree"),
    "addresses_the_reader": gettext_lazy("Nothing speaks to its reader"),
    "look_alike_names": gettext_lazy("No look-alike is meant"),
    "sibling_credential": gettext_lazy("No second key or member keeps access"),
    "used_by_production": gettext_lazy("Not in use by others within the hour"),
    "protected_target": gettext_lazy("The target is not protected"),
    "telemetry_switched_off": gettext_lazy("Logs and detectors stayed on"),
    "containment_order": gettext_lazy("The steps are in the right order"),
    "irreversible": gettext_lazy("Each step can be undone"),
    "duplicate_proposal": gettext_lazy("No other open proposal acts on it"),
}
_WORST_FIRST = {"fail": 0, "warn": 1, "pass": 2}


def assessed(proposal: Proposal, assessment: Assessment, *, now: datetime) -> Assessed:
    """Everything about the proposal's round that the page shows beside the agent's words.

    Raises BadInput when what is stored cannot be read.
    """
    ruling = Ruling.parse(bytes(assessment.ruling))
    rows = check_rows(checks.parse(bytes(assessment.checks)))
    reviews = review_rows(proposal, assessment.round)
    return Assessed(
        assessment_id=assessment.pk,
        round=assessment.round,
        risk=ruling.risk,
        reasons=ruling.reasons,
        decide_by=ruling.decide_by,
        run_within_s=ruling.run_within_s,
        ruling_digest=assessment.ruling_digest,
        checks_digest=assessment.checks_digest,
        scope=scope_card(Scope.parse(bytes(assessment.scope))),
        checks=rows,
        pin=pin_of(assessment, now),
        gate=gate_rows(preview(proposal), decided=len(reviews), state=proposal.state),
        slots=seats(tuple(assessment.slots), reviews),
        observe_requested=ObservationRequest.objects.filter(
            proposal=proposal, round=proposal.round
        ).exists(),
        tally=tally(rows),
    )


def check_rows(found: Iterable[checks.Check]) -> tuple[CheckRow, ...]:
    """Worst first; among equals the worker's order."""
    rows = [
        CheckRow(
            name=check.name,
            title=str(TITLES.get(check.name, check.name.replace("_", " "))),
            outcome=check.outcome.value,
            reason=check.reason,
        )
        for check in found
    ]
    return tuple(sorted(rows, key=lambda row: _WORST_FIRST[row.outcome]))


def tally(rows: Iterable[CheckRow]) -> tuple[tuple[str, int], ...]:
    counts = Counter(row.outcome for row in rows)
    return tuple((word, counts[word]) for word in _WORST_FIRST)


def scope_card(scope: Scope) -> ScopeCard:
    return ScopeCard(
        diagram=diagram.draw(scope, _edges(scope)),
        digest=scope.digest,
        targets=tuple(
            ScopeTargetRow(target.locator, target.known, target.environment, target.owner_team)
            for target in scope.targets
        ),
        services=tuple(
            ScopeRow(
                name=service.name,
                via=service.via,
                depth=service.depth,
                environment=service.environment,
                criticality=service.criticality,
                payment_path=service.payment_path,
                external_partner=service.external_partner,
                owner_team=service.owner_team,
            )
            for service in scope.services
        ),
        unknown=scope.unknown,
    )


def _edges(scope: Scope) -> list[tuple[int, int]]:
    """The lines between the services of the scope, as the inventory has them now."""
    ids = [service.id for service in scope.services]
    newest = DependencyVersion.objects.filter(dependency=OuterRef("pk")).order_by("-id")
    found = Dependency.objects.filter(source__in=ids, service__in=ids).annotate(
        present=Subquery(newest.values("present")[:1])
    )
    pairs = found.filter(present=True).values_list("service_id", "source_id")
    return [(int(below or 0), above) for below, above in pairs]


def pin_of(assessment: Assessment, now: datetime) -> Pin:
    fresh_until = assessment.recorded_at + FRESH_FOR
    return Pin(
        digest=assessment.pin_digest,
        text=bytes(assessment.pin).decode(),
        observed_at=assessment.recorded_at,
        fresh_until=fresh_until,
        fresh=now < fresh_until,
    )


def gate_rows(findings: Iterable[Finding], *, decided: int, state: str) -> tuple[GateRow, ...]:
    """The gate's findings, with what this web process cannot know said beside them."""
    rows = []
    for finding in findings:
        outcome = "pass" if finding.result else "fail"
        reason, note = "" if finding.result else _detail(finding), ""
        if finding.name == "signatures" and outcome == "pass":
            note = (
                gettext("by the keys as enrolled; the worker asks its approvers file")
                if decided
                else gettext("none is handed in yet")
            )
            outcome = "pass" if decided else "later"
        if finding.number == 4 and state == "in_review" and _name(finding) == "quorum":
            outcome = "later"
        if finding.number == 7:
            # Whatever the state: only the worker has the log's key and the head that it remembers.
            outcome = "later"
            note = gettext("The worker proves it, before it runs anything.")
        if finding.name == "drift" and outcome == "pass":
            outcome = "later"
            note = gettext("as pinned; the worker looks again just before the effect")
        rows.append(GateRow(finding.number, finding.name, outcome, "" if note else reason, note))
    return tuple(rows)


def _detail(finding: Finding) -> str:
    return str(getattr(finding.result, "detail", ""))


def _name(finding: Finding) -> str:
    return str(getattr(finding.result, "reason", ""))


def review_rows(proposal: Proposal, round_: int | None = None) -> tuple[ReviewRow, ...]:
    """Reviews of one round, or of all, oldest first."""
    found = Review.objects.filter(proposal=proposal).order_by("pk")
    if round_ is not None:
        found = found.filter(round=round_)
    reviews = list(found)
    names = Names([review.person for review in reviews])
    return tuple(
        review_row(review, names, counts=review.round == proposal.round) for review in reviews
    )


def reviews_by_proposal(keys: list[UUID]) -> dict[UUID, list[ReviewRow]]:
    """The reviews of the current rounds of many proposals, in two queries."""
    found = Review.objects.filter(proposal__in=keys, round=F("proposal__round")).order_by("pk")
    reviews = list(found)
    names = Names([review.person for review in reviews])
    rows: dict[UUID, list[ReviewRow]] = {}
    for review in reviews:
        rows.setdefault(review.proposal_id, []).append(review_row(review, names, counts=True))
    return rows


def review_row(review: Review, names: Names, *, counts: bool) -> ReviewRow:
    """One review as people read it; what cannot be read of the statement is left out."""
    verdicts: tuple[tuple[str, str], ...] = ()
    code = text = ""
    try:
        statement = Statement.parse(bytes(review.statement))
    except BadInput:
        pass
    else:
        verdicts = tuple((key, str(value)) for key, value in statement.verdicts.to_json().items())
        code, text = statement.reason.code, statement.reason.text
    return ReviewRow(
        person=names.person(review.person),
        slot=review.slot,
        decision=review.decision,
        verdicts=verdicts,
        reason_code=vocabulary.saying({**REJECT_REASONS, **RETURN_REASONS}.get(code, code)),
        reason_text=text,
        round=review.round,
        at=review.recorded_at,
        counts=counts,
    )


def seats(slots: tuple[str, ...], reviews: Iterable[ReviewRow]) -> tuple[SlotRow, ...]:
    """The ruling's slots in order, each with the review that took it."""
    waiting = list(reviews)
    rows = []
    for slot in slots:
        taken = next((review for review in waiting if review.slot == slot), None)
        if taken is not None:
            waiting.remove(taken)
        rows.append(SlotRow(slot, taken))
    return tuple(rows)
