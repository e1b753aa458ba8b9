"""The base of the admin's pages: access by group membership, recorded refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy, pgettext

from remediation import vocabulary
from remediation.domain.errors import NotEntitled, Refused
from remediation.domain.events import Event
from remediation.domain.inert import visible
from remediation.models import User
from remediation.services.access import authorize
from remediation.services.access import record_refusal as refusals
from remediation.services.actors import PersonActor
from remediation.services.people import accounts
from remediation.templatetags.inert import inert
from remediation.views import step_up
from remediation.views.refusals import problem

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin = admin.ModelAdmin
    ModelForm = forms.ModelForm

CHOOSE = gettext_lazy("Choose")

View = Callable[..., HttpResponse]
Tool = tuple[str, str]  # title and address


def actor_of(request: HttpRequest) -> PersonActor:
    """Return the acting person, from the session alone (docs/attacks.md A14)."""
    user = cast(User, request.user)
    return PersonActor(user.person, user.pk)


def roles_of(request: HttpRequest) -> frozenset[str]:
    """Return the person's groups, read once per request; services read them again."""
    if not hasattr(request, "portal_roles"):
        request.portal_roles = authorize.roles(cast(User, request.user))  # type: ignore[attr-defined]
    return cast(frozenset[str], request.portal_roles)  # type: ignore[attr-defined]


def record_refusal(request: HttpRequest, refusal: Refused) -> None:
    refusals.record(
        actor=actor_of(request),
        event=Event.PERSON_REQUEST_REFUSED,
        error=refusal,
        object=f"address:{request.path[:200]}",
        data={"method": request.method or ""},
    )


# What Django's filters put behind a field, and its drill-down by dates.
_FILTERED = ("", "__exact", "__id__exact", "__isnull")
_OF_DATES = ("year", "month", "day", "gte", "lt")


class PortalForm(ModelForm):
    """A form whose values go to a service; it shows the service's refusal."""

    refused: Refused | None = None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.refused is not None:
            self.add_error(None, describe_refusal(self.refused))
        return cleaned


class PortalAdmin(ModelAdmin):
    """A page for certain groups. Nothing can be deleted, and `is_superuser` grants nothing."""

    editors: frozenset[str] = frozenset()
    viewers: frozenset[str] = accounts.ADMIN_SITE
    change_form_template = "admin/portal_change_form.html"
    change_list_template = "admin/portal_change_list.html"
    actions = None
    list_per_page = 50
    show_full_result_count = False

    class Media:
        css = {"all": ("remediation/admin.css",)}

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(roles_of(request) & (self.viewers | self.editors))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allow filters of the page only (docs/attacks.md A71).

        Django allows every column of the row: `?password__startswith=` would read a hash that no
        page shows.
        """
        filters = {str(one[0] if isinstance(one, tuple) else one) for one in self.list_filter}
        offered = {f"{name}{how}" for name in filters for how in _FILTERED}
        if self.date_hierarchy:
            offered |= {f"{self.date_hierarchy}__{part}" for part in _OF_DATES}
        return lookup in offered

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(roles_of(request) & self.editors)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(roles_of(request) & self.editors)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def tools(self, request: HttpRequest, obj: Model) -> Sequence[Tool]:
        """Links at the top of an object's page."""
        return ()

    def list_tools(self, request: HttpRequest) -> Sequence[Tool]:
        """Links at the top of the list."""
        return ()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: `save_model` passed the whole form to a service."""

    # -- a request --------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        titled = {
            "title": capfirst(self.opts.verbose_name_plural),
            "list_tools": self.list_tools(request),
            **(extra_context or {}),
        }
        return self.on_record(super().changelist_view)(request, titled)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        view = self.on_record(super().changeform_view)
        try:
            return view(request, object_id, form_url, extra_context)
        except Refused as refusal:
            # Nothing was saved. Show the form again with the input and the refusal.
            request.portal_refused = refusal  # type: ignore[attr-defined]
            return view(request, object_id, form_url, extra_context)

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return self.on_record(super().delete_view)(request, object_id, extra_context)

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Redirect to the object: the admin writes no history; versions and audit log are it."""
        return HttpResponseRedirect("../change/")

    def on_record(self, view: View) -> View:
        """Wrap a view so that its refusals are recorded, after its transaction rolled back."""

        def recording(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except PermissionDenied:
                record_refusal(request, NotEntitled())
                raise
            except Refused as refusal:
                record_refusal(request, refusal)
                raise

        return recording

    def page(self, view: View) -> View:
        """Wrap a custom page: a refusal is recorded, shown as a message and redirected."""

        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return self.on_record(view)(request, *args, **kwargs)
            except Refused as refusal:
                if step_up.asked(request):
                    return problem(refusal)
                messages.error(request, describe_refusal(refusal))
                return HttpResponseRedirect(request.path)

        return self.admin_site.admin_view(wrapped)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.refused = getattr(request, "portal_refused", None)  # type: ignore[attr-defined]
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = kwargs.get("obj")
        context["tools"] = self.tools(request, obj) if obj is not None else ()
        context["subtitle"] = visible(str(obj)) if obj is not None else None
        return super().render_change_form(request, context, *args, **kwargs)

    # -- Django's admin log stays empty: every change is in the audit log -------------------------

    def log_addition(self, *_: Any) -> Any:
        return None

    def log_change(self, *_: Any) -> Any:
        return None

    def log_deletions(self, *_: Any) -> Any:
        return None


def yes_no(label: StrOrPromise, help_text: StrOrPromise = "") -> forms.TypedChoiceField:
    """Return a yes/no field without a default; an unticked box would mean "no"."""
    return forms.TypedChoiceField(
        label=label,
        help_text=help_text,
        choices=[("", CHOOSE), ("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))],
        coerce=lambda value: value == "yes",
    )


def yes_or_no(value: bool) -> str:
    """Return the value as a `yes_no` field stores it."""
    return "yes" if value else "no"


def describe_refusal(refusal: Refused) -> SafeString:
    """Return the refusal's message in the reader's language, with the recorded detail."""
    message = vocabulary.message(refusal)
    if not refusal.detail:
        return format_html("{}", message)
    detail = inert(refusal.detail)
    return format_html('{} <span lang="{}">{}</span>', message, settings.LANGUAGE_CODE, detail)


def mono(text: str) -> SafeString:
    """Return text in a monospaced font, for comparison character by character."""
    return format_html('<span class="mono">{}</span>', text)


def answer(obj: Any, fact: str) -> str:
    """Return a fact of the newest version as a word (a red cross for "not retired" misleads)."""
    value = (obj.newest_facts or {}).get(fact)
    if value is None:
        return gettext("unknown")
    return gettext("yes") if value else gettext("no")


def table(head: Iterable[str], rows: Iterable[Sequence[object]]) -> SafeString:
    """Return a read-only table; every cell is escaped."""
    body = [(format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows]
    if not body:
        return format_html("<p>{}</p>", pgettext("an empty table", "none"))
    return format_html(
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>",
        format_html_join("", "<th>{}</th>", ((cell,) for cell in head)),
        format_html_join("", "<tr>{}</tr>", body),
    )
