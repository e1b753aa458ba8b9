"""Record sign-ins and sign-outs; count failed sign-ins by minute.

These are receivers of Django's own signals, which every way of signing in sends. An exception here
fails the request, and Django then stores no session: there is no session without its entry.
"""

from __future__ import annotations

import time
from typing import Any

from allauth.account.signals import password_changed
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.events import Event
from remediation.models import User
from remediation.services.access import record_refusal
from remediation.services.people import sessions


def connect() -> None:
    """Connect the receivers; called once, when the apps are ready."""
    user_logged_in.connect(_started, dispatch_uid="hitlportal.signin.started")
    user_logged_out.connect(_ended, dispatch_uid="hitlportal.signin.ended")
    user_login_failed.connect(_failed, dispatch_uid="hitlportal.signin.failed")
    password_changed.connect(_password_changed, dispatch_uid="hitlportal.signin.password")


def _started(*, user: User, request: HttpRequest | None = None, **_: Any) -> None:
    _record(user, Event.PERSON_SESSION_STARTED)
    if request is not None and request.session.session_key:
        browser = request.headers.get("User-Agent", "")
        sessions.begin(user, request.session.session_key, browser)


def _ended(*, user: User | None, request: HttpRequest | None = None, **_: Any) -> None:
    # A session that had already ended has no user.
    if isinstance(user, User):
        _record(user, Event.PERSON_SESSION_ENDED)
        if request is not None and request.session.session_key:
            sessions.end(user, request.session.session_key)


def _failed(**_: Any) -> None:
    """Count the failure; if each were recorded, unknown callers could fill the log."""
    record_refusal.count_unknown("sign_in", int(time.time() // 60))


def _password_changed(*, user: User, **_: Any) -> None:
    changed: list[Json] = ["password"]
    _record(user, Event.PERSON_USER_CHANGED, {"changed": changed})


def _record(user: User, event: Event, data: dict[str, Json] | None = None) -> None:
    with transaction.atomic():
        log.append(action=event, actor=user.actor, object=user.actor, data=data or {})
