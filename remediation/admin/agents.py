"""Admin pages of agents: create, change owner, suspend, issue and revoke tokens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, pgettext

from remediation import vocabulary
from remediation.admin.base import (
    CHOOSE,
    PortalAdmin,
    PortalForm,
    Tool,
    actor_of,
    answer,
    mono,
    table,
    yes_no,
    yes_or_no,
)
from remediation.models import Agent, AgentToken, AgentVersion, User
from remediation.services.people import accounts
from remediation.services.reporting import agents
from remediation.templatetags.portal import moment
from remediation.views.names import Names


class AgentForm(PortalForm):
    owner = forms.ModelChoiceField(
        User.objects.none(),
        label=gettext_lazy("Owner"),
        to_field_name="username",
        empty_label=CHOOSE,
        help_text=gettext_lazy(
            "The person responsible for the agent. The owner can't decide on the agent's proposals."
        ),
    )
    enabled = yes_no(
        gettext_lazy("Enabled"),
        gettext_lazy("A suspended agent can do nothing, and none of its proposals is executed."),
    )

    class Meta:
        model = Agent
        fields = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owners = User.objects.filter(is_active=True).order_by("username")
        field = self.fields["owner"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = owners
        if self.instance._state.adding:
            del self.fields["enabled"]
            return
        newest = self.instance.versions.order_by("-id").first()
        if newest is not None:
            self.initial["owner"] = owners.filter(person=newest.owner).first()
            self.initial["enabled"] = yes_or_no(newest.enabled)


class TokenForm(forms.Form):
    days = forms.IntegerField(
        min_value=1,
        max_value=agents.MAX_DAYS,
        initial=agents.DEFAULT_DAYS,
        label=gettext_lazy("Days until it expires"),
    )


@admin.register(Agent)
class AgentAdmin(PortalAdmin):
    editors = frozenset({accounts.AGENT_ADMIN})
    form = AgentForm
    list_display = ("name", "owner_name", "is_enabled")
    search_fields = ("name",)
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        newest = AgentVersion.objects.filter(agent=OuterRef("pk")).order_by("-id")
        owner = User.objects.filter(person=OuterRef("owner")).values("username")[:1]
        found = newest.values(facts=JSONObject(enabled="enabled", owner=Subquery(owner)))
        return Agent.objects.annotate(newest_facts=Subquery(found[:1]))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return ("name", "owner")
        if not self.has_change_permission(request, obj):
            return ("name", "tokens", "versions")
        return ("name", "owner", "enabled", "tokens", "versions")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else ("name", "tokens", "versions")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        owner = form.cleaned_data["owner"].person
        if change:
            agents.change(
                actor=actor_of(request),
                agent_id=obj.pk,
                owner=owner,
                enabled=form.cleaned_data["enabled"],
            )
            return
        name = form.cleaned_data["name"]
        obj.pk = agents.create(actor=actor_of(request), name=name, owner_person=owner).pk

    def tools(self, request: HttpRequest, obj: Model) -> list[Tool]:
        if not self.has_change_permission(request, obj):
            return []
        return [(gettext("New token"), reverse("admin:remediation_agent_token", args=[obj.pk]))]

    def get_urls(self) -> list[URLPattern]:
        return [
            path("<uuid:agent_id>/token/", self.page(self.issue), name="remediation_agent_token"),
            path(
                "token/<uuid:token_id>/revoke/",
                self.page(self.revoke),
                name="remediation_agenttoken_revoke",
            ),
            *super().get_urls(),
        ]

    # -- tokens ------------------------------------------------------------------------------------

    def issue(self, request: HttpRequest, agent_id: UUID) -> HttpResponse:
        """Ask for the lifetime, then show the token once: only its hash is stored."""
        agent = self._agent(request, agent_id)
        form = TokenForm(request.POST if request.method == "POST" else None)
        context = {
            "title": gettext("New token of %(name)s") % {"name": agent.name},
            "agent": agent,
            "form": form,
        }
        if request.method == "POST" and form.is_valid():
            token, text = agents.issue_token(
                actor=actor_of(request), agent_id=agent.pk, days=form.cleaned_data["days"]
            )
            context |= {"token": token, "text": text}
        return self._show(request, "admin/portal_token.html", context)

    def revoke(self, request: HttpRequest, token_id: UUID) -> HttpResponse:
        token = AgentToken.objects.filter(pk=token_id).select_related("agent").first()
        if token is None:
            raise Http404
        agent = self._agent(request, token.agent_id)
        if request.method == "POST":
            agents.revoke_token(actor=actor_of(request), token_id=token.pk)
            message = gettext("Token %(prefix)s… is revoked.") % {"prefix": token.prefix}
            messages.success(request, message)
            return HttpResponseRedirect(
                reverse("admin:remediation_agent_change", args=[token.agent_id])
            )
        title = gettext("Revoke token %(prefix)s…") % {"prefix": token.prefix}
        context = {"title": title, "agent": agent, "token": token}
        return self._show(request, "admin/portal_revoke.html", context)

    def _agent(self, request: HttpRequest, agent_id: UUID) -> Agent:
        if not self.has_change_permission(request):
            raise PermissionDenied
        agent = Agent.objects.filter(pk=agent_id).first()
        if agent is None:
            raise Http404
        return agent

    def _show(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        around = {**self.admin_site.each_context(request), "opts": self.opts}
        return render(request, template, {**around, **context})

    # -- columns -----------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("Owner"))
    def owner_name(self, obj: Any) -> str:
        return str((obj.newest_facts or {}).get("owner") or gettext("unknown"))

    @admin.display(description=gettext_lazy("Enabled"))
    def is_enabled(self, obj: Any) -> str:
        return answer(obj, "enabled")

    @admin.display(description=gettext_lazy("Tokens"))
    def tokens(self, obj: Agent) -> SafeString:
        rows = list(
            AgentToken.objects.filter(agent=obj)
            .select_related("revocation")
            .order_by("-recorded_at")
        )
        who = Names(token.created_by for token in rows)
        return table(
            (
                gettext("token"),
                gettext("made by"),
                pgettext("a time", "at"),
                gettext("expires"),
                gettext("state"),
            ),
            (
                (
                    mono(f"{token.prefix}…"),
                    who.person(token.created_by),
                    moment(token.recorded_at),
                    moment(token.expires_at),
                    _state(token),
                )
                for token in rows
            ),
        )

    @admin.display(description=gettext_lazy("Owners and state"))
    def versions(self, obj: Agent) -> SafeString:
        rows = list(obj.versions.order_by("-id")[:100])
        who = Names.of_actors(
            [*(row.author for row in rows), *(f"person:{row.owner}" for row in rows)]
        )
        return table(
            (
                gettext("owner"),
                gettext("enabled"),
                pgettext("a person", "by"),
                pgettext("a time", "at"),
            ),
            (
                (
                    who.person(row.owner),
                    vocabulary.word(yes_or_no(row.enabled)),
                    who.actor(row.author),
                    moment(row.recorded_at),
                )
                for row in rows
            ),
        )


def _state(token: AgentToken) -> SafeString | str:
    if getattr(token, "revocation", None) is not None:
        return gettext("revoked")
    if token.expires_at <= timezone.now():
        return gettext("expired")
    address = reverse("admin:remediation_agenttoken_revoke", args=[token.pk])
    return format_html(
        '{} · <a href="{}">{}</a>',
        pgettext("state of a token", "good"),
        address,
        pgettext("to do with a token", "revoke"),
    )
