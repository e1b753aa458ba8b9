"""Mail to people: a new round, a deadline that comes near, an end. Never a decision by mail.

Sent after the commit by the worker, which alone reads the addresses. A mail that cannot be sent
is logged and changes nothing: the queue and its clocks are the truth.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection
from django.urls import reverse

from remediation.domain import inert
from remediation.domain.policy import ROLES
from remediation.models import Execution, Proposal
from remediation.services.access import authorize

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


def halt_refused(proposal_id: UUID, refusals: Iterable[str]) -> None:
    """Halts that do not hold were written: the lead learns of it, since somebody forged them or
    could not stop what they wanted to stop."""
    proposal = Proposal.objects.get(pk=proposal_id)
    names = ", ".join(refusals)
    text = (
        f"A halt of this run was refused ({names}): it is not signed by a key that may halt it,"
        " and stops nothing. If the run has to stop, halt it with a key of the approvers file, or"
        " have the operator freeze execution. If nobody meant to halt it, somebody else writes"
        " into the portal's database."
    )
    _send(proposal, holders("lead"), "a halt was refused", text, page="execution")


def unknown_key(proposal_id: UUID) -> None:
    """An approval was signed by a key that is not in the approvers file: the lead learns of it,
    since either an operator has to add the key or somebody made an account of their own."""
    proposal = Proposal.objects.get(pk=proposal_id)
    text = (
        "An approval of this proposal was signed by a key that the approvers file does not give"
        " that role, so nothing was executed and a new round of review is opened. The history says"
        " whose approval it was. If the person may decide, an operator adds the key on the worker's"
        " host; if not, somebody else has to decide, and the account should be looked at."
    )
    _send(proposal, holders("lead"), "an approval counted nothing", text)


def send_result(proposal: Proposal, people: Iterable[UUID], *, text: str, message_id: str) -> bool:
    """The result, as `result.tell` words it; whether the mail server took it."""
    executed = Execution.objects.filter(proposal=proposal).exists()
    return _send(
        proposal,
        people,
        proposal.state.replace("_", " "),
        text,
        page="execution" if executed else "proposal_history",
        headers={"Message-ID": message_id},
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


def _send(
    proposal: Proposal,
    people: Iterable[UUID],
    subject: str,
    text: str,
    *,
    page: str = "proposal_history",
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Whether everybody who has an address was written to; the log says what went wrong."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT email FROM remediation.mailbox WHERE person = ANY(%s)", [list(people)]
        )
        addresses = sorted({row[0] for row in cursor.fetchall()})
    if not addresses:
        return True
    title = proposal.incident.title
    body = (
        f"{text}\n\nIncident: {inert.message(title)}\n"
        f"{settings.ORIGIN}{reverse(page, args=[proposal.pk])}\n\n"
        "Nothing can be decided from this mail.\n"
    )
    message = EmailMessage(
        f"[hitlportal] {inert.subject(title)}: {subject}",
        body,
        bcc=addresses,
        headers=dict(headers or {}),
    )
    try:
        message.send()
    except OSError as error:
        logger.error("mail about %s was not sent: %s", proposal.pk, error)
        return False
    return True
