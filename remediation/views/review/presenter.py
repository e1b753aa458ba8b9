"""From rows to the review page's data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from uuid import UUID

from django.utils.translation import gettext, ngettext

from audit.tlog.canonical import Json
from remediation import vocabulary
from remediation.domain.catalogue import ACTIONS, after
from remediation.domain.citations import Stored, Unreadable, problem_of, read_artefact
from remediation.domain.errors import BadInput
from remediation.domain.excerpt import Excerpt, excerpt
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan, Step
from remediation.domain.report import Claim, load_diagnosis
from remediation.domain.secrets.detector import MOST, TITLES, Found
from remediation.domain.strict import parse as parse_json
from remediation.models import Assessment, Evidence, EvidenceBlob, Proposal, User
from remediation.services.access import authorize
from remediation.services.clock import database_now
from remediation.services.plans import load_plan
from remediation.services.reporting import secrets
from remediation.services.review import report_agent
from remediation.views.cards import standing
from remediation.views.decorators import dumps
from remediation.views.names import Names, owner_of
from remediation.views.pages import (
    CitationRow,
    ClaimRow,
    DiagnosisCard,
    EvidenceRow,
    Field,
    ObservedCard,
    Rail,
    ReviewPage,
    ReviewRow,
    StepCard,
)
from remediation.views.review import agent_record, deciding

UNREADABLE = "The catalogue of today cannot read this plan, so nobody can approve it."


def review_page(user: User, proposal: Proposal) -> ReviewPage:
    """The whole page for this person; reads only."""
    now = database_now()
    assessment = authorize.newest(proposal)
    plan = plan_of(proposal)
    return ReviewPage(
        proposal_id=proposal.pk,
        state=proposal.state,
        round=proposal.round,
        sentences=sentences(plan),
        undone=undone(plan),
        environment=plan.environment if plan else "",
        agent=proposal.agent.name,
        agent_owner=owner_of(proposal.agent),
        submitted_at=proposal.recorded_at,
        incident_id=proposal.incident_id,
        incident_title_said=proposal.incident.title,
        incident_kind_said=proposal.incident.kind,
        detected_at=proposal.incident.detected_at,
        plan_digest=proposal.plan_digest,
        plan_text=bytes(proposal.plan).decode(),
        steps=step_cards(plan, assessment),
        diagnosis=diagnosis_card(proposal),
        decide=deciding.decide(user, proposal, assessment, readable=plan is not None, now=now),
        agent_enabled=report_agent.is_enabled(proposal.agent_id),
        undoes=proposal.reverses_id,
        assessed=standing.assessed(proposal, assessment, now=now) if assessment else None,
        earlier=_earlier(proposal),
    )


def rail(proposal: Proposal) -> Rail:
    """Only what changes while the page is open."""
    assessment = authorize.newest(proposal)
    return Rail(
        proposal_id=proposal.pk,
        state=proposal.state,
        round=proposal.round,
        assessed=(
            standing.assessed(proposal, assessment, now=database_now()) if assessment else None
        ),
        earlier=_earlier(proposal),
    )


def plan_of(proposal: Proposal) -> Plan | None:
    """The stored plan, or None when today's catalogue cannot read it."""
    try:
        return load_plan(bytes(proposal.plan))
    except BadInput:
        return None


def sentences(plan: Plan | None) -> tuple[str, ...]:
    """What the plan does, in the portal's words, from the plan's bytes."""
    return tuple(step.sentence for step in plan.steps) if plan else (UNREADABLE,)


def undone(plan: Plan | None) -> str:
    """Where it happens and how it is undone, in the portal's words."""
    if plan is None:
        return ""
    back = []
    for step in plan.steps:
        if step.rollback is None or not step.spec.reversible:
            back.append(f"Step {step.index + 1} cannot be undone.")
        else:
            sentence = ACTIONS[step.rollback].sentence.format_map(step.target.fields)
            back.append(f"Undone by {step.rollback}: {sentence}")
    return " ".join([f"In {plan.environment}.", *back])


def step_cards(plan: Plan | None, assessment: Assessment | None) -> tuple[StepCard, ...]:
    seen = _observations(assessment)
    return tuple(_step_card(step, seen) for step in plan.steps) if plan else ()


def _step_card(step: Step, seen: dict[str, Observation | None]) -> StepCard:
    spec, locator = step.spec, step.target.locator
    observation = seen.get(locator)
    unobservable = locator in seen and observation is None
    return StepCard(
        number=step.index + 1,
        action=step.action,
        sentence=step.sentence,
        locator=locator,
        target=tuple(Field(name, value) for name, value in step.target.fields.items()),
        parameters=tuple(Field(name, _said(value)) for name, value in step.parameters.items()),
        reversible=spec.reversible and step.rollback is not None,
        rollback=step.rollback or "",
        timeout_s=spec.hard_timeout_s,
        propagation_s=spec.propagation_s,
        ends_sessions=vocabulary.saying(spec.ends_sessions),
        unpinned_reason=vocabulary.saying(spec.unpinned_reason),
        cannot=tuple(vocabulary.saying(one) for one in spec.cannot),
        observed=_observed(step.action, observation) if observation else None,
        unobservable=(
            gettext("The worker could not look at %(target)s.") % {"target": locator}
            if unobservable
            else ""
        ),
    )


def _observed(action: str, observation: Observation) -> ObservedCard:
    """Pinned fields first: those are what must not change before, and what the action changes."""
    then = after(action, observation.state) if observation.exists else observation.state
    pinned = [
        Field(name, _said(value), True, _said(then[name]) if then[name] != value else "")
        for name, value in observation.state.items()
    ]
    shown = [Field(name, _said(value)) for name, value in observation.shown.items()]
    return ObservedCard(observation.exists, observation.simulated, (*pinned, *shown))


def _observations(assessment: Assessment | None) -> dict[str, Observation | None]:
    if assessment is None:
        return {}
    raw = bytes(assessment.observation)
    value = parse_json(raw, max_bytes=len(raw) + 1)
    assert isinstance(value, dict)
    return {
        locator: Observation.from_json(item) if item is not None else None
        for locator, item in value.items()
    }


def diagnosis_card(proposal: Proposal) -> DiagnosisCard:
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
        summary_said=diagnosis.summary,
        rationale_said=proposal.rationale,
        rationale_by=Names([proposal.editor]).person(proposal.editor) if proposal.editor else "",
        claims=tuple(_claim_row(stored, claim, artefacts, rows) for claim in diagnosis.claims),
        evidence=tuple(replace(row, whole=row.sha256 in whole) for row in rows.values()),
        record=agent_record.of(proposal, diagnosis.confidence),
    )


def _claim_row(
    stored: Stored,
    claim: Claim,
    artefacts: Mapping[str, Json | Unreadable],
    known: Mapping[str, EvidenceRow],
) -> ClaimRow:
    rows = []
    for citation in claim.citations:
        document = artefacts.get(citation.evidence, _ABSENT)
        problem = problem_of(document, citation)
        row = known.get(citation.evidence)
        if problem and row and stored.holds(citation):
            problem = ""
        rows.append(
            CitationRow(
                sha256=citation.evidence,
                pointer_said=citation.pointer or gettext("(the whole artefact)"),
                value_said=dumps(citation.value),
                outcome="fail" if problem else "pass",
                reason=problem,
                excerpt=_excerpt(document, citation.pointer),
                source_said=row.source_said if row else "",
                attacker_writable=bool(row and row.attacker_writable),
            )
        )
    return ClaimRow(claim.text, tuple(rows))


def _excerpt(document: Json | Unreadable, pointer: str) -> Excerpt | None:
    """What really stands there, whatever the claim says."""
    if isinstance(document, Unreadable):
        return None
    try:
        return excerpt(document, pointer)
    except LookupError:
        return None


_ABSENT = read_artefact(None)


def _artefacts(
    incident_id: UUID, wanted: set[str]
) -> tuple[dict[str, Json | Unreadable], set[str]]:
    """The cited artefacts, each parsed once with its secrets covered, and those whose bytes have
    their SHA-256."""
    rows = list(Evidence.objects.filter(incident_id=incident_id, sha256__in=wanted))
    parsed = {digest: read_artefact(text) for digest, text in secrets.masked(rows).items()}
    blobs = EvidenceBlob.objects.filter(sha256__in=[row.sha256 for row in rows])
    return parsed, {b.sha256 for b in blobs if is_whole(bytes(b.content), b.sha256)}


def evidence_rows(incident_id: UUID, cited: Counter[str]) -> tuple[EvidenceRow, ...]:
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
    return EvidenceRow(
        sha256=row.sha256,
        size=row.size,
        source_said=row.source,
        media_type_said=row.media_type,
        collected_at=row.collected_at,
        attacker_writable=row.attacker_writable,
        kept=kept,
        cited=cited,
        secrets=secrets_said(found) if found else "",
    )


def secrets_said(found: Found) -> str:
    """What is covered, in words: "2 secrets: AWS secret access key, private key"."""
    if not found.whole:
        return gettext("more than %(most)d secrets") % {"most": MOST}
    kinds = dict.fromkeys(vocabulary.saying(TITLES.get(s.rule, s.rule)) for s in found.secrets)
    count = len(found.secrets)
    said = {"count": count, "kinds": ", ".join(kinds)}
    return ngettext("%(count)d secret: %(kinds)s", "%(count)d secrets: %(kinds)s", count) % said


def artefact_text(content: bytes) -> tuple[str, bool]:
    """The artefact whole: as text when it is UTF-8, else in hexadecimal (second value True)."""
    try:
        return content.decode(), False
    except UnicodeDecodeError:
        return "\n".join(
            content[start : start + 32].hex(" ") for start in range(0, len(content), 32)
        ), True


def is_whole(content: bytes, digest: str) -> bool:
    """Whether the stored bytes are those that the agent handed in."""
    return sha256(content).hexdigest() == digest


def _earlier(proposal: Proposal) -> tuple[ReviewRow, ...]:
    return tuple(row for row in standing.review_rows(proposal) if row.round < proposal.round)


def _said(value: Json) -> str:
    return value if isinstance(value, str) else dumps(value)
