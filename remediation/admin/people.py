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

from remediation.admin.base import PortalAdmin, PortalForm, actor_of, table
from remediation.models import User
from remediation.services import authorize, enroll, people
from remediation.services.people import PersonFacts
from remediation.templatetags.portal import moment

MEANING = {
    "security": "decides: slot security, or any",
    "service_owner": "decides: slot service owner, or any",
    "lead": "sees everything; is told when a deadline passes",
    "auditor": "reads everything, and the audit log",
    "inventory_editor": "changes the inventory",
    "agent_admin": "makes agents and tokens; never together with a role that decides",
    "user_admin": "changes accounts and rights; never together with a role that decides",
}


class UserForm(PortalForm):
    groups = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    active = forms.BooleanField(
        required=False,
        initial=True,
        help_text="Off: the person cannot sign in, and counts nowhere.",
    )

    class Meta:
        model = User
        fields = ("username", "email", "first_name", "last_name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {*people.BUILT_IN, *Group.objects.values_list("name", flat=True)}
        self.fields["groups"] = forms.MultipleChoiceField(
            required=False,
            widget=forms.CheckboxSelectMultiple,
            choices=[(name, _explained(name)) for name in sorted(known)],
            help_text="Who administers people or agents never decides on a proposal.",
        )
        if "username" in self.fields:
            self.fields["username"].help_text = "Lower-case letters, digits and . _ @ + - only."
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
    editors = frozenset({people.USER_ADMIN})
    viewers = frozenset({authorize.AUDITOR})
    form = UserForm
    list_display = ("username", "first_name", "last_name", "is_active", "roles", "last_login")
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
            return ("username", "email", "first_name", "last_name", "is_active", "roles", *SHOWN)
        return (*names, "active", *SHOWN)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else ("username", "roles", *SHOWN)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            people.change(actor=actor_of(request), user_id=obj.pk, facts=form.facts())
            return
        username = form.cleaned_data["username"]
        made = people.create(actor=actor_of(request), username=username, facts=form.facts())
        obj.pk = made.pk

    @admin.display(description="Groups")
    def roles(self, obj: User) -> str:
        return ", ".join(sorted(group.name for group in obj.groups.all())) or "none"

    @admin.display(description="Passkeys")
    def passkeys(self, obj: User) -> SafeString:
        return table(
            ("name", "fingerprint", "enrolled", "last sign-in"),
            (
                (key.name, key.fingerprint, moment(key.created_at), moment(key.last_used_at))
                for key in enroll.passkeys_of(obj)
            ),
        )


SHOWN = ("person", "last_login", "passkeys")


class GroupForm(PortalForm):
    class Meta:
        model = Group
        fields = ("name",)


# Django's page would let a name be changed, and the name of a group is its power.
admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(PortalAdmin):
    """A group is made and never renamed; its members are chosen on their own pages."""

    editors = frozenset({people.USER_ADMIN})
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
        obj.pk = people.create_group(actor=actor_of(request), name=name).pk

    @admin.display(description="What it may")
    def meaning(self, obj: Group) -> str:
        return MEANING.get(obj.name, "holds rights on services only")

    @admin.display(description="Members")
    def members(self, obj: Group) -> str:
        return ", ".join(sorted(user.get_username() for user in obj.user_set.all())) or "nobody"


def _explained(name: str) -> str:
    return f"{name}: {MEANING.get(name, 'holds rights on services only')}"
