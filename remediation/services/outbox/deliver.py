"""Deliver tellings by each person's channels: retried with a growing pause, given up on record.

One task per channel, one message per transaction, under a lock, so a channel that hangs delays
only itself, and only for a bounded time. A message is sent before its delivery is recorded: after
a crash between the two it is sent again, with the same Message-ID.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from celery import current_app
from django.db import connection, transaction
from kombu.exceptions import OperationalError

from audit import log
from remediation.domain import inert
from remediation.domain.events import Event
from remediation.domain.telling import KINDS, Kind
from remediation.models import Delivery, NoticeChannel, NoticeChoice, Telling
from remediation.services.actors import Actor
from remediation.services.outbox import channel_state, pause, send
from remediation.services.outbox.channels import MAIL, Channel
from remediation.services.outbox.compose import compose, why_not
from remediation.services.outbox.notice_lock import alone

logger = logging.getLogger(__name__)

TASK = "remediation.deliver"
# Pauses of 10 s, 20 s, … up to an hour: about 16 hours in all.
ATTEMPTS = 24
FIRST_PAUSE_S, MOST_PAUSE_S = 10, 3600
# After a message that the service did not take, the whole channel rests.
REST_S = 30
# One task sends for at most this long; the next one goes on.
TURN_S = 30.0
NEXT = """
SELECT t.id, d.attempts FROM public.remediation_telling t
 CROSS JOIN LATERAL (
   SELECT count(*) AS attempts, max(d.recorded_at) AS newest,
          bool_or(d.outcome <> 'failed') AS settled
     FROM public.remediation_delivery d WHERE d.telling_id = t.id AND d.channel = %(channel)s) AS d
 WHERE t.recorded_at > clock_timestamp() - interval '8 days' AND t.recorded_at >= %(since)s
   AND d.settled IS NOT TRUE
   AND (d.attempts = 0 OR d.newest < clock_timestamp()
        - least(%(first)s * power(2, d.attempts - 1), %(most)s) * interval '1 second')
 ORDER BY t.id LIMIT 1
"""


def wake_all(*, actor: Actor) -> int:
    """Ask for a delivery by each channel that has something to send; return how many."""
    names = [one.name for one in channel_state.publish(actor=actor) if _next(one) is not None]
    try:
        for name in names:
            current_app.send_task(TASK, args=[name], retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("broker did not take a message to deliver: %s", error)
        return 0
    return len(names)


def deliver_all(*, actor: Actor) -> int:
    """Deliver by every channel, one after the other; return how many messages went out."""
    return sum(deliver(one.name, actor=actor) for one in channel_state.publish(actor=actor))


def deliver(name: str, *, actor: Actor) -> int:
    """Send what is due by this channel until nothing is, or it fails; return how many went out."""
    channel = next((one for one in channel_state.publish(actor=actor) if one.name == name), None)
    if channel is None or not pause.is_over(f"channel:{name}"):
        return 0
    end, sent = time.monotonic() + TURN_S, 0
    while time.monotonic() < end:
        with transaction.atomic():
            if not alone(f"deliver:{name}"):
                break
            found = _next(channel)
            if found is None:
                break
            outcome = _attempt(channel, *found, actor)
        if outcome == "failed":
            pause.begin(f"channel:{name}", REST_S)
            break
        sent += outcome == "delivered"
    return sent


def _next(channel: Channel) -> tuple[Telling, int] | None:
    """Return the oldest telling that is due by this channel, and how often it was tried."""
    with connection.cursor() as cursor:
        cursor.execute(
            NEXT,
            {
                "channel": channel.name,
                "since": _since(channel),
                "first": FIRST_PAUSE_S,
                "most": MOST_PAUSE_S,
            },
        )
        row = cursor.fetchone()
    if row is None:
        return None
    related = Telling.objects.select_related("proposal__incident", "incident")
    return related.get(pk=row[0]), int(row[1])


def _since(channel: Channel) -> str | datetime:
    """Return since when the channel carries: a new one does not tell the past."""
    if channel.name == MAIL:
        return "-infinity"
    rows = NoticeChannel.objects.filter(name=channel.name).order_by("-id")
    begun = None
    for row in rows:
        if row.state == channel_state.REMOVED:
            break
        begun = row.recorded_at
    return begun if begun is not None else "infinity"


def _attempt(channel: Channel, telling: Telling, before: int, actor: Actor) -> str:
    """Send one message and record how it went; return `failed` only if the channel failed."""
    together = _together(channel, telling)
    reason = why_not(telling) or _unwanted(channel, telling, together)
    if reason:
        return _record(channel, [telling], "unwanted", reason)
    try:
        _send(channel, telling)
    except send.NotSent as error:
        logger.error("%s did not take %s: %s", channel.name, telling.pk, error)
        return _failed(channel, telling, before, error, actor)
    channel_state.works(channel, actor=actor)
    return _record(channel, together, "delivered")


def _send(channel: Channel, telling: Telling) -> None:
    if channel.name != MAIL:
        send.by_apprise(channel, compose(telling))
        return
    address = _address(telling.person)
    send.by_mail(address or "", compose(telling))


def _failed(
    channel: Channel, telling: Telling, before: int, error: send.NotSent, actor: Actor
) -> str:
    lost = before + 1 >= ATTEMPTS
    outcome = _record(channel, [telling], "dead" if lost else "failed", str(error))
    if lost:
        log.append(
            action=Event.WORKER_NOTICE_LOST,
            actor=actor.ref,
            object=_about(telling),
            data={"kind": telling.kind, "channel": channel.name, "attempts": before + 1},
        )
    if isinstance(error, send.AddressRefused):
        return "refused"
    channel_state.failed(channel, str(error), actor=actor)
    return "failed" if not lost else outcome


def _record(channel: Channel, tellings: Iterable[Telling], outcome: str, detail: str = "") -> str:
    for telling in tellings:
        tried = Delivery.objects.filter(telling=telling, channel=channel.name).count()
        Delivery.objects.create(
            telling=telling,
            channel=channel.name,
            attempt=tried + 1,
            outcome=outcome,
            detail=inert.noted(detail, 300),
        )
    return outcome


def _about(telling: Telling) -> str:
    if telling.proposal_id is not None:
        return f"proposal:{telling.proposal_id}"
    return f"incident:{telling.incident_id}" if telling.incident_id else "system:portal"


# ---- who wants what ------------------------------------------------------------------------------


def _together(channel: Channel, telling: Telling) -> list[Telling]:
    """Return the tellings that one message settles: a team is told once, a person for herself."""
    if channel.personal:
        return [telling]
    same = Telling.objects.filter(once=telling.once, writer=telling.writer).exclude(
        deliveries__channel=channel.name, deliveries__outcome__in=["delivered", "dead", "unwanted"]
    )
    others = (one for one in same.exclude(pk=telling.pk) if _holds(one.person, channel.roles))
    return [*others, telling]


def _unwanted(channel: Channel, telling: Telling, together: list[Telling]) -> str:
    """Return why this channel does not carry this telling; empty when it does."""
    kind = Kind(telling.kind)
    if kind not in channel.kinds:
        return "not among the kinds of this channel"
    if not channel.personal:
        if _was_told(channel, telling):
            return "already told"
        if not _holds(telling.person, channel.roles):
            return "not of the roles of this channel"
        return ""
    if channel.name != MAIL and channel_state.owner_of(channel) != telling.person:
        return "the channel of somebody else"
    address = _address(telling.person) if channel.name == MAIL else "x@example.org"
    if address is None:
        return "no mail address, or not active"
    try:
        send.require_usable(address)
    except send.AddressRefused as error:
        logger.error("the address of person %s cannot be used", telling.person)
        return str(error)
    return _muted(channel, telling.person, kind)


def _muted(channel: Channel, person: UUID, kind: Kind) -> str:
    if KINDS[kind].always:
        return ""
    choice = NoticeChoice.objects.filter(person=person).order_by("-id").first()
    muted = choice.muted if choice is not None and isinstance(choice.muted, list) else []
    return "switched off by the person" if f"{channel.name}:{kind.value}" in muted else ""


def _was_told(channel: Channel, telling: Telling) -> bool:
    return Delivery.objects.filter(
        telling__once=telling.once,
        telling__writer=telling.writer,
        channel=channel.name,
        outcome="delivered",
    ).exists()


def _holds(person: UUID, roles: tuple[str, ...]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM remediation.entitlement WHERE person = %s AND active AND role = ANY(%s)",
            [person, list(roles)],
        )
        return cursor.fetchone() is not None


def _address(person: UUID) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT email FROM remediation.mailbox WHERE person = %s", [person])
        row = cursor.fetchone()
    return row[0] if row else None
