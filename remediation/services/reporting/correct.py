"""Correct a diagnosis or a scope: make a new version, on which the corrector cannot decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.act import Act, ActName
from remediation.domain.events import Event
from remediation.domain.inert import visible
from remediation.domain.report import Diagnosis as ReportedDiagnosis
from remediation.domain.report import load_diagnosis, parse_diagnosis
from remediation.domain.secrets import masking
from remediation.domain.statement import MAX_REASON, MIN_REASON
from remediation.domain.states import ProposalState
from remediation.models import Diagnosis, Identity, Proposal, Service, Transition, User
from remediation.services import transition
from remediation.services.access import authorize, visibility
from remediation.services.actors import PersonActor
from remediation.services.guards import translated
from remediation.services.inventory import facts
from remediation.services.load_plan import load_plan
from remediation.services.outbox import dispatch
from remediation.services.people import stepup
from remediation.services.reporting import secrets, supersede

# Larger changes belong on the inventory's own pages.
MOST_MISSING = 20


@dataclass(frozen=True)
class Correction:
    """What a person changes. ``claims`` is the new text of each claim by its number, None to drop
    the claim; ``missing`` names services that use the targets but were not in the scope."""

    summary: str
    confidence: int
    claims: Mapping[int, str | None]
    missing: Sequence[str] = ()


def correcting(proposal: Proposal, correction: Correction, reason: str) -> Act:
    """Return the act of `correct`, to be signed, as the record keeps it. Raises BadInput."""
    known = secrets.known_values(proposal.incident)
    missing: list[Json] = [masking.mask_text(visible(n), known) for n in correction.missing]
    said: dict[str, Json] = {
        "diagnosis": _masked(proposal.diagnosis, correction, known).digest,
        "missing": missing,
        "reason": masking.mask_text(visible(reason.strip()), known),
    }
    return Act(ActName.CORRECT, f"proposal:{proposal.pk}", said)


def correct(
    *,
    actor: User,
    proposal_id: UUID,
    correction: Correction,
    reason: str,
    proof: stepup.Proof | None,
) -> UUID:
    """Supersede the proposal by one with the same plan and the corrected diagnosis; return its id.

    Reviews of the old proposal stay on record but no longer count. The corrector is recorded as
    the new proposal's editor and cannot decide on it (promise 4, A07). Diagnosis, edges, the end
    of the old proposal and the new one are one transaction: a crash before the commit leaves
    nothing; after it the sweeper gets the new proposal assessed.

    Raises NoSuchObject, NotEntitled, Separation, WrongState, ReasonRequired, BadInput,
    NothingToCorrect when the correction changes nothing, and what `stepup.check` raises (A76).
    """
    with transaction.atomic():
        transition.lock(proposal_id)
        proposal = _correctable(actor, proposal_id)
        known = secrets.known_values(proposal.incident)
        reason = masking.mask_text(visible(reason.strip()), known)
        if not MIN_REASON <= len(reason) <= MAX_REASON:
            raise errors.ReasonRequired(f"{MIN_REASON} to {MAX_REASON} characters")
        person = PersonActor(actor.person, actor.pk)
        diagnosis = _diagnosis(person, proposal, correction, reason, known)
        edges = _add_missing(person, proposal, correction.missing)
        if diagnosis == proposal.diagnosis and not edges:
            raise errors.NothingToCorrect()
        act = correcting(proposal, correction, reason)
        signed = stepup.check(actor=actor, act=act, proof=proof)
        made = supersede.supersede(
            actor=person,
            proposal_id=proposal_id,
            plan=load_plan(bytes(proposal.plan)),
            rationale=proposal.rationale,
            reason=reason,
            diagnosis=diagnosis,
            data={**act.input, "step_up": signed.data},
        )
        end = Transition.objects.get(proposal=proposal, to_state=ProposalState.SUPERSEDED)
        signed.use(end.entry)
        transaction.on_commit(lambda: dispatch.wake("assess", made), robust=True)
    return made


def may_correct(user: User, proposal: Proposal) -> bool:
    """Return whether the page offers a correction; `correct` verifies it again."""
    return proposal.state == ProposalState.IN_REVIEW and authorize.may_review(user.person, proposal)


def _correctable(actor: User, proposal_id: UUID) -> Proposal:
    proposal = (
        Proposal.objects.select_related("diagnosis", "incident").filter(pk=proposal_id).first()
    )
    if proposal is None or not visibility.may_view(actor, proposal):
        raise errors.NoSuchObject()
    why = authorize.excluded(proposal.pk).get(str(actor.person))
    if why:
        raise errors.Separation(*why)
    if not authorize.entitled_roles(actor.person, authorize.newest(proposal)):
        raise errors.NotEntitled("only people who may review may correct")
    if proposal.state != ProposalState.IN_REVIEW:
        raise errors.WrongState(f"the proposal is {proposal.state}")
    return proposal


def _diagnosis(
    person: PersonActor,
    proposal: Proposal,
    correction: Correction,
    reason: str,
    known: frozenset[str],
) -> Diagnosis:
    """Return the next version of the diagnosis, or the present one when nothing differs."""
    old = proposal.diagnosis
    corrected = _masked(old, correction, known)
    if corrected.digest == old.digest:
        return old
    newest = proposal.incident.diagnoses.order_by("-version")[0]
    entry = log.append(
        action=Event.PERSON_DIAGNOSIS_CORRECTED,
        actor=person.ref,
        object=f"incident:{proposal.incident_id}",
        data={"proposal": str(proposal.pk), "diagnosis": corrected.digest, "reason": reason},
    )
    with translated():
        return Diagnosis.objects.create(
            incident=proposal.incident,
            version=newest.version + 1,
            body=corrected.body,
            digest=corrected.digest,
            agent_id=old.agent_id,
            editor=person.person,
            entry=entry.id,
        )


def _masked(old: Diagnosis, correction: Correction, known: frozenset[str]) -> ReportedDiagnosis:
    # A person may quote a secret, and nobody can change the record later (A61).
    reported = load_diagnosis(bytes(old.body), allow_test=True)
    return masking.mask_diagnosis(_corrected(reported, correction), known)


def _corrected(old: ReportedDiagnosis, correction: Correction) -> ReportedDiagnosis:
    """Return the old diagnosis with the corrector's texts; citations stay as they are."""
    claims: list[Json] = []
    for number, claim in enumerate(old.claims, 1):
        text = correction.claims.get(number, claim.text)
        if text is not None:
            claims.append({**claim.to_json(), "text": _typed(text, claim.text)})
    return parse_diagnosis(
        {
            "summary": _typed(correction.summary, old.summary),
            "identity": old.identity.to_json(),
            "confidence": correction.confidence,
            "claims": claims,
        },
        "/diagnosis",
        allow_test=True,
    )


def _typed(text: str, old: str) -> str:
    """Return what was typed; where nothing was, the old text with its hidden characters.

    The form shows those as code points, which nobody meant to write down.
    """
    return old if text == visible(old) else text


def _add_missing(person: PersonActor, proposal: Proposal, missing: Sequence[str]) -> int:
    """Record that these services use the plan's targets; return how many edges are new.

    This can only widen the scope, so every reviewer may do it.
    """
    targets = [t.locator for t in load_plan(bytes(proposal.plan)).targets]
    identities = list(Identity.objects.filter(locator__in=targets))
    if missing and len(identities) != len(targets):
        raise errors.BadValue(
            "the inventory does not know every target of the plan yet", pointer="/missing"
        )
    if len(missing) > MOST_MISSING:
        raise errors.BadValue(f"at most {MOST_MISSING} services", pointer="/missing")
    held = authorize.service_ids(person.person, "view_service", "review_service")
    added = 0
    for name in dict.fromkeys(missing):
        service = Service.objects.filter(name=name).first()
        # A service on which the corrector holds no right counts as unknown: adding a service also
        # adds people who may decide on the target, and the corrector must not choose those freely.
        if service is None or service.pk not in held:
            raise errors.BadValue(
                f"no service named {visible(name)[:100]!r} that you may review",
                pointer="/missing",
            )
        for identity in identities:
            added += facts.widen(actor=person, source_id=service.pk, needs=identity)
    return added
