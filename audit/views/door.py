"""Authorize and record each access to the auditors' pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe

from audit import log
from audit.tlog.canonical import Json
from audit.tlog.errors import TlogError
from audit.tlog.policy import Policy

GROUP = "auditor"
ALIAS = "auditor"
READ, EXPORTED = "person:audit:read", "person:audit:exported"
REFUSED = "person:request:refused"

View = Callable[..., HttpResponseBase]


def page(view: View) -> View:
    """Wrap a page for auditors: membership of the group decides, also for superusers.

    A refusal is recorded.
    """

    @require_safe
    @login_required
    @wraps(view)
    def admitted(request: HttpRequest, **place: Any) -> HttpResponseBase:
        user = request.user
        known = user.is_active and user.groups.filter(name=GROUP).exists()
        if not known or ALIAS not in settings.DATABASES:
            record(request, REFUSED, f"address:{request.path[:200]}", {"refusal": "not_entitled"})
            raise PermissionDenied
        return view(request, **place)

    return admitted


def record(request: HttpRequest, action: str, about: str, data: Mapping[str, Json]) -> None:
    """Record what will be read, through the default connection, before it is read."""
    with transaction.atomic():
        log.append(
            action=action,
            actor=f"person:{getattr(request.user, 'person', request.user.pk)}",
            object=about,
            data=dict(data),
        )


def policy() -> Policy | None:
    """Return the policy that the worker uses for the log; None if this process has no setting."""
    if not settings.AUDIT_POLICY_FILE:
        return None
    try:
        return Policy.parse(Path(settings.AUDIT_POLICY_FILE).read_text(encoding="utf-8"))
    except (OSError, TlogError):
        return None


def described(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Describe each entry in one sentence, with names, by the application's functions."""
    names = import_string(settings.AUDIT_NAMES)(entries)
    describe = import_string(settings.AUDIT_DESCRIBE)
    return [str(describe(said, names)) for said in entries]


def describe(said: Mapping[str, Any]) -> str:
    """Describe one entry."""
    return described([said])[0]


def reference(text: str) -> str:
    """Return the reference that a reader means by a name; else the text itself."""
    return str(import_string(settings.AUDIT_REFERENCE)(text)) if text else ""
