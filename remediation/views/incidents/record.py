"""For auditors: all log entries of an incident on one timeline, through their own login."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit import log, reading
from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.sentences import describe
from remediation.models import Incident, Proposal, User
from remediation.services.access import authorize
from remediation.views.incidents.page import RecordPage
from remediation.views.names import entry_names

ALIAS = "auditor"


def check_auditor(person: User) -> None:
    """Refuse people who are not auditors, and a portal without their login. Raises NotEntitled."""
    if not authorize.may_audit(person):
        raise errors.NotEntitled("this page is for auditors")
    if ALIAS not in settings.DATABASES:
        raise errors.NotEntitled("no database login for auditors is configured")


def note_reading(person: User, object: str, data: dict[str, Json]) -> None:
    """Record that this auditor reads, before the first row is read."""
    with transaction.atomic():
        log.append(action=Event.PERSON_AUDIT_READ, actor=person.actor, object=object, data=data)


def record_page(incident_id: UUID) -> RecordPage:
    """Return every entry about the incident and its proposals, oldest first.

    Raises NoSuchObject.
    """
    incident = Incident.objects.using(ALIAS).filter(pk=incident_id).first()
    if incident is None:
        raise errors.NoSuchObject()
    proposals = Proposal.objects.using(ALIAS).filter(incident=incident).values_list("pk", flat=True)
    rows = reading.timeline(
        [f"incident:{incident_id}", *(f"proposal:{key}" for key in proposals)], ALIAS
    )
    shown = rows[: reading.TIMELINE]
    names = entry_names(row.said for row in shown)
    return RecordPage(
        incident_id=incident.pk,
        title_untrusted=incident.title,
        lines=tuple((row, describe(row.said, names)) for row in shown),
        cut=len(shown) if len(rows) > len(shown) else 0,
    )
