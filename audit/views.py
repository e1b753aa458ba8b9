"""Auditors' pages: entries, newest first, through the login that can only read.

The reading is on record, through the default connection, before the first row is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from audit import log
from audit.models import Entry

PAGE = 100
GROUP = "auditor"
ALIAS = "auditor"
# The words of the application's vocabulary for what happens here.
READ, REFUSED = "person:audit:read", "person:request:refused"


class FilterForm(forms.Form):
    """Exact values; an entry is found by what it is about, not by likeness."""

    action = forms.CharField(required=False, max_length=100)
    actor = forms.CharField(required=False, max_length=200)
    object = forms.CharField(required=False, max_length=200)


@dataclass(frozen=True)
class Row:
    """One entry as a line."""

    id: int
    at: str
    action: str
    actor: str
    object: str

    @classmethod
    def of(cls, entry: Entry) -> Row:
        data = entry.data
        return cls(
            id=entry.pk,
            at=_utc(str(data.get("at", ""))),
            action=str(data.get("action", "")),
            actor=str(data.get("actor", "")),
            object=str(data.get("object", "")),
        )


@require_safe
@login_required
def entries(request: HttpRequest) -> HttpResponse:
    """The log, newest first, by key: where the last page ended."""
    _admit(request)
    form = FilterForm(request.GET)
    asked = _asked(form)
    before = request.GET.get("before", "")
    _record(request, READ, "page:entries", {**asked, **({"before": before[:20]} if before else {})})
    found = _found(asked, int(before) if before.isdecimal() and len(before) < 19 else None)
    page = list(found[: PAGE + 1])
    older = urlencode({**asked, "before": str(page[PAGE - 1].pk)}) if len(page) > PAGE else ""
    context = {
        "form": form,
        "filtered": bool(asked),
        "rows": [Row.of(entry) for entry in page[:PAGE]],
        "next_page": older,
    }
    return render(request, "audit/entries.html", context)


@require_safe
@login_required
def entry(request: HttpRequest, pk: int) -> HttpResponse:
    """One entry: its fields, and the exact bytes that are hashed."""
    _admit(request)
    _record(request, READ, f"entry:{pk}", {})
    found = Entry.objects.using(ALIAS).filter(pk=pk).first()
    if found is None:
        raise Http404
    row, body = Row.of(found), bytes(found.body)
    context = {
        "row": row,
        "data": [(key, _said(value)) for key, value in found.data.get("data", {}).items()],
        "body": body.decode(),
        "sha256": sha256(body).hexdigest(),
        "actor_query": urlencode({"actor": row.actor}),
        "object_query": urlencode({"object": row.object}),
    }
    return render(request, "audit/entry.html", context)


def _admit(request: HttpRequest) -> None:
    """Auditors only, by group rows: a superuser who is none is refused (and that is on record)."""
    user = request.user
    if user.is_active and user.groups.filter(name=GROUP).exists() and ALIAS in settings.DATABASES:
        return
    _record(request, REFUSED, f"address:{request.path[:200]}", {"refusal": "not_entitled"})
    raise PermissionDenied


def _record(request: HttpRequest, action: str, about: str, data: Mapping[str, str]) -> None:
    with transaction.atomic():
        log.append(
            action=action,
            actor=f"person:{getattr(request.user, 'person', request.user.pk)}",
            object=about,
            data=dict(data),
        )


def _asked(form: FilterForm) -> dict[str, str]:
    if not form.is_valid():
        return {}
    return {key: value for key, value in form.cleaned_data.items() if value}


def _found(asked: Mapping[str, str], before: int | None) -> QuerySet[Entry]:
    found = Entry.objects.using(ALIAS).order_by("-pk")
    if before is not None:
        found = found.filter(pk__lt=before)
    if asked:
        # Read backwards until a page is full; names and values travel as parameters.
        parameters = [part for pair in asked.items() for part in pair]
        found = found.extra(  # noqa: S610  (the text is a constant)
            where=["convert_from(body, 'UTF8')::jsonb ->> %s = %s"] * len(asked), params=parameters
        )
    return found


def _utc(at: str) -> str:
    return at.replace("T", " ").replace("+00:00", " UTC")


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
