"""Mail to people: a new round, a deadline that comes near, an end. Never a decision by mail.

Sent after the commit by the worker, which alone reads the addresses. A mail that cannot be sent
is logged and changes nothing: the queue and its clocks are the truth.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection
from django.urls import reverse

from remediation.domain import inert
from remediation.domain.policy import ROLES
from remediation.models import Proposal, Review
from remediation.services import authorize

logger = logging.getLogger(__name__)


def round_opened(proposal_id: UUID) -> None:
    """Those who may decide learn that something waits for them."""
    proposal = Proposal.objects.get(pk=proposal_id)
    _send(
        proposal, entitled(proposal), "waits for your review", "A proposal waits for your review."
    )


def waiting(proposal_id: UUID, per_cent: int) -> None:
    """Half, then four fifths of the time to decide have passed."""
    proposal = Proposal.objects.get(pk=proposal_id)
    text = f"{per_cent} % of the time to decide have passed and slots are still open."
    _send(proposal, entitled(proposal), f"{per_cent} % of the time has passed", text)


def overdue(proposal_id: UUID) -> None:
    """A deadline passed: the lead learns of it, and those who could have decided."""
    proposal = Proposal.objects.get(pk=proposal_id)
    people = {*entitled(proposal), *holders("lead")}
    text = "The deadline passed. Nothing was executed and the incident is still open."
    _send(proposal, people, "expired without a decision", text)


def ended(proposal_id: UUID) -> None:
    """The result goes to everybody who decided, and to every other entitled reviewer."""
    proposal = Proposal.objects.get(pk=proposal_id)
    decided = Review.objects.filter(proposal=proposal).values_list("person", flat=True)
    _send(
        proposal,
        {*entitled(proposal), *decided},
        proposal.state,
        f"The proposal is now: {proposal.state}.",
    )


def entitled(proposal: Proposal) -> set[UUID]:
    """Active approvers with the rights for this proposal who are not excluded from it."""
    assessment = authorize.newest(proposal)
    out = set(authorize.excluded(proposal.pk))
    return {
        person
        for person in holders(*ROLES)
        if str(person) not in out and authorize.entitled_roles(person, assessment)
    }


def holders(*roles: str) -> set[UUID]:
    """Active people in one of the groups."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT person FROM remediation.entitlement WHERE active AND role = ANY(%s)",
            [list(roles)],
        )
        return {row[0] for row in cursor.fetchall()}


def _send(proposal: Proposal, people: Iterable[UUID], subject: str, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT email FROM remediation.mailbox WHERE person = ANY(%s)", [list(people)]
        )
        addresses = sorted({row[0] for row in cursor.fetchall()})
    if not addresses:
        return
    title = proposal.incident.title
    body = (
        f"{text}\n\nIncident: {inert.message(title)}\n"
        f"{settings.ORIGIN}{reverse('proposal_history', args=[proposal.pk])}\n\n"
        "Nothing can be decided from this mail.\n"
    )
    message = EmailMessage(f"[hitlportal] {inert.subject(title)}: {subject}", body, bcc=addresses)
    try:
        message.send()
    except OSError as error:
        logger.error("mail about %s was not sent: %s", proposal.pk, error)
