"""Submitted proposals and their transitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from django.db import transaction

from remediation import models as m
from remediation.domain import plan as plans
from remediation.domain.events import Event
from tests.factories.agents import agent, token
from tests.factories.incidents import artefact, diagnosis, evidence, incident, plan
from tests.factories.inventory import dependency, identity, service, settle_inventory
from tests.factories.logins import WEB, WORKER, acting, actor_of, entry, number
from tests.factories.people import Person


def proposal(
    *names: str,
    agent: m.Agent | None = None,
    token: m.AgentToken | None = None,
    incident: m.Incident | None = None,
    supersedes: m.Proposal | None = None,
    editor: Person | None = None,
    environment: str = "staging",
    in_inventory: bool = True,
) -> m.Proposal:
    """A submitted proposal with everything below it: agent with owner and token, incident,
    evidence, diagnosis, and its targets (test targets of these names) in the inventory, for long,
    with one service that uses each."""
    names = names or (f"t{number()}",)
    agent = agent or (supersedes.agent if supersedes else _new_agent())
    token = token or (supersedes.token if supersedes else _new_token(agent))
    made = plan(*names, environment=environment)
    locators = [step.target.locator for step in made.steps]
    incident = incident or (
        supersedes.incident if supersedes else _new_incident(agent, locators[0])
    )
    for name in names:
        if not incident.evidence.filter(sha256=sha256(artefact(name)).hexdigest()).exists():
            evidence(incident, artefact(name))
    if in_inventory:
        _place(locators)
    return insert_proposal(
        made,
        diagnosis=diagnosis(incident, *names),
        agent=agent,
        token=token,
        supersedes=supersedes,
        editor=editor.id if editor else None,
    )


# Inside `proposal` these names are its arguments.
_new_agent, _new_token, _new_incident = agent, token, incident


def _place(locators: Sequence[str]) -> None:
    known = set(m.Identity.objects.values_list("locator", flat=True))
    for locator in set(locators) - known:
        target = identity(locator)
        edge = dependency(service(), target)
        settle_inventory(edge, edge.source, target)


def insert_proposal(plan: plans.Plan, *, login: str = WEB, **fields: Any) -> m.Proposal:
    """Insert the row with its targets; `fields` may override any column."""
    made = m.Proposal(plan=plan.body, plan_digest=plan.digest, **fields)
    if "incident" not in fields:
        made.incident = made.diagnosis.incident
    actor = f"person:{made.editor}" if made.editor else f"agent:{made.agent_id}"
    with acting(login):
        says = {"planner": str(made.planner)} if made.planner else {}
        made.entry = entry(Event.AGENT_PROPOSAL_SUBMITTED, actor, f"proposal:{made.pk}", **says)
        made.save(force_insert=True)
        m.ProposalTarget.objects.bulk_create(
            m.ProposalTarget(proposal=made, step=step.index, locator=step.target.locator)
            for step in plan.steps
        )
    made.refresh_from_db()
    return made


def choice(incident: m.Incident) -> m.Choice:
    """Insert a choice of the incident's agent; its alternatives must follow in this transaction."""
    with acting(WEB):
        return m.Choice.objects.create(
            incident=incident,
            agent=incident.agent,
            entry=entry(
                Event.AGENT_REPORT_SUBMITTED, incident.agent.actor, f"incident:{incident.pk}"
            ),
        )


def alternatives(like: m.Proposal, count: int = 2) -> list[m.Proposal]:
    """Return a choice of submitted alternatives on targets of their own, for a proposal's
    incident."""
    with transaction.atomic():
        made = choice(like.incident)
        return [
            insert_proposal(
                plan(f"t{number()}"),
                diagnosis=like.diagnosis,
                agent=like.agent,
                token=like.token,
                choice=made,
                alternative=place,
            )
            for place in range(1, count + 1)
        ]


def load(proposal: m.Proposal) -> plans.Plan:
    return plans.load(bytes(proposal.plan), protected=frozenset(), allow_test=True)


def move(
    proposal: m.Proposal,
    to: str,
    *,
    login: str = WORKER,
    actor: str = "",
    source: str | None = None,
    reason: str = "",
    entry_says: Mapping[str, Any] | None = None,
) -> m.Transition:
    """Insert a transition. `source` is the state that the row names (default: the current one);
    `entry_says` overrides what the audit entry names (actor, object, from, to)."""
    proposal.refresh_from_db()
    source, actor = proposal.state if source is None else source, actor or actor_of(login)
    said = {
        "actor": actor,
        "object": f"proposal:{proposal.pk}",
        "from": str(source),
        "to": str(to),
        **(entry_says or {}),
    }
    with acting(login):
        number = entry(
            Event.WORKER_PROPOSAL_REASSESSED,
            said["actor"],
            said["object"],
            **{"from": said["from"], "to": said["to"]},
        )
        made = m.Transition.objects.create(
            proposal=proposal,
            from_state=source,
            to_state=to,
            round=0,
            actor=actor,
            reason=reason,
            entry=number,
        )
    proposal.refresh_from_db()
    made.refresh_from_db()
    return made
