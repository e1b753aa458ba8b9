"""Record a proposal: one plan for one incident, by an agent or by a person.

A person edits a plan, reverses a run, or makes a plan (`make_plan`).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from django.db import connection

from audit import log
from remediation.domain.events import Event
from remediation.domain.plan import Plan
from remediation.domain.secrets import masking
from remediation.domain.states import ProposalState
from remediation.models import Diagnosis, Incident, Proposal, ProposalTarget
from remediation.services.actors import AgentActor, PersonActor
from remediation.services.guards import translated
from remediation.services.reporting import secrets

# States in which a proposal can still run. A second proposal with the same plan would only split
# the reviewers' attention.
ALIVE = (
    ProposalState.SUBMITTED,
    ProposalState.IN_REVIEW,
    ProposalState.APPROVED,
    ProposalState.EXECUTING,
    ProposalState.WAITING,
    ProposalState.UNKNOWN,
)


@dataclass(frozen=True)
class Place:
    """The place of a proposal in a choice: its number among the alternatives, from 1."""

    choice: UUID
    number: int

    @classmethod
    def of(cls, proposal: Proposal) -> Place | None:
        """Return the place of a proposal; None when it is no alternative."""
        if proposal.choice_id is None or proposal.alternative is None:
            return None
        return cls(proposal.choice_id, proposal.alternative)


@dataclass(frozen=True)
class Special:
    """What a proposal is beside a plan of an agent or its edit: the reversal of a run, the plan of
    a person, an alternative of a choice."""

    reverses: Proposal | None = None
    planner: UUID | None = None
    place: Place | None = None


ORDINARY = Special()


def propose_reversal(*, actor: PersonActor, old: Proposal, plan: Plan, rationale: str) -> UUID:
    """Record a person's reversal of the run of ``old``; return the new proposal's id.

    The person is recorded as its editor and cannot decide on it (promise 4). It keeps the agent
    and the token of ``old``, so the same people are excluded. The agent may be disabled by now.
    """
    return insert(
        actor=actor,
        incident=old.incident,
        diagnosis=old.diagnosis,
        plan=plan,
        rationale=masking.mask_text(rationale, secrets.known_values(old.incident)),
        token_id=old.token_id,
        agent_id=old.agent_id,
        supersedes=None,
        special=Special(reverses=old),
    )


def insert(  # noqa: PLR0913  the columns of a row
    *,
    actor: AgentActor | PersonActor,
    incident: Incident,
    diagnosis: Diagnosis,
    plan: Plan,
    rationale: str,
    token_id: UUID,
    agent_id: UUID,
    supersedes: Proposal | None,
    special: Special = ORDINARY,
    proposal_id: UUID | None = None,
) -> UUID:
    """Insert the proposal, its targets and its entry in the caller's transaction; return its id.

    A person who proposes is recorded as the plan's editor (promise 4). ``proposal_id`` is the id
    that a person signed beforehand.
    """
    reverses, planner, place = special.reverses, special.planner, special.place
    proposal_id = proposal_id or uuid4()
    person = isinstance(actor, PersonActor)
    entry = log.append(
        action=Event.PERSON_PROPOSAL_SUBMITTED if person else Event.AGENT_PROPOSAL_SUBMITTED,
        actor=actor.ref,
        object=f"proposal:{proposal_id}",
        data={
            "incident": str(incident.pk),
            "plan": plan.digest,
            "diagnosis": diagnosis.digest,
            "token": str(token_id),
            "supersedes": str(supersedes.pk) if supersedes else None,
            **({"reverses": str(reverses.pk)} if reverses else {}),
            **({"planner": str(planner)} if planner else {}),
            **({"choice": str(place.choice), "alternative": place.number} if place else {}),
        },
    )
    with translated():
        Proposal.objects.create(
            id=proposal_id,
            incident=incident,
            diagnosis=diagnosis,
            plan=plan.body,
            plan_digest=plan.digest,
            rationale=rationale,
            agent_id=agent_id,
            token_id=token_id,
            editor=actor.person if isinstance(actor, PersonActor) else None,
            supersedes=supersedes,
            reverses=reverses,
            planner=planner,
            choice_id=place.choice if place else None,
            alternative=place.number if place else None,
            entry=entry.id,
        )
    ProposalTarget.objects.bulk_create(
        ProposalTarget(proposal_id=proposal_id, step=step.index, locator=step.target.locator)
        for step in plan.steps
    )
    return proposal_id


def newest_after(proposal: Proposal) -> Proposal:
    """Return the last proposal that follows this one; itself when none does."""
    while True:
        following = Proposal.objects.filter(supersedes=proposal).first()
        if following is None:
            return proposal
        proposal = following


def is_taken(proposal: Proposal) -> bool:
    """Return whether another alternative of its choice was approved; then it never can be."""
    if proposal.choice_id is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT remediation.taken_v1(%s, %s)", [proposal.choice_id, proposal.alternative]
        )
        return bool(cursor.fetchone()[0])
