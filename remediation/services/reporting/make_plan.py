"""Make a plan as a person: a proposal for an incident, which other people decide.

The person is recorded as the plan's planner and editor and cannot decide on it (promise 4). The
plan rests on the newest diagnosis and keeps its agent and token, so the agent's people cannot
decide either. The agent need not be enabled: the planner's role counts instead, until the plan has
run.
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from remediation.domain import errors
from remediation.domain.plan import Plan
from remediation.domain.secrets import masking
from remediation.domain.slots import KEY_ROLES
from remediation.domain.states import FINAL, IncidentState, ProposalState
from remediation.models import Diagnosis, Incident, Proposal, User
from remediation.services.access import authorize, visibility
from remediation.services.actors import PersonActor
from remediation.services.outbox import dispatch
from remediation.services.reporting import propose, secrets

# A plan may begin with the steps of a proposal that ended so.
STARTING = FINAL - {ProposalState.SUCCEEDED, ProposalState.SUPERSEDED} | {ProposalState.STOPPED}


def make(
    *,
    actor: User,
    incident_id: UUID,
    plan: Plan,
    rationale: str,
    follows: UUID | None = None,
) -> UUID:
    """Record a person's plan; return the proposal's id.

    ``follows`` is the ended proposal that it began with: people who edited that one, or an earlier
    one, cannot decide on the plan. The same plan of the same person that is still open is returned,
    not made twice. Raises NoSuchObject, NotEntitled, WrongState, TooManyPlans. A crash before the
    commit leaves nothing; after it the sweeper gets the new proposal assessed.
    """
    with transaction.atomic():
        incident = plannable(actor, incident_id)
        same = incident.proposals.filter(
            planner=actor.person, plan_digest=plan.digest, state__in=propose.ALIVE
        ).first()
        if same is not None:
            return same.pk
        made = insert(
            actor=actor,
            incident=incident,
            plan=plan,
            rationale=rationale,
            supersedes=_last(actor, incident, follows) if follows else None,
        )
        transaction.on_commit(lambda: dispatch.wake("assess", made), robust=True)
    return made


def may_plan(user: User, incident: Incident) -> bool:
    """Return whether pages offer to make a plan; `make` verifies it again."""
    if not authorize.roles(user) & set(KEY_ROLES):
        return False
    return _is_open(incident) and visibility.visible_incidents(user).filter(pk=incident.pk).exists()


def plannable(actor: User, incident_id: UUID) -> Incident:
    """Return the incident. Raises NoSuchObject, NotEntitled, WrongState."""
    incident = visibility.visible_incidents(actor).filter(pk=incident_id).first()
    if incident is None:
        raise errors.NoSuchObject()
    if not authorize.roles(actor) & set(KEY_ROLES):
        raise errors.NotEntitled("only approvers and leads make plans")
    if not _is_open(incident):
        raise errors.WrongState("the incident is closed")
    return incident


def starting_point(actor: User, incident: Incident, proposal_id: UUID) -> Proposal:
    """Return an ended proposal of the incident to begin with. Raises NoSuchObject, WrongState."""
    found = incident.proposals.filter(pk=proposal_id).first()
    if found is None or not visibility.may_view(actor, found):
        raise errors.NoSuchObject()
    if found.state not in STARTING:
        raise errors.WrongState(f"the proposal is {found.state}")
    return found


def insert(
    *,
    actor: User,
    incident: Incident,
    plan: Plan,
    rationale: str,
    supersedes: Proposal | None,
) -> UUID:
    """Insert the plan in the caller's transaction; return the proposal's id.

    Raises NotEntitled, TooManyPlans, WrongState.
    """
    diagnosis = newest_diagnosis(incident)
    token = _token(diagnosis)
    if token is None:
        raise errors.WrongState("the record does not say by which token the diagnosis came")
    return propose.insert(
        actor=PersonActor(actor.person, actor.pk),
        incident=incident,
        diagnosis=diagnosis,
        plan=plan,
        rationale=masking.mask_text(rationale, secrets.known_values(incident)),
        token_id=token,
        agent_id=diagnosis.agent_id,
        supersedes=supersedes,
        special=propose.Special(planner=actor.person),
    )


def newest_diagnosis(incident: Incident) -> Diagnosis:
    """Return the diagnosis that a plan made now rests on."""
    return incident.diagnoses.order_by("-version")[0]


def _token(diagnosis: Diagnosis) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT remediation.diagnosis_token_v1(%s, %s)",
            [diagnosis.incident_id, diagnosis.agent_id],
        )
        found: UUID | None = cursor.fetchone()[0]
    return found


def _last(actor: User, incident: Incident, proposal_id: UUID) -> Proposal:
    """Return the last proposal that follows the starting point. Raises as `starting_point`."""
    last = propose.newest_after(starting_point(actor, incident, proposal_id))
    if last.state in propose.ALIVE:
        raise errors.WrongState(
            f"proposal {last.pk} follows it and is still open; decide on that one first"
        )
    return last


def _is_open(incident: Incident) -> bool:
    newest = incident.transitions.order_by("-pk").first()
    return newest is None or newest.to_state != IncidentState.CLOSED
