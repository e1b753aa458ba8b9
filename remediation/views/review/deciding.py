"""Tell whether this person may decide, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.approval_conditions import Conditions
from remediation.domain.plan import Plan
from remediation.domain.statement import NONE_OF_THEM, REJECT_REASONS, RETURN_REASONS
from remediation.models import Assessment, Proposal, Review, User
from remediation.services.access import administered, authorize, looks
from remediation.services.access import slots as open_slots
from remediation.services.access.asked import owners_in
from remediation.services.reporting import correct, incidents, propose
from remediation.services.review import narrow, narrowings, report_agent, statement
from remediation.services.review.sign import FRESH_FOR
from remediation.views.cards.administered import describe_administered
from remediation.views.cards.slots import seat_of
from remediation.views.review.page import Choice, Decide


def decide(
    user: User,
    proposal: Proposal,
    assessment: Assessment | None,
    *,
    plan: Plan | None,
    now: datetime,
) -> Decide:
    """Return what this person may do. For the page only: the services check all of it again."""
    slots = open_slots.open_slots_for(user, proposal)
    owners = owners_in(assessment) if assessment else ()
    return Decide(
        slots=tuple(Choice(slot, seat_of(slot, owners)) for slot in slots),
        why_not=_closed(proposal)
        or _why_not(user, proposal, assessment, slots, plan=plan, now=now),
        reject_reasons=_choices(REJECT_REASONS),
        return_reasons=_choices(_return_reasons(proposal)),
        person=user.get_username(),
        conditions=(
            statement.conditions(proposal, assessment)
            if assessment and plan and not plan.outdated
            else Conditions()
        ),
        may_report=report_agent.may_report(user, proposal),
        may_correct=correct.may_correct(user, proposal),
        may_narrow=narrow.may_narrow(user, proposal),
        judged=statement.judged(proposal, assessment) if assessment else {},
    )


def _decided(user: User, proposal: Proposal, assessment: Assessment) -> str:
    mine = Review.objects.filter(
        proposal=proposal, round=proposal.round, person=user.person
    ).first()
    if mine is not None:
        return gettext("You already decided in this round: %(decision)s as %(slot)s.") % {
            "decision": vocabulary.word(mine.decision),
            "slot": seat_of(mine.slot, owners_in(assessment)),
        }
    if narrowings.by(user.person, assessment):
        return gettext("You left something out and signed the rest. That counts as your approval.")
    return ""


def _closed(proposal: Proposal) -> str:
    if incidents.keeps_from_running(proposal):
        return gettext("The incident is closed, so this proposal does not run any more.")
    if propose.is_taken(proposal):
        return gettext("Another plan of this choice was approved, so this one does not run.")
    return ""


def _return_reasons(proposal: Proposal) -> Mapping[str, str]:
    """Return the reasons to return it; "none of them" only where there is a choice."""
    alone = proposal.choice_id is None
    return {c: t for c, t in RETURN_REASONS.items() if not (alone and c == NONE_OF_THEM)}


def _choices(reasons: Mapping[str, str]) -> tuple[Choice, ...]:
    return tuple(Choice(code, vocabulary.saying(title)) for code, title in reasons.items())


def _cannot_run(plan: Plan | None) -> str:
    if plan is None:
        return gettext("The current catalogue cannot read this plan, so nobody can decide on it.")
    return gettext(
        "This plan is for an earlier version of an action, which never runs again. Nobody can"
        " decide on it; it must be proposed anew."
    )


def _why_excluded(user: User, why: tuple[str, ...]) -> str:
    if why == (administered.WHY,) and (held := administered.administered(user.person)):
        return describe_administered(held)
    because = "; ".join(vocabulary.saying(one) for one in why)
    return gettext("You can't decide here, because you took part: %(because)s.") % {
        "because": because
    }


def _why_not(
    user: User,
    proposal: Proposal,
    assessment: Assessment | None,
    slots: tuple[str, ...],
    *,
    plan: Plan | None,
    now: datetime,
) -> str:
    if assessment is None:
        return gettext("The worker has not assessed this proposal yet.")
    if plan is None or plan.outdated:
        return _cannot_run(plan)
    decided = _decided(user, proposal, assessment)
    if decided:
        return decided
    excluded = authorize.excluded(proposal.pk).get(str(user.person))
    if excluded:
        return _why_excluded(user, excluded)
    if not authorize.entitled_roles(user.person, assessment):
        return gettext(
            "You can't decide here: that needs an approver role and the right to review"
            " a service that uses the target directly, or one whose owners are asked."
        )
    if not slots:
        return gettext("The slots of your roles are already filled in this round.")
    if not looks.is_fresh(assessment, now, FRESH_FOR):
        return gettext(
            "The worker read the target more than 10 minutes ago, too long ago to sign."
            " Ask it to read the target again, then decide on the new round."
        )
    return ""
