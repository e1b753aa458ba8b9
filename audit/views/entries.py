"""List entries, newest first, filtered by object, time, actor, kind and words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.utils.module_loading import import_string
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from audit import reading
from audit.reading import Asked, Found
from audit.views import door


class FilterForm(forms.Form):
    """The filter. References must match exactly; words match anywhere in an entry."""

    q = forms.CharField(
        label=gettext_lazy("Words"),
        required=False,
        max_length=200,
        widget=forms.TextInput({"type": "search"}),
    )
    action = forms.ChoiceField(label=gettext_lazy("Kind"), required=False)
    actor = forms.CharField(
        label=gettext_lazy("Who (name or reference)"), required=False, max_length=200
    )
    since = forms.DateTimeField(
        label=gettext_lazy("From (UTC)"),
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}),
    )
    until = forms.DateTimeField(
        label=gettext_lazy("To (UTC)"),
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}),
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        words = sorted(str(word) for word in import_string(settings.AUDIT_VOCABULARY))
        kinds = forms.ChoiceField(
            label=gettext_lazy("Kind"),
            required=False,
            choices=[("", pgettext_lazy("any kind", "any")), *((w, w) for w in words)],
        )
        self.fields["action"] = kinds
        # Added here: as a class attribute the name would shadow the type of that name.
        self.fields["object"] = forms.CharField(
            label=gettext_lazy("Object"), required=False, max_length=200
        )
        self.order_fields(["q", "action", "actor", "object", "since", "until"])


@door.page
def entries(request: HttpRequest) -> HttpResponse:
    """Show one page of entries (keyset pagination in both directions)."""
    form = FilterForm(request.GET)
    valid = form.is_valid()
    given = {key: str(value) for key, value in request.GET.items() if value and key in form.fields}
    place = {key: str(request.GET[key])[:20] for key in ("before", "after") if key in request.GET}
    door.record(request, door.READ, "page:entries", {**_short(given), **_short(place)})
    problem, found = "", Found((), False, False)
    if valid:
        try:
            found = reading.find(_asked(form), door.ALIAS)
        except OperationalError:
            problem = gettext(
                "This search takes too long. Narrow it by time, kind, actor or object."
            )
    else:
        problem = gettext("A value in the filter is not valid.")
    state = reading.state(door.ALIAS)
    context = {
        "form": form,
        "filtered": bool(given),
        "problem": problem,
        "lines": list(
            zip(found.rows, door.described([row.said for row in found.rows]), strict=True)
        ),
        "older": _link(given, "before", found.rows[-1].index) if found.older else "",
        "newer": _link(given, "after", found.rows[0].index) if found.newer else "",
        "state": state,
    }
    return render(request, "audit/entries.html", context, status=200 if valid else 400)


def _asked(form: FilterForm) -> Asked:
    data = form.cleaned_data
    return Asked(
        words=data["q"],
        action=data["action"],
        actor=door.reference(data["actor"].strip()),
        object=data["object"],
        since=_utc(data["since"]),
        until=_utc(data["until"]),
        before=_number(form.data.get("before")),
        after=_number(form.data.get("after")),
    )


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _link(given: dict[str, str], direction: str, index: int | None) -> str:
    return urlencode({**given, direction: str(index)})


def _short(values: dict[str, str]) -> dict[str, str]:
    return {key: value[:200].replace("\0", "") for key, value in values.items()}
