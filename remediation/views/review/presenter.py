"""Build the data of the review page."""

from __future__ import annotations

from remediation.domain.headline import headline
from remediation.domain.ruling import Ruling
from remediation.models import Assessment, Proposal, User
from remediation.services.access import authorize, looks
from remediation.services.clock import database_now
from remediation.services.reporting import make_plan
from remediation.services.review import report_agent
from remediation.views.cards import changed_since
from remediation.views.cards.alternatives import alternatives_card
from remediation.views.cards.assessed import assessed
from remediation.views.cards.comments import comments_card
from remediation.views.cards.diagnosis import diagnosis_card
from remediation.views.cards.like_this import like_this
from remediation.views.cards.live import live_card
from remediation.views.cards.plan_waits import plan_flow
from remediation.views.cards.proposal import UNREADABLE, plan_of, sentences, undone
from remediation.views.cards.reviews import review_rows
from remediation.views.cards.step import step_cards
from remediation.views.cards.who import who
from remediation.views.names import Names, owner_of
from remediation.views.review import deciding, tiles
from remediation.views.review.page import Rail, ReviewPage


def review_page(user: User, proposal: Proposal) -> ReviewPage:
    """Return the whole page for this person; reads only."""
    now = database_now()
    assessment = authorize.newest(proposal)
    plan = plan_of(proposal)
    found = assessed(proposal, assessment, now=now) if assessment else None
    steps, diagnosis = step_cards(plan, assessment), diagnosis_card(proposal)
    flow = plan_flow(plan, assessment)
    return ReviewPage(
        proposal_id=proposal.pk,
        state=proposal.state,
        round=proposal.round,
        headline=headline(plan) if plan else UNREADABLE,
        sentences=sentences(plan),
        undone=undone(plan),
        environment=plan.environment if plan else "",
        agent=proposal.agent.name,
        agent_owner=owner_of(proposal.agent),
        submitted_at=proposal.recorded_at,
        incident_id=proposal.incident_id,
        incident_title_untrusted=proposal.incident.title,
        incident_kind_untrusted=proposal.incident.kind,
        detected_at=proposal.incident.detected_at,
        plan_digest=proposal.plan_digest,
        plan_text=bytes(proposal.plan).decode(),
        steps=steps,
        diagnosis=diagnosis,
        happened=tiles.happened(diagnosis),
        breaks=tiles.breaks(found.scope, steps) if found else None,
        changes=tiles.changes(steps, flow),
        flow=flow,
        wrong=tiles.wrong(found) if found else None,
        decide=deciding.decide(user, proposal, assessment, plan=plan, now=now),
        rail=_rail(proposal, assessment),
        agent_enabled=report_agent.is_enabled(proposal.agent_id),
        undoes=proposal.reverses_id,
        planned_by=Names([proposal.planner]).person(proposal.planner) if proposal.planner else "",
        choice=alternatives_card(user, proposal),
        may_plan=proposal.state in make_plan.STARTING
        and make_plan.may_plan(user, proposal.incident),
        changed=changed_since.changed_since(proposal),
        successor=changed_since.successor(proposal),
        assessed=found,
        earlier=tuple(row for row in review_rows(proposal) if row.round < proposal.round),
        like_this=like_this(user, proposal),
        comments=comments_card(user, proposal.incident, proposal),
        live=live_card(user, proposal.incident, proposal),
    )


def rail(proposal: Proposal) -> Rail:
    """Return the part of the head that changes while the page is open."""
    return _rail(proposal, authorize.newest(proposal))


def _rail(proposal: Proposal, assessment: Assessment | None) -> Rail:
    if assessment is None:
        return Rail(proposal.pk, proposal.state, proposal.round)
    return Rail(
        proposal_id=proposal.pk,
        state=proposal.state,
        round=proposal.round,
        assessment_id=assessment.pk,
        look=looks.mark(assessment),
        decide_by=Ruling.parse(bytes(assessment.ruling)).decide_by,
        who=who(proposal, assessment),
    )
