"""Put the message of a telling together from facts of the database, at the time it is sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from remediation.domain import message
from remediation.domain.errors import BadInput
from remediation.domain.message import Message, Subject
from remediation.domain.states import ProposalState
from remediation.domain.telling import KINDS, About, Kind
from remediation.models import Execution, Incident, Proposal, Telling
from remediation.services.access import authorize
from remediation.services.access.visibility import viewers
from remediation.services.clock import database_now
from remediation.services.load_plan import read_plan

# In place of plan and title, for people who may not see them.
UNSEEN = "Something that you do not see on the pages"
UNREADABLE = "A plan that the current catalogue cannot read."


def compose(telling: Telling) -> Message:
    """Return what to send."""
    about = KINDS[Kind(telling.kind)]
    proposal, incident = telling.proposal, telling.incident
    if incident is None and proposal is not None:
        incident = proposal.incident
    sees = _sees(telling, incident)
    return message.compose(
        _key(telling),
        about,
        _subject(proposal, incident) if sees else Subject(UNSEEN if incident else ""),
        # What people wrote is for people who see what it is about.
        telling.text if sees or not about.by_web else "",
        link=settings.ORIGIN + _path(about, proposal, incident),
        now=database_now(),
    )


def why_not(telling: Telling) -> str:
    """Return why this telling is not sent at all; empty when it is."""
    try:
        about = KINDS[Kind(telling.kind)]
    except ValueError:
        return "unknown kind"
    if not about.by_web and telling.writer == "hitl_web":
        return "only the worker can know this"
    if about.to_decide and telling.proposal is not None and not _waits(telling, telling.proposal):
        return "no longer waiting for a decision"
    return ""


def _sees(telling: Telling, incident: Incident | None) -> bool:
    """Return whether the person sees now what the telling is about, as on the pages.

    An administrator of people gives rights, and a right may be taken between telling and sending.
    """
    if incident is None:
        return True
    return telling.person in viewers(incident.pk, telling.proposal_id)


def _waits(telling: Telling, proposal: Proposal) -> bool:
    """Return whether the round that the telling is about is still open."""
    if proposal.state != ProposalState.IN_REVIEW:
        return False
    newest = authorize.newest(proposal)
    return newest is None or newest.recorded_at <= telling.recorded_at


def _subject(proposal: Proposal | None, incident: Incident | None) -> Subject:
    title = incident.title if incident else ""
    if proposal is None:
        return Subject(title, locator_untrusted=incident.locator if incident else "")
    newest = authorize.newest(proposal)
    sentences, environment = _plan(proposal)
    return Subject(
        title,
        sentences=sentences,
        environment=environment,
        risk=newest.risk if newest else "",
        decide_by=newest.decide_by if newest else None,
        state=proposal.state,
    )


def _plan(proposal: Proposal) -> tuple[tuple[str, ...], str]:
    try:
        plan = read_plan(bytes(proposal.plan))
    except BadInput:
        return (UNREADABLE,), ""
    return tuple(step.sentence for step in plan.steps), plan.environment


def _path(about: About, proposal: Proposal | None, incident: Incident | None) -> str:
    """Return where the message leads; a deciding one always to the review page."""
    if about.page == "settings":
        return reverse("settings")
    if proposal is not None and about.page in ("review", "about"):
        return reverse("review", args=[proposal.pk])
    if proposal is not None and about.page == "run":
        return reverse("execution", args=[proposal.pk])
    if proposal is not None and about.page in ("result", "proposal_history"):
        run = about.page == "result" and Execution.objects.filter(proposal=proposal).exists()
        return reverse("execution" if run else "proposal_history", args=[proposal.pk])
    if incident is not None:
        return reverse("incident", args=[incident.pk])
    return reverse("queue")


def _key(telling: Telling) -> str:
    """Return a Message-ID: mail systems recognise by it what a crash sent twice."""
    return f"<telling.{telling.pk}@{urlsplit(settings.ORIGIN).hostname or 'localhost'}>"
