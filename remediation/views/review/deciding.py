"""Tell whether this person may decide, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.approval_conditions import Conditions
from remediation.domain.plan import Plan
from remediation.domain.statement import REJECT_REASONS, RETURN_REASONS
from remediation.models import Assessment, Proposal, Review, User
from remediation.services.access import authorize
from remediation.services.access import slots as open_slots
from remediation.services.reporting import correct, incidents
from remediation.services.review import report_agent, statement
from remediation.services.review.sign import FRESH_FOR
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
    return Decide(
        slots=tuple(Choice(slot, _title(slot)) for slot in slots),
        why_not=_closed(proposal)
        or _why_not(user, proposal, assessment, slots, plan=plan, now=now),
        reject_reasons=_choices(REJECT_REASONS),
        return_reasons=_choices(RETURN_REASONS),
        person=user.get_username(),
        conditions=(
            statement.conditions(proposal, assessment)
            if assessment and plan and not plan.outdated
            else Conditions()
        ),
        may_report=report_agent.may_report(user, proposal),
        may_correct=correct.may_correct(user, proposal),
    )


def _closed(proposal: Proposal) -> str:
    if not incidents.keeps_from_running(proposal):
        return ""
    return gettext("The incident is closed, so this proposal does not run any more.")


def _title(slot: str) -> str:
    # Translators: the role of a person who decides; "any" of them may.
    return gettext("approver") if slot == "any" else vocabulary.word(slot)


def _choices(reasons: Mapping[str, str]) -> tuple[Choice, ...]:
    return tuple(Choice(code, vocabulary.saying(title)) for code, title in reasons.items())


def _cannot_run(plan: Plan | None) -> str:
    if plan is None:
        return gettext("The current catalogue cannot read this plan, so nobody can decide on it.")
    return gettext(
        "This plan is for an earlier version of an action, which never runs again. Nobody can"
        " decide on it; it must be proposed anew."
    )


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
    mine = Review.objects.filter(
        proposal=proposal, round=proposal.round, person=user.person
    ).first()
    if mine is not None:
        return gettext("You already decided in this round: %(decision)s as %(slot)s.") % {
            "decision": vocabulary.word(mine.decision),
            "slot": vocabulary.word(mine.slot),
        }
    excluded = authorize.excluded(proposal.pk).get(str(user.person))
    if excluded:
        because = "; ".join(vocabulary.saying(one) for one in excluded)
        return gettext("You can't decide here, because you took part: %(because)s.") % {
            "because": because
        }
    if not authorize.entitled_roles(user.person, assessment):
        return gettext(
            "You can't decide here: that needs an approver role and the right to review"
            " every service that uses the target directly."
        )
    if not slots:
        return gettext("The slots of your roles are already filled in this round.")
    if assessment.recorded_at + FRESH_FOR <= now:
        return gettext(
            "The worker read the target more than 10 minutes ago, too long ago to sign."
            " Ask it to read the target again, then decide on the new round."
        )
    return ""
