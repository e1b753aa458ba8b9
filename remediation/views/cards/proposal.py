"""The proposal of a page: whether the person may see it, and its plan in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain import errors, headline
from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import BadInput
from remediation.domain.plan import Plan
from remediation.models import Proposal, User
from remediation.services.access import visibility
from remediation.services.load_plan import read_plan
from remediation.services.outbox.not_started import Late
from remediation.templatetags.portal import span
from remediation.views.cards.assessed import Assessed
from remediation.views.cards.diagnosis import DiagnosisCard
from remediation.views.cards.plan_waits import PlanFlow
from remediation.views.cards.step import StepCard

UNREADABLE = "The current catalogue cannot read this plan, so nobody can approve it."


@dataclass(frozen=True, kw_only=True)
class ProposalPage:
    """The data of each page with the cards of a proposal; the partials in `cards/` read it."""

    proposal_id: UUID
    state: str
    round: int
    sentences: tuple[str, ...]
    undone: str
    environment: str
    agent: str
    agent_owner: str
    submitted_at: datetime
    incident_id: UUID
    incident_title_untrusted: str
    incident_kind_untrusted: str
    detected_at: datetime
    plan_digest: str
    plan_text: str
    steps: tuple[StepCard, ...]
    diagnosis: DiagnosisCard
    # The order of the plan, and where it waits.
    flow: PlanFlow = field(default_factory=PlanFlow)
    # None until the worker has assessed the proposal for the first time.
    assessed: Assessed | None = None


def visible(person: User, proposal_id: UUID) -> Proposal:
    """Return the proposal, if this person may see it. Raises NoSuchObject."""
    found = (
        visibility.visible_proposals(person)
        .select_related("incident", "diagnosis", "agent")
        .filter(pk=proposal_id)
        .first()
    )
    if found is None:
        raise errors.NoSuchObject()
    return found


def plan_of(proposal: Proposal) -> Plan | None:
    """Return the stored plan; None when the current catalogue cannot read it."""
    try:
        return read_plan(bytes(proposal.plan))
    except BadInput:
        return None


def sentences(plan: Plan | None) -> tuple[str, ...]:
    """Describe what the plan does, one sentence per step, from the plan's bytes."""
    return tuple(step.sentence for step in plan.steps) if plan else (UNREADABLE,)


def title_of(plan: Plan | None) -> str:
    """Return what the plan does in a few words; names of targets in it are untrusted."""
    return headline.headline(plan) if plan else UNREADABLE


def undone(plan: Plan | None) -> str:
    """Describe the environment, and how each step can be reversed."""
    if plan is None:
        return ""
    back = []
    for step in plan.steps:
        if step.rollback is None or not step.spec.reversible:
            back.append(f"Step {step.index + 1} is not reversible.")
        else:
            sentence = step.target.describe(ACTIONS[step.rollback].sentence)
            back.append(f"Reversible: {sentence}")
    return " ".join([f"In {plan.environment}.", *back])


def describe_late(late: Late) -> str:
    """Return one line: since when it is approved, and the worker's last reason."""
    # Whole minutes, so that a page that is read again says the same for a minute.
    passed = (timezone.now() - late.approved_at).total_seconds() // 60 * 60
    values = {"span": span(passed), "why": vocabulary.saying(late.why)}
    # Translators: {span} is such as "12 min"; {why} is a sentence.
    return gettext("Approved %(span)s ago, not started: %(why)s") % values
