"""Say on record which channels there are, and which of them fail; never an address or a secret.

Pages read these rows, since only the worker has the operator's file.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.db import connection, transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.events import Event
from remediation.domain.slots import LEAD
from remediation.domain.telling import Kind
from remediation.models import Delivery, NoticeChannel
from remediation.services.actors import Actor
from remediation.services.outbox.audience import holders
from remediation.services.outbox.channels import BY_MAIL, Channel, ChannelsInvalid, load
from remediation.services.outbox.notice_lock import alone
from remediation.services.outbox.tell import tell

logger = logging.getLogger(__name__)

WORKING, FAILING, REMOVED = "working", "failing", "removed"
# After so many attempts in a row that the service did not take, the channel counts as failing.
FAILS_AT = 3
# The row that says that the operator's file itself cannot be used.
FILE = "channels-file"


def newest() -> Mapping[str, NoticeChannel]:
    """Return the valid row of each channel, by name."""
    rows = NoticeChannel.objects.order_by("name", "-id").distinct("name")
    return {row.name: row for row in rows}


def publish(*, actor: Actor) -> tuple[Channel, ...]:
    """Read the operator's file and record what changed in it; return the channels."""
    try:
        found, problem = load(), ""
    except ChannelsInvalid as error:
        logger.error("%s", error)
        found, problem = (BY_MAIL,), str(error)
    with transaction.atomic():
        if alone("notice_channels"):
            _compare(actor, found, problem)
    return found


def _compare(actor: Actor, found: tuple[Channel, ...], problem: str) -> None:
    known = newest()
    for channel in found:
        row = known.get(channel.name)
        carried = _carries(channel)
        if row is None or row.state == REMOVED or row.carries != carried:
            _record(actor, Event.WORKER_CHANNEL_CHANGED, channel, WORKING)
    names = {channel.name for channel in found} | {FILE}
    for name, row in known.items():
        # A file that cannot be read says nothing about what stands in it.
        if name not in names and row.state != REMOVED and not problem:
            gone = Channel(name, row.service, "")
            _record(actor, Event.WORKER_CHANNEL_CHANGED, gone, REMOVED, carries=row.carries)
    file, as_file = known.get(FILE), Channel(FILE, "File of channels", "File of channels")
    if problem and (file is None or (file.state, file.detail) != (FAILING, problem)):
        _record(actor, Event.WORKER_CHANNEL_FAILED, as_file, FAILING, problem)
    if not problem and file is not None and file.state == FAILING:
        _record(actor, Event.WORKER_CHANNEL_RECOVERED, as_file, WORKING)


def failed(channel: Channel, detail: str, *, actor: Actor) -> None:
    """Record that the channel fails, once for each time that it begins to, and tell others."""
    row = newest().get(channel.name)
    if row is not None and row.state == FAILING:
        return
    last = Delivery.objects.filter(channel=channel.name, outcome="delivered").order_by("-id")
    since = Delivery.objects.filter(channel=channel.name, outcome="failed")
    if (newest_ok := last.first()) is not None:
        since = since.filter(pk__gt=newest_ok.pk)
    if since.count() < FAILS_AT:
        return
    made = _record(actor, Event.WORKER_CHANNEL_FAILED, channel, FAILING, detail)
    tell(
        Kind.CHANNEL_FAILING,
        people=holders(LEAD, "user_admin"),
        once=f"channel:{made.pk}",
        text=f"The channel {channel.name} ({channel.service}) does not take notifications:"
        f" {detail}. The worker goes on trying. An operator can mend it.",
    )


def works(channel: Channel, *, actor: Actor) -> None:
    """Record that a failing channel took a message."""
    row = newest().get(channel.name)
    if row is not None and row.state == FAILING:
        _record(actor, Event.WORKER_CHANNEL_RECOVERED, channel, WORKING)


def _record(
    actor: Actor,
    event: Event,
    channel: Channel,
    state: str,
    detail: str = "",
    *,
    carries: Json | None = None,
) -> NoticeChannel:
    detail = inert.noted(detail, 300)
    entry = log.append(
        action=event,
        actor=actor.ref,
        object=f"channel:{channel.name}",
        data={"service": channel.service, "state": state, "detail": detail},
    )
    return NoticeChannel.objects.create(
        name=channel.name,
        service=channel.service,
        carries=_carries(channel) if carries is None else carries,
        state=state,
        detail=detail,
        entry=entry.id,
    )


def _carries(channel: Channel) -> dict[str, Json]:
    roles: list[Json] = [*channel.roles]
    kinds: list[Json] = [kind.value for kind in channel.kinds]
    return {
        "title": channel.title,
        "roles": roles,
        "kinds": kinds if len(kinds) < len(Kind) else [],
        "person": str(owner_of(channel) or ""),
    }


def owner_of(channel: Channel) -> object | None:
    """Return the person whose own channel it is; None for a team's, for mail, or if unknown."""
    if not channel.username:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT person FROM remediation.account WHERE username = %s AND active",
            [channel.username],
        )
        row = cursor.fetchone()
    return row[0] if row else None
