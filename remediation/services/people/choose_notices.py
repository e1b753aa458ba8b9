"""Choose what to be told by which channel. Rows are facts; the person's newest counts."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.events import Event
from remediation.domain.telling import KINDS, Kind
from remediation.models import NoticeChannel, NoticeChoice, User
from remediation.services.outbox.failing import known_channels

MAIL = "mail"


def own_channels(person: User) -> list[NoticeChannel]:
    """Return the channels that reach this person alone; mail is not among them."""
    return [
        row
        for row in known_channels()
        if row.name != MAIL and row.carries.get("person") == str(person.person)
    ]


def muted_of(person: User) -> frozenset[str]:
    """Return what the person switched off, as ``channel:kind``."""
    newest = NoticeChoice.objects.filter(person=person.person).order_by("-id").first()
    return frozenset(newest.muted) if newest is not None else frozenset()


@transaction.atomic
def choose(*, actor: User, wanted: Iterable[str]) -> bool:
    """Switch off everything that is not wanted; return whether something changed.

    What nobody may switch off stays on, whatever is sent.
    """
    on = frozenset(wanted)
    channels = [MAIL, *(row.name for row in own_channels(actor))]
    offered = [f"{name}:{kind}" for name in channels for kind in Kind if not KINDS[kind].always]
    muted = [pair for pair in offered if pair not in on]
    if frozenset(muted) == muted_of(actor):
        return False
    said: list[Json] = [*muted]
    entry = log.append(
        action=Event.PERSON_NOTICES_CHOSEN,
        actor=actor.actor,
        object=actor.actor,
        data={"switched_off": said},
    )
    NoticeChoice.objects.create(person=actor.person, muted=muted, entry=entry.id)
    return True
