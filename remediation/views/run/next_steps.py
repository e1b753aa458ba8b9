"""What people can do after a run, or instead of one, by the state it is in."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy

from remediation.domain.outcome import Outcome
from remediation.domain.policy import ROLES
from remediation.domain.states import IncidentState, ProposalState
from remediation.models import IncidentTransition, Proposal, User
from remediation.services.access import authorize, visibility
from remediation.views.cards import containment
from remediation.views.cards.limits import LimitRow
from remediation.views.run.page import NextStep, RunStep

S = ProposalState
# States after which the incident needs another plan, with the reason.
AGAIN = {
    S.FAILED: gettext_lazy("The target is as it was. What had access before still has it."),
    S.ROLLED_BACK: gettext_lazy("The incident needs another plan, or a reason to close it."),
    S.STOPPED: gettext_lazy("You can also make another plan; what is applied stays meanwhile."),
    S.REFUSED: gettext_lazy("This proposal never runs. What had access before still has it."),
    S.EXPIRED: gettext_lazy("This proposal never runs. What had access before still has it."),
    S.RETURNED: gettext_lazy("This proposal never runs. What had access before still has it."),
}


def next_steps(user: User, proposal: Proposal) -> tuple[NextStep, ...]:
    """Return what this person can do now; the ways out of a stopped run stand beside it."""
    state = S(proposal.state)
    if state is S.SUCCEEDED:
        return (_incident(proposal),)
    if state in AGAIN:
        return tuple(_again(user, proposal, str(AGAIN[state])))
    if state is S.SUPERSEDED:
        return tuple(_successor(user, proposal))
    if state in (S.SUBMITTED, S.IN_REVIEW):
        url = reverse("review", args=[proposal.pk])
        return (NextStep("", gettext("Open the review"), url),)
    return ()


def plan_url(user: User, proposal: Proposal) -> str:
    """Return where this person makes another plan; "" where there is no such page for them."""
    if not authorize.roles(user) & {*ROLES, authorize.LEAD}:
        return ""
    try:
        page = reverse("plan", args=[proposal.incident_id])
    except NoReverseMatch:
        return ""
    return f"{page}?{urlencode({'from': str(proposal.pk)})}"


def alive(steps: Iterable[RunStep]) -> tuple[LimitRow, ...]:
    """Return what the worker saw at the targets that the applied steps do not stop."""
    took = (Outcome.VERIFIED, Outcome.APPLIED, Outcome.UNCONFIRMED, Outcome.UNKNOWN)
    return tuple(
        limit
        for step in steps
        if step.outcome in took and step.does_not_stop
        for limit in step.does_not_stop.seen
        if not limit.unknown
    )


def _incident(proposal: Proposal) -> NextStep:
    url = reverse("incident", args=[proposal.incident_id])
    newest = IncidentTransition.objects.filter(incident=proposal.incident_id).order_by("-pk")
    state = newest.values_list("to_state", flat=True).first()
    if state == IncidentState.CONTAINED:
        text = gettext("The incident is contained. The worker looks at the identity again.")
        return NextStep(text, gettext("Open the incident"), url)
    if state == IncidentState.CLOSED:
        return NextStep(gettext("The incident is closed."), gettext("Open the incident"), url)
    lacks = [row.words for row in containment.lacks(proposal)]
    text = " ".join([gettext("The incident is still open."), *dict.fromkeys(lacks)])
    return NextStep(text, gettext("See what is missing"), url)


def _again(user: User, proposal: Proposal, why: str) -> Iterable[NextStep]:
    url = plan_url(user, proposal)
    if url:
        label = (
            gettext("Make another plan")
            if proposal.state in (S.STOPPED, S.ROLLED_BACK)
            else gettext("Propose again")
        )
        yield NextStep(why, label, url)
    if proposal.state == S.STOPPED:
        return
    incident = reverse("incident", args=[proposal.incident_id])
    yield NextStep("" if url else why, gettext("Open the incident"), incident)


def _successor(user: User, proposal: Proposal) -> Iterable[NextStep]:
    newer = visibility.visible_proposals(user).filter(supersedes=proposal).first()
    if newer is not None:
        yield NextStep("", gettext("Open the newer version"), reverse("review", args=[newer.pk]))
