"""Review a proposal: compose the statement, take the person's signature, count the reviews."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from audit import inclusion, log
from audit.tlog.canonical import Json
from remediation.domain import b64url, errors
from remediation.domain.act import Act, ActName
from remediation.domain.events import Event
from remediation.domain.gate.quorum import CountedReview, Resolution, resolve
from remediation.domain.gate.signature import Assertion
from remediation.domain.statement import NONE_OF_THEM, Decision, Statement
from remediation.domain.states import ProposalState
from remediation.models import Assessment, ObservationRequest, Proposal, Review, ReviewSession, User
from remediation.services import transition
from remediation.services.access import authorize, looks, slots, visibility
from remediation.services.actors import PersonActor
from remediation.services.clock import database_now
from remediation.services.guards import translated
from remediation.services.outbox import dispatch
from remediation.services.people import passkeys, stepup
from remediation.services.reporting import incidents, propose
from remediation.services.review import narrowings, none_of_them, old_page, report_agent
from remediation.services.review import statement as statements

# A signature needs an assessment that is not older.
FRESH_FOR = timedelta(minutes=10)


@dataclass(frozen=True)
class Started:
    """What the browser needs: the session's id and options for navigator.credentials.get()."""

    session_id: UUID
    options: dict[str, Any]


@dataclass(frozen=True)
class Signed:
    """The resolution of the round after this review; None while slots are open."""

    proposal_id: UUID
    resolution: Resolution | None


def start(
    *,
    actor: User,
    proposal_id: UUID,
    page: old_page.Page,
    decision: str,
    verdicts: Mapping[str, str],
    reason: Mapping[str, str],
    slot: str,
    opened: Iterable[str] = (),
    typed: Sequence[str] = (),
) -> Started:
    """Compose the statement about the present round, for this person to sign once.

    What is signed must be what was shown (promise 2). Each assessment opens a new round, and what
    is shown and not pinned may differ after an equal look. ``opened`` names the artefacts that
    the person opened, ``typed`` the names typed, for `approval_conditions`.
    Raises StaleDigest when the round is over or, for an approval, the look is old, else
    NoSuchObject, NotEntitled, Separation, SlotNotOpen, WrongState, AssessmentStale,
    AgentDisabled, ProposerLost, AlreadyReviewed, EvidenceNotOpened, NameNotTyped,
    VerdictsDisagree, ReasonRequired, BadInput.
    """
    why = statements.reason_of(proposal_id, reason)
    with transaction.atomic():
        transition.lock(proposal_id)
        proposal, assessment = under_review(actor, proposal_id)
        old_page.refuse(proposal, assessment, page, approves=decision == Decision.APPROVE)
        _check_person(actor, proposal, assessment, slot, decision)
        statement = statements.compose(actor, proposal, assessment, decision, verdicts, why, slot)
        statement.check_consistent()
        _check_choice(actor, proposal, statement)
        looked = statements.looked(proposal, assessment, statement.decision, set(opened), typed)
        session = _remember(_person(actor), proposal, statement, looked)
        # Before the commit: when the passkeys cannot be read, no session remains.
        return Started(session.pk, passkeys.options(actor, statement.challenge()))


def sign(*, actor: User, session_id: UUID, assertion: Mapping[str, Json]) -> Signed:
    """Record a signed review; approve the proposal when the slots are filled.

    ``assertion`` is the passkey's assertion over the started statement. One transaction: the
    review, its entry and, with a quorum, the approval with its outbox row. A crash before the
    commit leaves none of them; after it the sweeper finds the outbox row. Raises SessionExpired,
    SessionUsed, StaleDigest, SignatureInvalid, and what `start` raises.
    """
    given = Assertion.from_browser(dict(assertion))
    with transaction.atomic():
        session = ReviewSession.objects.filter(pk=session_id, person=actor.person).first()
        if session is None:
            raise errors.NoSuchObject()
        transition.lock(session.proposal_id)
        statement = Statement.parse(bytes(session.statement))
        cose_key = passkeys.signed_by(actor, given, statement.challenge())
        proposal, assessment = under_review(actor, session.proposal_id)
        _check_person(actor, proposal, assessment, statement.slot, statement.decision)
        _check_choice(actor, proposal, statement)
        # The agent may have been reported as suspicious between starting and signing.
        if statement.decision is Decision.APPROVE:
            report_agent.check_proposer(proposal)
            old_page.refuse_since(session, assessment)
        _record(_person(actor), session, statement, given, cose_key)
        resolution = _count(_person(actor), proposal, assessment)
        kind = "execute" if resolution is Resolution.APPROVED else "settle"
        if resolution is not None:
            transaction.on_commit(lambda: _wake(kind, proposal.pk), robust=True)
    return Signed(proposal.pk, resolution)


def _wake(kind: str, proposal_id: UUID) -> None:
    """Wake sequencer and worker, after the commit.

    The sequencer comes first, so that it integrates while the broker delivers.
    """
    if kind == "execute":
        inclusion.ask()
    dispatch.wake(kind, proposal_id)


def observing(proposal_id: UUID, round: int) -> Act:
    """Return the act of `observe_again`, to be signed: it voids what others signed in the round."""
    return Act(ActName.OBSERVE_AGAIN, f"proposal:{proposal_id}", {"round": round})


def observe_again(*, actor: User, proposal_id: UUID, proof: stepup.Proof | None) -> None:
    """Ask the worker to assess again, which opens a new round.

    Raises NoSuchObject, NotEntitled, Separation, WrongState, and what `stepup.check` raises.
    """
    with transaction.atomic():
        transition.lock(proposal_id)
        proposal, assessment = under_review(actor, proposal_id)
        # It voids the round, so only people who may decide in it may ask.
        refuse_excluded(actor, proposal)
        if not authorize.entitled_roles(actor.person, assessment):
            raise errors.NotEntitled("only people who may review may ask")
        act = observing(proposal_id, proposal.round)
        signed = stepup.check(actor=actor, act=act, proof=proof)
        entry = log.append(
            action=Event.PERSON_OBSERVATION_ASKED,
            actor=actor.actor,
            object=f"proposal:{proposal_id}",
            data={"round": proposal.round, "step_up": signed.data},
        )
        signed.use(entry.id)
        with translated():
            ObservationRequest.objects.create(
                proposal=proposal, round=proposal.round, person=actor.person, entry=entry.id
            )
        transaction.on_commit(lambda: dispatch.wake("assess", proposal_id), robust=True)


def _person(actor: User) -> PersonActor:
    return PersonActor(actor.person, actor.pk)


def under_review(actor: User, proposal_id: UUID) -> tuple[Proposal, Assessment]:
    proposal = Proposal.objects.select_related("diagnosis").filter(pk=proposal_id).first()
    if proposal is None or not visibility.may_view(actor, proposal):
        raise errors.NoSuchObject()
    assessment = authorize.newest(proposal)
    if proposal.state != ProposalState.IN_REVIEW or assessment is None:
        raise errors.WrongState(f"the proposal is {proposal.state}")
    if propose.is_taken(proposal):
        raise errors.ChoiceTaken()
    if incidents.keeps_from_running(proposal):
        raise errors.WrongState("the incident is closed, so this proposal does not run any more")
    return proposal, assessment


def refuse_excluded(actor: User, proposal: Proposal) -> None:
    why = authorize.excluded(proposal.pk).get(str(actor.person))
    if why:
        raise errors.Separation(*why)


def _check_person(
    actor: User, proposal: Proposal, assessment: Assessment, slot: str, decision: str
) -> None:
    """Ask what guard and gate ask again, so that the person gets a helpful refusal early."""
    refuse_excluded(actor, proposal)
    if not authorize.entitled_roles(actor.person, assessment):
        raise errors.NotEntitled("only approvers with the right to review an affected service")
    if Review.objects.filter(proposal=proposal, round=proposal.round, person=actor.person).exists():
        raise errors.AlreadyReviewed()
    if decision == Decision.APPROVE and narrowings.by(actor.person, assessment):
        raise errors.AlreadyReviewed()
    # An approval needs an open slot; a reject or return needs the role of any slot.
    fitting = slots.open_slots_for(actor, proposal)
    if decision != Decision.APPROVE:
        fitting = authorize.slots_of(actor, assessment)
    if slot not in fitting:
        raise errors.SlotNotOpen(slot[:40])
    if not looks.is_fresh(assessment, database_now(), FRESH_FOR):
        raise errors.AssessmentStale()


def _check_choice(actor: User, proposal: Proposal, statement: Statement) -> None:
    if statement.reason.code != NONE_OF_THEM:
        return
    if proposal.choice_id is None:
        raise errors.ReasonRequired("there is no other plan to choose from")
    none_of_them.refuse_without_rights(actor.person, proposal)


def _remember(
    actor: PersonActor, proposal: Proposal, statement: Statement, looked: dict[str, Json]
) -> ReviewSession:
    entry = log.append(
        action=Event.PERSON_REVIEW_STARTED,
        actor=actor.ref,
        object=f"proposal:{proposal.pk}",
        data={"round": statement.round, "statement": statement.digest, **looked},
    )
    with translated():
        return ReviewSession.objects.create(
            proposal=proposal,
            round=statement.round,
            person=actor.person,
            nonce=statement.nonce,
            statement=statement.body(),
            expires_at=statement.expires,
            entry=entry.id,
        )


def _record(
    actor: PersonActor,
    session: ReviewSession,
    statement: Statement,
    given: Assertion,
    cose_key: bytes,
) -> None:
    # The entry holds the assertion, so that outsiders can verify it without our tables.
    entry = log.append(
        action=Event.PERSON_REVIEW_SIGNED,
        actor=actor.ref,
        object=f"proposal:{session.proposal_id}",
        data={
            "statement": statement.to_json(),
            "assertion": given.to_json(),
            "cose_key": b64url.encode(cose_key),
        },
    )
    with translated():
        Review.objects.create(
            session=session,
            proposal_id=session.proposal_id,
            round=session.round,
            person=actor.person,
            slot=statement.slot,
            decision=statement.decision,
            statement=bytes(session.statement),
            credential_id=given.credential_id,
            authenticator_data=given.authenticator_data,
            client_data_json=given.client_data_json,
            signature=given.signature,
            cose_key=cose_key,
            entry=entry.id,
        )


def _count(actor: PersonActor, proposal: Proposal, assessment: Assessment) -> Resolution | None:
    digests = statements.digests_of(proposal, assessment)
    reviews = Review.objects.filter(proposal=proposal, round=proposal.round)
    counted = [
        CountedReview(s.person, s.slot, s.decision, s.round, s.digests)
        for s in (Statement.parse(bytes(review.statement)) for review in reviews)
    ]
    counted += narrowings.as_approvals(assessment, digests)
    resolution = resolve(tuple(assessment.slots), counted, number=proposal.round, digests=digests)
    if resolution is Resolution.APPROVED:
        transition.move(
            actor=actor,
            event=Event.PERSON_PROPOSAL_APPROVED,
            proposal_id=proposal.pk,
            source=ProposalState.IN_REVIEW,
            target=ProposalState.APPROVED,
            data={"round": proposal.round, "reviews": len(counted)},
        )
    # Reject and return move the state later, after the worker verified the signature.
    return resolution
