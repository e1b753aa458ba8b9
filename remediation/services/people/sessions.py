"""A person's own sessions: where she is signed in, and signing out everywhere else.

Kept in the shared cache beside the sessions themselves, never in the database: no database login
can read a session key (docs/attacks.md A47). Only a digest of the key is kept here. Which sessions
live is decided by the account's epoch in the database, not by this list.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import cache
from django.db import transaction
from django.db.models import F

from audit import log
from remediation.domain import errors, inert
from remediation.domain.act import Act, ActName
from remediation.domain.events import Event
from remediation.models import User
from remediation.services.people import stepup

# More are not listed; signing out elsewhere ends them nevertheless.
MOST = 20


@dataclass(frozen=True)
class Session:
    """One sign-in that has not ended; ``browser_untrusted`` is what the browser calls itself."""

    at: datetime
    browser_untrusted: str
    current: bool


def begin(user: User, session_key: str, browser: str) -> None:
    """List a new session. A lost race loses a line of the list, nothing else."""
    now = time.time()
    row = {
        "id": _mark(session_key),
        "at": now,
        "browser": inert.noted(browser, 200),
        "epoch": user.session_epoch,
    }
    alive = [
        one
        for one in _rows(user)
        if one["at"] > now - settings.SESSION_COOKIE_AGE and one["id"] != row["id"]
    ]
    cache.set(_list(user), [row, *alive][:MOST], timeout=settings.SESSION_COOKIE_AGE)


def end(user: User, session_key: str) -> None:
    """Take a session off the list, when the person signs out of it."""
    rows = [one for one in _rows(user) if one["id"] != _mark(session_key)]
    cache.set(_list(user), rows, timeout=settings.SESSION_COOKIE_AGE)


def sessions_of(user: User, session_key: str) -> list[Session]:
    """Return the person's sessions that live, newest first."""
    mark = _mark(session_key)
    return [
        Session(datetime.fromtimestamp(one["at"], UTC), one["browser"], one["id"] == mark)
        for one in _rows(user)
        if one.get("epoch") == user.session_epoch
    ]


def ending(person: User) -> Act:
    """Return the act of `end_others`, to be signed."""
    return Act(ActName.END_SESSIONS, person.actor, {})


@transaction.atomic
def end_others(*, actor: User, proof: stepup.Proof | None) -> None:
    """End every session of this person. The caller keeps the present one (`keep`).

    `actor` is as this request found it. When another session ended this one since, the request
    ends nothing: otherwise a stolen cookie in a loop would outlive the person's own session.
    Raises SignedOut, and what `stepup.check` raises.
    """
    signed = stepup.check(actor=actor, act=ending(actor), proof=proof)
    here = User.objects.filter(pk=actor.pk, session_epoch=actor.session_epoch)
    if not here.update(session_epoch=F("session_epoch") + 1):
        raise errors.SignedOut("nothing was changed")
    entry = log.append(
        action=Event.PERSON_SESSIONS_ENDED,
        actor=actor.actor,
        object=actor.actor,
        data={"step_up": signed.data},
    )
    signed.use(entry.id)
    actor.session_epoch += 1


def keep(user: User, session: SessionBase) -> None:
    """Keep this session of the person, who just ended her sessions by what she did in it.

    It gets the epoch that her own act made, never a newer one of the row: another session may have
    ended this one since. A crash before it is stored signs her out here, too.
    """
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    mark = _mark(session.session_key or "")
    kept = [{**one, "epoch": user.session_epoch} for one in _rows(user) if one["id"] == mark]
    cache.set(_list(user), kept, timeout=settings.SESSION_COOKIE_AGE)


def _rows(user: User) -> list[dict[str, Any]]:
    found = cache.get(_list(user))
    return found if isinstance(found, list) else []


def _mark(session_key: str) -> str:
    return sha256(f"hitlportal/session/v1\0{session_key}".encode()).hexdigest()[:32]


def _list(user: User) -> str:
    return f"own_sessions:{user.person}"
