"""Send mails to people: new rounds, near deadlines, results. Nobody can decide by mail.

The worker sends them after the commit; only it can read the addresses. A mail that cannot be sent
is logged and changes nothing: the queue shows the same. An address that no mail server takes keeps
nobody else from being told.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import connection
from django.urls import reverse

from remediation.domain import inert
from remediation.domain.policy import ROLES
from remediation.domain.slots import LEAD
from remediation.models import Execution, Incident, Proposal
from remediation.services.access import authorize

logger = logging.getLogger(__name__)


def round_opened(proposal_id: UUID) -> None:
    """Notify the people who may decide that a proposal waits for them."""
    proposal = Proposal.objects.get(pk=proposal_id)
    _send(
        proposal,
        entitled(proposal),
        "waits for your review",
        "A proposal is waiting for your review.",
    )


def waiting(proposal_id: UUID, per_cent: int) -> None:
    """Notify the people who may decide that this share of the time has passed."""
    proposal = Proposal.objects.get(pk=proposal_id)
    text = f"{per_cent} % of the time to decide has passed, and slots are still open."
    _send(proposal, entitled(proposal), f"{per_cent} % of the time has passed", text)


def overdue(proposal_id: UUID) -> None:
    """Notify leads, and the people who could have decided, that a deadline passed."""
    proposal = Proposal.objects.get(pk=proposal_id)
    people = {*entitled(proposal), *holders("lead")}
    text = "The deadline passed. Nothing was executed and the incident is still open."
    _send(proposal, people, "expired without a decision", text)


def late_result(proposal_id: UUID, step: int) -> None:
    """Notify leads that a worker reported a result after another one had taken over the run."""
    proposal = Proposal.objects.get(pk=proposal_id)
    text = (
        f"A worker reported the result of step {step} after its lease had ended and another worker"
        " had taken over. The record keeps both. Compare the target with what the page says, and"
        " ask an operator why the worker was that slow."
    )
    _send(proposal, holders("lead"), "a result came too late", text, page="execution")


def halt_refused(proposal_id: UUID, refusals: Iterable[str], settles: bool = False) -> None:
    """Notify leads of invalid halts or settlements: somebody forged them, or used a wrong key."""
    proposal = Proposal.objects.get(pk=proposal_id)
    names = ", ".join(refusals)
    if settles:
        text = (
            f"A statement that this run is settled by hand was refused ({names}). It is not signed"
            " by a key that may halt the run, so the run stays as it is. If nobody meant to sign"
            " it, somebody is writing into the portal's database."
        )
        _send(proposal, holders("lead"), "a settlement was refused", text, page="execution")
        return
    text = (
        f"A halt of this run was refused ({names}). It is not signed by a key that may halt the"
        " run, so it stops nothing and undoes nothing. To stop a run, halt it with a key of the"
        " approvers file, or ask an operator to freeze execution. If nobody meant to halt it,"
        " somebody is writing into the portal's database."
    )
    _send(proposal, holders("lead"), "a halt was refused", text, page="execution")


def unknown_key(proposal_id: UUID) -> None:
    """Notify leads that an approval was signed by a key that is not in the approvers file.

    Either an operator has to add the key, or somebody made an account for an attack.
    """
    proposal = Proposal.objects.get(pk=proposal_id)
    text = (
        "An approval of this proposal was signed by a key that does not have this role in the"
        " approvers file. So nothing was executed, and a new round of review is open. The history"
        " shows whose approval it was. If this person may decide, an operator must add the key on"
        " the worker's host. If not, somebody else must decide; please investigate the account."
    )
    _send(proposal, holders("lead"), "an approval does not count", text)


def send_result(proposal: Proposal, people: Iterable[UUID], *, text: str, message_id: str) -> bool:
    """Send the result in the words of `notify_result`; return whether the mail server took it."""
    executed = Execution.objects.filter(proposal=proposal).exists()
    return _send(
        proposal,
        people,
        proposal.state.replace("_", " "),
        text,
        page="execution" if executed else "proposal_history",
        headers={"Message-ID": message_id},
    )


def incident_reopened(incident: Incident, *, reason: str, message_id: str) -> bool:
    """Notify lead and reviewers that an incident is not contained any more."""
    text = (
        "This incident was contained and is open again: its identity has access.\n"
        f"Why: {inert.message(reason)}"
    )
    return _send_about(
        incident,
        {*holders(LEAD), *_reviewers(incident)},
        "open again: access was found",
        text,
        reverse("incident", args=[incident.pk]),
        {"Message-ID": message_id},
    )


def incident_unread(incident: Incident, *, why: str, message_id: str) -> bool:
    """Notify leads that three looks in a row could not read a contained incident's identity."""
    text = (
        "This incident counts as contained, but three looks in a row could not read its identity,"
        " so nobody knows whether it still is. The worker tries again at least every hour.\n"
        f"Why: {inert.message(why)}"
    )
    return _send_about(
        incident,
        holders(LEAD),
        "cannot be looked at",
        text,
        reverse("incident", args=[incident.pk]),
        {"Message-ID": message_id},
    )


def _reviewers(incident: Incident) -> set[UUID]:
    """Return who may review the newest proposal; every approver where there is none."""
    newest = incident.proposals.order_by("-recorded_at").first()
    return entitled(newest) if newest is not None else holders(*ROLES)


def entitled(proposal: Proposal) -> set[UUID]:
    """Return the active approvers who may review this proposal and are not excluded from it."""
    assessment = authorize.newest(proposal)
    out = set(authorize.excluded(proposal.pk))
    return {
        person
        for person in holders(*ROLES)
        if str(person) not in out and authorize.entitled_roles(person, assessment)
    }


def holders(*roles: str) -> set[UUID]:
    """Return the active people who hold one of the roles."""
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
    """Send one mail about a proposal to everybody who has an address."""
    return _send_about(
        proposal.incident, people, subject, text, reverse(page, args=[proposal.pk]), headers
    )


def _send_about(
    incident: Incident,
    people: Iterable[UUID],
    subject: str,
    text: str,
    path: str,
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Send one mail to everybody who has an address; return False when that failed (logged)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT email FROM remediation.mailbox WHERE person = ANY(%s)", [list(people)]
        )
        addresses = sorted({row[0] for row in cursor.fetchall() if _usable(row[0])})
    if not addresses:
        return True
    title = incident.title
    body = (
        f"{text}\n\nIncident: {inert.message(title)}\n"
        f"{settings.ORIGIN}{path}\n\n"
        "You cannot decide by replying to this mail.\n"
    )
    message = EmailMessage(
        f"[hitlportal] {inert.subject(title)}: {subject}",
        body,
        bcc=addresses,
        headers=dict(headers or {}),
    )
    try:
        message.send()
    except Exception as error:
        # Not only OSError: what the mail library refuses must not end the task that tells people.
        logger.error("mail about %s was not sent: %s", path, error)
        return False
    return True


def _usable(address: str) -> bool:
    """Return whether a mail server can be asked to take this address: plain ASCII, as it parses."""
    try:
        validate_email(address)
        address.encode("ascii")
    except (ValidationError, UnicodeEncodeError):
        logger.error("an address that no mail server takes is left out: %r", address[:100])
        return False
    return True
