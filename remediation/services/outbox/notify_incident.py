"""Mail about an incident that is open again, or whose identity cannot be read: once, also after a
crash.

The mail is sent before its notice is recorded, under a lock, as in `notify_result`: a worker that
dies between the two sends it again with the same Message-ID.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from redis.exceptions import RedisError

from audit import log
from remediation.domain.containment import UNREAD_TOLD
from remediation.domain.events import Event
from remediation.domain.states import IncidentState
from remediation.models import Incident, IncidentLook, IncidentNotice, IncidentTransition
from remediation.services.actors import Actor
from remediation.services.outbox import mail
from remediation.services.outbox.notice_lock import alone

logger = logging.getLogger(__name__)

REOPENED, UNREAD = "reopened", "unread"
# Events of the last days without a notice, once they are five seconds old.
PENDING = """
SELECT x.kind, x.about FROM (
  SELECT 'reopened' AS kind, t.id AS about, t.incident_id, t.recorded_at
    FROM public.remediation_incidenttransition t WHERE t.to_state = 'open'
  UNION ALL
  SELECT 'unread', l.id, l.incident_id, l.recorded_at FROM public.remediation_incidentlook l
   WHERE l.found = 'unread' AND (l.data ->> 'in_a_row')::integer = %(told)s) AS x
 WHERE x.recorded_at > clock_timestamp() - interval '8 days'
   AND x.recorded_at < clock_timestamp() - interval '5 seconds'
   AND NOT EXISTS (SELECT 1 FROM public.remediation_incidentnotice n
                    WHERE n.incident_id = x.incident_id AND n.kind = x.kind AND n.about = x.about)
 ORDER BY x.recorded_at LIMIT 20
"""
RETRY_S = 60


def notify(kind: str, about: int, *, actor: Actor) -> bool:
    """Mail this event unless that is done; return whether it was sent now.

    ``about`` is the id of the transition to open, or of the look that could not read. Call it after
    the commit: nothing is written before the mail is out.
    """
    with transaction.atomic():
        incident = _incident(kind, about)
        if not alone(f"{kind}:{about}") or _was_told(incident, kind, about):
            return False
        if not _send(kind, about, incident):
            return False
        entry = log.append(
            action=Event.WORKER_NOTICE_SENT,
            actor=actor.ref,
            object=f"incident:{incident.pk}",
            data={"kind": kind, "about": about},
        )
        IncidentNotice.objects.create(incident=incident, kind=kind, about=about, entry=entry.id)
    return True


def notify_after_commit(kind: str, about: int, *, actor: Actor) -> None:
    """Notify when this transaction is committed; `notify_pending` repeats what fails there."""
    transaction.on_commit(lambda: notify(kind, about, actor=actor) and None, robust=True)


def notify_pending(*, actor: Actor) -> int:
    """Notify of events that a crash or the mail server prevented; return how many were sent."""
    with connection.cursor() as cursor:
        cursor.execute(PENDING, {"told": UNREAD_TOLD})
        found = cursor.fetchall()
    return sum(notify(kind, about, actor=actor) for kind, about in found if _is_due(kind, about))


def _incident(kind: str, about: int) -> Incident:
    if kind == REOPENED:
        row = IncidentTransition.objects.select_related("incident")
        return row.get(pk=about, to_state=IncidentState.OPEN).incident
    return IncidentLook.objects.select_related("incident").get(pk=about).incident


def _send(kind: str, about: int, incident: Incident) -> bool:
    if kind == REOPENED:
        move = IncidentTransition.objects.get(pk=about)
        return mail.incident_reopened(
            incident, reason=move.reason, message_id=_message_id(incident.pk, kind, about)
        )
    look = IncidentLook.objects.get(pk=about)
    return mail.incident_unread(
        incident,
        why=str(look.data.get("why") or "a place could not be read"),
        message_id=_message_id(incident.pk, kind, about),
    )


def _is_due(kind: str, about: int) -> bool:
    """Return whether to try again: once a minute, or always when the cache does not answer."""
    try:
        return cache.add(f"told:{kind}:{about}", 1, timeout=RETRY_S)
    except RedisError:
        return True


def _was_told(incident: Incident, kind: str, about: int) -> bool:
    return IncidentNotice.objects.filter(incident=incident, kind=kind, about=about).exists()


def _message_id(incident_id: UUID, kind: str, about: int) -> str:
    host = urlsplit(settings.ORIGIN).hostname or "localhost"
    return f"<{incident_id}.{kind}.{about}@{host}>"
