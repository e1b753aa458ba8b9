"""Accounts and groups. Passwords and passkeys are made by their person, with an operator's code."""

from __future__ import annotations

from typing import Any

import django.contrib.auth.admin  # noqa: F401  (registers Django's own pages, replaced below)
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, pgettext, pgettext_lazy

from remediation.admin.base import PortalAdmin, PortalForm, actor_of, mono, table
from remediation.models import User
from remediation.services.access import authorize
from remediation.services.people import accounts, enroll
from remediation.services.people.accounts import PersonFacts
from remediation.templatetags.portal import moment

MEANING = {
    "security": gettext_lazy("decides: slot security, or any"),
    "service_owner": gettext_lazy("decides: slot service owner, or any"),
    "lead": gettext_lazy("sees everything; is told when a deadline passes"),
    "auditor": gettext_lazy("reads everything, and the audit log"),
    "inventory_editor": gettext_lazy("changes the inventory"),
    "agent_admin": gettext_lazy("makes agents and tokens; never together with a role that decides"),
    "user_admin": gettext_lazy(
        "changes accounts and rights; never together with a role that decides"
    ),
}


NO_MEANING = gettext_lazy("holds rights on services only")


class UserForm(PortalForm):
    groups = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    active = forms.BooleanField(
        label=pgettext_lazy("said of an account", "Active"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Off: the person cannot sign in, and counts nowhere."),
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
            help_text=gettext_lazy("Who administers people or agents never decides on a proposal."),
        )
        if "username" in self.fields:
            self.fields["username"].help_text = gettext(
                "Lower-case letters, digits and . _ @ + - only."
            )
        if self.instance.pk:
            facts = PersonFacts.of(self.instance)
            self.initial.update(groups=sorted(facts.groups), active=facts.active)
        else:
            del self.fields["active"]

    def facts(self) -> PersonFacts:
        said = self.cleaned_data
        return PersonFacts(
            email=said["email"],
            first_name=said["first_name"],
            last_name=said["last_name"],
            active=said.get("active", True),
            groups=frozenset(said["groups"]),
        )


@admin.register(User)
class UserAdmin(PortalAdmin):
    editors = frozenset({accounts.USER_ADMIN})
    viewers = frozenset({authorize.AUDITOR})
    form = UserForm
    list_display = ("username", "name", "roles", "may_sign_in", "seen")
    list_filter = ("is_active", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)

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

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            accounts.change(actor=actor_of(request), user_id=obj.pk, facts=form.facts())
            return
        username = form.cleaned_data["username"]
        made = accounts.create(actor=actor_of(request), username=username, facts=form.facts())
        obj.pk = made.pk

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


# Django's page would let a name be changed, and the name of a group is its power.
admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(PortalAdmin):
    """A group is made and never renamed; its members are chosen on their own pages."""

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

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        name = form.cleaned_data["name"]
        obj.pk = accounts.create_group(actor=actor_of(request), name=name).pk

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
