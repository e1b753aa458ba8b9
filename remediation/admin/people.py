"""Admin pages of accounts and groups; people set passwords and passkeys with one-time codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django.contrib.auth.admin  # noqa: F401  (registers Django's own pages, replaced below)
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, pgettext, pgettext_lazy

from remediation.admin import rights, signing
from remediation.admin.base import PortalForm, Tool, actor_of, mono, table
from remediation.admin.signed import SignedAdmin
from remediation.domain.act import Act
from remediation.models import User
from remediation.services.access import authorize
from remediation.services.people import accounts, enroll
from remediation.services.people.accounts import PersonFacts
from remediation.templatetags.portal import moment
from remediation.views import step_up

MEANING = {
    "security": gettext_lazy("approves as security, or in any slot"),
    "service_owner": gettext_lazy("approves as service owner, or in any slot"),
    "lead": gettext_lazy(
        "sees everything; halts runs, and decides where a lead is asked; is told of deadlines"
    ),
    "auditor": gettext_lazy("reads everything, and the audit log"),
    "inventory_editor": gettext_lazy("changes the inventory"),
    "agent_admin": gettext_lazy(
        "creates agents and tokens; can't be combined with a role that approves"
    ),
    "user_admin": gettext_lazy(
        "changes accounts and rights; can't be combined with a role that approves"
    ),
}


NO_MEANING = gettext_lazy("has rights on services only")


class UserForm(PortalForm):
    groups = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    active = forms.BooleanField(
        label=pgettext_lazy("an account", "Active"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Off: the person can't sign in and doesn't count as an approver."),
    )

    class Meta:
        model = User
        fields = ("username", "email", "first_name", "last_name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {*accounts.BUILT_IN, *Group.objects.values_list("name", flat=True)}
        self.fields["groups"] = forms.MultipleChoiceField(
            label=gettext_lazy("Groups"),
            required=False,
            widget=forms.CheckboxSelectMultiple,
            choices=[(name, _explained(name)) for name in sorted(known)],
            help_text=gettext_lazy("Administrators of people or agents can't approve proposals."),
        )
        if "username" in self.fields:
            self.fields["username"].help_text = gettext(
                "Only lower-case letters, digits and . _ @ + -"
            )
        if self.instance.pk:
            facts = PersonFacts.of(self.instance)
            self.initial.update(groups=sorted(facts.groups), active=facts.active)
        else:
            del self.fields["active"]

    def facts(self) -> PersonFacts:
        data = self.cleaned_data
        return PersonFacts(
            email=data["email"],
            first_name=data["first_name"],
            last_name=data["last_name"],
            active=data.get("active", True),
            groups=frozenset(data["groups"]),
        )


@admin.register(User)
class UserAdmin(SignedAdmin):
    editors = frozenset({accounts.USER_ADMIN})
    viewers = frozenset({authorize.AUDITOR})
    form = UserForm
    list_display = ("username", "name", "roles", "may_sign_in", "seen")
    list_filter = ("is_active", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)

    def tools(self, request: HttpRequest, obj: Model) -> Sequence[Tool]:
        return [(gettext("Rights"), reverse("admin:remediation_user_rights", args=[obj.pk]))]

    def get_urls(self) -> list[URLPattern]:
        view = self.page(rights.view_for_person(self))
        return [
            path("<int:user_id>/rights/", view, name="remediation_user_rights"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return User.objects.prefetch_related("groups")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        names = ("username", "email", "first_name", "last_name", "groups")
        if obj is None:
            return names
        if not self.has_change_permission(request, obj):
            return ("username", "email", "first_name", "last_name", "may_sign_in", "roles", *SHOWN)
        return (*names, "active", *SHOWN)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else ("username", "may_sign_in", "roles", *SHOWN)

    def act_of(self, obj: Any, form: Any) -> tuple[Act, str]:
        facts = form.facts()
        if obj is None:
            username = form.cleaned_data["username"]
            act = accounts.creating(username, facts)
            return act, signing.describe_new_account(act, username, facts)
        # As it is stored: the form wrote what was typed on the object.
        stored = User.objects.get(pk=obj.pk)
        act = accounts.changing(stored, facts)
        return act, signing.describe_change(act, stored.username, PersonFacts.of(stored), facts)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        actor, facts, proof = actor_of(request), form.facts(), step_up.proof_of(request)
        if change:
            accounts.change(actor=actor, user_id=obj.pk, facts=facts, proof=proof)
            return
        username = form.cleaned_data["username"]
        obj.pk = accounts.create(actor=actor, username=username, facts=facts, proof=proof).pk

    @admin.display(description=gettext_lazy("Groups"))
    def roles(self, obj: User) -> str:
        return ", ".join(sorted(group.name for group in obj.groups.all())) or pgettext(
            "groups of a person", "none"
        )

    @admin.display(description=gettext_lazy("Name"), ordering="last_name")
    def name(self, obj: User) -> str:
        return obj.get_full_name() or "—"

    @admin.display(description=gettext_lazy("Active"), ordering="is_active")
    def may_sign_in(self, obj: User) -> str:
        return gettext("yes") if obj.is_active else gettext("no")

    @admin.display(description=gettext_lazy("Last sign-in"), ordering="last_login")
    def seen(self, obj: User) -> SafeString | str:
        return moment(obj.last_login)

    @admin.display(description=gettext_lazy("Passkeys"))
    def passkeys(self, obj: User) -> SafeString:
        return table(
            (
                gettext("name"),
                gettext("fingerprint"),
                pgettext("a time", "enrolled"),
                gettext("last sign-in"),
            ),
            (
                (key.name, mono(key.fingerprint), moment(key.created_at), moment(key.last_used_at))
                for key in enroll.passkeys_of(obj)
            ),
        )


SHOWN = ("person", "seen", "passkeys")


class GroupForm(PortalForm):
    class Meta:
        model = Group
        fields = ("name",)


# Django's page would allow a rename, but a group's name decides its rights.
admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(SignedAdmin):
    """Create groups; they are never renamed. Members are chosen on the pages of accounts."""

    editors = frozenset({accounts.USER_ADMIN})
    viewers = frozenset({authorize.AUDITOR})
    form = GroupForm
    list_display = ("name", "meaning", "members")
    search_fields = ("name",)
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return Group.objects.prefetch_related("user_set")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ("name",) if obj is None else ("name", "meaning", "members")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else ("name", "meaning", "members")

    def act_of(self, obj: Any, form: Any) -> tuple[Act, str]:
        act = accounts.creating_group(form.cleaned_data["name"])
        return act, signing.describe_group(act)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        name, proof = form.cleaned_data["name"], step_up.proof_of(request)
        obj.pk = accounts.create_group(actor=actor_of(request), name=name, proof=proof).pk

    @admin.display(description=gettext_lazy("What it may"))
    def meaning(self, obj: Group) -> str:
        return str(MEANING.get(obj.name, NO_MEANING))

    @admin.display(description=gettext_lazy("Members"))
    def members(self, obj: Group) -> str:
        return ", ".join(sorted(user.get_username() for user in obj.user_set.all())) or gettext(
            "nobody"
        )


def _explained(name: str) -> str:
    return f"{name}: {MEANING.get(name, NO_MEANING)}"
