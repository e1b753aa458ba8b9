"""Report an agent as suspicious: suspend it, so that none of its proposals can be approved."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from audit import log
from remediation.domain import errors
from remediation.domain.act import Act, ActName
from remediation.domain.events import Event
from remediation.domain.inert import visible
from remediation.domain.policy import ROLES
from remediation.domain.statement import MAX_REASON, MIN_REASON
from remediation.models import Agent, AgentVersion, Proposal, User
from remediation.services.access import authorize, visibility
from remediation.services.actors import PersonActor
from remediation.services.people import stepup
from remediation.services.reporting import agents, secrets


def is_enabled(agent_id: UUID) -> bool:
    """Return whether the agent's newest version is enabled."""
    newest = AgentVersion.objects.filter(agent_id=agent_id).order_by("-id").first()
    return newest is not None and newest.enabled


def check_proposer(proposal: Proposal) -> None:
    """Refuse an approval when the proposer may no longer act.

    The proposer is the agent or, for a reversal or a plan of a person, that person. Raises
    AgentDisabled, ProposerLost.
    """
    if proposal.reverses_id is None and proposal.planner is None:
        if not is_enabled(proposal.agent_id):
            raise errors.AgentDisabled("none of its proposals can be approved")
        return
    person = proposal.planner or proposal.editor
    if person is None or not authorize.holds_role(person):
        raise errors.ProposerLost()


def may_report(user: User, proposal: Proposal) -> bool:
    """Return whether the person may report the agent: an approver or lead who sees the proposal.

    Suspending an agent needs no quorum.
    """
    found = authorize.roles(user) & {*ROLES, authorize.LEAD}
    return bool(found) and visibility.may_view(user, proposal)


def reporting(proposal: Proposal, reason: str) -> Act:
    """Return the act of `report`, to be signed."""
    said = secrets.masked_reason(proposal, visible(reason))
    return Act(ActName.REPORT_AGENT, f"proposal:{proposal.pk}", {"reason": said})


@transaction.atomic
def report(*, actor: User, proposal_id: UUID, reason: str, proof: stepup.Proof | None) -> Agent:
    """Suspend the agent of this proposal now; only an agent administrator can enable it again.

    One transaction: version and entry. From its commit on the API refuses the agent, nobody can
    approve its proposals, and the gate refuses those that are approved (`agent_disabled`).
    Raises NoSuchObject, NotEntitled, ReasonRequired, WrongState (already suspended), and what
    `stepup.check` raises.
    """
    proposal = Proposal.objects.select_related("incident").filter(pk=proposal_id).first()
    if proposal is None or not visibility.may_view(actor, proposal):
        raise errors.NoSuchObject()
    if not may_report(actor, proposal):
        raise errors.NotEntitled("only approvers and leads")
    act = reporting(proposal, reason)
    reason = str(act.input["reason"])
    if not MIN_REASON <= len(reason) <= MAX_REASON:
        raise errors.ReasonRequired(f"{MIN_REASON} to {MAX_REASON} characters")
    signed = stepup.check(actor=actor, act=act, proof=proof)
    return _suspend(PersonActor(actor.person, actor.pk), proposal, reason, signed)


def _suspend(person: PersonActor, proposal: Proposal, reason: str, signed: stepup.Checked) -> Agent:
    agent = agents.locked(proposal.agent_id)
    now = agent.versions.order_by("-id")[0]
    if not now.enabled:
        raise errors.WrongState("the agent is already suspended")
    entry = log.append(
        action=Event.PERSON_AGENT_REPORTED,
        actor=person.ref,
        object=f"agent:{agent.pk}",
        data={
            "proposal": str(proposal.pk),
            "reason": reason,
            "enabled": False,
            "step_up": signed.data,
        },
    )
    signed.use(entry.id)
    AgentVersion.objects.create(
        agent=agent, owner=now.owner, enabled=False, author=person.ref, entry=entry.id
    )
    return agent
