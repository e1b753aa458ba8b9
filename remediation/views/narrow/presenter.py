"""Build the data of the page on which a reviewer leaves something out of a plan."""

from __future__ import annotations

from collections import Counter

from remediation.domain import errors
from remediation.domain.approval_conditions import Conditions, to_type
from remediation.domain.catalogue import Narrows
from remediation.domain.plan import Plan, Step
from remediation.models import Proposal, User
from remediation.services.access import authorize, looks
from remediation.services.access.asked import owners_in
from remediation.services.load_plan import load_plan
from remediation.services.review import statement
from remediation.views.cards.evidence import evidence_rows
from remediation.views.cards.fields import format_canonical
from remediation.views.cards.proposal import sentences
from remediation.views.cards.slots import seat_of
from remediation.views.narrow.page import NarrowPage, Slot, Smaller, StepChoice


def narrow_page(user: User, proposal: Proposal) -> NarrowPage:
    """Return the form; reads only. Raises WrongState before the first assessment, BadInput."""
    assessment = authorize.newest(proposal)
    if assessment is None:
        raise errors.WrongState("the worker has not assessed this proposal yet")
    plan = load_plan(bytes(proposal.plan))
    asked = statement.conditions(proposal, assessment)
    rows = evidence_rows(proposal.incident_id, Counter()) if asked.artefacts else ()
    return NarrowPage(
        proposal_id=proposal.pk,
        round=proposal.round,
        look=looks.mark(assessment),
        sentences=sentences(plan),
        person=user.get_username(),
        steps=_steps(plan, asked),
        slots=tuple(
            Slot(slot, seat_of(slot, owners_in(assessment)))
            for slot in authorize.slots_of(user, assessment)
        ),
        void=proposal.reviews.filter(round=proposal.round).exclude(person=user.person).count(),
        artefacts=tuple(row for row in rows if row.sha256 in asked.artefacts),
    )


def _steps(plan: Plan, asked: Conditions) -> tuple[StepChoice, ...]:
    return tuple(
        StepChoice(
            index=step.index,
            sentence=step.sentence,
            removes_access=step.spec.removes_access,
            smaller=_smaller(step),
            to_type=to_type(step.target) if asked.names else "",
            locator=step.target.locator,
        )
        for step in plan.steps
    )


def _smaller(step: Step) -> tuple[Smaller, ...]:
    """Return the parameters of which something is left to leave out."""
    found = []
    for name, how in step.spec.narrows.items():
        value = step.parameters.get(name)
        if how is Narrows.SUBSET and isinstance(value, list) and len(value) > 1:
            found.append(Smaller(name, how, tuple(format_canonical(each) for each in value)))
        elif how is Narrows.SMALLER and type(value) is int and value > 1:
            found.append(Smaller(name, how, (str(value),)))
        elif value is (how is Narrows.TO_FALSE) and how in (Narrows.TO_FALSE, Narrows.TO_TRUE):
            found.append(Smaller(name, how, (format_canonical(value),)))
    return tuple(found)
